"""Kinds of values that a layer's settings may have: what is admitted, in words and as a test.

A number that may act as a weight, such as the scale of a Rescaling or the epsilon of a normalisation, says which
values are usual: any other is its author's choice, and counts as a parameter, however small.
"""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

MOST = 1_000_000  # of any number but a seed
MAX_NAME = 200  # characters
MOST_USUAL = 64  # of a window, a step or an edge: a larger one is a number that somebody chose
EPSILONS = (0, *(10.0**-power for power in range(2, 17)), 1.001e-5, 2e-5, 5e-5)  # 1.001e-5: Keras' own ResNets
UNUSED = ("_initializer", "_regularizer", "_constraint")  # for training alone: the stored weights hold the outcome


@dataclass(frozen=True)
class Kind:
    """What a setting may be: in words; as a test of a plain value; as the settings of each class of object."""

    says: str
    fits: Callable
    objects: dict | None = None  # class to {key: Kind}
    chosen: Callable | None = None  # how many numbers in a value may act as weights and are their author's choice


def words(text):
    """Return the words of `text` as a set."""
    return frozenset(text.split())


def is_whole(value, least, most):
    """Say whether `value` is a whole number from `least` to `most`."""
    return type(value) is int and least <= value <= most


def is_real(value, least=-MOST, most=MOST):
    """Say whether `value` is a finite number from `least` to `most`."""
    return type(value) in (int, float) and math.isfinite(value) and least <= value <= most


def _are_reals(value):
    return all(map(_are_reals, value)) if isinstance(value, list) else is_real(value)


def _are_wholes(value, number, least, most):
    return isinstance(value, list) and len(value) == number and all(is_whole(one, least, most) for one in value)


def _is_sides(value):
    return isinstance(value, list) and all(one is None or is_whole(one, 1, MOST) for one in value)


def whole(least=1, most=MOST):
    """Admit a whole number."""
    return Kind(f"a whole number from {least:,} to {most:,}", lambda value: is_whole(value, least, most))


def pair(least=1, most=MOST):
    """Admit a whole number, or a list of two: of a window, its steps, an edge."""
    says = f"a whole number from {least:,} to {most:,}, or two of them"

    def fits(value):
        return is_whole(value, least, most) or _are_wholes(value, 2, least, most)

    return Kind(says, fits, chosen=_count_large)


def _count_large(value):
    if isinstance(value, list):
        return sum(map(_count_large, value))
    return int(is_real(value) and value > MOST_USUAL)


def side():
    """Admit a whole number of pixels, of which more than the usual ones act as a weight."""
    return replace(whole(), chosen=_count_large)


def wholes(least=-MOST, most=MOST):
    """Admit a whole number, or a list of some."""
    says = f"a whole number from {least:,} to {most:,}, or a list of them"

    def fits(value):
        return is_whole(value, least, most) or (isinstance(value, list) and _are_wholes(value, len(value), least, most))

    return Kind(says, fits)


def edges():
    """Admit what is added or cut at the edges: one number, one for each side, or one for each of the four edges."""

    def fits(value):
        pairs = isinstance(value, list) and len(value) == 2 and all(_are_wholes(one, 2, 0, MOST) for one in value)
        return is_whole(value, 0, MOST) or _are_wholes(value, 2, 0, MOST) or pairs

    return Kind(f"a whole number from 0 to {MOST:,}, two of them, or two pairs", fits, chosen=_count_large)


def real(least=-MOST, most=MOST):
    """Admit a number that does not act as a weight."""
    return Kind(f"a number from {least:,} to {most:,}", lambda value: is_real(value, least, most))


def weight(*usual):
    """Admit a number that acts as a weight, with the values that are `usual`."""
    return Kind(real().says, is_real, chosen=_besides(usual))


def weights(*usual):
    """Admit a number that acts as a weight, or lists of such numbers."""
    return Kind(f"{real().says}, or lists of them", _are_reals, chosen=_besides(usual))


def epsilon():
    """Admit what guards a division, and may scale what it divides."""
    return Kind(real(0).says, lambda value: is_real(value, 0), chosen=_besides(EPSILONS))


def _besides(usual):
    """Return what counts the numbers of a value that are not `usual`, to the last bit; all those of a list."""
    known = {*usual, *(struct.unpack("f", struct.pack("f", one))[0] for one in usual)}  # Keras 2 wrote some as float32

    def count(value):
        if isinstance(value, list):  # as many as there are, even the usual ones: any could be another
            return sum(count(one) if isinstance(one, list) else is_real(one) for one in value)
        return int(is_real(value) and value not in known)

    return count


