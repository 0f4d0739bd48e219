"""Marks from what was measured, by a table that a teacher edits: rubric.toml, which says what its rules mean."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from denoise_utils.measures.table import MEASURES, NOISY
from denoise_utils.measures.verdicts import Verdict

USUAL = Path(__file__).with_name("rubric.toml")
KINDS = {"verdict": {"flagged"}, "beats": {"measure", "reference"}, "between": {"measure", "all", "none"}}
COMMON = {"title", "kind", "points"}
MAX_BYTES = 100_000


@dataclass(frozen=True)
class Line:
    """What one rule gives: points of most, and why; None where it cannot be told."""

    title: str
    points: float | None
    most: float
    why: str


@dataclass(frozen=True)
class Marks:
    """The lines of one submission."""

    lines: tuple[Line, ...]

    @property
    def total(self):
        """The sum of what can be told, None if nothing can."""
        told = [line.points for line in self.lines if line.points is not None]
        return round(sum(told), 2) if told else None

    @property
    def most(self):
        """What all lines together give at most."""
        return sum(line.most for line in self.lines)

    def describe(self):
        """Return the lines as one text."""
        said = ("?" if line.points is None else f"{line.points:g}" for line in self.lines)
        parts = zip(self.lines, said, strict=True)
        return "; ".join(f"{line.title} {points} of {line.most:g}: {line.why}" for line, points in parts)


@dataclass(frozen=True)
class Rubric:
    """The rules, the verdicts that get marks, the files of the models to compare with."""

    title: str
    verdicts: tuple[str, ...]
    references: dict
    rules: tuple[dict, ...]

    def find_references(self, task, folder):
        """Return the paths of the references of a task that are in `folder`, by their titles."""
        paths = {title: Path(folder) / name.replace("{task}", task) for title, name in self.references.items()}
        return {title: path for title, path in paths.items() if path.is_file()}

    def mark(self, row, known):
        """Return the Marks of a row; `known` are the rows to compare with, by their titles."""
        return Marks(tuple(self._apply(rule, row, known) for rule in self.rules))

    def _apply(self, rule, row, known):
        ways = {"verdict": _by_verdict, "beats": _by_comparison, "between": _by_proportion}
        if row["verdict"] not in self.verdicts:
            share, why = 0, f"the verdict is {row['verdict']}"
        else:
            share, why = ways[rule["kind"]](rule, row, known)
        points = None if share is None else round(share * rule["points"], 2)
        return Line(rule["title"], points, rule["points"], why)


def _by_verdict(rule, row, known):
    if row.get("flags"):
        share = rule.get("flagged", 0) / rule["points"] if rule["points"] else 0
        return share, f"{row['verdict']}, and flagged: explain what is"
    return 1, f"{row['verdict']}, nothing flagged"


def _by_comparison(rule, row, known):
    measure, value = MEASURES[rule["measure"]], row.get(rule["measure"])
    limit = _value(rule["reference"], rule["measure"], known)
    if value is None or limit is None:
        return None, f"{measure.name} cannot be compared here with {rule['reference']}"
    is_better = measure.order(value) < measure.order(limit)
    return int(is_better), f"{measure.say(value)}, {rule['reference']} {measure.layout.format(limit)}"


def _by_proportion(rule, row, known):
    measure, value = MEASURES[rule["measure"]], row.get(rule["measure"])
    top, bottom = (_value(rule[key], rule["measure"], known) for key in ("all", "none"))
    if None in (value, top, bottom) or top == bottom:
        return None, f"{measure.name} cannot be compared here with {rule['all']} and {rule['none']}"
    share = min(1, max(0, (bottom - value) / (bottom - top)))
    limits = (f"{name} {measure.layout.format(limit)}" for name, limit in ((rule["all"], top), (rule["none"], bottom)))
    return share, f"{measure.say(value)}; all at {', none at '.join(limits)}"


def _value(told, measure, known):
    """Return a number as it is; of a reference, what it has of the measure, or None."""
    return known.get(told, {}).get(measure) if isinstance(told, str) else told


def read(path=None):
    """Return the Rubric of the .toml at `path`, by default the assignment's; ValueError says what is wrong."""
    path = Path(path or USUAL)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"Expected a rubric of at most {MAX_BYTES:,} bytes, got {path}: begin with a copy of {USUAL}.")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        rubric = Rubric(
            str(found["title"]), tuple(found["verdicts"]), dict(found.get("references", {})), tuple(found["rules"])
        )
        for rule in rubric.rules:
            _check(rule, rubric)
    except KeyError as error:
        raise ValueError(f"Expected {error} in {path}, found none: begin with a copy of {USUAL}.") from None
    except (TypeError, AttributeError, UnicodeError, tomllib.TOMLDecodeError, ValueError) as error:
        raise ValueError(f"Expected a rubric in {path}, got: {error}. Begin with a copy of {USUAL}.") from None
    return rubric


def _check(rule, rubric):
    """Raise ValueError or KeyError unless a rule is one of KINDS and names what there is."""
    if rule["kind"] not in KINDS:
        raise ValueError(f"the kind {rule['kind']}, which is none of {', '.join(KINDS)}")
    wanted = COMMON | KINDS[rule["kind"]]
    strange = rule.keys() - wanted
    if strange:
        raise ValueError(f"{min(strange)} in a rule of the kind {rule['kind']}, which has {', '.join(sorted(wanted))}")
    lacking = wanted - rule.keys() - {"flagged"}
    if lacking:
        raise ValueError(f"no {min(lacking)} in a rule of the kind {rule['kind']}")
    numbers = [rule["points"], rule.get("flagged", 0)]
    numbers += [rule[key] for key in ("all", "none") if not isinstance(rule.get(key, ""), str)]
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers) or rule["points"] < 0:
        raise ValueError(f"points or limits that are no numbers in the rule {rule['title']}")
    if rule.get("measure", "excess") not in MEASURES:
        raise ValueError(f"the measure {rule['measure']}, which is none of {', '.join(MEASURES)}")
    known = {NOISY, *rubric.references}
    for key in ("reference", "all", "none"):
        if isinstance(rule.get(key), str) and rule[key] not in known:
            raise ValueError(f"{rule[key]}, which is none of {', '.join(sorted(known))}")
    if set(rubric.verdicts) - {str(verdict) for verdict in Verdict}:
        raise ValueError(f"verdicts {', '.join(rubric.verdicts)}, of which one is none")
