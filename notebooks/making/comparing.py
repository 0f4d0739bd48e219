"""Say where the outputs of two executions of a notebook differ by more than one unit of a number's last digit."""

import base64
import io
import itertools
import re

import numpy as np
from PIL import Image

from making.kernel import name_of, number_cells

NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")
CLAIM = re.compile(r"^holds: (.*?)(?: \(.*\))?$", re.M)  # what lessons.claim prints, without its numbers
BEGINNING = "profile "  # of the line that names profile and versions; it may differ
READ = ("text/markdown", "text/html", "text/plain")  # of what is shown in several ways, the first there is
PIXELS = 2  # mean difference of two figures that counts as none, of 255


def find_differences(old, new, claims_only=False):
    """Return a line for each code cell of `old` whose outputs are others in `new`.

    Of cells tagged "trains", or of all with `claims_only`, only the claims are compared; those tagged "timing" are not.
    """
    if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
        return ["its cells are not those of its text: make the notebook anew"]
    numbers, found = number_cells(old), []
    for place, number in numbers.items():
        pair = old.cells[place], new.cells[place]
        tags = pair[0].metadata.get("tags", [])
        why = None
        if claims_only or "trains" in tags:
            before, after = (CLAIM.findall(read(cell)) for cell in pair)
            why = None if before == after else f"its claims were {before}, now {after}"
        elif "timing" not in tags:
            why = compare_texts(*map(read, pair)) or compare_figures(*map(figures_of, pair))
        if why:
            found.append(f"code cell {number} ({name_of(pair[0])}): {why}")
    return found


def read(cell):
    """Return what a cell printed and showed as text; of progress lines the last."""
    parts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" not in data:
            parts.append(output.get("text") or next((data[kind] for kind in READ if kind in data), ""))
    lines = [line.rpartition("\r")[2] for line in "".join(parts).split("\n")]
    return "\n".join(line for line in lines if not line.startswith(BEGINNING))


def compare_texts(old, new):
    """Return in words where two texts first differ, or None: words are equal, numbers nearly, spaces do not count."""
    for before, after in itertools.zip_longest(old.split(), new.split(), fillvalue=""):
        if NUMBER.split(before) != NUMBER.split(after) or not all(
            map(are_near, NUMBER.findall(before), NUMBER.findall(after))
        ):
            return f"it showed {before or 'nothing more'}, now {after or 'nothing more'}"
    return None


def are_near(old, new):
    """Say whether two numbers, as text, differ by at most one unit of the last digit of the coarser."""
    return abs(value_of(old) - value_of(new)) <= 1.001 * max(unit_of(old), unit_of(new))


def value_of(number):
    return float(number.replace(",", ""))


def unit_of(number):
    """Return what the last digit of a number stands for: .01 in 3.14, 1 in 3,600, 1e-5 in 1.2e-4."""
    digits, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def figures_of(cell):
    """Return the pixels of a cell's figures, each (rows, columns, 3), 0 to 255."""
    shown = [output.data["image/png"] for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), float) for png in shown]


def compare_figures(old, new):
    """Return in words whether figures differ in number, size or content, or None."""
    if [figure.shape for figure in old] != [figure.shape for figure in new]:
        return f"its figures were of shape {[f.shape for f in old]}, now {[f.shape for f in new]}"
    apart = max((float(np.abs(a - b).mean()) for a, b in zip(old, new, strict=True)), default=0.0)
    return f"a figure differs by {apart:.1f} of 255 in the mean" if apart > PIXELS else None
