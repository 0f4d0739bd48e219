"""Find the submissions of a class: .h5 files, folders that hold one, and what was handed in by mistake."""

from dataclasses import dataclass
from pathlib import Path

from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import files

MAX_FILE = 100_000_000  # bytes of a submission; a model within the cap needs about a thousandth
LARGE_FILE = 1_000_000  # bytes: the assignment asks for less
MISTAKEN = (".keras", ".hdf5", ".pt", ".pth", ".onnx", ".tflite", ".pb", ".ipynb")
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz")
OF_SYSTEMS = ("__MACOSX", "__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")  # nobody handed these in


@dataclass(frozen=True)
class Submission:
    """One hand-in: its name, and its .h5 or the reason why there is none."""

    name: str
    path: Path | None
    verdict: Verdict | None = None
    reason: str = ""
    sha256: str = ""


def find_submissions(path):
    """Return the Submissions at `path`: one .h5, or a folder of .h5 files and of folders that hold one each.

    What cannot be a submission is one all the same, with a verdict and a reason; the verdict of what nobody can
    have meant as one is "left out". Raises FileNotFoundError.
    """
    path = Path(path)
    if path.is_file():
        return [_check_file(path.name, path)]
    if not path.is_dir():
        raise FileNotFoundError(f"Expected an .h5 file or a folder of submissions, found no {path}: look for its name.")
    found = [_find_one(entry) for entry in sorted(path.iterdir()) if entry.name not in OF_SYSTEMS]
    if all(one.verdict == Verdict.LEFT_OUT for one in found):
        raise FileNotFoundError(
            f"Expected .h5 files, or folders that hold one, in {path}, found none: look for its name."
        )
    return found


def _find_one(entry):
    """Return the Submission that `entry` of the folder stands for."""
    name = entry.name
    if name.startswith("."):
        return Submission(name, None, Verdict.LEFT_OUT, "it is hidden")
    if entry.is_dir():
        lying = sorted(file for file in entry.rglob("*") if not file.name.startswith(".") and not file.is_dir())
        inside = [file for file in lying if _is_h5(file)]
        if len(inside) == 1:
            return _check_file(name, inside[0])
        names = ", ".join(file.name for file in (inside or lying)[:4]) or "nothing"
        reason = f"Expected one .h5 in the folder, found {len(inside)}; in it: {names}. Hand in the one .h5."
        return Submission(name, None, Verdict.BROKEN, reason)
    if ".h5" in name.lower() or entry.suffix.lower() in (*MISTAKEN, *ARCHIVES):
        return _check_file(name, entry)
    return Submission(name, None, Verdict.LEFT_OUT, "it is no .h5")


def _is_h5(path):
    return path.suffix.lower() == ".h5"


def _explain_name(path):
    """Return what is wrong with a file whose name does not end in .h5, and what to do."""
    if path.suffix.lower() in ARCHIVES:
        return f"Expected the .h5 itself, got an archive ({path.suffix}): hand in the .h5 that is in it."
    expected = f"Expected a name that ends in .h5, got {path.suffix or 'one without an ending'}: "
    if _is_h5(path):
        return f"{expected}rename it."
    if ".h5" in path.name.lower():
        return f"{expected}hand in the .h5 itself; if it is one, rename it."
    return f'{expected}save it with model.save("NAME.h5").'


def _check_file(name, path):
    """Return the Submission of the file at `path`, which must be a plain one, readable, and not huge."""
    if path.suffix != ".h5":
        return Submission(name, None, Verdict.BROKEN, _explain_name(path))
    try:
        if not path.is_file():
            raise OSError("there is no plain file of this name")
        size = path.stat().st_size
        if size > MAX_FILE:
            reason = f"Expected at most {MAX_FILE / 1e6:,.0f} MB, got {size / 1e6:,.0f} MB: save the model alone."
            return Submission(name, None, Verdict.REFUSED, reason)
        return Submission(name, path, sha256=files.hash_file(path))
    except OSError as error:
        return Submission(name, None, Verdict.BROKEN, f"Expected a file that can be read, got: {error}.")
