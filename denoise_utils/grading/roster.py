"""The list of a class: a CSV with a name, an id, an e-mail address; who of it handed something in."""

import csv
import io
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES, MAX_PEOPLE = 5_000_000, 10_000
COLUMNS = {  # what the lists of Moodle, Canvas and GitHub Classroom call them, and people
    "name": ("name", "full name", "student", "student name", "display name"),
    "first": ("first name", "firstname", "given name"),
    "last": ("last name", "lastname", "surname", "family name"),
    "number": ("id", "id number", "idnumber", "student id", "sis user id", "matriculation number"),
    "email": ("email", "e-mail", "email address", "e-mail address", "mail", "sis login id"),
    "identifier": ("identifier", "participant", "github_username", "github username"),
}
OF_CANVAS = {"id": "identifier"}  # in Canvas's list the ID is its own, and the SIS User ID the school's


@dataclass(frozen=True)
class Person:
    """One person of the class; `identifier` is the number or name that the learning system has for it."""

    name: str
    number: str = ""
    email: str = ""
    identifier: str = ""

    @property
    def label(self):
        """What tables call the person: two may have one name."""
        return ", ".join(filter(None, (self.name, self.number or self.identifier))) or self.email


def read(path):
    """Return the Persons of the CSV at `path`. Raises ValueError that says what is wrong with which line."""
    content = Path(path).read_bytes()[: MAX_BYTES + 1]
    if len(content) > MAX_BYTES:
        raise ValueError(f"Expected a roster of at most {MAX_BYTES:,} bytes, got a larger one: {path}.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"Expected a roster in UTF-8, got {path}: save it as CSV UTF-8.") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        places = _find_columns(next(rows, []), path)
        people = [_person(row, places) for row in rows if any(map(str.strip, row)) and "Points Possible" not in row[0]]
    except csv.Error as error:
        raise ValueError(f"Expected a CSV in {path}, got in line {rows.line_num}: {error}.") from None
    people = [person for person in people if person.label]
    if not people or len(people) > MAX_PEOPLE:
        raise ValueError(f"Expected 1 to {MAX_PEOPLE:,} people in {path}, got {len(people):,}: a line for each.")
    twice = {person.label for person in people if people.count(person) > 1}
    if twice:
        raise ValueError(f"Expected each person once in {path}, got {min(twice)} twice: remove a line, or add ids.")
    return people


def _find_columns(head, path):
    """Return the place of each of COLUMNS that the first line `head` names."""
    told = [cell.strip().casefold() for cell in head]
    of_canvas = OF_CANVAS if "sis user id" in told or "sis login id" in told else {}
    places = {}
    for place, cell in enumerate(told):
        for key, aliases in COLUMNS.items():
            if of_canvas.get(cell, key if cell in aliases else None) == key:
                places.setdefault(key, place)
    if not places.keys() & {"name", "last", "number", "email"}:
        raise ValueError(
            f"Expected a first line with name, id, e-mail in {path}, got {', '.join(head)[:200] or 'nothing'}: "
            "name the columns so."
        )
    return places


def _person(row, places):
    found = {key: row[place].strip() if place < len(row) else "" for key, place in places.items()}
    name = found.get("name") or " ".join(filter(None, (found.get("first"), found.get("last"))))
    identifier = re.sub(r"^Participant\s*", "", found.get("identifier", ""))
    return Person(name, found.get("number", ""), found.get("email", ""), identifier)


def _words(text):
    """Return the words of a name, without accents and case."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    return re.findall(r"\w+", "".join(c for c in flat if not unicodedata.combining(c)).replace("_", " "))


def _spellings(name):
    """Return a name's words run together, whichever of them comes first: "Curie, Marie" is "Marie Curie"."""
    words = _words(name)
    return {"".join(words[first:] + words[:first]) for first in range(len(words))}


class Roster:
    """People, found by what a hand-in's name says of its author."""

    def __init__(self, people):
        self.people = list(people)
        self.spellings = [_spellings(person.name) for person in self.people]

    def find(self, identity):
        """Return the Person whom an Identity means, or None if there is none, or more than one.

        A number is believed where it is of the same kind: Moodle's are not those of the school.
        """
        number, own = identity.number, [person.identifier for person in self.people]
        if number and number in own:
            return self._only(person.identifier == number for person in self.people)
        wanted = "".join(_words(identity.name))
        by_name = self._only(wanted in spellings for spellings in self.spellings)
        if by_name or identity.system == "Moodle":
            return by_name
        known = {part.casefold() for part in (number, identity.name) if part}
        return self._only(bool(known & _known(person)) for person in self.people)

    def _only(self, fits):
        found = [person for person, fit in zip(self.people, fits, strict=True) if fit]
        return found[0] if len(found) == 1 else None


def _known(person):
    """Return what a person may have called a file or a folder, besides the name."""
    email = person.email.casefold()
    return {person.number.casefold(), person.identifier.casefold(), email, email.partition("@")[0]} - {""}
