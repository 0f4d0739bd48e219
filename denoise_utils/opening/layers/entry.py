"""What the table says of one layer, and the arithmetic of sides that its rules share.

A *shape* rule takes a layer's config and the shapes of its inputs, without the batch; it returns the shape of its
output and those of its weights. A side of None is one that the images decide.

A *reach* rule follows what cutting a picture does: in a tile, the numbers next to a cut come out otherwise than they
would in the whole picture. It takes the config and what was Seen of each input, and returns the sides of the output
and whether the layer sees the whole picture, however large it is.

A *compute* rule takes the config, the layer's weights and an array (N, ...) for each input; it returns the layer's
output but for its activation, near enough to find what no input changes. The rules are in `compute` and `functions`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from denoise_utils.opening.layers import kinds


@dataclass(frozen=True)
class Side:
    """One side of a tensor inside a tile: its `length`, None while it is not known; what a step of it means.

    The first `left` numbers and the last `right` ones are not those of the whole picture, if a cut is there. A layer
    that turns the picture changes which side of the model's input it lies `along`.
    """

    length: int | None
    scale: Fraction = Fraction(1)  # pixels of the model's input
    left: int = 0
    right: int = 0
    along: int = 0


@dataclass(frozen=True)
class Seen:
    """A tensor inside a tile: its shape, its sides (none if it is no image that grows with the input)."""

    shape: tuple
    sides: tuple = ()


def split(config, shape):
    """Return (sides, channels) of an image's shape."""
    if len(shape) != 3:
        raise ValueError(f"an input of shape {shape} instead of images (H, W, C)")
    return (shape[1:], shape[0]) if is_channels_first(config) else (shape[:2], shape[2])


def join(config, sides, channels):
    """Return the shape of an image."""
    return (channels, *sides) if is_channels_first(config) else (*sides, channels)


def is_channels_first(config):
    """Say whether the layer takes images (C, H, W)."""
    return config.get("data_format") == "channels_first"


def pair(value):
    """Return one number, or a list of two, as two; of four, as in ((1, 2), (1, 2)), the pairs."""
    return (value, value) if isinstance(value, int) else tuple(value)


def known(number):
    """Return a side that weights depend on; raise ValueError if the images decide it."""
    if number is None:
        raise ValueError("weights whose number depends on the input")
    return number


def keep_shape(config, shape):
    """Follow the shape through a layer that changes numbers one by one, or one axis of them."""
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) != 1:  # which Keras forgets
        raise ValueError(f"{len(axis)} axes instead of one")
    return shape, []


def see_nothing_beside(config, *inputs):
    """Follow the reach of a layer that makes each number of those at its place alone, of one input or of several."""
    images = [one.sides for one in inputs if one.sides]
    if any(left.scale != right.scale for one in images for left, right in zip(images[0], one, strict=True)):
        raise ValueError("inputs of different scales, which fit each other in pictures of one size only")
    merged = tuple(
        replace(each[0], left=max(one.left for one in each), right=max(one.right for one in each))
        for each in zip(*images, strict=True)
    )
    turned = any(one.along != side.along for sides in images for one, side in zip(sides, merged, strict=True))
    return merged, turned  # a picture beside itself, turned: what belongs together lies far apart


def see_axis(config, image):
    """Follow the reach of a layer that mixes the numbers along its `axis`: only that of channels is no picture's side.

    Raises ValueError if it is that of the batch.
    """
    axis, rank = config.get("axis", -1), len(image.shape) + 1
    axes = [one % rank for one in (axis if isinstance(axis, list) else [axis])]
    if 0 in axes:
        raise ValueError("an axis that mixes the images of a batch")
    return image.sides, axes != [rank - 1]


def see_all(config, image):
    """Follow the reach of a layer that sees the whole picture, and keeps its size."""
    return image.sides, True


def see_all_resized(config, image):
    """Follow the reach of a layer that sees the whole picture, and whose output does not grow with it."""
    return (), True


def compute_nothing(config, weights, x):
    """Return what a layer is given, as those do that act in training alone."""
    return x


@dataclass(frozen=True)
class Entry:
    """What the table says of one class of layers."""

    settings: dict  # key to kinds.Kind
    shape: Callable = keep_shape
    reach: Callable = see_nothing_beside
    compute: Callable = compute_nothing
    statistics: int = 0  # how many of its last weights are statistics, which no step of training changes
    kernels: int = 0  # how many of its first weights multiply, at every place of the output
    at_input: bool = False  # or, of a transposed layer, of the input
    repeats: Callable = lambda config: False  # whether it makes no numbers that were not in its input

    def __post_init__(self):
        object.__setattr__(self, "settings", kinds.COMMON | self.settings)
