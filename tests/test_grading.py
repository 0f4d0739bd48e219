"""Grading a class: the expected verdict for every hand-in, nobody disturbed by another, nothing done twice."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import keras
import numpy as np
import psutil
import pytest

from denoise_utils import cli, counting, grade_one, grade_page, grading, submissions
from tests import handins
from tests.conftest import ROOT

OPTIONS = ["--profile", "quick", "--images", "60", "--jobs", "2", "--timeout", "25"]


def run_grade(path, out, *more):
    return cli.main(["grade", str(path), "--out", str(out), *OPTIONS, *more])


def read_grades(out):
    with open(out / "grades.csv", encoding="utf-8", newline="") as file:
        return {row["submission"]: row for row in csv.DictReader(file)}


def check_verdicts(rows, expected):
    """Compare every row with what its hand-in must get, all at once."""
    wrong = []
    for name, one in expected.items():
        row = rows.pop(grade_page._cell(name))
        said = row["flags"] + row["reason"]
        if row["verdict"] not in one.verdict.split("|") or (one.says not in said and row["verdict"] != "REFUSED"):
            wrong.append((name, one.verdict, one.says, row["verdict"], said))
        if not one.says and row["verdict"] == "PASS" and row["flags"]:
            wrong.append((name, "no flag", row["flags"]))
    assert not wrong, wrong
    assert list(rows) == ["noisy input"]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of eight, graded by the command: (its folder, where the grades are, the exit code, seconds)."""
    folder, out = tmp_path_factory.mktemp("class") / "eight", tmp_path_factory.mktemp("grades")
    handins.make_all(folder, handins.FEW)
    start = time.monotonic()
    code = run_grade(folder, out)
    return folder, out, code, time.monotonic() - start


def test_everybody_gets_the_expected_verdict(graded):
    _, out, code, _ = graded
    assert code == 0
    check_verdicts(read_grades(out), handins.FEW)


def test_rows_hold_counts_and_scores_and_are_ranked(graded):
    rows = read_grades(graded[1])
    good, noisy = rows["good.h5"], rows["noisy input"]
    assert good["parameters"] == good["stored"] == good["built"] == good["trainable"] == "409"
    assert (good["input"], good["output"], good["cap"], good["seed"]) == ("28x28x1", "28x28x1", "3600", "1")
    for key in ("excess", "bce", "psnr", "psnr_sd", "ssim", "legibility"):
        assert float(good[key]) != float(noisy[key])
    assert float(good["milliseconds"]) > 0 and float(good["megabytes"]) > 100
    slow = rows["a slow one.h5"]
    assert slow["parameters"] == "962" and 25 < float(slow["seconds"]) < 40  # counted before it was stopped
    ranks = [(row["verdict"], row["rank"], float(row["excess"] or 0)) for row in rows.values()][1:]
    passed = [rank for rank in ranks if rank[0] == "PASS"]
    assert [rank[1] for rank in passed] == [str(n + 1) for n in range(len(passed))] and passed == ranks[: len(passed)]
    assert passed == sorted(passed, key=lambda rank: rank[2]) and not any(rank[1] for rank in ranks[len(passed) :])


def test_second_run_grades_only_what_changed(graded, tmp_path, capsys):
    folder, out, _, _ = graded
    shutil.copytree(folder, tmp_path / "class")
    shutil.copy(folder / "over.h5", tmp_path / "class" / "ignores.h5")
    handins.write(b"new")(tmp_path / "class" / "new.h5")
    shutil.copytree(out, tmp_path / "out")
    assert run_grade(tmp_path / "class", tmp_path / "out") == 0
    told = [line for line in capsys.readouterr().out.splitlines() if ".h5: " in line]
    assert [line.partition(":")[0] for line in told] == ["new.h5"]
    rows = read_grades(tmp_path / "out")
    assert rows["ignores.h5"]["verdict"] == "OVER" and rows["ignores.h5"]["flags"] == "the same file as over.h5"


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("over", 1), ("ignores", 1), ("lambda", 2), ("infinite", 2)])
def test_self_check_says_what_to_do_in_its_exit_code_too(graded, tmp_path, capsys, name, code):
    shutil.copytree(graded[1], tmp_path / "out")
    assert run_grade(graded[0] / f"{name}.h5", tmp_path / "out") == code
    printed = capsys.readouterr().out
    verdict = handins.FEW[f"{name}.h5"].verdict
    assert f"{name}.h5: {verdict}" in printed and handins.FEW[f"{name}.h5"].says in printed
    assert {0: "does no better than", 1: "", 2: grade_page.ADVICE[verdict]}[code] in printed
    assert ("Take parameters out" in printed) == (name == "over")


