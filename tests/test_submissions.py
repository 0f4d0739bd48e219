"""What counts as a hand-in in a folder of a class, and what is told of the rest."""

import os

import pytest

from denoise_utils.grading import submissions
from tests import handins


def test_folder_names_stand_for_their_only_file_and_other_files_are_left_out(tmp_path):
    handins.inside(handins.write(b"x"))(tmp_path / "ada")
    handins.inside()(tmp_path / "__MACOSX")
    for name in ("list.csv", "no ending", ".ida.h5", "__eva.h5", ".DS_Store"):
        (tmp_path / name).write_text("x")
    found = {one.name: one for one in submissions.find_submissions(tmp_path)}
    assert set(found) == {"ada", "list.csv", "no ending", ".ida.h5", "__eva.h5"}
    assert found["ada"].file.name == "0.h5" and not found["ada"].verdict and not found["__eva.h5"].verdict
    assert {name for name, one in found.items() if one.verdict == "left out"} == {"list.csv", "no ending", ".ida.h5"}


NOT_H5 = {
    "bob.rar": "an archive (.rar): hand in the .h5 that is in it",
    "cem.7z": "an archive (.7z)",
    "dora.tar.gz": "an archive (.gz)",
    "dan.h5.zip": "an archive (.zip)",
    "eva.h5.txt": "got .txt: hand in the .h5 itself; if it is one, rename it",
    "ida.h5 (1)": "got .h5 (1): hand in the .h5 itself",
    "ole.H5": "got .H5: rename it",
    "pia.keras": 'save it with model.save("NAME.h5")',
}


@pytest.mark.parametrize("name", NOT_H5)
def test_what_was_meant_as_a_hand_in_is_told_what_to_do(name, tmp_path):
    (tmp_path / name).write_bytes(b"x")
    for place in (tmp_path, tmp_path / name):
        (found,) = submissions.find_submissions(place)
        assert (found.name, found.file, found.verdict) == (name, None, "BROKEN") and NOT_H5[name] in found.reason


def test_folder_without_an_h5_is_told_what_is_in_it(tmp_path):
    handins.inside()(tmp_path / "ida")
    handins.GOOD(tmp_path / "ida" / "ida.h5 (1)")
    (found,) = submissions.find_submissions(tmp_path)
    assert found.verdict == "BROKEN" and "found none; in it: ida.h5 (1). Hand in the .h5." in found.reason


def test_newest_of_several_counts_and_the_others_are_listed(tmp_path):
    for age, name in enumerate(("third.h5", "second.h5", "first.h5")):
        (tmp_path / "ada" / "deep").mkdir(parents=True, exist_ok=True)
        (tmp_path / "ada" / "deep" / name).write_bytes(name.encode())
        os.utime(tmp_path / "ada" / "deep" / name, (1e9 - age, 1e9 - age))
    (found,) = submissions.find_submissions(tmp_path)
    assert found.file.name == "third.h5" and found.others == ("second.h5", "first.h5") and not found.verdict


def test_hidden_files_and_folders_count_at_no_depth(tmp_path):
    for name in ("ada/model.h5", "ada/.ipynb_checkpoints/model.h5", "ada/src/.git/old.h5", "ada/__MACOSX/._model.h5"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (found,) = submissions.find_submissions(tmp_path)
    assert found.file.name == "model.h5" and found.others == ()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="links and pipes of POSIX")
@pytest.mark.parametrize("target", ["/dev/zero", "..", "gone.h5", "model.h5"])
def test_links_are_refused_wherever_they_lead(tmp_path, target):
    class_folder = tmp_path / "class"
    (class_folder / "ida").mkdir(parents=True)
    (class_folder / "eva.h5").write_bytes(b"x")
    (tmp_path / "model.h5").write_bytes(b"x")
    (class_folder / "bob.h5").symlink_to(target)
    (class_folder / "cem").symlink_to(target)
    (class_folder / "ida" / "ida.h5").symlink_to(target)
    found = {one.name: one for one in submissions.find_submissions(class_folder)}
    assert {name for name, one in found.items() if one.verdict == "REFUSED"} == {"bob.h5", "cem", "ida"}
    assert all(found[name].file is None and "got a link" in found[name].reason for name in ("bob.h5", "cem", "ida"))
    assert found["eva.h5"].file and not found["eva.h5"].verdict


def test_folder_that_cannot_be_walked_is_a_row_and_the_others_are_found(tmp_path, monkeypatch):
    for name in ("ada", "ben"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.h5").write_bytes(b"x")
    scan = os.scandir

    def scandir(path):
        if os.path.basename(path) == "ada":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)  # root may read everything
    found = {one.name: one for one in submissions.find_submissions(tmp_path)}
    assert found["ada"].verdict == "BROKEN" and "Permission denied" in found["ada"].reason
    assert found["ben"].file and not found["ben"].verdict
