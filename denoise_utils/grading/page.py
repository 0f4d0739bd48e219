"""Lay grades out: a CSV for the records, a sortable page with pictures, a few lines for a student.

Names and reasons come from strangers: nothing in them may act as HTML, as a formula or as a control character.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path

from denoise_utils import profiles
from denoise_utils.grading import likeness
from denoise_utils.grading.everyone import TWIN
from denoise_utils.grading.exam import PUBLIC_SEED
from denoise_utils.measures import frame, table
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, files
from denoise_utils.system.escaping import plain

DECIDES = table.MEASURES[profiles.RANKED_BY]
COLUMNS = {
    "rank": ("rank", "{}"),
    "submission": ("submission", "{}"),
    "verdict": ("verdict", "{}"),
    "late": ("late", "{}"),
    "marks": ("marks", "{:g}"),
    "parameters": table.PARAMETERS,
    profiles.RANKED_BY: DECIDES.column,
    **table.columns(table.USUAL),
    "milliseconds": ("ms per image", "{:.2f}"),
    "input": ("input", "{}"),
    "output": ("output", "{}"),
}
# What the CSV has beside them.
MORE = [
    "tied",
    "most",
    "why",
    "flags",
    "notes",
    "reason",
    "person",
    "id",
    "email",
    "identifier",
    "pseudonym",
    "file",
    "sha256",
]
MORE += ["trainable", "stored", "built", "constants", "computed", "wide", "bits", "statistics", "images"]
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
PEOPLE = "people"  # the folder of the pages for one person each
AGAIN = "again.csv"  # what a regrading under another seed is compared in
TEMPLATES = Path(__file__).parent
PUBLIC = "the public seed {}: your class is graded under another, so expect other digits after the decimal point"
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


def advise(row, noisy):
    """Return what the author of a row is to do next."""
    if row["verdict"] != Verdict.PASS:
        return ADVICE.get(row["verdict"], "")
    if row["flags"]:
        return "Mend what is flagged, or be ready to explain it."
    mine, untouched = (DECIDES.order(scores.get(profiles.RANKED_BY)) for scores in (row, noisy))
    if mine >= untouched:
        return "It does no better than leaving the image alone: train it longer, or on the right noise."
    return ADVICE.get(row["verdict"], "")


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
    seed = PUBLIC.format(grades.seed) if grades.seed == PUBLIC_SEED else f"the seed {grades.seed}"
    return "\n".join([*lines, f"  noise: {seed}", f"  {advise(row, noisy)}"])


def render(grades):
    """Return the page of the Grades: a table of everybody, best first, then a card of each with pictures."""
    noisy = grades.yardstick
    once = {title: noisy[key] for title, key in (("clean", "clean_sheet"), ("noisy", "sheet")) if key in noisy}
    return frame.render(
        TEMPLATES / "grades.html",
        grades=grades,
        summary=_summarise(grades),
        noisy=noisy | {"submission": table.NOISY},
        once=once,
        listed=LISTED,
        in_cards=IN_CARDS,
        decides=DECIDES,
        people=PEOPLE if grades.most else "",
        slug=slug,
    )


def _summarise(grades):
    verdicts = Counter(str(row["verdict"]) for row in grades.rows)
    return ", ".join(f"{number} {verdict}" for verdict, number in verdicts.items())


def slug(row):
    """Return a name for the files of a person: plain letters of the name, and the pseudonym, which nobody else has."""
    flat = unicodedata.normalize("NFKD", row["submission"]).encode("ascii", "ignore").decode()
    return f"{re.sub('[^A-Za-z0-9]+', '-', flat).strip('-')[:40]}-{row['pseudonym']}".lstrip("-")


def write(grades, folder):
    """Write grades.csv and grades.html to `folder`."""
    folder = Path(folder)
    shared = {"task": grades.task, "seed": grades.seed, "cap": grades.cap, "data": grades.label}
    rows = [grades.yardstick | {"submission": table.NOISY, "verdict": None}]
    rows += [row | {"verdict": None} for row in grades.references]
    rows += [row | _mark(row) for row in grades.rows]
    written = [escaping.cells(shared | row) for row in rows]
    files.write_csv(folder / "grades.csv", written, [*COLUMNS, *MORE], quoted=True, marked=True)
    files.write_text(folder / "grades.html", render(grades))


def _mark(row):
    marks = row.get("marks")
    return {"marks": marks.total, "most": marks.most, "why": marks.describe()} if marks else {}


def flags_for(row):
    """Return what is flagged as its author is told it: without the names of others."""
    course = f"{likeness.SAYS} {likeness.OF_COURSE}"
    told = [f"{TWIN}another" if flag.startswith(TWIN) else flag for flag in row["flags"]]
    return [
        f"{likeness.SAYS} another's" if flag.startswith(likeness.SAYS) and not flag.startswith(course) else flag
        for flag in told
    ]


def write_people(grades, folder):
    """Write a page for each person, with marks and why, and ranking.html, which has pseudonyms alone."""
    folder, noisy = Path(folder), grades.yardstick | {"submission": table.NOISY}
    (folder / PEOPLE).mkdir(parents=True, exist_ok=True)
    shared = {"grades": grades, "noisy": noisy, "in_cards": IN_CARDS, "listed": LISTED, "decides": DECIDES}
    written = set()
    for row in grades.rows:
        if row["verdict"] != Verdict.MISSING:
            path = folder / PEOPLE / f"{slug(row)}.html"
            own = {"row": row, "advice": advise(row, noisy), "flags": flags_for(row)}
            files.write_text(path, frame.render(TEMPLATES / "person.html", **own, **shared))
            written.add(path)
    for path in (folder / PEOPLE).glob("*-???-???.html"):
        if path not in written:
            path.unlink()  # of somebody who is not here any more
    files.write_text(folder / "ranking.html", frame.render(TEMPLATES / "ranking.html", **shared))
