"""Whose a hand-in is, as Moodle, Canvas and GitHub Classroom name it; archives that are read safely; rosters."""

import stat
import zipfile

import pytest

from denoise_utils.grading import handed_in, names, roster, submissions
from tests import classes

X = b"\x89HDF"


def find(path, people=None):
    return {one.name: one for one in submissions.find_submissions(path, people)}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Ada Lovelace_12345_assignsubmission_file_", ("Ada Lovelace", "Moodle", "12345", "", False, False)),
        ("Ada Lovelace_12345_assignsubmission_file", ("Ada Lovelace", "Moodle", "12345", "", False, False)),
        ("Ada_1_assignsubmission_file_my_model.h5", ("Ada", "Moodle", "1", "my_model.h5", False, False)),
        ("Participant_7_assignsubmission_onlinetext_", ("Participant", "Moodle", "7", "", False, True)),
        ("Team 4_19_assignsubmission_file_", ("Team 4", "Moodle", "19", "", False, False)),
    ],
)
def test_names_of_moodle(name, told):
    (found,) = names.identify([handed_in.Top(name, is_folder=name.endswith("_"))])
    assert (found.name, found.system, found.number, found.file, found.late, found.is_comment) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("curiemarie_12345_67890_model.h5", ("curiemarie", "12345", "model.h5", 67890, False, False)),
        ("curiemarie_LATE_12345_67890_model-1.h5", ("curiemarie", "12345", "model-1.h5", 67890, True, False)),
        ("müllerjürgen_1_2_a_3_4_b.h5", ("müllerjürgen", "1", "a_3_4_b.h5", 2, False, False)),
        ("LATE_anon_aB3x_778_m.h5", ("anon", "aB3x", "m.h5", 778, True, False)),
        ("curiemarie_LATE_12345_text.html", ("curiemarie", "12345", "", 0, True, True)),
        ("curiemarie_12345_link.html", ("curiemarie", "12345", "", 0, False, True)),
        ("anon_aB3x_text.html", ("anon", "aB3x", "", 0, False, True)),
        ("LATE_anon_aB3x_link.html", ("anon", "aB3x", "", 0, True, True)),
    ],
)
def test_names_of_canvas(name, told):
    (found,) = names.identify([handed_in.Top(name)])
    assert found.system == "Canvas"
    assert (found.name, found.number, found.file, found.order, found.late, found.is_comment) == told


def test_one_name_like_canvas_does_not_make_a_class_of_it(tmp_path):
    classes.write_folder(tmp_path, {"ada.h5": X, "my_1_2_model.h5": X, "eva.h5": X})
    assert set(find(tmp_path)) == {"ada.h5", "my_1_2_model.h5", "eva.h5"}


MOODLE = {
    classes.moodle("Ada Lovelace", 11): X,
    classes.moodle("Ada Lovelace", 12): X + b"2",  # another of the same name
    "Ada Lovelace_11_assignsubmission_onlinetext_/onlinetext.html": b"please look at the second file",
    "Ben Ali_13_assignsubmission_onlinetext_/onlinetext.html": b"I could not upload",
    classes.moodle("Cem Öz", 14, "model.zip"): b"PK",
    classes.moodle("Dora Lam", 15, "model.keras"): b"PK",
    classes.moodle("Eva Novak", 16, "old.h5"): (X, 1.6e9),
    classes.moodle("Eva Novak", 16, "new.h5"): (X, 1.7e9),
    classes.moodle("Flo Mai", 17, ".ipynb_checkpoints/model.h5"): X,
    classes.moodle("Gil Ray", 18, "sub/model.h5"): X,
    "__MACOSX/._x": b"",
}


@pytest.mark.parametrize("kind", ["zip", "folder", "around"])
def test_moodle_class_is_found(tmp_path, kind):
    if kind == "folder":
        plain = {name: one[0] if isinstance(one, tuple) else one for name, one in MOODLE.items()}
        path = classes.write_folder(tmp_path / "class", plain)
    else:
        inside = {f"class/{name}": one for name, one in MOODLE.items()} if kind == "around" else MOODLE
        path = classes.write_zip(tmp_path / "class.zip", inside)
    found = find(path)
    assert set(found) == {
        *("Ada Lovelace, 11", "Ada Lovelace, 12", "Ben Ali, 13", "Cem Öz, 14"),
        *("Dora Lam, 15", "Eva Novak, 16", "Flo Mai, 17", "Gil Ray, 18"),
    }
    graded = {name for name, one in found.items() if one.file}
    assert graded == {"Ada Lovelace, 11", "Ada Lovelace, 12", "Eva Novak, 16", "Gil Ray, 18"}
    assert "a text typed into the page" in found["Ben Ali, 13"].reason
    assert "in it: model.zip. Hand in the .h5 that is in it." in found["Cem Öz, 14"].reason
    assert 'in it: model.keras. Save it with model.save("NAME.h5").' in found["Dora Lam, 15"].reason
    assert "in it: nothing" in found["Flo Mai, 17"].reason
    if kind != "folder":
        assert found["Eva Novak, 16"].file.name == "new.h5" and found["Eva Novak, 16"].others == ("old.h5",)
    assert found["Ada Lovelace, 11"].person.identifier == "11" and found["Ada Lovelace, 11"].system == "Moodle"
    assert b"".join(found["Ada Lovelace, 12"].file.read()) == X + b"2"


