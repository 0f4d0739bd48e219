"""Ranks that are real, marks by a teacher's table, import files in the systems' form, what is kept and forgotten."""

import csv
import json
import re

import numpy as np
import pytest

from denoise_utils import cli
from denoise_utils.grading import everyone, finishing, keeping, page, ranking, rubric
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, locks
from tests import classes, processes
from tests.conftest import ROOT

REFERENCE_ROWS = [
    {"submission": "the course's baseline", "verdict": Verdict.PASS, "excess": 0.02, "psnr": 23.0, "legibility": 0.98},
    {"submission": "an earlier course project", "verdict": Verdict.PASS, "excess": 0.07, "psnr": 17, "legibility": 0.9},
]
NOISY = {"excess": 0.16, "psnr": 13.6, "legibility": 0.5, "images": 300}


def make_row(name, losses=None, verdict="PASS", **more):
    row = {
        "submission": name,
        "verdict": Verdict(verdict),
        "reason": "",
        "flags": [],
        "notes": [],
        "late": "",
        "sha256": name * 2,
    }
    row |= {"person": name, "id": "", "email": "", "identifier": "", "file": f"{name}.h5", "system": ""}
    if losses is not None:
        row |= {"images": len(losses), "excess": float(np.mean(losses)), "losses": ranking.pack(losses)}
        row |= {"psnr": 20.0, "legibility": 0.95, "parameters": 400, "seconds": 2.5}
    return row | more


@pytest.fixture
def losses():
    """Of 300 images, as a denoiser has them: most small, a few large."""
    return np.random.default_rng(0).gamma(1.5, 0.015, 300)


def test_two_seeds_that_are_hardly_apart_are_a_tie_and_a_real_difference_is_none(losses):
    rng = np.random.default_rng(1)
    seed = losses + rng.normal(0.00016, 0.004, 300)
    worse = losses + rng.normal(0.004, 0.004, 300)
    rows = [make_row("c", worse), make_row("b", seed), make_row("a", losses), make_row("d", verdict="BROKEN")]
    ranked = {row["submission"]: (row["rank"], row["tied"]) for row in ranking.rank(rows)}
    assert ranked == {"a": (1, 1), "b": (1, 1), "c": (3, 0), "d": (None, None)}


def test_pairs_tell_apart_what_means_alone_could_not(losses):
    """The difference is a tenth of what the images differ by, and the same for nearly each of them."""
    better = losses - np.random.default_rng(2).normal(0.001, 0.002, 300)
    assert abs(better.mean() - losses.mean()) < 1.5 * losses.std() / np.sqrt(300)
    assert [row["rank"] for row in ranking.rank([make_row("a", losses), make_row("b", better)])] == [1, 2]


def test_equal_files_are_a_tie_and_many_images_are_compared_by_groups(losses):
    assert [row["rank"] for row in ranking.rank([make_row("a", losses), make_row("b", losses)])] == [1, 1]
    many = np.random.default_rng(0).gamma(1.5, 0.015, 2 * ranking.MOST + 7)
    test = ranking.Bootstrap()
    assert test.is_tie(many, many) and not test.is_tie(many, many + 0.001)


@pytest.mark.parametrize("losses", ["AAAA", "no base64!", 7, None, ranking.pack([np.nan] * 4), ranking.pack([1.0] * 5)])
def test_losses_that_a_strangers_process_made_up_are_not_taken(losses):
    assert ranking.unpack({"losses": losses, "images": 4}) is None


def test_bootstrap_has_the_interval_that_theory_gives():
    """Of normal differences the middle 95 % lie within 1.96 standard errors of their mean."""
    difference = np.random.default_rng(3).normal(0, 1, 400).astype(np.float32)
    difference -= difference.mean()
    error, test = difference.std() / 20, ranking.Bootstrap()
    assert test.is_tie(difference + 1.75 * error, np.zeros(400)) and not test.is_tie(
        difference + 2.2 * error, np.zeros(400)
    )


def mark(row, rules=None):
    known = {row["submission"]: row for row in REFERENCE_ROWS} | {"noisy input": NOISY}
    return (rules or rubric.read()).mark(row, known)


