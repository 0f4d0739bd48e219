"""Draw formulas as SVG while a page is made: the script that does it in a browser would come from another host."""

import re
from html import escape

from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath

FONT = FontProperties(family="DejaVu Serif", math_fontfamily="stix")  # with \text in the first
SIZE = 100  # units of the drawing in 1 em
LETTERS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}


def draw(formula, display=False):
    """Return the LaTeX `formula` as an <svg> in the colour and size of the text, with `display` on a line of its own.

    Raises ValueError if Matplotlib's mathtext does not know what it uses.
    """
    formula = re.sub(r"(\\math[a-z]+) (\w)", r"\1{\2}", " ".join(formula.split()))  # mathtext takes no \mathcal N
    try:
        path = TextPath((0, 0), f"${formula}$", size=SIZE, prop=FONT)
    except ValueError as error:
        raise ValueError(f'Expected a formula that Matplotlib draws, got "{formula}": {error}') from None
    box = path.get_extents()
    steps = [
        LETTERS[code] + ("" if code == Path.CLOSEPOLY else " ".join(f"{number:.1f}" for number in points))
        for points, code in path.iter_segments(simplify=False)
    ]
    return (
        f'<svg class="formula{" display" if display else ""}" role="img" aria-label="{escape(formula)}" '
        f'viewBox="{box.x0:.1f} {-box.y1:.1f} {box.width:.1f} {box.height:.1f}" '
        f'style="width: {box.width / SIZE:.3f}em; vertical-align: {box.y0 / SIZE:.3f}em">'
        f'<path transform="scale(1 -1)" d="{"".join(steps)}"/></svg>'
    )
