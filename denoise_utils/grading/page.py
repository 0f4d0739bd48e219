"""Lay grades out: a CSV for the records, a sortable page with pictures, a few lines for a student.

Names and reasons come from strangers: nothing in them may act as HTML, as a formula or as a control character.
"""

from collections import Counter
from pathlib import Path

from denoise_utils import profiles
from denoise_utils.measures import frame, table
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, files
from denoise_utils.system.escaping import plain

DECIDES = table.MEASURES[profiles.RANKED_BY]
COLUMNS = {
    "rank": ("rank", "{}"),
    "submission": ("submission", "{}"),
    "verdict": ("verdict", "{}"),
    "parameters": table.PARAMETERS,
    profiles.RANKED_BY: DECIDES.column,
    **table.columns(table.USUAL),
    "milliseconds": ("ms per image", "{:.2f}"),
    "input": ("input", "{}"),
    "output": ("output", "{}"),
}
# What the CSV has beside them.
MORE = [
    "flags",
    "reason",
    "trainable",
    "stored",
    "built",
    "constants",
    "computed",
    "wide",
    "bits",
    "statistics",
    "images",
]
MORE += [key for key in table.columns(table.FULL) if key not in COLUMNS]
MORE += ["seconds", "megabytes", "task", "seed", "cap", "data"]
ADVICE = {
    Verdict.PASS: "Hand it in.",
    Verdict.OVER: "Take parameters out: fewer filters, smaller kernels, or one layer used twice.",
    Verdict.TIMEOUT: "Make the model faster; on a slow machine, allow more with --timeout.",
    Verdict.MEMORY: "Make the model's intermediate images fewer or smaller.",
    Verdict.REFUSED: "Change what the reason names, and save it with model.save: the layers that are admitted stand in "
    "ASSIGNMENT.md.",
    Verdict.BROKEN: "Mend what the reason says, then check it again.",
}
TEMPLATE = Path(__file__).parent / "grades.html"
LISTED = {key: COLUMNS[key] for key in (profiles.RANKED_BY, *table.values(table.BRIEF))}  # beside name and verdict
IN_CARDS = {key: COLUMNS[key] for key in (*table.values(table.USUAL), "milliseconds", "input", "output")}


def describe(row):
    """Return a graded row in one line: its verdict, its figures or its reason, its flags."""
    words = [row["verdict"] or "scored"]
    if "parameters" in row:
        words.append(f"{row['parameters']:,} parameters")
    found = {key: row.get(key) for key in table.select(table.BRIEF)}
    words += [", ".join(table.MEASURES[key].say(value) for key, value in found.items() if value is not None)]
    words += [row["reason"]] if row.get("reason") else []
    return plain("; ".join(filter(None, words + row.get("flags", []))))


def exit_code(row):
    """Return a self-check's exit code: 0 for a clean pass, 1 if over the cap or flagged, 2 if it was not scored."""
    if row["verdict"] not in (Verdict.PASS, Verdict.OVER):
        return 2
    return int(row["verdict"] == Verdict.OVER or bool(row["flags"]))


def explain(grades):
    """Return what a student needs to know about the only submission: verdict, figures, what to do."""
    row, noisy = grades.rows[0], grades.yardstick
    lines = [f"{plain(row['submission'])}: {row['verdict']}"]
    if "parameters" in row:
        trainable = f", {row['trainable']:,} of them trainable" if "trainable" in row else ""
        lines.append(f"  parameters: {row['parameters']:,} of {grades.cap:,} allowed{trainable}")
    for key in (*table.select(table.BRIEF), "milliseconds"):
        if row.get(key) is not None:
            title, layout = COLUMNS[key]
            beside = f" ({table.NOISY}: {layout.format(noisy[key])})" if noisy.get(key) is not None else ""
            lines.append(f"  {title}: {layout.format(row[key])}{beside}")
    lines += [f"  flagged: {plain(flag)}" for flag in row["flags"]]
    lines += [f"  reason: {plain(row['reason'])}"] if row["reason"] else []
    advice = "Mend what is flagged, or be ready to explain it." if row["flags"] else ADVICE[row["verdict"]]
    mine, untouched = (DECIDES.order(scores.get(profiles.RANKED_BY)) for scores in (row, noisy))
    if exit_code(row) == 0 and mine >= untouched:
        advice = "It does no better than leaving the image alone: train it longer, or on the right noise."
    return "\n".join([*lines, f"  {ADVICE[Verdict.OVER] if row['verdict'] == Verdict.OVER else advice}"])


def render(grades):
    """Return the page of the Grades: a table of everybody, best first, then a card of each with pictures."""
    verdicts = Counter(str(row["verdict"]) for row in grades.rows)
    noisy = grades.yardstick
    once = {title: noisy[key] for title, key in (("clean", "clean_sheet"), ("noisy", "sheet")) if key in noisy}
    return frame.render(
        TEMPLATE,
        grades=grades,
        summary=", ".join(f"{number} {verdict}" for verdict, number in verdicts.items()),
        noisy=noisy | {"submission": table.NOISY},
        once=once,
        listed=LISTED,
        in_cards=IN_CARDS,
        decides=DECIDES,
    )


def write(grades, folder):
    """Write grades.csv and grades.html to `folder`."""
    folder = Path(folder)
    shared = {"task": grades.task, "seed": grades.seed, "cap": grades.cap, "data": grades.label}
    rows = [grades.yardstick | {"submission": table.NOISY, "verdict": None}, *grades.rows]
    written = [escaping.cells(shared | row) for row in rows]
    files.write_csv(folder / "grades.csv", written, [*COLUMNS, *MORE])
    files.write_text(folder / "grades.html", render(grades))
