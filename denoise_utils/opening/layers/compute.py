"""What the layers compute, in NumPy: enough to find what no input changes (opening/constants.py), not to denoise with.

Places between pixels lie on lines from one to the next, whatever the interpolation: a constant stays one all the same.
"""

import numpy as np

from denoise_utils.opening.layers import entry, windows


def last(rule):
    """Return a rule for images (N, H, W, C) as one that heeds `data_format`."""

    def compute(config, weights, x):
        if not entry.is_channels_first(config):
            return rule(config, weights, x)
        y = rule(config, weights, np.moveaxis(x, 1, -1))
        return np.moveaxis(y, -1, 1) if y.ndim == x.ndim else y

    return compute


def _pad_same(x, sizes, strides, dilations, value):
    edges = [(0, 0)]
    for side, size, stride, dilation in zip(x.shape[1:3], sizes, strides, dilations, strict=True):
        more = max((-(-side // stride) - 1) * stride + (size - 1) * dilation + 1 - side, 0)
        edges.append((more // 2, more - more // 2))
    return np.pad(x, [*edges, (0, 0)], constant_values=value)


def _windows(config, x, sizes, strides, value=0.0):
    """Yield (row, column, what that place of the window sees) for each place of a window."""
    dilations = entry.pair(config.get("dilation_rate", 1))
    if config.get("padding") == "same":
        x = _pad_same(x, sizes, strides, dilations, value)
    spans = [(size - 1) * dilation for size, dilation in zip(sizes, dilations, strict=True)]
    ends = [side - span for side, span in zip(x.shape[1:3], spans, strict=True)]
    for row in range(sizes[0]):
        for column in range(sizes[1]):
            top, left = row * dilations[0], column * dilations[1]
            yield row, column, x[:, top : top + ends[0] : strides[0], left : left + ends[1] : strides[1]]


def _finish(config, weights, y):
    return y + weights[-1] if config.get("use_bias", True) else y


def convolve(config, weights, x):
    """Slide a kernel (H, W, C / groups, filters)."""
    kernel, groups = weights[0], config.get("groups", 1)
    sizes, strides = kernel.shape[:2], entry.pair(config.get("strides") or 1)
    parts = np.split(kernel, groups, axis=-1)
    y = 0
    for row, column, seen in _windows(config, x, sizes, strides):
        each = np.split(seen, groups, axis=-1)
        y = y + np.concatenate([one @ part[row, column] for one, part in zip(each, parts, strict=True)], axis=-1)
    return _finish(config, weights, y)


def convolve_depthwise(config, weights, x):
    """Slide a kernel (H, W, C, multiplier) over each channel."""
    return _finish(config, weights, _slide_each(config, weights[0], x))


def _slide_each(config, kernel, x):
    y = 0
    for row, column, seen in _windows(config, x, kernel.shape[:2], entry.pair(config.get("strides") or 1)):
        y = y + seen[..., None] * kernel[row, column]
    return y.reshape(*y.shape[:3], -1)


def convolve_separable(config, weights, x):
    """Slide a kernel over each channel, then mix the channels."""
    return _finish(config, weights, _slide_each(config, weights[0], x) @ weights[1][0, 0])


def convolve_transposed(config, weights, x):
    """Add a kernel (H, W, filters, C) to the output for each pixel, then cut what is too much, as TensorFlow does."""
    kernel, strides = weights[0], entry.pair(config.get("strides") or 1)
    dilations, same = entry.pair(config.get("dilation_rate", 1)), config.get("padding") == "same"
    more = config.get("output_padding")
    extra = entry.pair(more) if more is not None else (None, None)
    wide = [(size - 1) * dilation + 1 for size, dilation in zip(kernel.shape[:2], dilations, strict=True)]
    full = [(side - 1) * stride + one for side, stride, one in zip(x.shape[1:3], strides, wide, strict=True)]
    y = np.zeros((len(x), *full, kernel.shape[2]), dtype=x.dtype)
    for row in range(kernel.shape[0]):
        for column in range(kernel.shape[1]):
            top, left = row * dilations[0], column * dilations[1]
            places = y[:, top :: strides[0], left :: strides[1]][:, : x.shape[1], : x.shape[2]]
            places += x @ kernel[row, column].T
    for axis, parts in enumerate(zip(x.shape[1:3], wide, strides, extra, strict=True), 1):
        length = windows.spread(*parts[:3], same, parts[3])
        before = max(y.shape[axis] - length, 0) // 2 if same else 0
        y = np.take(y, range(before, min(before + length, y.shape[axis])), axis=axis)
        short = [(0, length - y.shape[axis] if other == axis else 0) for other in range(4)]
        y = np.pad(y, short)
    return _finish(config, weights, y)


def multiply_dense(config, weights, x):
    """Multiply the last axis by a kernel (C, units)."""
    return _finish(config, weights, x @ weights[0])


def pool(largest):
    """Return the rule of a pooling, by the largest number or the mean."""

    def compute(config, weights, x):
        sizes = entry.pair(config["pool_size"])
        strides = entry.pair(config.get("strides") or config["pool_size"])
        if largest:
            seen = [one for *_, one in _windows(config, x, sizes, strides, -np.inf)]
            return np.max(seen, axis=0)
        total, ones = 0, 0  # an average leaves out what lies beyond the edge
        for (*_, one), (*_, inside) in zip(
            _windows(config, x, sizes, strides), _windows(config, np.ones_like(x[:1]), sizes, strides), strict=True
        ):
            total, ones = total + one, ones + inside
        return total / ones

    return last(compute)


def pool_all(reduce):
    """Return the rule of a pooling over the whole image."""
    return last(lambda config, weights, x: reduce(x, axis=(1, 2), keepdims=bool(config.get("keepdims"))))


def upsample(config, weights, x):
    """Repeat each pixel, or draw lines between them."""
    for axis, times in zip((1, 2), entry.pair(config["size"]), strict=True):
        x = windows.stretch(x, axis, times * x.shape[axis], config.get("interpolation", "nearest"))
    return x


def resize(config, weights, x):
    """Take the nearest pixels, or draw lines between them."""
    for axis, side in ((1, config["height"]), (2, config["width"])):
        x = windows.stretch(x, axis, side, config.get("interpolation", "bilinear"))
    return x


def pad(config, weights, x):
    """Add zeros at the edges."""
    return np.pad(x, [(0, 0), *map(entry.pair, entry.pair(config["padding"])), (0, 0)])


def crop(config, weights, x):
    """Cut the edges off."""
    (top, bottom), (left, right) = map(entry.pair, entry.pair(config["cropping"]))
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def flatten(config, weights, x):
    """Lay an image out as a row."""
    return x.reshape(len(x), -1)


def reshape(config, weights, x):
    """Lay an image out in another shape."""
    return x.reshape(len(x), *config["target_shape"])


def permute(config, weights, x):
    """Turn an image's axes round."""
    return x.transpose(0, *config["dims"])


def _standardise(x, axes, epsilon):
    return (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + epsilon)


def _one_axis(config):
    axis = config.get("axis", -1)
    return axis[0] if isinstance(axis, list) else axis


def _scale(config, weights, x, axis):
    """Multiply by gamma and add beta, the first weights of a normalisation, where it has them."""
    sides = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
    weights = [one.reshape(sides) for one in weights]
    if config.get("scale", True) is not False or config.get("rms_scaling"):
        x = x * weights.pop(0)
    return x + weights.pop(0) if config.get("center", True) is not False and not config.get("rms_scaling") else x


def batch_norm(config, weights, x):
    """Subtract the stored means, divide by the stored deviations."""
    axis = _one_axis(config)
    sides = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
    mean, variance = (one.reshape(sides) for one in weights[-2:])
    epsilon = 1e-3 if config.get("epsilon") is None else config["epsilon"]
    return _scale(config, weights[:-2], (x - mean) / np.sqrt(variance + epsilon), axis)


def layer_norm(config, weights, x):
    """Standardise each place by the numbers along one axis."""
    axis = _one_axis(config)
    epsilon = 1e-3 if config.get("epsilon") is None else config["epsilon"]
    if config.get("rms_scaling"):
        return _scale(config, weights, x / np.sqrt(x.var(axis=axis, keepdims=True) + epsilon), axis)
    return _scale(config, weights, _standardise(x, axis, epsilon), axis)


def group_norm(config, weights, x):
    """Standardise each group of channels over the whole image."""
    axis, groups = _one_axis(config) % x.ndim, config.get("groups", 32)
    y = np.moveaxis(x, axis, -1)
    groups = y.shape[-1] if groups == -1 else groups
    parts = y.reshape(*y.shape[:-1], groups, -1)
    axes = (*range(1, y.ndim - 1), y.ndim)
    epsilon = 1e-3 if config.get("epsilon") is None else config["epsilon"]
    return _scale(config, weights, np.moveaxis(_standardise(parts, axes, epsilon).reshape(y.shape), -1, axis), axis)


def unit_norm(config, weights, x):
    """Divide by the length along one axis."""
    return x / np.sqrt(np.maximum((x * x).sum(axis=_one_axis(config), keepdims=True), 1e-12))


def rescale(config, weights, x):
    """Multiply by a scale and add an offset, numbers or lists."""
    return x * np.asarray(config.get("scale", 1), x.dtype) + np.asarray(config.get("offset", 0), x.dtype)


def merge(function):
    """Return the rule of a layer that joins tensors pair by pair, shapes aligned at their ends."""

    def compute(config, weights, *inputs):
        most = max(one.ndim for one in inputs)
        fitted = [one.reshape(len(one), *[1] * (most - one.ndim), *one.shape[1:]) for one in inputs]
        found = fitted[0]
        for one in fitted[1:]:
            found = function(found, one)
        return found

    return compute


def average(config, weights, *inputs):
    """Return the mean of tensors."""
    return merge(np.add)(config, weights, *inputs) / len(inputs)


def concatenate(config, weights, *inputs):
    """Lay tensors one behind the other."""
    return np.concatenate(inputs, axis=config.get("axis", -1))
