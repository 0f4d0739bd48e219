"""Layers without weights that change the size or the shape of an image: poolings, resizings, edges, reshapings."""

import math
from dataclasses import replace

import numpy as np

from denoise_utils.opening.layers import compute, entry, kinds
from denoise_utils.opening.layers.entry import Entry
from denoise_utils.opening.layers.windows import see_windows, slide_all

FORMAT = {"data_format": kinds.FORMAT}
POOLING = FORMAT | {"pool_size": kinds.pair(), "strides": kinds.maybe(kinds.pair()), "padding": kinds.PADDING}
INTERPOLATIONS = {"nearest": 0, "bilinear": 1, "bicubic": 2, "lanczos3": 3, "lanczos5": 5}  # how far each looks
SWITCH = kinds.maybe(kinds.SWITCH)


def _pooling(config, shape):
    sides, channels = entry.split(config, shape)
    sizes = entry.pair(config["pool_size"])
    return entry.join(config, slide_all(config, sides, sizes, sizes), channels), []


def _see_pooling(config, image):
    return see_windows(config, image, config["pool_size"], config["pool_size"])


def _global_pooling(config, shape):
    sides, channels = entry.split(config, shape)
    return (entry.join(config, (1,) * len(sides), channels) if config.get("keepdims") else (channels,)), []


def _upsampling(config, shape):
    sides, channels = entry.split(config, shape)
    grown = [side and side * times for side, times in zip(sides, entry.pair(config["size"]), strict=True)]
    return entry.join(config, grown, channels), []


def _see_upsampling(config, image):
    """Follow the reach; places between pixels are exact for powers of two, else they depend on how far it is there."""
    sizes, far = entry.pair(config["size"]), INTERPOLATIONS[config.get("interpolation", "nearest")]
    if entry.is_channels_first(config):
        return (), True
    grown = tuple(_grow(side, times, far) for side, times in zip(image.sides, sizes, strict=False))
    return grown, far > 0 and any(times & (times - 1) for times in sizes)


def _grow(side, times, far):
    far = far if times > 1 else 0
    length = side.length and side.length * times
    left, right = (times * (wrong + far) for wrong in (side.left, side.right))
    return replace(side, length=length, scale=side.scale / times, left=left, right=right)


def _resizing(config, shape):
    if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
        raise ValueError("a resizing that keeps the aspect ratio")
    return entry.join(config, (config["height"], config["width"]), entry.split(config, shape)[1]), []


def _edges(name, sign):
    """Return the rules of a layer that adds (sign 1) or cuts (-1) the edges that its config calls `name`."""

    def list_edges(config):
        return [entry.pair(edge) for edge in entry.pair(config[name])]

    def shape_rule(config, shape):
        sides, channels = entry.split(config, shape)
        changed = [side and side + sign * sum(both) for side, both in zip(sides, list_edges(config), strict=True)]
        return entry.join(config, changed, channels), []

    def reach_rule(config, image):
        if entry.is_channels_first(config):
            return (), True
        pairs = zip(image.sides, list_edges(config), strict=False)
        return tuple(_move(side, sign * before, sign * after) for side, (before, after) in pairs), False

    return shape_rule, reach_rule


def _move(side, before, after):
    """Return a Side with so many numbers more, or less, at its edges: what is added is not the picture's."""
    length = side.length and side.length + before + after
    return replace(side, length=length, left=max(side.left + before, 0), right=max(side.right + after, 0))


def _size(shape):
    return None if None in shape else math.prod(shape)


def _flatten(config, shape):
    return (_size(shape),), []


def _reshape(config, shape):
    target = tuple(config["target_shape"])
    if -1 in target:
        rest = -math.prod(target)
        size = _size(shape)
        target = tuple((size and size // rest) if side == -1 else side for side in target)
    if None not in target and None not in shape and _size(target) != _size(shape):
        raise ValueError(f"a reshaping of {shape} to {target}")
    return target, []


def _permute(config, shape):
    if sorted(config["dims"]) != list(range(1, len(shape) + 1)):
        raise ValueError(f"the permutation {config['dims']} of {len(shape)} dimensions")
    return tuple(shape[dim - 1] for dim in config["dims"]), []


def _see_turned(config, image):
    """Follow the reach of a layer that exchanges axes: an image whose channels stay the last is the same, or turned."""
    if list(config["dims"]) not in ([1, 2, 3], [2, 1, 3]):
        return (), True
    return tuple(image.sides[dim - 1] for dim in config["dims"][:2] if image.sides), False


GLOBAL = FORMAT | {"keepdims": SWITCH}
LAYERS = {
    "MaxPooling2D": Entry(POOLING, _pooling, _see_pooling, compute.pool(True)),
    "AveragePooling2D": Entry(POOLING, _pooling, _see_pooling, compute.pool(False)),
    "GlobalMaxPooling2D": Entry(GLOBAL, _global_pooling, entry.see_all_resized, compute.pool_all(np.max)),
    "GlobalAveragePooling2D": Entry(GLOBAL, _global_pooling, entry.see_all_resized, compute.pool_all(np.mean)),
    "UpSampling2D": Entry(
        FORMAT | {"size": kinds.pair(), "interpolation": kinds.word(" ".join(INTERPOLATIONS))},
        _upsampling,
        _see_upsampling,
        compute.last(compute.upsample),
        repeats=lambda config: config.get("interpolation", "nearest") == "nearest",
    ),
    "Resizing": Entry(
        FORMAT
        | {
            "height": kinds.side(),
            "width": kinds.side(),
            "interpolation": kinds.word(" ".join([*INTERPOLATIONS, "area"])),
            "crop_to_aspect_ratio": SWITCH,
            "pad_to_aspect_ratio": SWITCH,
            "fill_mode": kinds.word("constant reflect wrap nearest"),
            "fill_value": kinds.weight(0),
            "antialias": SWITCH,
        },
        _resizing,
        entry.see_all_resized,
        compute.last(compute.resize),
    ),
    "ZeroPadding2D": Entry(FORMAT | {"padding": kinds.edges()}, *_edges("padding", 1), compute.last(compute.pad)),
    "Cropping2D": Entry(FORMAT | {"cropping": kinds.edges()}, *_edges("cropping", -1), compute.last(compute.crop)),
    "Flatten": Entry(FORMAT, _flatten, entry.see_all_resized, compute.flatten),
    "Reshape": Entry({"target_shape": kinds.wholes(-1)}, _reshape, entry.see_all_resized, compute.reshape),
    "Permute": Entry({"dims": kinds.wholes(1, 10)}, _permute, _see_turned, compute.permute),
}
