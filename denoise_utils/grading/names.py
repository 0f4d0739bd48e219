"""Who handed in what, told by the names that learning systems give: Moodle, Canvas, GitHub Classroom.

docs/grading.md says where the forms of these names are from.
"""

import itertools
import re
from dataclasses import dataclass

# Name_12345_assignsubmission_file_ (a folder), or with the file's name behind it; Moodle turns _ in names to spaces.
MOODLE = re.compile(r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_(?P<kind>[a-z]+)_?(?P<file>.*)", re.S)
# surnamename_LATE_12345_67890_model-1.h5: the person, the attachment, the file's own name.
_ANONYMOUS = r"(?P<late>LATE_)?(?P<name>anon)_(?P<number>[A-Za-z0-9]+)"
_NAMED = r"(?P<name>\w+?)_(?P<late>LATE_)?(?P<number>\d+)"
CANVAS = [re.compile(rf"{who}_(?P<order>\d+)_(?P<file>.+)", re.S) for who in (_ANONYMOUS, _NAMED)]
CANVAS_TEXT = [re.compile(rf"{who}_(?P<kind>text|link)\.html") for who in (_ANONYMOUS, _NAMED)]


@dataclass(frozen=True)
class Identity:
    """What a name says: the person, the number that the system has for it, the file's own name."""

    name: str
    system: str = ""  # "Moodle", "Canvas", "GitHub" or, where nothing is told, ""
    number: str = ""
    file: str = ""  # the name that the author gave, where the system put its own before it
    order: int = 0  # a later attachment of Canvas has a larger one
    late: bool = False
    is_comment: bool = False  # a text that was typed into the page, no hand-in


def _told(match, system, is_comment):
    found = match.groupdict()
    order, late = int(found.get("order") or 0), bool(found.get("late"))
    return Identity(found["name"], system, found["number"], found.get("file") or "", order, late, is_comment)


def _moodle(name):
    match = MOODLE.fullmatch(name)
    return _told(match, "Moodle", match["kind"] != "file") if match else None


def _canvas(name):
    for patterns, is_comment in ((CANVAS_TEXT, True), (CANVAS, False)):
        for match in filter(None, (one.fullmatch(name) for one in patterns)):
            return _told(match, "Canvas", is_comment)
    return None


def _find_shared(texts):
    """Return what all texts begin with, up to its last hyphen and with it."""
    columns = zip(*texts, strict=False)
    same = [letters[0] for letters in itertools.takewhile(lambda letters: len(set(letters)) == 1, columns)]
    return "".join(same).rpartition("-")[0] + "-"


def identify(tops):
    """Return the Identity of each of the class's Tops.

    Canvas's names are believed where at least half of the files have one: a student, too, may call a file a_1_2_b.h5.
    GitHub Classroom's folders are clones of repositories, called by the assignment and the person.
    """
    plain = [top.name for top in tops if not top.is_folder and not top.name.startswith(".")]
    is_canvas = 2 * sum(map(bool, map(_canvas, plain))) >= max(len(plain), 1)
    clones = [top.name for top in tops if top.is_clone]
    shared = _find_shared(clones) if len(clones) > 1 else "-"
    found = []
    for top in tops:
        identity = _moodle(top.name) or (_canvas(top.name) if is_canvas and not top.is_folder else None)
        if not identity and top.is_clone and len(shared) > 1 and top.name.startswith(shared):
            login = top.name.removeprefix(shared)
            identity = Identity(login, "GitHub", login)
        found.append(identity or Identity(top.name if top.is_folder else top.name.partition(".")[0]))
    return found
