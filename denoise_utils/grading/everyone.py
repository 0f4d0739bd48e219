"""Grade submissions: the same noisy images for all, a process for each, one row of findings, a ranking.

TensorFlow is needed only in those processes (one.py); what they found is kept by the content of the file.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from denoise_utils import data, noise, profiles
from denoise_utils.datasets import sources
from denoise_utils.grading import likeness, supervise
from denoise_utils.grading.submissions import Submission
from denoise_utils.measures.table import MEASURES, NOISY
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import files, stopping

PACKAGE = Path(__file__).resolve().parents[1]
MAX_RESULT = 4_000_000  # bytes of what a submission's process may report
LIMITS = (Verdict.TIMEOUT, Verdict.MEMORY)  # verdicts that depend on the limits


@dataclass
class Grades:
    """A row per submission, best first; the row of the noisy input; names of those that an interruption left out.

    Files that are no submissions are in `left_out`.
    """

    task: str
    label: str
    cap: int
    seed: int | None
    rows: list = field(default_factory=list)
    yardstick: dict = field(default_factory=dict)
    missing: list = field(default_factory=list)
    left_out: list = field(default_factory=list)


def load_exam(task, *, seed, num_images=None, profile=None, pickles=None):
    """Return the noise.TaskData whose test images, damaged under `seed`, every submission gets.

    `pickles` (two paths, noisy and clean) replaces them by a grader's own, as of data.load_pairs.
    """
    if not pickles:
        return noise.load_task(task, num_train=1, num_val=1, num_test=num_images, seed=seed, profile=profile)
    noisy, clean = data.load_pairs(*pickles)
    names = [os.path.basename(path) for path in pickles]
    test = noise.Pairs(noisy[:num_images], clean[:num_images], None)
    return noise.TaskData("pairs", " + ".join(names), {"noise": {"files": names}, "seed": None}, test, test, test)


def write_exam(exam, folder, cap, judge_folder):
    """Write the exam's images and settings to `folder` and return the settings; one.read_exam reads them.

    `judge_folder` is that of digit_judge.h5. The settings are everything that a result depends on beside the file.
    """
    folder, test = Path(folder), exam.test
    folder.mkdir(parents=True)
    for name in ("noisy", "clean", "labels"):
        if getattr(test, name) is not None:
            np.save(folder / f"{name}.npy", getattr(test, name))
    file = Path(judge_folder) / "digit_judge.h5"
    settings = {
        "task": exam.task,
        "images": sources.hash_arrays(test.noisy, test.clean),
        "cap": cap,
        "judge": str(judge_folder) if file.is_file() else None,
        "judge_sha256": files.hash_file(file) if file.is_file() else None,
        "code": _hash_code(),
    }
    files.write_json(folder / "settings.json", settings)
    return settings


def _hash_code():
    """Return a hash of this package and of the versions below it."""
    versions = [metadata.version(package) for package in ("keras", "tensorflow", "numpy")]
    hashes = [files.hash_file(path) for path in sorted(PACKAGE.rglob("*.py"))]
    return hashlib.sha256("".join(versions + hashes).encode()).hexdigest()


def _environment():
    """Return the environment of a submission's process: on the CPU, on one thread, with this very package."""
    paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg"}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return os.environ | quiet | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | dict.fromkeys(threads, "1")


def grade(submissions, exam, cache, *, cap, judge_folder, jobs=1, limits=None, tell=lambda name, row: None):
    """Grade `submissions` on `exam`, `jobs` at a time, and return the Grades.

    Results are kept in the folder `cache`, so that only what changed is graded again; `tell` gets the name and
    the row of each that is, or is left out. Ctrl-C ends with what was finished; those it left are in `missing`.
    """
    limits, cache = limits or supervise.Limits(), Path(cache)
    grades = Grades(exam.task, exam.label, cap, exam.record["seed"])
    submissions, grades.left_out = _leave_out(submissions, tell)
    yardstick = Submission(NOISY, None)
    with tempfile.TemporaryDirectory(prefix="grade-") as work:
        settings = json.dumps(write_exam(exam, Path(work) / "exam", cap, judge_folder), sort_keys=True)
        keys = {one: _key(settings, one) for one in (yardstick, *submissions) if one.path or one is yardstick}
        known = _see_known(settings, exam.task, judge_folder, Path(work), cache, tell)
        first = {key: one for one, key in reversed(keys.items())}  # of those with equal files
        rows = {key: row for key in first if (row := _read_kept(cache / f"{key}.json", limits))}
        todo = {key: one for key, one in reversed(first.items()) if key not in rows}
        ended = _run(todo, Path(work), cache, jobs, limits)
        try:
            with contextlib.closing(ended):
                for key, row in ended:
                    rows[key] = row
                    tell(todo[key].name, row)
        except KeyboardInterrupt:
            stopping.end()  # a second one would cost the tables of what is finished
    grades.yardstick = rows.get(keys[yardstick], {})
    found = [_row(one, keys, rows) for one in submissions]
    grades.missing = [one.name for one, row in zip(submissions, found, strict=True) if row is None]
    _flag_alike(found, submissions, keys, known, judge_folder)
    grades.rows = rank([row for row in found if row])
    return grades


