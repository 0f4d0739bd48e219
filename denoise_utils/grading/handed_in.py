"""What lies in a folder or an archive of submissions: names, times and sizes, and a way to read each file.

Nothing is unpacked: a file of an archive is read from it, so that its name leads nowhere. No link is followed.
"""

import contextlib
import os
import stat
import time
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

OF_SYSTEMS = ("__MACOSX", "__pycache__", ".DS_Store", "Thumbs.db", "desktop.ini")  # nobody handed these in
MAX_MEMBERS = 50_000  # files in an archive
MAX_UNPACKED = 20_000_000_000  # bytes that its files say they have
LINK, NO_FILE, LOCKED = "a link", "there is no plain file of this name", "it is encrypted"
LEADS_OUT = "a name that leads out of its folder"
UTF8 = 0x800  # the flag of a name that says it is UTF-8


@dataclass(frozen=True)
class File:
    """A file that was handed in, on the disk or in an archive; `name` is what the author called it."""

    name: str
    modified: float  # seconds since 1970
    size: int
    path: Path  # of the file, or of the archive that it is in
    member: zipfile.ZipInfo | None = field(default=None, repr=False, compare=False)
    fault: str = ""  # why it is not read
    order: int = 0  # the number that the learning system gave it; a larger one came later

    def read(self):
        """Yield the content in parts; raise OSError if it cannot be read, or is no plain file any more."""
        if self.fault:
            raise OSError(self.fault)
        try:
            with self._open() as file:
                while part := file.read(1 << 20):
                    yield part
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
            raise OSError(f"it cannot be unpacked ({error})") from None

    def _open(self):
        if self.member is not None:
            return zipfile.ZipFile(self.path).open(self.member)
        ways = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, ways)  # what was a file when it was found may be a pipe by now
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise OSError(NO_FILE)
        return os.fdopen(handle, "rb")


@dataclass(frozen=True)
class Top:
    """What lies side by side in the class's folder: a file, or a folder with the files below it."""

    name: str
    is_folder: bool = False
    files: tuple[File, ...] = ()
    fault: str = ""  # why nothing in it is read
    is_clone: bool = False  # of a repository, whose files have the time of the download


def is_hidden(name):
    """Say whether a file or folder of this name was not handed in by anybody."""
    return name.startswith(".") or name in OF_SYSTEMS


def list_folder(folder):
    """Return the Tops of a folder on the disk. Raises OSError where it cannot be read."""
    return [_look(entry) for entry in sorted(Path(folder).iterdir()) if entry.name not in OF_SYSTEMS]


def _look(entry):
    try:
        if entry.is_symlink():
            return Top(entry.name, fault=LINK)
        if entry.is_dir():
            return Top(entry.name, True, tuple(_walk(entry)), is_clone=(entry / ".git").exists())
        return Top(entry.name, files=(look_at(entry),))
    except OSError as error:
        return Top(entry.name, True, fault=error.strerror or str(error))


def _walk(folder):
    """Return the files below `folder`, hidden ones and those of hidden folders left out; no link is followed."""

    def refuse(error):
        raise error

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not is_hidden(name)]
        names += [name for name in folders if os.path.islink(os.path.join(place, name))]  # walk does not follow them
        found += [Path(place, name) for name in names if not is_hidden(name)]
    return [look_at(path) for path in sorted(found)]


def look_at(path):
    """Return the File at `path` of the disk; a link is not followed."""
    found = path.lstat()
    fault = LINK if stat.S_ISLNK(found.st_mode) else "" if stat.S_ISREG(found.st_mode) else NO_FILE
    return File(path.name, found.st_mtime, found.st_size, path, fault=fault)


def is_archive(path):
    """Say whether a .zip can be read at `path`."""
    return Path(path).suffix.lower() == ".zip" and zipfile.is_zipfile(path)


def list_archive(path):
    """Return the Tops of a .zip, without those that the folder around all of them adds.

    Raises ValueError for an archive that cannot be read, or says that it unpacks to more than any class hands in.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ValueError(f"Expected an archive that can be read, got {path}: {error}. Download it again.") from None
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or total > MAX_UNPACKED:
        raise ValueError(
            f"Expected at most {MAX_MEMBERS:,} files and {MAX_UNPACKED:,} bytes in {path}, got {len(members):,} and "
            f"{total:,}: unpack it yourself, look what is so large, and grade the folder."
        )
    found = [(_parts(member), member) for member in members]
    around = {parts[0] for parts, _ in found if parts and not is_hidden(parts[0])}
    if around == {Path(path).stem} and all(parts[1:] or one.is_dir() for parts, one in found if parts):
        found = [(parts[1:], one) for parts, one in found if parts and parts[0] in around]  # as systems compress one
    return _gather(path, [(parts, member) for parts, member in found if parts])


def _parts(member):
    """Return the parts of a member's name; one that would lead out of a folder stays as it is, in one part."""
    name = member.filename
    if not member.flag_bits & UTF8:  # some systems write UTF-8 and do not say so
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    parts = name.replace("\\", "/").rstrip("/").split("/")
    leads_out = any(part in ("", ".", "..") for part in parts) or ":" in parts[0]
    return (name,) if leads_out and name else tuple(parts)


def _gather(path, found):
    """Return the Tops of the members of the archive at `path`, given with the parts of their names."""
    tops = {}
    for parts, member in sorted(found, key=lambda one: one[0]):
        name, *below = parts
        if name in OF_SYSTEMS:
            continue
        leads_out = not below and any(sign in name for sign in "/\\:")
        top = tops.get(name) or Top(name, bool(below) or (member.is_dir() and not leads_out))
        if leads_out:
            top = Top(name, fault=LEADS_OUT)
        elif not member.is_dir() and not any(map(is_hidden, below)):
            top = replace(top, files=(*top.files, _member(path, parts[-1], member)))
        tops[name] = replace(top, is_clone=top.is_clone or below[:1] == [".git"])
    return list(tops.values())


def _member(path, name, member):
    try:
        modified = time.mktime((*member.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        modified = 0.0
    fault = LINK if stat.S_ISLNK(member.external_attr >> 16) else LOCKED if member.flag_bits & 1 else ""
    return File(name, modified, member.file_size, Path(path), member, fault)
