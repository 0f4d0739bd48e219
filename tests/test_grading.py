"""Grading a class: the expected verdict for every hand-in, nobody disturbed by another, nothing done twice."""

import re
import shutil
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser

import numpy as np
import psutil
import pytest

from denoise_utils import cli, evaluation, profiles, saving
from denoise_utils.cli import arguments
from denoise_utils.grading import everyone, exam, likeness, one, page, supervise
from denoise_utils.system import escaping
from tests import classes, handins
from tests.conftest import ROOT

OPTIONS = ["--profile", "quick", "--seed", "1", "--images", "60", "--jobs", "2", "--timeout", "15"]


REFERENCES = ["the course's baseline", "an earlier course project"]


def run_grade(path, out, *more):
    return cli.main(["grade", str(path), "--out", str(out), *OPTIONS, *more])


def read_grades(out):
    return {row["submission"]: row for row in classes.read_csv(out / "grades.csv")}


def check_verdicts(rows, expected):
    """Compare every row with what its hand-in must get, all at once."""
    wrong = []
    for name, handin in expected.items():
        row = rows.pop(escaping.cell(name))
        said = row["flags"] + row["notes"] + row["reason"]
        if row["verdict"] != handin.verdict or handin.says not in said:
            wrong.append((name, handin.verdict, handin.says, row["verdict"], said))
        own = [flag for flag in row["flags"].split("; ") if likeness.SAYS not in flag]  # many here are one model
        if not handin.says and row["verdict"] == "PASS" and any(own):
            wrong.append((name, "no flag", row["flags"]))
    assert not wrong, wrong
    assert list(rows) == ["noisy input", *REFERENCES]


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """A class of eight, graded by the command: (its folder, where the grades are, the exit code)."""
    folder, out = tmp_path_factory.mktemp("class") / "eight", tmp_path_factory.mktemp("grades")
    handins.make_all(folder, handins.FEW)
    (folder / "notes <b>.txt").write_text("no hand-in")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervise, "PATIENCE", 1000)  # on a crowded machine, too, it is the processor's time
        return folder, out, run_grade(folder, out)


def test_everybody_gets_the_expected_verdict(graded):
    _, out, code = graded
    assert code == 0
    check_verdicts(read_grades(out), handins.FEW)


def test_rows_hold_counts_and_scores_and_are_ranked(graded):
    rows = read_grades(graded[1])
    good, noisy = rows["good.h5"], rows["noisy input"]
    assert good["parameters"] == good["stored"] == good["built"] == good["trainable"] == "409"
    assert (good["input"], good["output"], good["cap"], good["seed"]) == ("28x28x1", "28x28x1", "3600", "1")
    for key in ("excess", "bce", "psnr", "psnr_sd", "ssim"):
        assert float(good[key]) != float(noisy[key])
    asked = exam.load_exam("clutter", seed=1, num_images=60, profile=profiles.load_profile("quick")).test
    judge, model = evaluation.load_judge(ROOT / "models"), saving.load_model(graded[0] / "good.h5")
    for row, images in ((good, evaluation.predict(model, asked.noisy)), (noisy, asked.noisy)):
        assert float(row["legibility"]) == pytest.approx(evaluation.legibility(judge, images, asked.labels))
    assert float(good["milliseconds"]) > 0 and float(good["megabytes"]) > 100
    slow = rows["a slow one.h5"]
    assert slow["parameters"] == "962" and float(slow["seconds"]) > 0  # counted before it was stopped
    assert [float(rows[name]["excess"]) > 0 and not rows[name]["rank"] for name in REFERENCES] == [True, True]
    ranks = [(row["verdict"], row["rank"], float(row["excess"] or 0)) for row in rows.values()][1 + len(REFERENCES) :]
    passed = [rank for rank in ranks if rank[0] == "PASS"]
    assert [rank[1] for rank in passed] == ["1", "2"] and passed == ranks[: len(passed)]
    assert passed == sorted(passed, key=lambda rank: rank[2]) and not any(rank[1] for rank in ranks[len(passed) :])


def test_second_run_grades_only_what_changed(graded, tmp_path, capsys):
    folder, out, _ = graded
    shutil.copytree(folder, tmp_path / "class")
    shutil.copy(folder / "over.h5", tmp_path / "class" / "ignores.h5")
    handins.write(b"new")(tmp_path / "class" / "new.h5")
    shutil.copytree(out, tmp_path / "out")
    assert run_grade(tmp_path / "class", tmp_path / "out") == 0
    seed, *told = [line for line in capsys.readouterr().out.splitlines() if ": " in line]
    assert seed.startswith("Noise seed 1, kept in") and told[0] == "notes <b>.txt: left out; it is no .h5"
    assert [line.partition(":")[0] for line in told[1:]] == ["new.h5", "Written to " + str(tmp_path / "out")]
    rows = read_grades(tmp_path / "out")
    assert rows["ignores.h5"]["verdict"] == "OVER" and "the same file as over.h5" in rows["ignores.h5"]["flags"]


