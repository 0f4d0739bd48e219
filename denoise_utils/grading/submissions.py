"""Find the submissions of a class: whose they are, which file counts, and what was handed in by mistake."""

from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from denoise_utils.grading import handed_in, names
from denoise_utils.grading.roster import Person, Roster
from denoise_utils.measures.verdicts import Verdict

MAX_FILE = 100_000_000  # bytes of a submission; a model within the cap needs about a thousandth
LARGE_FILE = 1_000_000  # bytes: the assignment asks for less
MISTAKEN = (".keras", ".hdf5", ".pt", ".pth", ".onnx", ".tflite", ".pb", ".ipynb")
NOBODY = Person("")
ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".tgz", ".gz", ".bz2", ".xz")


@dataclass(frozen=True)
class Submission:
    """What one person handed in: the .h5 that counts, or the reason why there is none."""

    name: str  # what tables call it
    file: handed_in.File | None = None
    verdict: Verdict | None = None
    reason: str = ""
    others: tuple[str, ...] = ()  # the names of older .h5 files beside the one that counts
    person: Person = NOBODY
    system: str = ""  # where it was handed in, as of names.Identity
    late: bool = False
    notes: tuple[str, ...] = ()  # for the teacher


@dataclass(frozen=True)
class _Part:
    """One Top of the class with what its name says."""

    top: handed_in.Top
    identity: names.Identity
    person: Person | None  # of the roster

    @property
    def key(self):
        """What is one person's: the roster's entry, the system's number, else whatever has this name."""
        told = self.identity
        return self.person or ((told.system, told.number) if told.system else self.top.name)

    @property
    def files(self):
        """The files, under the names that their author gave them."""
        if self.identity.is_comment:
            return ()
        if self.top.is_folder or not self.identity.file:
            return self.top.files
        return tuple(replace(one, name=self.identity.file, order=self.identity.order) for one in self.top.files)


def is_class(path):
    """Say whether `path` is a folder or an archive of submissions, and no single file to check."""
    return Path(path).is_dir() or len(_list(Path(path))) > 0


def _list(path):
    """Return the Tops at `path`; none if it is a single file, be it a model that somebody compressed."""
    if path.is_dir():
        return handed_in.list_folder(path)
    if not path.is_file() or not handed_in.is_archive(path):
        return []
    tops = handed_in.list_archive(path)
    is_one = len(tops) == 1 and not tops[0].is_folder and not names.identify(tops)[0].system
    return [] if is_one else tops


def find_submissions(path, people=None):
    """Return the Submissions at `path`: one .h5, or a folder or .zip of .h5 files and of folders that hold one each.

    The names that Moodle, Canvas and GitHub Classroom give tell whose they are; of several files of a person the
    newest counts. Hidden files and folders do not, nor do links, which may lead anywhere. What cannot be a
    submission is one all the same, with a verdict and a reason; the verdict of what nobody can have meant as one is
    "left out". Of the `people` of a roster those who handed in nothing are "missing". Raises FileNotFoundError.
    """
    path = Path(path)
    tops = _list(path)
    if path.is_file() and not tops:
        one = replace(handed_in.look_at(path.resolve()), name=path.name)  # a student's own link is followed
        return [_check_file(path.name, one)]
    if not path.exists():
        raise FileNotFoundError(
            f"Expected an .h5 file, or a folder or .zip of submissions, found no {path}: look for its name."
        )
    found = _find_all(tops, Roster(people or ()))
    if all(one.verdict in (Verdict.LEFT_OUT, Verdict.MISSING) for one in found):
        raise FileNotFoundError(
            f"Expected .h5 files, or folders that hold one, in {path}, found none: look for its name."
        )
    return found


def as_reference(title, path):
    """Return the Submission of a known model at `path`, to compare with."""
    return Submission(title, handed_in.look_at(Path(path).resolve()))


def _find_all(tops, roster):
    groups = {}
    for top, identity in zip(tops, names.identify(tops), strict=True):
        part = _Part(top, identity, roster.find(identity))
        groups.setdefault(part.key, []).append(part)
    found = [_find_one(parts) for parts in groups.values()]
    if not roster.people:
        return found
    strange = "nobody of this name, or more than one, is on the roster"
    known = [
        parts[0].person is not None or one.verdict is Verdict.LEFT_OUT
        for parts, one in zip(groups.values(), found, strict=True)
    ]
    found = [one if fine else replace(one, notes=(*one.notes, strange)) for one, fine in zip(found, known, strict=True)]
    nothing = "Expected a file, got nothing from this person."
    absent = [person for person in roster.people if person not in groups]
    return found + [Submission(one.label, None, Verdict.MISSING, nothing, person=one) for one in absent]