@pytest.mark.parametrize(
    ("row", "points"),
    [
        ({"excess": 0.02, "legibility": 0.91}, [20, 20, 20]),
        ({"excess": 0.01, "legibility": 0.9}, [20, 0, 20]),
        ({"excess": 0.09, "legibility": 0.5}, [20, 0, 10]),
        ({"excess": 0.3, "legibility": 0.5, "flags": ["x"]}, [0, 0, 0]),
        ({"excess": 0.01, "legibility": 0.99, "verdict": Verdict.OVER}, [0, 0, 0]),
        ({"excess": 0.09, "legibility": None}, [20, None, 10]),
    ],
)
def test_marks_are_those_of_the_assignment(row, points):
    marks = mark(make_row("a") | row)
    assert [line.points for line in marks.lines] == points and marks.most == 60
    assert marks.total == sum(one or 0 for one in points)


def test_assignment_says_what_the_rubric_gives():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    rules = {rule["title"]: rule["points"] for rule in rubric.read().rules}
    table = text.partition("| marks | for |")[2].partition("\n\n")[0]
    given = [(int(points), what) for points, what in re.findall(r"\| (\d+) \| (.+?) \|", table)]
    found = {title: points for points, what in given for title in rules if what.startswith(("a " + title, title))}
    assert found == rules


BAD = {
    "kind = 'between'": ("kind = 'best'", "the kind best, which is none of verdict, beats, between"),
    "points = 20": ("points = 'many'", "points or limits that are no numbers in the rule a"),
    "measure = 'excess'": ("measure = 'beauty'", "the measure beauty"),
    "all = 0.02": ("all = 'the best'", "the best, which is none of noisy input"),
    "none = 'noisy input'": ("", "no none in a rule of the kind between"),
    "title = 'a'": ("title = 'a'\nnote = 1", "note in a rule of the kind between"),
    "verdicts = ['PASS']": ("", "Expected 'verdicts'"),
}
RUBRIC = """title = 'HW'
verdicts = ['PASS']
[[rules]]
title = 'a'
kind = 'between'
points = 20
measure = 'excess'
all = 0.02
none = 'noisy input'
"""


@pytest.mark.parametrize("part", BAD)
def test_rubric_of_a_teacher_is_checked_before_anything_is_graded(tmp_path, part):
    (tmp_path / "r.toml").write_text(RUBRIC)
    assert mark(make_row("a", excess=0.09), rubric.read(tmp_path / "r.toml")).total == 10
    (tmp_path / "r.toml").write_text(RUBRIC.replace(part, BAD[part][0]))
    with pytest.raises(ValueError, match=re.escape(BAD[part][1])):
        rubric.read(tmp_path / "r.toml")


HOSTILE = '=cmd|"x"!A1'


@pytest.fixture
def out(tmp_path, losses):
    """A class of five, written in every format."""
    rows = [
        make_row("Ada Li, 11", losses, person="Ada Li", id="s1", email="ada@x.org", identifier="11", system="Moodle"),
        make_row(
            "Bo Öz, 12",
            losses + 0.01,
            person="Bo Öz",
            identifier="12",
            late="LATE",
            flags=["odd\t\rflag", "the same file as Ada Li, 11"],
        ),
        make_row(HOSTILE, losses + 0.02, person=HOSTILE, identifier="13", email="-1+1@x.org"),
        make_row("Cem, 14", verdict="REFUSED", person="Cem", identifier="14") | {"reason": "@SUM(1)"},
        make_row("Dora, s5", verdict="missing", person="Dora", id="s5") | {"sha256": "", "file": ""},
    ]
    record = keeping.begin_class(tmp_path / "out", [row["submission"] for row in rows], 5)
    grades = everyone.Grades("clutter", "MNIST", 3600, 5, ranking.rank(rows), dict(NOISY), REFERENCE_ROWS)
    finishing.finish(grades, rubric.read(), record)
    for row in rows:
        (tmp_path / "out" / "kept" / f"{row['submission'][:3]}.json").write_text(json.dumps({"sha256": row["sha256"]}))
    finishing.write(grades, tmp_path / "out", ["moodle", "canvas", "gradescope"])
    return tmp_path / "out"


def test_tables_are_quoted_marked_as_utf8_and_run_nothing(out):
    for name in ("grades.csv", "moodle.csv", "canvas.csv"):
        content = (out / name).read_bytes()
        assert content.startswith(b"\xef\xbb\xbf") == (name != "canvas.csv")  # Canvas would take it for a name
        lines = content.decode("utf-8-sig").splitlines()
        assert all(re.fullmatch(r'("([^"]|"")*",?)+', line) for line in lines)
        cells = [cell for row in classes.read_csv(out / name) for cell in row.values()]
        assert not [cell for cell in cells if re.match(r"\s*[=+\-@\t\r]", cell)]
        assert any(cell.startswith("'=cmd") for cell in cells)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "  =1", "\n@x"])
