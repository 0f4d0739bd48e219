"""Find the submissions of a class: .h5 files, folders that hold one, and what was handed in by mistake."""

from dataclasses import dataclass
from pathlib import Path

from denoise_utils import saving

MAX_FILE = 100_000_000  # bytes of a submission; 3,600 parameters need 15,000
MISTAKEN = (".keras", ".hdf5", ".zip", ".pt", ".pth", ".onnx", ".tflite", ".pb", ".ipynb")


@dataclass(frozen=True)
class Submission:
    """One hand-in: its name, and its .h5 or the reason why there is none."""

    name: str
    path: Path | None
    verdict: str = ""
    reason: str = ""
    sha256: str = ""


def find_submissions(path):
    """Return the Submissions at `path`: one .h5, or a folder of .h5 files and of folders that hold one each.

    What cannot be a submission is one all the same, with a verdict and a reason. Raises FileNotFoundError.
    """
    path = Path(path)
    if path.is_file():
        return [_check_file(path.name, path)]
    if not path.is_dir():
        raise FileNotFoundError(f"Expected an .h5 file or a folder of submissions, found no {path}: look for its name.")
    found = [_find_one(entry) for entry in sorted(path.iterdir()) if not entry.name.startswith((".", "__"))]
    found = [one for one in found if one]
    if not found:
        raise FileNotFoundError(
            f"Expected .h5 files, or folders that hold one, in {path}, found none: look for its name."
        )
    return found


def _find_one(entry):
    """Return the Submission that `entry` of the folder stands for, or None if it is something else."""
    if entry.is_dir():
        inside = sorted(p for p in entry.rglob("*") if _is_h5(p) and not p.name.startswith("."))
        if len(inside) == 1:
            return _check_file(entry.name, inside[0])
        names = ", ".join(file.name for file in inside[:4]) or "none"
        return Submission(entry.name, None, "BROKEN", f"Expected one .h5 in the folder, found {len(inside)}: {names}.")
    return _check_file(entry.name, entry) if _is_h5(entry) or entry.suffix.lower() in MISTAKEN else None


def _is_h5(path):
    return path.suffix.lower() == ".h5"


def _check_file(name, path):
    """Return the Submission of the file at `path`, which must be a plain one, readable, and not huge."""
    if path.suffix != ".h5":
        reason = f"Expected a name that ends in .h5, got {path.suffix}: "
        reason += "rename it." if _is_h5(path) else 'save it with model.save("NAME.h5").'
        return Submission(name, None, "BROKEN", reason)
    try:
        if not path.is_file():
            raise OSError("there is no plain file of this name")
        size = path.stat().st_size
        if size > MAX_FILE:
            reason = f"Expected at most {MAX_FILE / 1e6:,.0f} MB, got {size / 1e6:,.0f} MB: save the model alone."
            return Submission(name, None, "REFUSED", reason)
        return Submission(name, path, sha256=saving.hash_file(path))
    except OSError as error:
        return Submission(name, None, "BROKEN", f"Expected a file that can be read, got: {error}.")