def _find_one(parts):
    """Return the Submission of one person, from all that has the person's name."""
    first = parts[0]
    name, told = first.top.name, first.identity
    if not told.system and not first.person and len(parts) == 1:
        return _find_plain(first.top)
    person = first.person or Person(told.name, "", "", told.number)
    person = replace(person, identifier=person.identifier or told.number)
    label = first.person.label if first.person else f"{told.name}, {told.number}" if told.system else name
    files = [file for part in parts for file in part.files]
    fault = next((part.top.fault for part in parts if part.top.fault), "")
    one = _refuse(label, fault) if fault and not files else _choose(label, files, _is_text_only(parts))
    late = any(part.identity.late for part in parts)
    clone = any(part.top.is_clone for part in parts) and bool(one.others)
    notes = ("in a clone the times are those of the download: ask which file counts",) if clone else ()
    return replace(one, person=person, system=told.system, late=late, notes=notes + one.notes)


def _is_text_only(parts):
    return all(part.identity.is_comment for part in parts)


def _find_plain(top):
    """Return the Submission of a file or folder whose name says nothing of any system."""
    if top.name.startswith(".") and top.fault != handed_in.LEADS_OUT:
        return Submission(top.name, None, Verdict.LEFT_OUT, "it is hidden")
    if top.fault:
        return _refuse(top.name, top.fault)
    if top.is_folder:
        return _choose(top.name, top.files)
    if ".h5" in top.name.lower() or PurePath(top.name).suffix.lower() in (*MISTAKEN, *ARCHIVES):
        return _check_file(top.name, top.files[0])
    return Submission(top.name, None, Verdict.LEFT_OUT, "it is no .h5")


def _refuse(name, fault):
    """Return the Submission of what is there and is not looked into."""
    if fault == handed_in.LINK:
        return Submission(name, None, Verdict.REFUSED, "Expected a file or a folder, got a link: hand in the .h5.")
    return Submission(name, None, Verdict.BROKEN, f"Expected a folder that can be read, got: {fault}.")


def _choose(name, files, is_text=False):
    """Return the Submission of somebody who handed in `files`: the newest .h5 of them counts."""
    inside = sorted(filter(_is_h5, files), key=lambda file: (file.order, file.modified, file.name), reverse=True)
    if inside:
        newest, *rest = inside
        same = [file for file in rest if (file.order, file.modified) == (newest.order, newest.modified)]
        notes = (f"{len(same) + 1} files of the same time: ask which counts",) if same else ()
        return replace(_check_file(name, newest), others=tuple(file.name for file in rest), notes=notes)
    if is_text:
        reason = "Expected an .h5, got a text typed into the page, which is a comment: hand in the file."
        return Submission(name, None, Verdict.BROKEN, reason)
    kinds = [file.name for file in files if PurePath(file.name).suffix.lower() in (*ARCHIVES, *MISTAKEN)]
    way = _explain_name(kinds[0]).partition(": ")[2] if kinds else "Hand in the .h5."
    lies = ", ".join(file.name for file in files[:4]) or "nothing"
    reason = f"Expected an .h5 in the folder, found none; in it: {lies}. {way[:1].upper()}{way[1:]}"
    return Submission(name, None, Verdict.BROKEN, reason)


def _is_h5(file):
    return PurePath(file.name).suffix.lower() == ".h5"


def _explain_name(name):
    """Return what is wrong with a file whose name does not end in .h5, and what to do."""
    suffix = PurePath(name).suffix
    if suffix.lower() in ARCHIVES:
        return f"Expected the .h5 itself, got an archive ({suffix}): hand in the .h5 that is in it."
    expected = f"Expected a name that ends in .h5, got {suffix or 'one without an ending'}: "
    if suffix.lower() == ".h5":
        return f"{expected}rename it."
    if ".h5" in name.lower():
        return f"{expected}hand in the .h5 itself; if it is one, rename it."
    return f'{expected}save it with model.save("NAME.h5").'


def _check_file(name, file):
    """Return the Submission of a file, which must be a plain one and not huge."""
    if PurePath(file.name).suffix != ".h5":
        return Submission(name, None, Verdict.BROKEN, _explain_name(file.name))
    if file.fault == handed_in.LINK:
        reason = f"Expected a file, got a link: {file.name}. Hand in the .h5 itself."
        return Submission(name, None, Verdict.REFUSED, reason)
    if file.fault:
        return Submission(name, None, Verdict.BROKEN, f"Expected a file that can be read, got: {file.fault}.")
    if file.size > MAX_FILE:
        reason = f"Expected at most {MAX_FILE / 1e6:,.0f} MB, got {file.size / 1e6:,.0f} MB: save the model alone."
        return Submission(name, None, Verdict.REFUSED, reason)
    return Submission(name, file)
