"""The table of measures and the verdicts: what they say, and that everything that shows measures has them all."""

import ast
import csv
import json
import math
import re

import pytest

from denoise_utils import evaluation, report
from denoise_utils.cli import show
from denoise_utils.grading import everyone, page, ranking
from denoise_utils.measures import table
from denoise_utils.measures.verdicts import Verdict, judge_size
from tests.conftest import ROOT

UNGRADED = {"UNREADABLE", "missing", "left out"}  # verdicts that tell nobody what to do
PSNR, EXCESS = table.MEASURES["psnr"], table.MEASURES["excess"]


def test_score_has_every_measure_of_the_table_and_no_other(clutter):
    found = evaluation.score(clutter.test.noisy, clutter.test)
    assert found.keys() == {"images", *table.columns(table.FULL)}


def test_value_in_words_has_its_name_and_its_unit():
    assert PSNR.say(29.0649) == "PSNR 29.06 dB" and PSNR.axis == "PSNR (dB)"
    assert table.MEASURES["mse"].say(0.001) == "MSE 0.00100" and table.MEASURES["mse"].axis == "MSE"
    assert EXCESS.explain().endswith("impose, in nats per pixel, lower is better")
    assert PSNR.explain().endswith("error, in dB, higher is better")


def test_best_value_comes_first_and_a_missing_one_last():
    assert sorted([20, None, 30, math.inf], key=PSNR.order) == [math.inf, 30, 20, None]
    assert sorted([0.2, None, 0.1], key=EXCESS.order) == [0.1, 0.2, None]


def test_each_kind_of_listing_has_what_the_shorter_one_has():
    brief, usual, full = (list(table.columns(detail)) for detail in (table.BRIEF, table.USUAL, table.FULL))
    assert brief == ["excess", "psnr", "psnr_sd", "legibility"]
    assert set(brief) < set(usual) < set(full) and list(table.select(table.FULL)) == list(table.MEASURES)


@pytest.mark.parametrize("columns", [evaluation.COLUMNS, page.COLUMNS, report.COLUMNS], ids=["any", "grades", "report"])
def test_tables_take_title_and_format_from_the_one_table(columns):
    for key, (title, layout) in table.columns(table.USUAL).items():
        shown, format_there = columns[key]
        assert shown.removeprefix("test ") == title and format_there == layout
    assert {*table.columns(table.FULL)} <= {*columns, *page.MORE}


def test_older_cards_and_files_are_read_under_todays_keys():
    assert table.rename({"test_bce": 1, "test_excess": 2, "psnr": 3}) == {"bce": 1, "excess": 2, "psnr": 3}
    told = json.loads((ROOT / "models" / "digit_judge.json").read_text())["test_scores"]
    assert f"read by the judge {told['accuracy']:.1%}" in " ".join(
        show.describe(ROOT / "models" / "digit_judge.h5").split()
    )


def test_committed_tables_have_todays_keys():
    for name, columns in (("budget", report.COLUMNS), ("strengths", report.STRENGTHS)):
        with open(ROOT / "reports" / f"{name}.csv", encoding="utf-8") as file:
            assert set(columns) <= set(next(csv.reader(file)))


def test_no_other_module_spells_out_how_a_measure_is_shown():
    """A title such as "PSNR (dB)", or a measure's key beside a format, stands in the table alone."""
    titles = {measure.column[0] for measure in table.MEASURES.values()} - set(table.MEASURES)
    for path in (ROOT / "denoise_utils").rglob("*.py"):
        if path.name != "table.py":
            strings = {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}
            assert not titles & strings, (path, titles & strings)


def test_verdict_is_its_word_wherever_it_is_written(tmp_path):
    assert f"{judge_size(5, 5)}, {judge_size(6, 5)}" == "PASS, OVER"
    assert json.loads(json.dumps({"verdict": Verdict.LEFT_OUT})) == {"verdict": "left out"}
    assert list(Verdict)[:2] == ["PASS", "OVER"] and set(page.ADVICE) == set(Verdict) - UNGRADED


@pytest.mark.parametrize(
    ("content", "verdict"),
    [('{"verdict": "PASS"}', Verdict.PASS), ('{"verdict": null}', None), ('{"stored": 5}', None)],
)
def test_result_of_a_process_has_a_verdict_or_none(content, verdict):
    assert everyone.parse_row(content).get("verdict") is verdict


def test_result_with_an_unknown_verdict_is_not_taken():
    with pytest.raises(ValueError, match="BEST"):
        everyone.parse_row('{"verdict": "BEST"}')


def test_grades_are_ranked_by_the_measure_that_decides():
    rows = [
        {"submission": name, "verdict": Verdict(verdict), "excess": excess}
        for name, verdict, excess in (("b", "OVER", 0.1), ("c", "PASS", 0.3), ("d", "PASS", 0.2), ("a", "BROKEN", None))
    ]
    assert [(row["submission"], row["rank"]) for row in ranking.rank(rows)] == [
        ("d", 1),
        ("c", 2),
        ("b", None),
        ("a", None),
    ]


def test_line_of_a_graded_row_has_the_brief_measures():
    row = {"verdict": Verdict.PASS, "parameters": 910, "flags": []}
    row |= {"excess": 0.01, "psnr": 26.4, "legibility": None, "ssim": 0.9}
    assert page.describe(row) == "PASS; 910 parameters; excess 0.0100 nats per pixel, PSNR 26.40 dB"
    assert re.fullmatch("BROKEN; why", page.describe({"verdict": Verdict.BROKEN, "reason": "why"}))