@pytest.mark.parametrize(("name", "code"), [("good", 0), ("over", 1), ("ignores", 1), ("lambda", 2), ("infinite", 2)])
def test_self_check_says_what_to_do_in_its_exit_code_too(graded, tmp_path, capsys, name, code):
    shutil.copytree(graded[1] / "kept", tmp_path / "out" / "kept", ignore=shutil.ignore_patterns("class.json"))
    assert run_grade(graded[0] / f"{name}.h5", tmp_path / "out") == code
    printed = capsys.readouterr().out
    verdict = handins.FEW[f"{name}.h5"].verdict
    assert "the public seed 1: your class is graded under another" in printed
    assert f"{name}.h5: {verdict}" in printed and handins.FEW[f"{name}.h5"].says in printed
    assert {0: "does no better than", 1: "", 2: page.ADVICE[verdict]}[code] in printed
    assert ("Take parameters out" in printed) == (name == "over")


@pytest.mark.stress
def test_interruption_keeps_what_is_finished_and_leaves_no_process(graded, tmp_path):
    folder, out, _ = graded
    shutil.copytree(out, tmp_path / "out")
    command = [sys.executable, "-m", "denoise_utils", "grade", folder, "--out", tmp_path / "out", *OPTIONS]
    command += ["--timeout", "3600"]  # the slow one's limits are others than before
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/kept/work-*/*.json")):  # its first finding: it has begun, and takes for ever
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    while process.poll() is None:  # the first one stops it, no other one does anything
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert process.communicate()[1] == "stopped: what was finished is kept\n" and process.returncode == 130
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
    assert found.tags.count("script") == 1 and found.tags.count("tr") == 1 + 3 + len(handins.FEW)
    pictures = [source for source in found.sources if source.startswith("data:image/png;base64,")]
    links = [source for source in found.sources if source.startswith("#hand-in-")]
    people = [source for source in found.sources if source.startswith("people/")]
    assert len(pictures) >= 2 + 4 and len(links) == len(people) == len(handins.FEW)
    assert len(pictures) + len(links) + len(people) == len(found.sources)
    assert all((graded[1] / source).is_file() for source in people)


def test_page_sorts_by_plain_numbers_under_one_button_a_column(graded):
    text = (graded[1] / "grades.html").read_text(encoding="utf-8")
    heads, body = text.partition("</thead>")[0], text.partition('<tbody class="ranked">')[2]
    keys = ["rank", "submission", "verdict", "late", "marks", "parameters", *page.LISTED]
    buttons = re.findall(r"<th[^>]*><button[^>]*>(.+?)</button></th>", heads)
    assert buttons == [page.COLUMNS[key][0] for key in keys] and len(keys) == heads.count("<th ") == 9
    rows = [re.findall(r'<td\b[^>]*data-value="(.*?)"', row) for row in re.findall("(?s)<tr>.*?</tr>", body)]
    assert len(rows) == len(handins.FEW) and {len(values) for values in rows} == {len(buttons)}
    for values, (name, row) in zip(rows, list(read_grades(graded[1]).items())[1 + len(REFERENCES) :], strict=True):
        values = dict(zip(keys, values, strict=True))
        assert values["submission"] == name and values["verdict"] == row["verdict"]
        for key in ("rank", "marks", "parameters", "excess", "psnr", "legibility"):
            assert values[key] == row[key] and (not row[key] or float(row[key]) >= 0)
    assert any(int(values[5] or 0) > 999 for values in rows)  # without a comma in it


def test_page_says_what_was_left_out(graded):
    text = (graded[1] / "grades.html").read_text(encoding="utf-8")
    assert (
        "Left out: 1</summary>" in text
        and "notes &lt;b&gt;.txt</bdi>" in text
        and "notes <b>.txt" not in read_grades(graded[1])
    )


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>\n\u202egnp.h5\udcff'


def test_hostile_names_and_reasons_act_neither_as_html_nor_as_formula(tmp_path):
    rows = [{"submission": HOSTILE, "verdict": "BROKEN", "reason": HOSTILE, "flags": [HOSTILE]}]
    rows += [{"submission": f"{sign}1+1", "verdict": "PASS", "reason": "", "flags": []} for sign in "=+-@"]
    page.write(everyone.Grades("clutter", HOSTILE, 3600, 0, rows), tmp_path)
    found = Tags((tmp_path / "grades.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 1 and "img" not in found.tags
    assert all(source.startswith("#hand-in-") for source in found.sources)
    names = list(read_grades(tmp_path))
    assert names[2:] == ["'=1+1", "'+1+1", "'-1+1", "'@1+1"]
    assert "\\n\\u202e" in names[1] and names[1].endswith("\\udcff")


def test_seed_from_zero_up(capsys):
    assert arguments.make_parser().parse_args(["grade", "x.h5", "--seed", "0"]).seed == 0
    with pytest.raises(SystemExit):
        arguments.make_parser().parse_args(["grade", "x.h5", "--seed", "-1"])
    assert "from 0 up" in capsys.readouterr().err


@pytest.mark.parametrize(("path", "says"), [("no/such.h5", "found no no/such.h5"), ("tests", "found none")])
def test_nothing_to_grade_is_an_error(path, says, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert cli.main(["grade", path]) == 2
    assert says in capsys.readouterr().err


def test_seed_and_own_pairs_make_another_exam(tmp_path, clutter):
    exams = [exam.load_exam("clutter", seed=seed, num_images=20) for seed in (1, 1, 2)]
    judge = ROOT / "models" / "digit_judge.h5"
    keys = [exam.write_exam(e, tmp_path / str(n), 3600, judge) for n, e in enumerate(exams)]
    assert keys[0] == keys[1] != keys[2] and not np.array_equal(exams[0].test.noisy, exams[2].test.noisy)
    assert not np.array_equal(exams[0].test.clean, exams[2].test.clean)  # the seed draws the images, too
    (clutter.test.noisy / 2).dump(tmp_path / "X.pkl")
    clutter.test.clean.dump(tmp_path / "Y.pkl")
    pickles = tmp_path / "X.pkl", tmp_path / "Y.pkl"
    own = exam.load_exam("clutter", seed=1, num_images=20, pickles=pickles)
    assert own.label == "X.pkl + Y.pkl" and own.test.labels is None and len(own.test.noisy) == 20
    every = exam.load_exam("clutter", seed=1, num_images=60, pickles=pickles)
    assert np.array_equal(every.test.noisy, clutter.test.noisy / 2)  # in [0, 1] already: left as it is
    settings, pairs = (
        exam.write_exam(own, tmp_path / "own", 10, tmp_path / "none.h5"),
        one.read_exam(tmp_path / "own")[1],
    )
    assert settings["cap"] == 10 and settings["judge"] is None and np.array_equal(pairs.clean, own.test.clean)


@pytest.mark.stress
def test_honest_model_of_many_steps_stays_below_a_gigabyte(tmp_path):
    """All images at once took 2.27 GB."""
    (tmp_path / "class").mkdir()
    shutil.copy(ROOT / "models" / "clutter_small.h5", tmp_path / "class")
    options = ["--profile", "full", "--images", "10000", "--jobs", "1", "--seed", "1", "--timeout", "300"]
    assert cli.main(["grade", str(tmp_path / "class"), "--out", str(tmp_path / "out"), *options]) == 0
    row = read_grades(tmp_path / "out")["clutter_small.h5"]
    assert row["verdict"] == "PASS" and 100 < float(row["megabytes"]) < 1000


def test_change_in_any_room_has_everything_graded_again(tmp_path, monkeypatch):
    monkeypatch.setattr(exam, "PACKAGE", tmp_path / "package")
    shutil.copytree(ROOT / "denoise_utils", exam.PACKAGE)
    few = exam.load_exam("clutter", seed=1, num_images=2)

    def read_code():
        return exam.write_exam(few, tmp_path / str(len(found)), 3600, tmp_path / "none.h5")["code"]

    found = set()
    found.add(read_code())
    for name in ("evaluation.py", "opening/counting.py", "grading/one.py"):
        with open(exam.PACKAGE / name, "a") as file:
            file.write("# changed\n")
        found.add(read_code())
    assert len(found) == 4


@pytest.mark.stress
def test_a_class_of_more_than_forty(tmp_path):
    handins.make_all(tmp_path / "class", handins.MANY)
    assert len(handins.MANY) >= 48
    assert run_grade(tmp_path / "class", tmp_path / "out") == 0
    check_verdicts(read_grades(tmp_path / "out"), handins.MANY)
    found = Tags((tmp_path / "out" / "grades.html").read_text(encoding="utf-8"))
    assert found.tags.count("script") == 1 and found.tags.count("tr") == 1 + 3 + len(handins.MANY)


@pytest.mark.stress
def test_own_pairs_are_graded(tmp_path, clutter):
    clutter.test.noisy.dump(tmp_path / "X.pkl")
    clutter.test.clean.dump(tmp_path / "Y.pkl")
    handins.GOOD(tmp_path / "good.h5")
    pairs = ["--pairs", str(tmp_path / "X.pkl"), str(tmp_path / "Y.pkl")]
    assert run_grade(tmp_path / "good.h5", tmp_path / "out", *pairs) == 0
    row = read_grades(tmp_path / "out")["good.h5"]
    assert row["task"] == "pairs" and row["legibility"] == "" and float(row["psnr"]) > 0