def test_cell_that_a_spreadsheet_would_run_is_text(text):
    assert escaping.cell(text)[0] in "'\\" and escaping.cell(escaping.cell(text)) == escaping.cell(text)


def test_moodle_file_has_what_its_grading_worksheet_and_its_gradebook_ask_for(out):
    rows = classes.read_csv(out / "moodle.csv")
    assert {"Identifier", "Grade", "Last modified (grade)"} <= set(rows[0])  # importgradeslib.php refuses less
    assert "Feedback comments" in rows[0] and rows[0]["Identifier"] == "Participant 11"
    ada = rows[0]
    assert (ada["Email address"], ada["ID number"], ada["Maximum Grade"]) == ("ada@x.org", "s1", "60")
    assert (
        0 <= float(ada["Grade"]) <= float(ada["Maximum Grade"]) and "PASS. verdict 20 of 20" in ada["Feedback comments"]
    )
    dora = rows[-1]
    assert dora["Full name"] == "Dora" and dora["Grade"] == "" and dora["Identifier"] == ""
    assert [row["Grade"] for row in rows if row["Full name"] == "Cem"] == ["0"]


def test_canvas_file_has_the_columns_that_its_gradebook_reads(out):
    """gradebook_importer.rb: Student and ID first, SIS User ID, SIS Login ID, Section, then the assignments."""
    with open(out / "canvas.csv", encoding="utf-8", newline="") as file:
        head, points, *people = list(csv.reader(file))
    assert head == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Read it through the clutter"]
    assert points == ["    Points Possible", "", "", "", "", "60"]
    assert people[0][:4] == ["Ada Li", "11", "s1", "ada@x.org"] and float(people[0][5]) <= 60
    assert people[-1][0] == "Dora" and people[-1][5] == ""
    assert len({len(row) for row in (head, points, *people)}) == 1


def test_gradescope_has_a_result_for_each_person_in_its_form(out):
    found = sorted((out / "gradescope").glob("*/results.json"))
    assert len(found) == 4
    for path in found:
        result = json.loads(path.read_text(encoding="utf-8"))
        assert result["score"] == pytest.approx(sum(test["score"] for test in result["tests"]))
        assert all(0 <= test["score"] <= test["max_score"] and test["name"] for test in result["tests"])
        assert result["visibility"] == "visible" and result["stdout_visibility"] == "hidden"
        assert all(
            line["order"] in ("asc", "desc") and {"name", "value"} < line.keys() for line in result["leaderboard"]
        )


def test_person_has_a_page_of_marks_and_the_class_a_ranking_without_names(out):
    text = (out / "ranking.html").read_text(encoding="utf-8")
    for name in ("Ada", "Bo Öz", "Cem", "cmd|", "sha256", "ada@x.org"):
        assert name not in text
    grades, _ = finishing.read(out)
    pseudonyms = [row["pseudonym"] for row in grades.rows]
    assert len(set(pseudonyms)) == 5 and all(re.fullmatch("[A-Z2-9]{3}-[A-Z2-9]{3}", one) for one in pseudonyms)
    assert [one in text for one in pseudonyms] == [True, True, True, False, False]
    assert "the course&#39;s baseline" in text and "an earlier course project" in text and "noisy input" in text
    people = {path.name: path.read_text(encoding="utf-8") for path in (out / "people").iterdir()}
    assert len(people) == 4
    (ada,) = [text for name, text in people.items() if name.startswith("Ada-Li")]
    assert "20 of" not in ada and "reading" in ada and pseudonyms[0] in ada and "Hand it in." in ada
    assert not re.search(r'(src|href)="(?!data:|#)', ada)  # self-contained
    (bo,) = [text for name, text in people.items() if name.startswith("Bo-Oz")]
    results = [path.read_text(encoding="utf-8") for path in (out / "gradescope").glob("Bo-Oz*/*")]
    for told in (bo, *results, classes.read_csv(out / "moodle.csv")[1]["Feedback comments"]):
        assert "the same file as another" in told and "Ada" not in told  # nobody is told of others
    (odd,) = [text for name, text in people.items() if name.startswith("cmd")]
    assert "<h1>" in odd and "&#34;x&#34;" in odd
    assert page.slug({"submission": "../..", "pseudonym": "ABC-DEF"}) == "ABC-DEF"


