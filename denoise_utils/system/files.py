"""Write files whole or not at all: a crash leaves the old file or the new one, never half of one."""

import csv
import glob
import hashlib
import io
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

STALE = 600  # seconds after which a temporary file is nobody's


def replace(temporary: Path, path: Path) -> None:
    """Flush the file `temporary` to the disk and rename it to `path`, in one step for every reader."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


@contextmanager
def atomic_path(path: Path, clear: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed and renamed to `path`.

    A crash leaves the old file or the new one, never half of one. `clear` removes what earlier
    crashes left: not in a stranger's folder, whose hidden files may have such names.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)  # Keras goes by it
    start = f".{path.stem[:40]}-"  # with eight letters more a long name would be too long
    for stale in path.parent.glob(f"{glob.escape(start)}????????{glob.escape(suffix)}") if clear else ():
        if time.time() - stale.stat().st_mtime > STALE:  # what a kill in the middle of a write left
            stale.unlink(missing_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=start, suffix=suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_folder(path: Path, room: int = 1) -> None:
    """Make the folder `path` and check that a file of `room` bytes can be written there; else raise OSError.

    Before the work, not after it; and before HDF5 writes, which crashes the whole process on a full disk.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(room))
            file.flush()
    except OSError as error:
        raise OSError(
            f"Expected a folder with room for {room:,} bytes at {path}, got: {error.strerror}. "
            "Make room, or name another; what was finished is kept."
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` as UTF-8 with line ends as they are; what that cannot encode, of a name, is escaped."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def write_json(path: Path, content: dict | list) -> None:
    """Write `content` as indented JSON to `path`, atomically; a list of numbers stays on one line."""
    text = json.dumps(content, indent=2)
    text = re.sub(r"\[\n[-+.\d\se,]+\]", lambda found: " ".join(found[0].split()), text)
    write_text(path, text + "\n")


def write_csv(
    path: Path, rows: Iterable[dict], columns: Iterable[str], *, quoted: bool = False, marked: bool = False
) -> None:
    """Write `rows` (dicts) to `path` as CSV, atomically; only `columns`, in their order.

    `quoted` puts every cell in quotes; `marked` begins with the mark by which Excel knows UTF-8.
    """
    text = io.StringIO()
    quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, "\ufeff" * marked + text.getvalue())


def replace_between(path: Path, begin: str, end: str, text: str) -> None:
    """Put `text` between the marks `begin` and `end` of the file at `path`; raise ValueError if it lacks them."""
    before, found, rest = Path(path).read_text(encoding="utf-8").partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"Expected the marks {begin} and {end} in {path}: put them where the text belongs.")
    write_text(path, f"{before}{begin}\n\n{text}\n\n{end}{after}")


def hash_file(path: Path) -> str:
    """Return the SHA-256 of the file at `path` in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
