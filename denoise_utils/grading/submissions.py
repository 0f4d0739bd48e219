"""Find the submissions of a class: .h5 files, folders that hold one, and what was handed in by mistake."""

import os
from dataclasses import dataclass, replace
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
    others: tuple[str, ...] = ()  # the names of older .h5 files beside the one that counts


def find_submissions(path):
    """Return the Submissions at `path`: one .h5, or a folder of .h5 files and of folders that hold one each.

    Of several in a folder the newest counts. Hidden files and folders do not, nor do links, which may lead anywhere.
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
    """Return the Submission that `entry` of the folder stands for; whatever is wrong with it, the others go on."""
    name = entry.name
    try:
        if name.startswith("."):
            return Submission(name, None, Verdict.LEFT_OUT, "it is hidden")
        if entry.is_symlink():
            return Submission(name, None, Verdict.REFUSED, "Expected a file or a folder, got a link: hand in the .h5.")
        if entry.is_dir():
            return _find_in_folder(entry)
    except OSError as error:
        return Submission(name, None, Verdict.BROKEN, f"Expected a folder that can be read, got: {error.strerror}.")
    if ".h5" in name.lower() or entry.suffix.lower() in (*MISTAKEN, *ARCHIVES):
        return _check_file(name, entry)
    return Submission(name, None, Verdict.LEFT_OUT, "it is no .h5")


def _find_in_folder(folder):
    """Return the Submission of a folder: its newest .h5. Raises OSError where the folder cannot be walked."""
    lying = _walk(folder)
    inside = sorted(filter(_is_h5, lying), key=lambda file: file.lstat().st_mtime, reverse=True)
    if inside and inside[0].is_symlink():
        reason = f"Expected a file, got a link: {inside[0].name}. Hand in the .h5 itself."
        return Submission(folder.name, None, Verdict.REFUSED, reason)
    if inside:
        return replace(_check_file(folder.name, inside[0]), others=tuple(file.name for file in inside[1:]))
    names = ", ".join(file.name for file in lying[:4]) or "nothing"
    reason = f"Expected an .h5 in the folder, found none; in it: {names}. Hand in the .h5."
    return Submission(folder.name, None, Verdict.BROKEN, reason)


def _walk(folder):
    """Return the files below `folder`, hidden ones and those of hidden folders left out; no link is followed."""

    def refuse(error):
        raise error

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = filter(_is_visible, folders)
        names += [name for name in folders if os.path.islink(os.path.join(place, name))]  # walk does not follow them
        found += [Path(place, name) for name in filter(_is_visible, names)]
    return sorted(found)


def _is_visible(name):
    return not name.startswith(".") and name not in OF_SYSTEMS


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
