"""What is made of grades once all are there: marks, pseudonyms, a record of them; and how one is forgotten."""

import json
import re
import shutil
from dataclasses import asdict, fields
from pathlib import Path

from denoise_utils.grading import everyone, exports, keeping, likeness, page, ranking
from denoise_utils.grading.rubric import Line, Marks
from denoise_utils.measures.table import NOISY
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, files


def finish(grades, rubric, record):
    """Put marks and pseudonyms into the rows of a class's Grades."""
    known = {row["submission"]: row for row in (grades.yardstick | {"submission": NOISY}, *grades.references)}
    grades.title = rubric.title
    for row in grades.rows:
        row["marks"] = rubric.mark(row, known)
        row["pseudonym"] = keeping.pseudonym(record, row["submission"])
        grades.most = row["marks"].most


def write(grades, out, formats=()):
    """Write a class's tables, pages and import files to `out`, and the record of them; return what to tell of them."""
    page.write(grades, out)
    page.write_people(grades, out)
    told = exports.write(grades, out, formats)
    rows = [row | {"marks": asdict(row["marks"])} for row in grades.rows]
    found = {field.name: getattr(grades, field.name) for field in fields(grades)} | {"rows": rows}
    files.write_json(Path(out) / keeping.KEPT / keeping.STATE, found | {"formats": list(formats)})
    return told


def read(out):
    """Return (the Grades that are kept in `out`, the formats they were written in); raise FileNotFoundError."""
    path = Path(out) / keeping.KEPT / keeping.STATE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        formats = found.pop("formats")
        for row in found["rows"]:
            row["marks"] = Marks(tuple(Line(**line) for line in row["marks"]["lines"]))
            row["verdict"] = Verdict(row["verdict"])
        return everyone.Grades(**found), formats
    except FileNotFoundError:
        raise FileNotFoundError(f"Expected a class's grades in {out}, found none: name it with --out.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"Expected the record of grades in {path}, got: {error}. Grade the class again.") from None


def write_again(out, compared, seed, again):
    """Write again.csv, the ranks under two seeds, and return in words who moved."""
    columns = ("submission", f"rank, seed {seed}", f"rank, seed {again}", f"seed {seed}", f"seed {again}", "moved")
    rows, moved = [], []
    for one in compared:
        told = (one["submission"], *one["ranks"], *one["values"], "moved" if one["moved"] else "")
        rows.append(escaping.cells(dict(zip(columns, told, strict=True))))
        if one["moved"]:
            before, after = ("-" if rank is None else rank for rank in one["ranks"])
            moved.append(f"{escaping.plain(one['submission'])} {before} to {after}")
    files.write_csv(Path(out) / page.AGAIN, rows, columns, quoted=True, marked=True)
    who = f": {', '.join(moved)}" if moved else ""
    return f"Under the seed {again}, {len(moved)} of {len(rows)} have another rank{who}"


def forget(out, who):
    """Remove all that `out` keeps of the person with the name, id, address or pseudonym `who`; return how many rows.

    Results that equal files of others share stay. Raises ValueError if nobody, or more than one, is called so.
    """
    grades, formats = read(out)
    names = ("submission", "person", "id", "email", "identifier", "pseudonym")
    gone = [row for row in grades.rows if who in {row.get(key) for key in names} - {""}]
    if len(gone) != 1:
        number = "nobody" if not gone else f"{len(gone)} people"
        raise ValueError(f"Expected the name, id, address or pseudonym of one person in {out}, got {number} of {who}.")
    row = gone[0]
    grades.rows = ranking.rank([one for one in grades.rows if one is not row])
    _remove_traces(grades, row)
    kept = Path(out) / keeping.KEPT
    for path in kept.glob("*.json"):
        if _is_of(path, row, {one.get("sha256") for one in grades.rows}):
            path.unlink()
    record = keeping.read_record(out)
    record["people"] = [name for name in record["people"] if name != row["submission"]]
    files.write_json(kept / keeping.RECORD, record)
    for name in (page.AGAIN, keeping.LOG):
        (Path(out) / name).unlink(missing_ok=True)
    for folder in (page.PEOPLE, "gradescope"):
        shutil.rmtree(Path(out) / folder, ignore_errors=True)
    write(grades, out, formats)


def _remove_traces(grades, gone):
    """Take the name of somebody who is forgotten out of what is said of the others."""
    name = re.compile(rf"(?:(?<= as )|(?<=, )){re.escape(gone['submission'])}(?=, |$)")  # whole, not a part of another
    for row in grades.rows:
        row["flags"] = [_hide(flag, name) for flag in row["flags"]]


def _hide(flag, name):
    """Leave out who was like somebody, and keep that somebody was."""
    return name.sub("another", flag) if flag.startswith((everyone.TWIN, likeness.SAYS)) else flag


def _is_of(path, row, others):
    """Say whether the result at `path` is of a forgotten person's file alone."""
    if path.name in (keeping.RECORD, keeping.STATE) or row["sha256"] in others or not row["sha256"]:
        return False
    try:
        return json.loads(path.read_bytes()).get("sha256") == row["sha256"]
    except (OSError, ValueError, AttributeError):
        return False
