"""How long the course takes: reports/minutes.csv, which executions with --record write and README and docs read."""

import csv
import io
import math
import re
from typing import NamedTuple

from denoise_utils.system import files

NAME = "reports/minutes.csv"
FIELDS = ("notebook", "full", "training", "quick")
TOGETHER = "together"  # the row of the whole set, with some notebooks side by side
TAKES = re.compile(r"(\*\*It takes\*\* about )\d+ minutes?(?= in the full profile)")  # in a lesson's first cell
TIMING = '# %% tags=["timing"]'  # a cell that measures time: its notebook is executed alone
TRAINS = "trains"  # the tag of a cell that trains, or shows what one has trained


class Took(NamedTuple):
    """A cell, the seconds that it took, and whether it trains."""

    seconds: float
    notebook: str
    line: str
    trains: bool


def trains(cell):
    """Tell whether a cell trains: a fit or a search, its own or of a function that it calls."""
    return TRAINS in cell.metadata.get("tags", [])


def measures_time(path):
    """Tell whether the notebook whose text is at `path` measures time."""
    return TIMING in path.read_text("utf-8")


def read(root):
    """Return {notebook: {column: minutes, as text}} of the project in the folder `root`; {} before any was recorded."""
    path = root / NAME
    if not path.is_file():
        return {}
    rows = csv.DictReader(path.read_text("utf-8").splitlines())
    return {row.pop("notebook"): row for row in rows}


def record(root, profile, cells, at_once, whole=None):
    """Write the minutes of the notebooks that were executed in place of those that they took before.

    `cells` are what their cells took (Took), with `at_once` notebooks side by side but for those that measure time,
    so that a training of all takes a share of theirs; `whole` are the seconds of all notebooks, if all were executed.
    """
    rows, names = read(root), sorted({cell.notebook for cell in cells})
    together = rows.pop(TOGETHER, {})
    rows = dict(sorted((rows | {name: rows.get(name, {}) for name in names}).items()))
    for name in names:
        rows[name][profile] = _minutes(cell.seconds for cell in cells if cell.notebook == name)
        if profile == "full":
            trained = (cell.seconds for cell in cells if cell.notebook == name and cell.trains)
            rows[name]["training"] = _minutes(trained)
    if profile == "full":
        alone = {path.stem for path in (root / "notebooks" / "text").glob("*.py") if measures_time(path)}
        shares = {name: 1 if name in alone else at_once for name in rows}
        together["training"] = _minutes(60 * float(rows[name].get("training") or 0) / shares[name] for name in rows)
    if whole:
        together[profile] = _minutes([whole])
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({"notebook": name} | row for name, row in (rows | {TOGETHER: together}).items())
    files.write_text(root / NAME, text.getvalue())


def tell(root):
    """Write the minutes of the full profile into the lessons: their texts, and the notebooks made of them."""
    for name, row in read(root).items():
        for path in (root / "notebooks" / "text" / f"{name}.py", root / "notebooks" / f"{name}.ipynb"):
            if path.is_file() and row["full"]:
                text = path.read_text("utf-8")
                files.write_text(path, TAKES.sub(rf"\g<1>{in_words(row['full'])}", text))


def in_words(minutes):
    """Return minutes as a lesson says them: whole ones, at least one, a quarter of one neglected."""
    whole = max(1, math.ceil(float(minutes) - 0.25))
    return f"{whole} minute{'s' * (whole > 1)}"


def _minutes(seconds):
    return f"{sum(seconds) / 60:.1f}"