def test_moodle_without_folders_has_the_files_of_a_person_together(tmp_path):
    files = {f"Ada_1_assignsubmission_file_{name}": X for name in ("a.h5", "notes.pdf")}
    files["Ben_2_assignsubmission_file_report.pdf"] = X
    found = find(classes.write_folder(tmp_path, files))
    assert set(found) == {"Ada, 1", "Ben, 2"} and found["Ada, 1"].file.name == "a.h5"
    assert "found none; in it: report.pdf. Hand in the .h5." in found["Ben, 2"].reason


def test_canvas_class_is_found(tmp_path):
    files = {
        classes.canvas("curiemarie", 1, 103, "model-1.h5", late=True): X + b"later",
        classes.canvas("curiemarie", 1, 99, "model.h5", late=True): X,
        classes.canvas("oz", 2, 100): X,
        "lam_3_text.html": b"",
        classes.canvas("ray", 4, 101, "model.h5.zip"): b"PK",
    }
    found = find(classes.write_zip(tmp_path / "submissions.zip", files))
    assert set(found) == {"curiemarie, 1", "oz, 2", "lam, 3", "ray, 4"}
    marie = found["curiemarie, 1"]
    assert marie.late and marie.file.name == "model-1.h5" and marie.others == ("model.h5",)
    assert b"".join(marie.file.read()) == X + b"later" and not found["oz, 2"].late and not marie.notes
    assert "typed" in found["lam, 3"].reason and "the .h5 that is in it" in found["ray, 4"].reason


def test_clones_of_github_classroom_are_called_by_their_person(tmp_path):
    for login in ("ada", "adam-s"):
        classes.write_folder(tmp_path / f"denoise-{login}", {"model.h5": X, ".git/HEAD": b"", "old/model.h5": X})
    found = find(tmp_path)
    assert set(found) == {"ada, ada", "adam-s, adam-s"} and found["ada, ada"].person.identifier == "ada"
    assert "the times are those of the download" in found["ada, ada"].notes[0]


def test_files_of_one_time_are_said_to_be(tmp_path):
    files = {classes.moodle("Ada", 1, name): X for name in ("a.h5", "b.h5")}
    assert find(classes.write_zip(tmp_path / "c.zip", files))["Ada, 1"].notes == (
        "2 files of the same time: ask which counts",
    )


@pytest.mark.parametrize("name", ["../eva.h5", "/etc/eva.h5", "a/../../eva.h5", "C:/eva.h5", "..\\eva.h5"])
def test_names_in_an_archive_lead_nowhere(tmp_path, name):
    path = classes.write_zip(tmp_path / "c.zip", {name: X, "ada.h5": X})
    found = find(path)
    assert found["ada.h5"].file and len(found) == 2
    (bad,) = [one for key, one in found.items() if key != "ada.h5"]
    assert bad.verdict == "BROKEN" and bad.file is None and "leads out of its folder" in bad.reason


def test_links_and_encrypted_files_of_an_archive_are_not_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        link = zipfile.ZipInfo("bob.h5")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("ada.h5", X)
    found = find(tmp_path / "c.zip")
    assert found["bob.h5"].verdict == "REFUSED" and "got a link" in found["bob.h5"].reason
    content = (
        (tmp_path / "c.zip").read_bytes().replace(b"PK\x01\x02\x14\x03\x14\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01")
    )
    (tmp_path / "d.zip").write_bytes(content)
    assert "it is encrypted" in find(tmp_path / "d.zip")["ada.h5"].reason


def test_archive_is_bounded_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = classes.write_zip(tmp_path / "c.zip", {"ada/model.h5": bytes(2_000_000), "ben/model.h5": X})
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(submissions, "MAX_FILE", 1_000_000)
    found = find(path)
    assert found["ada"].verdict == "REFUSED" and "got 2 MB" in found["ada"].reason and found["ben"].file
    monkeypatch.setattr(handed_in, "MAX_UNPACKED", 1_000_000)
    with pytest.raises(ValueError, match="got 2 and 2,000,004: unpack it yourself"):
        submissions.find_submissions(path)


def test_damaged_archive_is_an_error_and_a_damaged_member_a_row(tmp_path):
    path = classes.write_zip(tmp_path / "c.zip", {"ada/model.h5": bytes(range(256)) * 40, "ben/model.h5": X})
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(30)
    path.write_bytes(content)
    with pytest.raises(OSError, match="it cannot be unpacked"):
        b"".join(find(path)["ada"].file.read())
    path.write_bytes(content[:100])
    assert submissions.find_submissions(path)[0].verdict == "BROKEN"  # no archive: one file, and no .h5


