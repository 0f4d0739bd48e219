"""Grade submissions: the same noisy images for all, a process for each, one row of findings, a ranking.

TensorFlow is needed only in those processes (one.py); what they found is kept by the content of the file.
"""

import contextlib
import hashlib
import json
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from denoise_utils.grading import keeping, likeness, ranking, starter, supervise
from denoise_utils.grading.copies import Copy, copy, drop
from denoise_utils.grading.exam import write_exam
from denoise_utils.grading.submissions import Submission
from denoise_utils.measures.table import NOISY
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import files, stopping

MAX_RESULT = 4_000_000  # bytes of what a submission's process may report
TWIN = "the same file as "  # what a flag begins with that names others
LIMITS = (Verdict.TIMEOUT, Verdict.MEMORY)  # verdicts that depend on the limits


@dataclass
class Grades:
    """A row per submission, best first; the row of the noisy input; names of those that an interruption left out.

    Rows of known models to compare with, without a rank, are in `references`; files that are no submissions in
    `left_out`.
    """

    task: str
    label: str
    cap: int
    seed: int | None
    rows: list = field(default_factory=list)
    yardstick: dict = field(default_factory=dict)
    references: list = field(default_factory=list)
    missing: list = field(default_factory=list)
    left_out: list = field(default_factory=list)
    title: str = ""  # of the rubric by which a class is marked
    most: float = 0  # marks that it gives


def grade(
    submissions,
    exam,
    cache,
    *,
    cap,
    judge,
    own=None,
    jobs=1,
    limits=None,
    references=(),
    tell=lambda name, row, progress: None,
    fork=True,
):
    """Grade `submissions` on `exam`, `jobs` at a time, and return the Grades.

    Results are kept in the folder `cache`, so that only what changed is graded again; `tell` gets the name, the row and
    how far all is, of each that is graded or left out. `references` are Submissions, too, which get no rank; `own` is
    the folder of the course's models, whose copies are flagged. Without `fork`, each process starts from nothing, which
    takes seconds. Ctrl-C ends with what was finished; the rest is in `missing`.
    """
    limits, cache = limits or supervise.Limits(), Path(cache)
    grades = Grades(exam.task, exam.label, cap, exam.record["seed"])
    submissions, grades.left_out = _leave_out(submissions, tell)
    with keeping.work_folder(cache) as work, starter.ready(fork) as start:
        settings = json.dumps(write_exam(exam, work / "exam", cap, judge), sort_keys=True)
        copies = [Copy(Submission(NOISY))]
        copies += [copy(one, work / str(number)) for number, one in enumerate((*references, *submissions))]
        keys = [_key(settings, one) if one.path or one is copies[0] else None for one in copies]
        first = {key: one for key, one in reversed([*zip(keys, copies, strict=True)]) if key}  # of equal files
        rows = {key: row for key in first if (row := _read_kept(cache / f"{key}.json", limits))}
        todo = {key: one for key, one in reversed(first.items()) if key not in rows}
        drop(copies, todo)
        known = _see_known(settings, exam.task, Path(own), work, cache, tell, start) if own else {}
        _collect(rows, todo, _run(todo, work, cache, jobs, limits, start), tell)
    num_known = 1 + len(references)
    found = [_row(number, copies, keys, rows, num_known) for number in range(len(copies))]
    _flag_alike(found[num_known:], copies[num_known:], known, own)
    return _gather(grades, found, submissions, len(references))


def _collect(rows, todo, ended, tell):
    """Put the rows of what has ended into `rows`, and tell of each; an interruption leaves those that there are."""
    begun = time.monotonic()
    try:
        with contextlib.closing(ended):
            for number, (key, row) in enumerate(ended, 1):
                rows[key] = row
                tell(todo[key].submission.name, row, say_progress(number, len(todo), time.monotonic() - begun))
    except KeyboardInterrupt:
        stopping.end()  # a second one would cost the tables of what is finished


def say_progress(done, total, seconds):
    """Return "17 of 300, about 12 minutes left", from the seconds that so many took."""
    left = seconds / done * (total - done) / 60
    return f"{done} of {total}" + (f", about {max(1, round(left))} minutes left" if done < total else "")


def _gather(grades, found, submissions, num_references):
    """Return the Grades with their rows: of the noisy input, of the references, of the submissions, in this order."""
    grades.yardstick = found[0] or {}
    grades.references = [row for row in found[1 : 1 + num_references] if row]
    rest = found[1 + num_references :]
    grades.missing = [one.name for one, row in zip(submissions, rest, strict=True) if row is None]
    grades.rows = ranking.rank([row for row in rest if row])
    return grades


def _see_known(settings, task, folder, work, cache, tell, start):
    """Return {file: pixels} of the course's own models in `folder`, in a process with limits of its own."""
    paths = likeness.find_known(folder, task)
    one = Copy(Submission("the course's models"), folder, likeness.hash_all(paths))
    key, limits = _key(settings, one), supervise.Limits(seconds=600)
    row = _read_kept(cache / f"{key}.json", limits) if paths else {}
    if row is None:
        with contextlib.closing(_run({key: one}, work, cache, 1, limits, start)) as ended:
            row = dict(ended)[key]
        if "known" not in row:
            tell(one.submission.name, row, "")
    return row.get("known", {})


