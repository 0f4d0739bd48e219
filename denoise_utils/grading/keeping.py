"""What is kept of a class in --out: its seed, its results by the content of the files, who they belong to."""

import hashlib
import hmac
import json
import secrets
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

from denoise_utils.grading.exam import PUBLIC_SEED
from denoise_utils.system import files, locks

KEPT, RECORD, STATE = "kept", "class.json", "grades.json"
LOG = "grade.log"
WORK = "work-"  # what the names of the folders begin with in which files are graded
MAX_SEED = 10**9
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that looks like another


def check_place(out, path):
    """Raise OSError unless `out` can be a folder for grades and lies outside of the submissions at `path`."""
    out, path = Path(out), Path(path)
    if out.is_file():
        raise NotADirectoryError(f"Expected --out to name a folder, got the file {out}.")
    if path.is_dir() and out.resolve().is_relative_to(path.resolve()):
        raise OSError(
            f"Expected --out outside of the submissions, got {out} inside {path}, where it would be handed in next "
            "time: name another folder."
        )


@contextmanager
def held(out):
    """Hold `out` for this process; clear away what a kill left of an earlier one."""
    kept = Path(out) / KEPT
    busy = f"Expected to be the only grader that writes to {out}, got another: wait for it, or name another --out."
    with locks.held(kept / "lock", busy):
        for left in kept.glob(f"{WORK}*"):
            shutil.rmtree(left, ignore_errors=True)
        yield kept


@contextmanager
def work_folder(kept):
    """Yield a folder for the files while they are graded; it is removed, after a kill by the next that holds `out`."""
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=WORK, dir=kept, ignore_cleanup_errors=True) as work:
        yield Path(work)


def read_record(out):
    """Return what is known of the class in `out`: its "seed", its "people", its "secret"; {} if it holds none."""
    try:
        record = json.loads((Path(out) / KEPT / RECORD).read_text(encoding="utf-8"))
        return record if {"seed", "people", "secret"} <= record.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}


def begin_check(out):
    """Return the seed of a check of one file; raise OSError if `out` holds a class, whose grades it would replace."""
    if read_record(out):
        raise OSError(f"Expected an --out for one file, got {out}, which holds a class's grades: name another folder.")
    return PUBLIC_SEED


def begin_class(out, names, seed=None):
    """Return the record of a class whose hand-ins have these names; the seed is the one given, kept, or drawn.

    Raises OSError if `out` holds another class.
    """
    record, names = read_record(out), sorted(names)
    known = set(record.get("people", names))
    if 2 * len(known & set(names)) < min(len(known), len(names)):
        raise OSError(
            f"Expected --out of this class, got {out}, which holds another with {min(known)}: name another folder, "
            "or remove that one."
        )
    if seed is None:
        seed = record.get("seed", secrets.randbelow(MAX_SEED))
    record = {"seed": seed, "people": names, "secret": record.get("secret", secrets.token_hex(16))}
    files.write_json(Path(out) / KEPT / RECORD, record)
    return record


def pseudonym(record, name):
    """Return what the class's ranking calls the hand-in `name`: always the same, and told by the "secret" alone."""
    digest = hmac.new(record["secret"].encode(), name.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    number = int.from_bytes(digest[:5])
    letters = "".join(LETTERS[number >> 5 * place & 31] for place in range(6))
    return f"{letters[:3]}-{letters[3:]}"


def log_of(kept):
    """Return the path of the log beside the folder `kept`: what was found, with the time."""
    return Path(kept).parent / LOG
