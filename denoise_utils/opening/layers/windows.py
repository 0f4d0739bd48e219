"""How a window slides over a side of an image, and a transposed one spreads it: what is left, what a cut changes."""

from dataclasses import replace

import numpy as np

from denoise_utils.opening.layers import entry


def slide(side, size, stride, padding, dilation=1):
    """Return the side that is left when a window of `size` slides over `side`."""
    if side is None:
        return None
    left = -(-side // stride) if padding == "same" else (side - dilation * (size - 1) - 1) // stride + 1
    if left < 1:
        raise ValueError(f"a window of {size}, wider than its input of {side}")
    return left


def _list_windows(config, sizes, strides=1):
    """Return for each side the (size, stride, padding, dilation) of a config that names no strides but `strides`."""
    strides, dilations = entry.pair(config.get("strides") or strides), entry.pair(config.get("dilation_rate", 1))
    padding = config.get("padding", "valid")
    each = zip(entry.pair(sizes), strides, dilations, strict=True)
    return [(size, stride, padding, dilation) for size, stride, dilation in each]


def slide_all(config, sides, sizes, strides=1):
    """Slide windows of `sizes` over all sides; `strides` are those of a config that names none."""
    windows = _list_windows(config, sizes, strides)
    return [slide(side, *window) for side, window in zip(sides, windows, strict=True)]


def see_windows(config, image, sizes, strides=1):
    """Follow the reach of windows of `sizes` that slide over an image."""
    if entry.is_channels_first(config):
        return (), True
    windows = _list_windows(config, sizes, strides)
    return tuple(_slide_side(side, *window) for side, window in zip(image.sides, windows, strict=False)), False


def _slide_side(side, size, stride, padding, dilation):
    """Return a Side after a window slid over it: each number is made of as many as the window is wide."""
    scale, wide = side.scale * stride, (size - 1) * dilation + 1
    length = slide(side.length, size, stride, padding, dilation)
    if length is None:
        return replace(side, scale=scale)
    added = max((length - 1) * stride + wide - side.length, 0) if padding == "same" else 0
    before = added // 2
    right = (side.length - side.right + before - wide) // stride + 1  # so many see nothing of the cut
    left = -(-(side.left + before) // stride)
    return replace(side, length=length, scale=scale, left=left, right=max(length - right, 0))


def spread(side, wide, stride, same, extra):
    """Return the side that a transposed window of `wide` makes of `side`, `extra` wider if that is not None."""
    if side is None:
        return None
    if extra is not None:
        return (side - 1) * stride + (wide % 2 if same else wide) + extra
    return side * stride + (0 if same else max(wide - stride, 0))


def spread_side(side, wide, stride, same, extra):
    """Return a Side after a transposed window spread it: each number is added to as many as the window is wide."""
    scale, length = side.scale / stride, spread(side.length, wide, stride, same, extra)
    if length is None:
        return replace(side, scale=scale)
    before = max((side.length - 1) * stride + wide - length, 0) // 2 if same else 0
    left = stride * (side.left - 1) + wide - before
    right = length - (stride * (side.length - side.right) - before)
    return replace(side, length=length, scale=scale, left=max(left, 0), right=max(right, 0))


def stretch(x, axis, side, interpolation):
    """Bring an axis to another length: "nearest" repeats pixels, all others are taken for lines between them."""
    if interpolation == "nearest":
        return np.take(x, np.arange(side) * x.shape[axis] // side, axis=axis)
    place = np.clip((np.arange(side) + 0.5) * x.shape[axis] / side - 0.5, 0, x.shape[axis] - 1)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, x.shape[axis] - 1)
    part = (place - before).reshape([-1 if one == axis else 1 for one in range(x.ndim)])
    return (1 - part) * np.take(x, before, axis=axis) + part * np.take(x, after, axis=axis)
