"""Find the submissions of a class: .h5 files, folders that hold one, and what was handed in by mistake."""

from dataclasses import dataclass
from pathlib import Path

MAX_FILE = 100_000_000  # bytes of a submission; 3,600 parameters need 15,000
MISTAKEN = (".keras", ".hdf5", ".zip", ".pt", ".pth", ".onnx", ".tflite", ".pb", ".ipynb")


@dataclass(frozen=True)
class Submission:
    """One hand-in: its name, and its .h5 or the reason why there is none."""

    name: str
    path: Path | None
    verdict: str = ""
    reason: str = ""


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
    if _is_h5(entry):
        return _check_file(entry.name, entry)
    if entry.name.lower().endswith(MISTAKEN):
        return Submission(entry.name, None, "BROKEN", 'Expected an .h5, got another format: model.save("NAME.h5").')
    return None


def _is_h5(path):
    return path.suffix.lower() == ".h5"


def _check_file(name, path):
    if not path.is_file():
        return Submission(name, None, "BROKEN", "Expected a file, found none that can be opened under this name.")
    if path.stat().st_size > MAX_FILE:
        megabytes = path.stat().st_size / 1e6
        return Submission(name, None, "REFUSED", f"Expected at most {MAX_FILE / 1e6:,.0f} MB, got {megabytes:,.0f} MB.")
    return Submission(name, path)