def test_interruption_keeps_what_is_finished_and_leaves_no_process(graded, tmp_path):
    folder, out, _, _ = graded
    shutil.copytree(out, tmp_path / "out")
    command = [sys.executable, "-m", "denoise_utils", "grade", folder, "--out", tmp_path / "out", *OPTIONS]
    process = subprocess.Popen([*command, "--timeout", "26"], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    children = []
    while process.poll() is None and not children:  # of the slow one: its limits are others than before
        children = psutil.Process(process.pid).children(recursive=True)
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert "what was finished is kept" in process.communicate(timeout=30)[1] and process.returncode == 130
    assert children and not any(child.is_running() and child.status() != "zombie" for child in children)
    rows = read_grades(tmp_path / "out")
    assert "a slow one.h5" not in rows and rows["good.h5"]["verdict"] == "PASS"
    assert "Not graded yet: 1" in (tmp_path / "out" / "grades.html").read_text(encoding="utf-8")


class Tags(HTMLParser):
    """Collect the tags of a page and where they point."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href") or key.startswith("on")]


def test_page_is_self_contained_and_shows_images(graded):
    found = Tags((graded[1] / "grades.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 1 and found.tags.count("tr") == 1 + 2 + len(handins.FEW)
    assert len(found.sources) >= 2 + 4 and all(s.startswith("data:image/png;base64,") for s in found.sources)


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\n\u202egnp.h5\udcff'


def test_hostile_names_and_reasons_act_neither_as_html_nor_as_formula(tmp_path):
    rows = [{"submission": HOSTILE, "verdict": "BROKEN", "reason": HOSTILE, "flags": [HOSTILE]}]
    rows += [{"submission": f"{sign}1+1", "verdict": "PASS", "reason": "", "flags": []} for sign in "=+-@"]
    grade_page.write(grading.Grades("clutter", HOSTILE, 3600, 0, rows), tmp_path)
    found = Tags((tmp_path / "grades.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 1 and "img" not in found.tags and not found.sources
    names = list(read_grades(tmp_path))
    assert names[2:] == ["'=1+1", "'+1+1", "'-1+1", "'@1+1"]
    assert "\\n\\u202e" in names[1] and names[1].endswith("\\udcff")


def test_constants_are_counted_and_settings_are_not():
    padding, nodes = [[1, 2], [3, 4]], [[["input", 0, 0, {}], ["other", 0, 0, {}]] * 20]
    big = {"class_name": "__numpy__", "config": {"value": [[1.0] * 10] * 10}}
    assert counting.count_constants({"padding": padding, "nodes": nodes, "shape": [None, 28, 28, 1]}) == 0
    assert counting.count_constants({"layers": [{"scale": big}, {"edges": [0.5] * 17}, "text"]}) == 117


def test_output_outside_the_range_is_flagged():
    inputs = keras.Input((28, 28, 1))  # find_cheats asks it for the same images again
    model = keras.Model(inputs, keras.layers.Rescaling(2, -0.5)(inputs))
    noisy = np.random.default_rng(0).random((40, 28, 28, 1), dtype=np.float32)
    flags = grade_one.find_cheats(model, noisy, 2 * noisy - 0.5)
    assert len(flags) == 1 and "outside [0, 1]: -0.5 to 1.5" in flags[0]


@pytest.mark.parametrize(("path", "says"), [("no/such.h5", "found no no/such.h5"), ("tests", "found none")])
def test_nothing_to_grade_is_an_error(path, says, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(["grade", path]) == 2
    assert says in capsys.readouterr().err


def test_folder_names_stand_for_their_only_file_and_other_files_for_nothing(tmp_path):
    handins.inside(handins.write(b"x"))(tmp_path / "ada")
    handins.inside()(tmp_path / "__MACOSX")
    (tmp_path / "list.csv").write_text("ada")
    (found,) = submissions.find_submissions(tmp_path)
    assert found.name == "ada" and found.path.name == "0.h5" and not found.verdict


def test_seed_and_own_pairs_make_another_exam(tmp_path, clutter):
    exams = [grading.load_exam("clutter", seed=seed, num_images=20) for seed in (1, 1, 2)]
    keys = [grading.write_exam(e, tmp_path / str(n), 3600, ROOT / "models") for n, e in enumerate(exams)]
    assert keys[0] == keys[1] != keys[2] and not np.array_equal(exams[0].test.noisy, exams[2].test.noisy)
    assert np.array_equal(exams[0].test.clean, exams[2].test.clean)
    clutter.test.noisy.dump(tmp_path / "X.pkl")
    clutter.test.clean.dump(tmp_path / "Y.pkl")
    own = grading.load_exam("clutter", seed=1, num_images=20, pairs=(tmp_path / "X.pkl", tmp_path / "Y.pkl"))
    assert own.label == "X.pkl + Y.pkl" and own.test.labels is None and len(own.test.noisy) == 20
    settings, pairs = (
        grading.write_exam(own, tmp_path / "own", 10, tmp_path),
        grade_one.load_exam(tmp_path / "own")[1],
    )
    assert settings["cap"] == 10 and settings["judge"] is None and np.array_equal(pairs.clean, own.test.clean)


def test_assignment_quotes_the_report():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    with open(ROOT / "reports" / "budget.csv", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file) if row["task"] == "clutter"}
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "dB" in line]
    assert len(lines) == 3
    for cells, name in zip(lines, ("noisy input", "clutter_project_c.h5", "clutter_cap_baseline.h5"), strict=True):
        row = rows[name]
        figures = [
            f"{float(row['test_excess']):.3f}",
            f"{float(row['psnr']):.1f} dB",
            f"{float(row['legibility']):.0%}",
        ]
        assert [cell.strip() for cell in cells[-3:]] == figures
        assert not row["parameters"] or f"{int(row['parameters']):,}" in cells[1]
    given = cli.make_parser().parse_args(["grade", "x.h5"])
    assert f"at most {given.cap:,} parameters" in text
    assert f"{given.timeout} seconds of one processor core and {given.memory // 1000} GB" in text


@pytest.mark.stress
def test_a_class_of_more_than_forty(tmp_path):
    handins.make_all(tmp_path / "class", handins.MANY)
    assert len(handins.MANY) >= 48
    assert run_grade(tmp_path / "class", tmp_path / "out") == 0
    check_verdicts(read_grades(tmp_path / "out"), handins.MANY)
    found = Tags((tmp_path / "out" / "grades.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 1 and found.tags.count("tr") == 1 + 2 + len(handins.MANY)


@pytest.mark.stress
def test_own_pairs_are_graded(tmp_path, clutter):
    clutter.test.noisy.dump(tmp_path / "X.pkl")
    clutter.test.clean.dump(tmp_path / "Y.pkl")
    handins.GOOD(tmp_path / "good.h5")
    pairs = ["--pairs", str(tmp_path / "X.pkl"), str(tmp_path / "Y.pkl")]
    assert run_grade(tmp_path / "good.h5", tmp_path / "out", *pairs) == 0
    row = read_grades(tmp_path / "out")["good.h5"]
    assert row["task"] == "pairs" and row["legibility"] == "" and float(row["psnr"]) > 0
