"""The files by which Moodle, Canvas and Gradescope take grades; docs/grading.md says where their forms are from."""

import shutil
from pathlib import Path

from denoise_utils.grading.page import flags_for, slug
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, files

# Moodle's grading worksheet goes by the identifier, its gradebook's import by any column that one chooses.
MOODLE = [
    "Identifier",
    "Full name",
    "ID number",
    "Email address",
    "Grade",
    "Maximum Grade",
    "Last modified (grade)",
    "Feedback comments",
]
CANVAS = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
POINTS = "Points Possible"


def write(grades, folder, formats):
    """Write what each of `formats` imports to `folder`; return what to tell the teacher of it."""
    ways = {"moodle": _write_moodle, "canvas": _write_canvas, "gradescope": _write_gradescope}
    return [ways[name](grades, Path(folder)) for name in formats]


def _grade(row):
    """Return the marks of a row, empty for somebody who handed in nothing: a teacher decides what that means."""
    total = row["marks"].total
    return "" if total is None or row["verdict"] == Verdict.MISSING else f"{total:g}"


def feedback(row):
    """Return in one line what a person is told: the verdict, the marks and why, the reason, what is flagged."""
    parts = [str(row["verdict"]), row["marks"].describe(), row.get("reason") or ""]
    return escaping.plain(". ".join(filter(None, [*parts, *(f"flagged: {flag}" for flag in flags_for(row))])))


def _write_moodle(grades, folder):
    rows = []
    for row in grades.rows:
        number = row["identifier"]
        rows.append(
            {
                "Identifier": f"Participant {number}" if number else "",
                "Full name": row["person"],
                "ID number": row["id"],
                "Email address": row["email"],
                "Grade": _grade(row),
                "Maximum Grade": f"{row['marks'].most:g}",
                "Last modified (grade)": "",  # when Moodle last had a grade: never
                "Feedback comments": feedback(row),
            }
        )
    files.write_csv(folder / "moodle.csv", map(escaping.cells, rows), MOODLE, quoted=True, marked=True)
    without = [row["submission"] for row in grades.rows if not (row["identifier"] or row["email"] or row["id"])]
    return _tell("moodle.csv", "an identifier, id or e-mail address", without)


def _write_canvas(grades, folder):
    """Without the mark of UTF-8 before the first cell, which Canvas reads as a part of it."""
    title = escaping.cell(grades.title)
    rows = [{"Student": f"    {POINTS}", title: f"{grades.most:g}"}]
    for row in grades.rows:
        told = [row["person"] or row["submission"], row["identifier"], row["id"], row["email"], ""]
        rows.append(dict(zip(CANVAS, told, strict=True)) | {title: _grade(row)})
    files.write_csv(folder / "canvas.csv", map(escaping.cells, rows), [*CANVAS, title], quoted=True)
    without = [row["submission"] for row in grades.rows if not (row["identifier"] or row["id"] or row["email"])]
    return _tell("canvas.csv", "an ID of Canvas, SIS ID or login", without)


def _write_gradescope(grades, folder):
    place = folder / "gradescope"
    if place.is_dir():
        shutil.rmtree(place)  # of people who are not here any more
    for row in grades.rows:
        if row["verdict"] != Verdict.MISSING:
            files.write_json(place / slug(row) / "results.json", results(row))
    return f"{place.name}/: a results.json for each person"


def results(row):
    """Return a row as Gradescope's results.json, whose score is the sum of its tests' where each has one."""
    tests = [
        {
            "name": line.title,
            "score": line.points or 0,
            "max_score": line.most,
            "output": line.why,
            "visibility": "visible",
        }
        for line in row["marks"].lines
    ]
    shown = [("excess", "asc"), ("psnr", "desc"), ("parameters", "asc")]
    board = [{"name": key, "value": row[key], "order": order} for key, order in shown if row.get(key) is not None]
    return {
        "score": row["marks"].total or 0,
        "execution_time": row.get("seconds", 0),
        "output": feedback(row),
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "leaderboard": board,
    }


def _tell(name, wanted, without):
    if not without:
        return name
    who = ", ".join(map(escaping.plain, without[:5]))
    return f"{name}; {len(without)} without {wanted} ({who}): add them with --roster"