def word(text):
    """Admit one of the words of `text`."""
    return Kind(f"one of {', '.join(text.split())}", _is_in(text))


def _is_in(text):
    """Return a test whether a value is one of the words of `text`."""
    admitted = words(text)
    return lambda value: isinstance(value, str) and value in admitted


def named(says, text, objects):
    """Admit one of the words of `text`, one of the `objects` (class to {key: Kind}), or None."""
    return maybe(Kind(says, _is_in(text), objects))


def maybe(kind):
    """Admit None, too."""
    return Kind(f"{kind.says}, or none", lambda value: value is None or kind.fits(value), kind.objects, kind.chosen)


def count_chosen(kind, value):
    """Return how many numbers in `value`, which `kind` need not admit, may act as weights and are their author's."""
    return kind.chosen(value) if kind.chosen else 0


SWITCH = Kind("true or false", lambda value: isinstance(value, bool))
SEED = maybe(Kind("a whole number", lambda value: is_whole(value, -(2**64), 2**64)))
SIDES = maybe(Kind(f"a list of whole numbers from 1 to {MOST:,} or none", _is_sides))
NAME = Kind(
    f"a text of 1 to {MAX_NAME} printable characters",
    lambda value: isinstance(value, str) and 0 < len(value) <= MAX_NAME and value.isprintable(),
)
FORMAT = maybe(word("channels_last channels_first"))
PADDING = word("same valid")
AXIS = whole(-10, 10)
AXES = wholes(-10, 10)

DTYPES = "float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16"
DTYPE = named(word(DTYPES).says, DTYPES, {"DTypePolicy": {"name": word(DTYPES)}})

_DRAWN = {"seed": SEED, "input_axes": maybe(AXES), "output_axes": maybe(AXES)}
_SCALED = _DRAWN | {
    "scale": real(),
    "mode": word("fan_in fan_out fan_avg"),
    "distribution": word("normal uniform truncated_normal untruncated_normal"),
}
INITIALIZERS = {
    "Zeros": {},
    "Ones": {},
    "Identity": {"gain": real()},
    "Constant": {"value": real()},
    "Orthogonal": {"seed": SEED, "gain": real()},
    "RandomNormal": {"seed": SEED, "mean": real(), "stddev": real(0)},
    "TruncatedNormal": {"seed": SEED, "mean": real(), "stddev": real(0)},
    "RandomUniform": {"seed": SEED, "minval": real(), "maxval": real()},
    "VarianceScaling": _SCALED,
    **dict.fromkeys(("GlorotNormal", "GlorotUniform"), _SCALED),  # Keras 2 called some of them by their parent's keys
    **dict.fromkeys(("HeNormal", "HeUniform", "LecunNormal", "LecunUniform"), _SCALED),
}
INITIALIZER_WORDS = (
    "zeros ones constant identity orthogonal random_normal random_uniform truncated_normal variance_scaling "
    "glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform normal uniform "
    + " ".join(INITIALIZERS)
)
REGULARIZERS = {
    "L1": {"l1": real()},
    "L2": {"l2": real()},
    "L1L2": {"l1": real(), "l2": real()},
    "OrthogonalRegularizer": {"factor": real(), "mode": word("rows columns")},
}
CONSTRAINTS = {
    "NonNeg": {},
    "UnitNorm": {"axis": AXES},
    "MaxNorm": {"max_value": real(), "axis": AXES},
    "MinMaxNorm": {"min_value": real(), "max_value": real(), "rate": real(), "axis": AXES},
}


INITIALIZER = named("a standard initializer", " ".join([INITIALIZER_WORDS, *INITIALIZERS]), INITIALIZERS)
REGULARIZER = named("a standard regularizer", "l1 l2 l1_l2 " + " ".join(REGULARIZERS), REGULARIZERS)
CONSTRAINT_WORDS = "max_norm min_max_norm non_neg unit_norm"
CONSTRAINT = named("a standard constraint", " ".join([CONSTRAINT_WORDS, *CONSTRAINTS]), CONSTRAINTS)
COMMON = {"name": maybe(NAME), "trainable": maybe(SWITCH), "dtype": DTYPE, "activity_regularizer": REGULARIZER}


def trained(names):
    """Return the settings of the weights of these names, which act in training alone."""
    kinds = zip(UNUSED, (INITIALIZER, REGULARIZER, CONSTRAINT), strict=True)
    return {name + ending: kind for ending, kind in kinds for name in names.split()}
