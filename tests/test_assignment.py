"""ASSIGNMENT.md says what the report and the grader say."""

import csv
import json
import re

from denoise_utils import noise, profiles
from denoise_utils.cli import arguments
from denoise_utils.grading import page, submissions
from denoise_utils.measures.table import MEASURES
from denoise_utils.opening import counting, layers
from tests.conftest import ROOT


def test_assignment_quotes_the_report():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    with open(ROOT / "reports" / "budget.csv", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if row["task"] == profiles.TASK]
    rows = {row["file"]: row for row in reversed(found)}  # a task's first noise is the canonical one
    lines = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ") and "dB" in line]
    assert len(lines) == 3
    for cells, name in zip(lines, ("noisy input", "clutter_project_c.h5", "clutter_cap_baseline.h5"), strict=True):
        row = rows[name]
        figures = [
            f"{float(row['excess']):.3f}",
            f"{float(row['psnr']):.1f} dB",
            f"{float(row['legibility']):.0%}",
        ]
        assert [cell.strip() for cell in cells[-3:]] == figures
        assert not row["parameters"] or f"{int(row['parameters']):,}" in cells[1]


def test_assignment_says_what_the_code_asks_for():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    given = arguments.make_parser().parse_args(["grade", "x.h5"])
    assert (given.cap, given.task) == (profiles.CAP, profiles.TASK) and profiles.TASK in noise.TASKS
    assert re.findall(r"at most \**([\d,]+) parameters", text) == [f"{profiles.CAP:,}"]
    assert set(re.findall(r"load_task\(\"(\w+)\"", text)) == {profiles.TASK} and profiles.TASK in text.splitlines()[0]
    assert f"**{MEASURES[profiles.RANKED_BY].name.capitalize()}** decides the ranking" in text
    assert sorted(re.findall(r"`([A-Z]{4,})`", text.partition("the verdict (")[2].partition(")")[0])) == sorted(
        page.ADVICE
    )
    assert "fewer numbers than five of these images have pixels" in text and 4 * 28 * 28 < profiles.CAP < 5 * 28 * 28
    assert f"of less than {submissions.LARGE_FILE / 1e6:g} MB" in text
    assert "sixteen in all are free" in " ".join(text.split()) and counting.FREE == 16
    assert f"{given.timeout} seconds of one processor core and {given.memory // 1000} GB" in text


TOLD = {  # besides ASSIGNMENT.md: prose that names the cap, and is to be rewritten when profiles.CAP is another
    *("README.md", "docs/students.md", "docs/teaching.md", "notebooks/GLOSSARY.md"),
    *("notebooks/text/00_first_autoencoder.py", "notebooks/text/04_count_parameters.py"),
    *("notebooks/text/05_grid_search.py", "notebooks/text/06_train_and_save.py", "notebooks/text/10_colour.py"),
    *("notebooks/text/11_weight_tying.py", "notebooks/text/14_budget_report.py"),
}


def test_prose_that_names_the_cap_names_the_one_of_the_code():
    paths = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "notebooks" / "GLOSSARY.md"]
    paths += (ROOT / "notebooks" / "text").glob("*.py")
    naming = {path for path in paths if f"{profiles.CAP:,}" in path.read_text(encoding="utf-8")}
    assert {path.relative_to(ROOT).as_posix() for path in naming} == TOLD


def test_readme_quotes_the_mean_of_three_seeds():
    (told,) = re.findall(r"mean of\s+our three: ([\d.]+) dB", (ROOT / "README.md").read_text(encoding="utf-8"))
    with open(ROOT / "reports" / "goals.csv", encoding="utf-8") as file:
        (mean,) = {row["mean"] for row in csv.DictReader(file) if row["goal"] == "clutter_small, PSNR"}
    assert told == f"{float(mean):.1f}"


def test_readme_says_that_all_goals_are_met():
    with open(ROOT / "reports" / "goals.csv", encoding="utf-8") as file:
        verdicts = [row["verdict"] for row in csv.DictReader(file)]
    assert "All seventeen [goals](reports/goals.csv) are met." in (ROOT / "README.md").read_text(encoding="utf-8")
    assert verdicts == ["met"] * 17


def test_readme_compares_ours_with_project_w_as_the_cards_do():
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    small, big = (json.loads((ROOT / "models" / f"watermark_{size}.json").read_text()) for size in ("small", "big"))
    assert re.findall(r"ours saw ([\d.]+) times", text) == [f"{small['epochs_run'] / big['epochs_run']:.1f}"]
    rivals = [_scores(ROOT / "models" / f"clutter_{name}.json") for name in ("project_w", "big")]
    ours = [_scores(path) for path in sorted((ROOT / "models" / "seeds").glob("clutter_small_*.json"))]
    less = [[100 * (1 - one["excess"] / rival["excess"]) for one in ours] for rival in rivals]
    told = [(f"{min(each):.0f}", f"{max(each):.0f}") for each in less]
    assert re.findall(r"(\d+) to (\d+) % (?:less excess|less than)", text) == told
    assert all(one["psnr"] > rival["psnr"] for one in ours for rival in rivals)


def _scores(path):
    return json.loads(path.read_text())["test_scores"]


def test_assignment_lists_what_is_admitted():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    listed = text.partition("## Layers that are admitted")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(["Input", *layers.TABLE])
    assert "ASSIGNMENT.md" in page.ADVICE["REFUSED"]