def _see_known(settings, task, folder, work, cache, tell):
    """Return {file: marks} of the course's own models in `folder`, in a process with limits of its own."""
    paths = likeness.find_known(folder, task)
    one = Submission("the course's models", Path(folder), sha256=likeness.hash_all(paths))
    key, limits = _key(settings, one), supervise.Limits(seconds=600)
    row = _read_kept(cache / f"{key}.json", limits) if paths else {}
    if row is None:
        with contextlib.closing(_run({key: one}, work, cache, 1, limits)) as ended:
            row = dict(ended)[key]
        if "known" not in row:
            tell(one.name, row)
    return row.get("known", {})


def _flag_alike(rows, submissions, keys, known, folder):
    """Add to the rows what is nearly the same as others' work, or the course's; take the marks off."""
    marks = {row["submission"]: row.pop("marks") for row in rows if row and "marks" in row}
    named = [one for one in submissions if one.name in marks]
    same = {(one.name, two.name) for one in named for two in named if keys[one] == keys[two]}
    paths = {(Path(folder) / name.removeprefix("models/")).resolve(): name for name in known}
    same |= {(one.name, paths.get(one.path.resolve())) for one in named}
    flags = likeness.find_flags(marks, known, same)
    for row in rows:
        if row:
            row["flags"] = row["flags"] + flags.get(row["submission"], [])


def _key(settings, submission):
    return hashlib.sha256(f"{settings}{submission.sha256}".encode()).hexdigest()


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
        tell(one.name, {"verdict": one.verdict, "reason": one.reason})
    return [one for one in submissions if one.verdict != Verdict.LEFT_OUT], [one.name for one in rest]


def _run(todo, work, cache, jobs, limits):
    """Run a process per submission and yield (key, row) as each ends; what ended properly is kept in `cache`."""
    program = [sys.executable, "-P", "-m", "denoise_utils.grading.one", str(work / "exam")]
    commands = {}
    for key, one in todo.items():
        commands[key] = [*program, str(work / f"{key}.json"), *([str(one.path.resolve())] if one.path else [])]
    with contextlib.closing(supervise.run_all(commands, jobs, limits, _environment())) as endings:
        for key, ending in endings:
            row, is_whole = _read_result(work / f"{key}.json", ending, limits)
            if is_whole:
                files.write_json(cache / f"{key}.json", row)
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


def _row(submission, keys, rows):
    """Return the table row of a submission, or None if it was not graded."""
    row = {"submission": submission.name, "verdict": submission.verdict, "reason": submission.reason}
    if not submission.path:
        return row | {"flags": []}
    key = keys[submission]
    if key not in rows:
        return None
    twins = [other.name for other in keys if keys[other] == key and other is not submission]
    told = [f"the same file as {', '.join(twins[:5])}"] if twins else []
    others = submission.others
    told += [f"the newest of {len(others) + 1}; older: {', '.join(others)}"] if others else []
    return row | rows[key] | {"flags": rows[key].get("flags", []) + told}


def rank(rows):
    """Return the rows, best first: those that pass by the measure that decides, then the others by verdict."""
    verdicts, measure = list(Verdict), MEASURES[profiles.RANKED_BY]

    def standing(row):
        return verdicts.index(row["verdict"]), measure.order(row.get(profiles.RANKED_BY)), row["submission"]

    rows = sorted(rows, key=standing)
    passed = [row for row in rows if row["verdict"] == Verdict.PASS]
    ranks = {row["submission"]: number for number, row in enumerate(passed, 1)}
    return [{"rank": ranks.get(row["submission"])} | row for row in rows]
