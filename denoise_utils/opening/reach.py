"""Say how far a model looks, from its config alone: what cutting a picture into tiles must heed.

Two walks over the model's calls: the first finds what a side must be a multiple of, so that each tile falls on the
same steps as the whole picture; the second, in a tile of known sides, how far from a cut its output is another.
"""

import math
from dataclasses import dataclass

from denoise_utils.opening import graph
from denoise_utils.opening.layers import TABLE
from denoise_utils.opening.layers.entry import Seen, Side

LONG = 2**20  # pixels of a side that no usual window is wider than; nothing of that size is made


@dataclass(frozen=True)
class Reach:
    """How far a model looks."""

    multiple: int  # that a free side of a picture must be
    margin: int  # pixels next to a cut that come out otherwise than in the whole picture
    numbers: float  # of the largest tensor, for each pixel of the input
    whole: str = ""  # the name of a layer that sees the whole picture, which cannot be cut then


def find_reach(config, shape):
    """Return the Reach of an admitted model's config for images of `shape` (H, W, C); a free side is None.

    Of a fixed side nothing is asked. Raises ValueError with the layer's name for settings or inputs that do not fit
    it, and for a layer that mixes the images of a batch. Whether the output is an image of that size is not asked.
    """
    walk = graph.Graph(graph.MAX_NUMBERS)
    start = walk.add_tensor("input", shape)
    _, (end,) = walk.follow(config, [start])
    free = [number for number in (0, 1) if shape[number] is None]
    found, _ = _walk(walk.made, start, shape)
    steps = [side.scale.numerator for one in found.values() for side in one.sides if side.along in free]
    multiple = math.lcm(1, *steps)
    tile = tuple(multiple * (LONG // multiple + 1) if side is None else side for side in shape)
    found, whole = _walk(walk.made, start, tile)
    numbers = max(math.prod(one.shape) for one in found.values()) / (tile[0] * tile[1])
    sides = found[end.number].sides
    cuts = [max(sides[number].left, sides[number].right) for number in free] if sides else []
    if any(side.along != number for number, side in enumerate(sides)):
        whole = whole or next(call.config["name"] for call in reversed(walk.made) if call.kind == "Permute")
    return Reach(multiple, max(cuts, default=0), numbers, whole if free else "")


def _walk(made, start, shape):
    """Return (what is Seen of each tensor, the first layer that sees the whole picture) for an input of `shape`."""
    found, whole = {start.number: Seen(shape, tuple(Side(side, along=n) for n, side in enumerate(shape[:2])))}, ""
    for call in made:
        if not all(number in found for number in call.inputs):  # of a model inside, on an input of its own
            continue
        inputs = [found[number] for number in call.inputs]
        with graph.explained(call.config["name"]):
            seen, far = _follow(call.kind, call.config, inputs)
        found[call.output] = seen
        whole = whole or (call.config["name"] if far and any(one.sides for one in inputs) else "")
    return found, whole


def _follow(kind, config, inputs):
    """Return (what is Seen of a layer's output, whether it sees the whole picture), its activation included."""
    entry = TABLE[kind]
    shape, _ = entry.shape(config, *(one.shape for one in inputs))
    sides, far = entry.reach(config, *inputs)
    seen, activation = Seen(shape, sides), config.get("activation")
    if isinstance(activation, dict):
        _, beside = TABLE[activation["class_name"]].reach(activation["config"], seen)
        far = far or beside
    return seen, far