def test_a_compressed_model_is_one_file_and_no_class(tmp_path):
    path = classes.write_zip(tmp_path / "model.zip", {"model.h5": X})
    assert not submissions.is_class(path) and submissions.is_class(tmp_path)
    assert "the .h5 that is in it" in find(path)["model.zip"].reason


def test_names_of_an_archive_are_utf8_whether_it_says_so_or_not(tmp_path):
    path = classes.write_zip(
        tmp_path / "c.zip", {"Jürgen_5_assignsubmission_file_/m.h5": X, "b_6_assignsubmission_file_/m.h5": X}
    )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00"))  # the flag, before the method
    assert "Jürgen, 5" in find(path)


ROSTER = "\ufeffName;ID;E-Mail\nMarie Curie;s1;marie@x.org\nÖz, Cem;s2;cem@x.org\nAda Lovelace;s3;ada@x.org\n"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return roster.read(path)


def test_roster_finds_its_people_whatever_their_files_are_called(tmp_path):
    people = write(tmp_path / "r.csv", ROSTER)
    assert [person.label for person in people] == ["Marie Curie, s1", "Öz, Cem, s2", "Ada Lovelace, s3"]
    found = find(
        classes.write_folder(tmp_path / "a", {"curie marie.h5": X, "S2.h5": X, "ada/m.h5": X, "zoe.h5": X}), people
    )
    assert {"Marie Curie, s1", "Öz, Cem, s2", "Ada Lovelace, s3", "zoe.h5"} == set(found)
    assert found["zoe.h5"].notes == ("nobody of this name, or more than one, is on the roster",)
    assert found["Öz, Cem, s2"].person.email == "cem@x.org" and not found["Öz, Cem, s2"].notes
    files = {classes.canvas("curiemarie", 77, 1): X, classes.canvas("ozcem", 78, 2): X}
    found = find(classes.write_folder(tmp_path / "b", files), people)
    assert found["Marie Curie, s1"].person.identifier == "77" and found["Ada Lovelace, s3"].verdict == "missing"
    assert found["Öz, Cem, s2"].file and not any(one.notes for one in found.values())


def test_two_of_one_name_are_not_guessed_and_two_files_of_one_person_are_brought_together(tmp_path):
    people = write(tmp_path / "r.csv", "name,id,e-mail\nAda Li,s1,\nAda Li,s2,\nBo,s3,\n")
    files = {"ada li.h5": X, "bo.h5": X, "s3.h5": X}
    found = find(classes.write_folder(tmp_path / "a", files), people)
    assert found["ada li.h5"].notes and found["Ada Li, s1"].verdict == found["Ada Li, s2"].verdict == "missing"
    assert {found["Bo, s3"].file.name, *found["Bo, s3"].others} == {"bo.h5", "s3.h5"}


def test_rosters_of_the_systems_are_read_as_they_export_them(tmp_path):
    canvas = (
        'Student,ID,SIS User ID,SIS Login ID,Section,HW\n    Points Possible,,,,,60\n"Curie, Marie",77,s1,marie,A,\n'
    )
    assert write(tmp_path / "c.csv", canvas) == [roster.Person("Curie, Marie", "s1", "marie", "77")]
    moodle = "Identifier,Full name,ID number,Email address,Status\nParticipant 12,Marie Curie,s1,m@x.org,Submitted\n"
    assert write(tmp_path / "m.csv", moodle) == [roster.Person("Marie Curie", "s1", "m@x.org", "12")]
    github = 'identifier,github_username,github_id,name\n"marie@x.org","mcurie","1","Marie"\n'
    assert write(tmp_path / "g.csv", github)[0].name == "Marie"
    split = "First name\tLast name\tEmail\nMarie\tCurie\tm@x.org\n"
    assert write(tmp_path / "s.csv", split) == [roster.Person("Marie Curie", "", "m@x.org")]


def test_number_of_moodle_is_not_taken_for_one_of_the_school(tmp_path):
    people = write(tmp_path / "r.csv", "name,id\nMarie Curie,12\nAda Li,13\n")
    found = find(classes.write_folder(tmp_path / "a", {classes.moodle("Ada Li", 12): X}), people)
    assert found["Ada Li, 13"].file and found["Marie Curie, 12"].verdict == "missing"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "Expected a first line with name, id, e-mail"),
        ("a,b\n1,2\n", "got a, b: name the columns so"),
        ("name,id\n", "got 0: a line for each"),
        ("name,id\nAda,1\nAda,1\n", "got Ada, 1 twice"),
        ('name,id\nAda,"1' + "x" * 140_000, "Expected a CSV"),
    ],
)
def test_roster_that_cannot_be_read_says_what_is_wrong(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        write(tmp_path / "r.csv", text)
    (tmp_path / "r.csv").write_bytes("name\nJürgen".encode("latin-1"))
    with pytest.raises(ValueError, match="save it as CSV UTF-8"):
        roster.read(tmp_path / "r.csv")