def _flag_alike(rows, copies, known, folder):
    """Add to the rows what makes nearly the pictures of others, or of the course's own models."""
    pictures = {row["submission"]: row.get("pixels") for row in rows if row}
    files = {one.submission.name: one for one in copies}
    same = {(a, b) for a in files for b in files if files[a].sha256 and files[a].sha256 == files[b].sha256}
    paths = {(Path(folder) / name.removeprefix("models/")).resolve(): name for name in known}
    for name, one in files.items():
        file = one.submission.file
        same |= {(name, paths.get(file.path.resolve()))} if file and not file.member else set()
    flags, notes = likeness.find_flags(pictures, known, same)
    for row in filter(None, rows):
        name = row["submission"]
        told = [flag for flag in row["flags"] if name not in notes or not flag.startswith(TWIN)]
        row |= {"flags": told + flags.get(name, []), "notes": row["notes"] + notes.get(name, [])}


def _key(settings, copy):
    """Return what the result of a copy, or of the noisy images themselves, is kept under."""
    return hashlib.sha256(f"{settings}{copy.sha256}".encode()).hexdigest()


def _read_kept(path, limits):
    """Return the result kept at `path`, or None if there is none that holds under these limits."""
    try:
        row = parse_row(path.read_bytes())
    except (OSError, ValueError):
        return None
    return None if row["verdict"] in LIMITS and row["limits"] != [limits.seconds, limits.megabytes] else row


def _leave_out(submissions, tell):
    """Return (what is graded or gets a row, the names of the rest); tell of the rest."""
    rest = [one for one in submissions if one.verdict == Verdict.LEFT_OUT]
    for one in rest:
        tell(one.name, {"verdict": one.verdict, "reason": one.reason}, "")
    return [one for one in submissions if one.verdict != Verdict.LEFT_OUT], [one.name for one in rest]


def _run(todo, work, cache, jobs, limits, start):
    """Run a process per copy and yield (key, row) as each ends; what ended properly is kept in `cache`."""
    commands = {}
    for key, one in todo.items():
        file = [str(one.path.resolve())] if one.path else []
        commands[key] = [str(work / "exam"), str(work / f"{key}.json"), *file]
    with contextlib.closing(supervise.run_all(commands, jobs, limits, start)) as endings:
        for key, ending in endings:
            row, is_whole = _read_result(work / f"{key}.json", ending, limits)
            row["sha256"] = todo[key].sha256
            if is_whole:
                files.write_json(cache / f"{key}.json", row)
            if todo[key].path and todo[key].path.is_relative_to(work):
                todo[key].path.unlink(missing_ok=True)
            yield key, row


def parse_row(content):
    """Return the row that a process wrote as JSON, its verdict as a Verdict; raise ValueError for any other content."""
    row = json.loads(content)
    return row | {"verdict": Verdict(row["verdict"])} if row.get("verdict") else row


def _read_result(path, ending, limits):
    """Return (a submission's row, whether to keep it) from what its process wrote and how it ended."""
    try:
        row = parse_row(path.read_bytes()[:MAX_RESULT])
    except (OSError, ValueError):
        row = {}
    if ending.cause:
        time, memory = f"{limits.seconds:g} s of processor time", f"{limits.megabytes:,.0f} MB of memory"
        asked = time if ending.cause == Verdict.TIMEOUT else memory
        row |= {"verdict": ending.cause, "reason": f"Expected to be graded within {asked}, which it passed."}
    elif "verdict" not in row or ending.code:
        how = f"signal {signal.Signals(-ending.code).name}" if ending.code < 0 else f"code {ending.code}"
        row |= {"verdict": Verdict.BROKEN, "reason": f"Its process ended with {how}: {ending.said[:300]}"}
    whole = bool(ending.cause) or not ending.code  # a crash may have been the machine's fault
    taken = {"seconds": round(ending.seconds, 2), "megabytes": round(ending.megabytes)}
    return row | taken | {"limits": [limits.seconds, limits.megabytes]}, whole


def _row(number, copies, keys, rows, first):
    """Return the table row of one of the copies, or None if it was not graded; those from `first` on are twins."""
    one, key = copies[number].submission, keys[number]
    person = one.person
    row = {"submission": one.name, "verdict": one.verdict, "reason": one.reason, "sha256": copies[number].sha256}
    row |= {"person": person.name, "id": person.number, "email": person.email, "identifier": person.identifier}
    row |= {"late": "LATE" if one.late else "", "file": one.file.name if one.file else "", "system": one.system}
    newest = f"the newest of {len(one.others) + 1}; older: {', '.join(one.others)}"
    row["notes"] = [newest, *one.notes] if one.others else list(one.notes)
    if key is None:
        return row | {"flags": []}
    if key not in rows:
        return None
    others = [other for other in range(first, len(copies)) if keys[other] == key and other != number]
    twins = [copies[other].submission.name for other in others]
    told = [f"{TWIN}{', '.join(twins[:5])}"] if twins and number >= first else []
    return row | rows[key] | {"flags": rows[key].get("flags", []) + told, "key": key}
