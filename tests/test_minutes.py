"""How long the course takes: what counts as training, the table, and that README, docs and lessons say the same."""

import math
import re

import jupytext
import pytest
from making import minutes

from tests.conftest import ROOT
from tests.execution import execute

TEXTS = sorted((ROOT / "notebooks" / "text").glob("*.py"))
TAKES = re.compile(r"\*\*It takes\*\* about (\d+ minutes?) in the full profile, (?:at most )?one in the quick one")


def test_one_profile_is_written_beside_the_other_and_one_notebook_in_place_of_itself(tmp_path):
    (tmp_path / "reports").mkdir()
    assert minutes.read(tmp_path) == {}
    took = [(60, "00_a", True), (30, "00_a", False), (120, "01_b", True)]
    cells = [minutes.Took(seconds, name, "x", trains) for seconds, name, trains in took]
    minutes.record(tmp_path, "full", cells, at_once=2, whole=150)
    minutes.record(tmp_path, "quick", [minutes.Took(6, name, "x", False) for name in ("00_a", "01_b")], 2, 9)
    kept = "notebook,full,training,quick\n00_a,1.5,1.0,0.1\n01_b,{},0.1\ntogether,2.5,{},0.1\n"
    assert (tmp_path / minutes.NAME).read_text() == kept.format("2.0,2.0", "1.5")
    minutes.record(tmp_path, "full", [minutes.Took(240, "01_b", "x", True)], at_once=2)
    assert (tmp_path / minutes.NAME).read_text() == kept.format("4.0,4.0", "2.5")


def test_training_of_a_notebook_that_measures_time_counts_whole(tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "notebooks" / "text").mkdir(parents=True)
    for name, tag in (("00_a", "timing"), ("01_b", "trains")):
        (tmp_path / "notebooks" / "text" / f"{name}.py").write_text(f'# %% tags=["{tag}"]\n1\n')
    cells = [minutes.Took(seconds, name, "x", True) for seconds, name in ((60, "00_a"), (120, "01_b"))]
    minutes.record(tmp_path, "full", cells, at_once=2)
    assert minutes.read(tmp_path)["together"]["training"] == "2.0"


def test_every_cell_that_fits_or_searches_is_counted():
    for path in TEXTS:
        for cell in jupytext.read(path).cells:
            if re.search(r"\.(fit|search)\(", cell.source) and not re.match(r"def |class ", cell.source):
                tags = cell.metadata.get("tags", [])
                assert minutes.trains(cell) or {"exercise", "check"} & set(tags), (path.stem, cell.source)


@pytest.mark.parametrize("words", [["--solutions"], ["--profile", "tiny"]])
def test_only_the_profiles_as_they_are_are_recorded(words):
    code, printed = execute(ROOT, "--profile", "quick", "--record", *words)
    assert code == 2 and "expected --record in the profile quick or full" in printed


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_lesson_says_the_minutes_that_were_measured(path):
    row = minutes.read(ROOT)[path.stem]
    (full,) = TAKES.search(jupytext.read(path).cells[0].source).groups()
    assert full == minutes.in_words(row["full"])
    assert float(row["quick"]) <= 1


@pytest.mark.parametrize(
    "measured, told", [("0.2", "1 minute"), ("1.2", "1 minute"), ("1.3", "2 minutes"), ("7.0", "7 minutes")]
)
def test_minutes_are_whole_ones(measured, told):
    assert minutes.in_words(measured) == told


def test_lessons_are_told_their_minutes(tmp_path):
    text = tmp_path / "notebooks" / "text" / "00_a.py"
    for path in (text, tmp_path / "notebooks" / "00_a.ipynb"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x **It takes** about 1 minute in the full profile, one in the quick one")
    (tmp_path / "reports").mkdir()
    minutes.record(tmp_path, "full", [minutes.Took(400, "00_a", "x", False)], at_once=1, whole=400)
    minutes.tell(tmp_path)
    for path in (text, tmp_path / "notebooks" / "00_a.ipynb"):
        assert path.read_text() == "x **It takes** about 7 minutes in the full profile, one in the quick one"


def test_whole_set_takes_what_was_asked_and_what_the_readme_says():
    together = {column: float(value) for column, value in minutes.read(ROOT)[minutes.TOGETHER].items()}
    assert together["full"] < 40 and together["training"] < 15 and together["quick"] < 10
    (told,) = re.findall(r"about\s+(\d+) minutes for the notebooks", (ROOT / "README.md").read_text())
    assert int(told) == math.ceil(together["quick"])
