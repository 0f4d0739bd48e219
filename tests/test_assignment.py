"""ASSIGNMENT.md says what the report and the grader say."""

import csv
import re

from denoise_utils.cli import arguments
from denoise_utils.grading import page as grade_page
from denoise_utils.grading import submissions
from denoise_utils.opening import counting, layers
from tests.conftest import ROOT


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
    given = arguments.make_parser().parse_args(["grade", "x.h5"])
    assert f"at most {given.cap:,} parameters" in text
    assert f"of less than {submissions.LARGE_FILE / 1e6:g} MB" in text
    assert "Sixteen such numbers in all are free" in text and counting.FREE == 16
    assert f"{given.timeout} seconds of one processor core and {given.memory // 1000} GB" in text


def test_assignment_lists_what_is_admitted():
    text = (ROOT / "ASSIGNMENT.md").read_text(encoding="utf-8")
    listed = text.partition("## Layers that are admitted")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(["Input", *layers.TABLE])
    assert "ASSIGNMENT.md" in grade_page.ADVICE["REFUSED"]
