"""The measures of the course, one entry each: tables, pages, commands and cards take name, unit and format from here.

A new measure is an entry here and its value in `evaluation.score`; all that shows measures then shows it.
"""

import math
from dataclasses import dataclass

BRIEF, USUAL, FULL = 1, 2, 3  # a few figures in a line; a table of models; all that is measured
PARAMETERS = ("parameters", "{:,}")  # the columns beside them
MULTIPLICATIONS = ("multiplications", "{:,}")  # by kernels, for one picture
NOISY = "noisy input"  # what tables call the row that every model is read against
FILTER = "filter: "  # how the rows of classical filters begin
FORMER = {"test_bce": "bce", "test_excess": "excess", "accuracy": "legibility"}  # keys in older cards and files


@dataclass(frozen=True)
class Measure:
    """What is to be known of a measure to show its values and to compare them."""

    name: str
    meaning: str  # in one line
    layout: str  # of a value, as of str.format
    more_is_better: bool
    unit: str = ""
    title: str = ""  # over a column; the name where it is empty
    detail: int = USUAL  # the shortest kind of listing that has it: BRIEF, USUAL or FULL
    has_spread: bool = False  # its standard deviation over images is scored, too, under its key and "_sd"

    @property
    def column(self) -> tuple[str, str]:
        """The title and the format of its column."""
        return self.title or self.name, self.layout

    @property
    def axis(self) -> str:
        """The label of an axis: its name and its unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name

    def explain(self) -> str:
        """Return in one line what it is, its unit, and which way is better."""
        unit = f", in {self.unit}" if self.unit else ""
        return f"{self.meaning}{unit}, {'higher' if self.more_is_better else 'lower'} is better"

    def say(self, value: float) -> str:
        """Return a value in words: "PSNR 29.06 dB"."""
        return f"{self.name} {self.layout.format(value)} {self.unit}".rstrip()

    def order(self, value: float | None) -> float:
        """Return a number that sorts values, the best first and a missing one last."""
        if value is None:
            return math.inf
        return -value if self.more_is_better else value


MEASURES = {
    "bce": Measure(
        "BCE", "the binary cross-entropy of each pixel, the usual loss", "{:.4f}", False, unit="nats per pixel"
    ),
    "excess": Measure(
        "excess",
        "the binary cross-entropy above the floor that grey targets impose",
        "{:.4f}",
        False,
        unit="nats per pixel",
        detail=BRIEF,
    ),
    "mse": Measure("MSE", "the mean squared error of each pixel", "{:.5f}", False, detail=FULL),
    "psnr": Measure(
        "PSNR",
        "the peak signal-to-noise ratio: 10 more is a tenth of the squared error",
        "{:.2f}",
        True,
        unit="dB",
        title="PSNR (dB)",
        detail=BRIEF,
        has_spread=True,
    ),
    "ssim": Measure("SSIM", "the structural similarity, 1 for equal images", "{:.3f}", True, has_spread=True),
    "legibility": Measure(
        "read by the judge", "the share of digits that a trained classifier reads right", "{:.1%}", True, detail=BRIEF
    ),
}


def select(detail: int) -> dict[str, Measure]:
    """Return the measures that a listing shows which is BRIEF, USUAL or FULL, by their keys."""
    return {key: measure for key, measure in MEASURES.items() if measure.detail <= detail}


def columns(detail: int) -> dict[str, tuple[str, str]]:
    """Return the columns (key to title and format) of a table with so much detail, each spread after its measure."""
    found = {}
    for key, measure in select(detail).items():
        found[key] = measure.column
        if measure.has_spread:
            found[f"{key}_sd"] = ("sd", measure.layout)
    return found


def values(detail: int) -> dict[str, tuple[str, str]]:
    """Return the columns of `columns` without the spreads."""
    return {key: measure.column for key, measure in select(detail).items()}


def column_of(part: str, key: str) -> tuple[str, str]:
    """Return the column of a measure on one `part` of the images: "val BCE"."""
    title, layout = MEASURES[key].column
    return f"{part} {title}", layout


def rename(scores: dict) -> dict:
    """Return `scores` under today's keys; cards and files that were written before may have others."""
    return {FORMER.get(key, key): value for key, value in scores.items()}
