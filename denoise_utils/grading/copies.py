"""Copy what was handed in: what is graded is what was hashed, whatever becomes of the original."""

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from denoise_utils.grading.submissions import MAX_FILE, Submission
from denoise_utils.measures.verdicts import Verdict


@dataclass(frozen=True)
class Copy:
    """A submission, with the copy of its file, if it has one that can be read, and the copy's SHA-256."""

    submission: Submission
    path: Path | None = None
    sha256: str = ""


def copy(submission, folder):
    """Return the Copy of a submission's file in `folder`, or, if it cannot be read to its end, of one without it."""
    file = submission.file
    if not file:
        return Copy(submission)
    folder.mkdir()
    is_usual = file.name.isprintable() and len(os.fsencode(file.name)) < 200 and PurePath(file.name).name == file.name
    path, digest, size = folder / (file.name if is_usual else "handed in.h5"), hashlib.sha256(), 0
    try:
        with open(path, "wb") as target:
            for part in file.read():
                size += len(part)
                if size > MAX_FILE:
                    raise OSError(f"more than {MAX_FILE / 1e6:,.0f} MB")
                digest.update(part)
                target.write(part)
    except OSError as error:
        path.unlink(missing_ok=True)
        reason = f"Expected a file that can be read, got: {error.strerror or error}."
        return Copy(replace(submission, file=None, verdict=Verdict.BROKEN, reason=reason))
    return Copy(submission, path, digest.hexdigest())


def drop(copies, todo):
    """Remove the copies of files that need not be graded."""
    needed = {one.path for one in todo.values()}
    for one in copies:
        if one.path and one.path not in needed:
            one.path.unlink()