@pytest.mark.parametrize("who", ["Bo Öz, 12", "12", "Bo Öz"])
def test_person_is_forgotten_in_everything_that_is_kept(out, who, capsys):
    assert any("Bo" in path.read_text(encoding="utf-8") for path in out.rglob("*.json"))
    assert cli.main(["grade", "--forget", who, "--out", str(out)]) == 0
    assert "keeps nothing of" in capsys.readouterr().out
    for path in out.rglob("*"):
        assert "Bo" not in path.name
        if path.is_file():
            assert not re.search(r"Bo[ -]|\\u00d6z|Öz", path.read_text(encoding="utf-8")), path
    assert classes.read_csv(out / "moodle.csv")[0]["Full name"] == "Ada Li"
    assert [row["rank"] for row in finishing.read(out)[0].rows] == [1, 2, None, None]
    assert (out / "kept" / "Ada.json").is_file() and not (out / "kept" / "Bo .json").exists()
    assert cli.main(["grade", "--forget", who, "--out", str(out)]) == 2
    assert f"got nobody of {who}" in capsys.readouterr().err


def test_forgetting_where_nothing_is_kept_makes_nothing(tmp_path, capsys):
    assert cli.main(["grade", "--forget", "Ada", "--out", str(tmp_path / "none")]) == 2
    assert "Expected a class's grades in" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_regrading_says_who_moved(tmp_path, losses):
    first = ranking.rank([make_row("a", losses), make_row("b", losses + 0.01), make_row("c", verdict="OVER")])
    again = ranking.rank([make_row("a", losses + 0.02), make_row("b", losses + 0.01), make_row("c", verdict="OVER")])
    said = finishing.write_again(tmp_path, ranking.compare(first, again), 1, 2)
    assert said == "Under the seed 2, 2 of 3 have another rank: a 1 to 2, b 2 to 1"
    rows = classes.read_csv(tmp_path / "again.csv")
    assert rows[0]["rank, seed 1"] == "1" and rows[0]["rank, seed 2"] == "2" and rows[2]["moved"] == ""


def test_seed_of_a_class_is_drawn_once_and_kept(tmp_path):
    drawn = {keeping.begin_class(tmp_path / str(number), ["a"])["seed"] for number in range(4)}
    assert len(drawn) == 4
    first = keeping.begin_class(tmp_path / "out", ["a", "b"])
    assert keeping.begin_class(tmp_path / "out", ["a", "b", "c"]) == first | {"people": ["a", "b", "c"]}
    assert keeping.begin_class(tmp_path / "out", ["a", "c"], 7)["seed"] == 7
    assert keeping.begin_class(tmp_path / "out", ["a", "c"])["seed"] == 7


def test_out_of_another_class_or_inside_the_submissions_is_refused(tmp_path):
    keeping.begin_class(tmp_path / "out", ["a", "b", "c"])
    with pytest.raises(OSError, match="which holds another with a: name another folder"):
        keeping.begin_class(tmp_path / "out", ["x", "y", "z"])
    with pytest.raises(OSError, match="which holds a class's grades"):
        keeping.begin_check(tmp_path / "out")
    assert keeping.begin_check(tmp_path / "check") == 1
    with pytest.raises(OSError, match="outside of the submissions"):
        keeping.check_place(tmp_path / "class" / ".." / "class" / "grades", make_folder(tmp_path / "class"))
    keeping.check_place(tmp_path / "grades", tmp_path / "class")


def make_folder(path):
    path.mkdir()
    return path


def test_second_grader_of_one_folder_is_refused_and_a_kill_holds_nothing(tmp_path):
    program = (
        "import os, sys\nfrom denoise_utils.grading import keeping\n"
        "with keeping.held(sys.argv[1]) as kept, keeping.work_folder(kept) as work:\n"
        "    print(work, flush=True)\n    os._exit(9)"
    )
    with keeping.held(tmp_path):
        done = processes.run(program, str(tmp_path))
        assert done.returncode == 1 and "Expected to be the only grader" in done.stderr
    killed = processes.run(program, str(tmp_path))
    assert killed.returncode == 9 and list((tmp_path / "kept").glob("work-*"))  # left by the kill
    with keeping.held(tmp_path) as kept:
        assert not list(kept.glob("work-*"))
    with (
        locks.held(tmp_path / "other", "busy"),
        pytest.raises(OSError, match="busy"),
        locks.held(tmp_path / "other", "busy"),
    ):
        pass


def test_progress_is_told_with_the_time_that_is_left():
    assert everyone.say_progress(17, 300, 43) == "17 of 300, about 12 minutes left"
    assert everyone.say_progress(299, 300, 10) == "299 of 300, about 1 minutes left"
    assert everyone.say_progress(300, 300, 10) == "300 of 300"
