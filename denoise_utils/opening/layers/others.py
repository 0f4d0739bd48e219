"""Layers that keep the size of an image: normalisations, joinings, noise while training, scales."""

import numpy as np

from denoise_utils.opening.layers import compute, entry, kinds
from denoise_utils.opening.layers.entry import Entry

SWITCH = kinds.maybe(kinds.SWITCH)
RATE = {"rate": kinds.real(0, 1), "seed": kinds.SEED}
NOISE_SHAPE = {"noise_shape": kinds.SIDES}
NORM = {
    "axis": kinds.AXES,
    "epsilon": kinds.maybe(kinds.epsilon()),
    "center": SWITCH,
    "scale": SWITCH,
    **kinds.trained("gamma beta"),
}


def _axes(config, shape, default=-1):
    """Return the length of the axis that a normalisation is over, as a tuple; Keras forgets a list of several."""
    axis = config.get("axis", default)
    if isinstance(axis, list):
        if len(axis) != 1:
            raise ValueError(f"{len(axis)} axes instead of one")
        axis = axis[0]
    return (entry.known((None, *shape)[axis]),)


def _batch_norm(config, shape):
    if config.get("renorm") or config.get("virtual_batch_size"):
        raise ValueError("batch renormalisation")
    each = _axes(config, shape)
    return shape, [each] * (config.get("scale", True) + config.get("center", True) + 2)


def _norm(config, shape):
    if config.get("rms_scaling"):
        return shape, [_axes(config, shape)]
    return shape, [_axes(config, shape)] * (config.get("scale", True) + config.get("center", True))


def _rescaling(config, shape):
    """Refuse numbers that would stretch the input: a list of them must fit it as it is."""
    for key in ("scale", "offset"):
        sides, value = (), config.get(key, 0)
        while isinstance(value, list):
            sides, value = (*sides, len(value)), value[0] if value else None
        fits = len(sides) <= len(shape) and all(
            one in (1, two) for one, two in zip(sides[::-1], shape[::-1], strict=False)
        )
        if not fits or not isinstance(value, int | float):
            raise ValueError(f"a {key} of shape {sides}, which does not fit its input of {shape}")
    return shape, []


def _merge(config, *shapes):
    """Follow Keras: shapes are aligned at their ends, and a side of 1 is stretched."""
    longest = max(map(len, shapes))
    merged = []
    for sides in zip(*((1,) * (longest - len(shape)) + shape for shape in shapes), strict=True):
        found = {side for side in sides if side != 1}
        if len(found - {None}) > 1:
            raise ValueError(f"a merge of the shapes {' and '.join(map(str, shapes))}")
        merged.append(None if None in found else max(found, default=1))
    return tuple(merged), []


def _concatenate(config, *shapes):
    axis = config.get("axis", -1)
    if axis in (0, -len(shapes[0]) - 1):
        raise ValueError("a concatenation of batches")
    index = axis if axis < 0 else axis - 1
    joined = list(shapes[0])
    numbers = [shape[index] for shape in shapes]
    joined[index] = None if None in numbers else sum(numbers)
    return tuple(joined), []


def _see_concatenated(config, *inputs):
    sides, turned = entry.see_nothing_beside(config, *inputs)
    sides, far = entry.see_axis(config, entry.Seen(inputs[0].shape, sides))
    return sides, far or turned


SAME = Entry({})
LAYERS = {
    "BatchNormalization": Entry(
        NORM
        | {
            "momentum": kinds.real(0, 1),
            "synchronized": SWITCH,
            "renorm": SWITCH,
            "renorm_momentum": kinds.real(0, 1),
            **kinds.trained("moving_mean moving_variance"),
        },
        _batch_norm,
        entry.see_axis,
        compute.batch_norm,
        statistics=2,
    ),
    "LayerNormalization": Entry(NORM | {"rms_scaling": SWITCH}, _norm, entry.see_axis, compute.layer_norm),
    "GroupNormalization": Entry(NORM | {"groups": kinds.whole(-1)}, _norm, entry.see_all, compute.group_norm),
    "UnitNormalization": Entry({"axis": kinds.AXES}, reach=entry.see_axis, compute=compute.unit_norm),
    "Dropout": Entry(RATE | NOISE_SHAPE),
    "SpatialDropout2D": Entry(RATE | NOISE_SHAPE | {"data_format": kinds.FORMAT}),
    "AlphaDropout": Entry(RATE | NOISE_SHAPE),
    "GaussianDropout": Entry(RATE),
    "GaussianNoise": Entry({"stddev": kinds.real(0), "seed": kinds.SEED}),
    "Rescaling": Entry({"scale": kinds.weights(1), "offset": kinds.weights(0)}, _rescaling, compute=compute.rescale),
    "Identity": SAME,
    "ActivityRegularization": Entry({"l1": kinds.real(), "l2": kinds.real()}),
    "Concatenate": Entry({"axis": kinds.AXIS}, _concatenate, _see_concatenated, compute.concatenate),
}
LAYERS |= {
    kind: Entry({}, _merge, compute=compute.merge(function))
    for kind, function in {
        "Add": np.add,
        "Subtract": np.subtract,
        "Multiply": np.multiply,
        "Maximum": np.maximum,
        "Minimum": np.minimum,
    }.items()
}
LAYERS["Average"] = Entry({}, _merge, compute=compute.average)
