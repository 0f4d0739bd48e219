"""Say, without Keras, what shape a standard layer gives and which weights it must have.

A rule takes a layer's config and the shapes of its inputs, without the batch, and returns the shape of
its output and those of its weights. A side of None is one that the images decide. `RULES` is the list of
the layers that a saved model may hold.
"""

import math


def _pair(value):
    """Return one number, or a list of two, as two; of four, as in ((1, 2), (1, 2)), the pairs."""
    return (value, value) if isinstance(value, int) else tuple(value)


def _channels_first(config):
    return config.get("data_format") == "channels_first"


def split(config, shape):
    """Return (sides, channels) of an image's shape."""
    if len(shape) != 3:
        raise ValueError(f"an input of shape {shape} instead of images (H, W, C)")
    return (shape[1:], shape[0]) if _channels_first(config) else (shape[:2], shape[2])


def _join(config, sides, channels):
    return (channels, *sides) if _channels_first(config) else (*sides, channels)


def _known(number):
    if number is None:
        raise ValueError("weights whose number depends on the input")
    return number


def _slide(side, size, stride, padding, dilation=1):
    """Return the side that is left when a window of `size` slides over `side`."""
    if min(size, stride, dilation) < 1:
        raise ValueError(f"a window of {size} with stride {stride} and dilation {dilation}")
    if side is None:
        return None
    left = -(-side // stride) if padding == "same" else (side - dilation * (size - 1) - 1) // stride + 1
    if left < 1:
        raise ValueError(f"a window of {size}, wider than its input of {side}")
    return left


def _bias(config, number):
    return [(number,)] if config.get("use_bias", True) else []


def _slide_all(config, sides, sizes, strides=1):
    """Slide windows of `sizes` over all sides; `strides` are those of a config that names none."""
    strides, dilations = _pair(config.get("strides") or strides), _pair(config.get("dilation_rate", 1))
    padding = config.get("padding", "valid")
    return [_slide(*one[:3], padding, one[3]) for one in zip(sides, sizes, strides, dilations, strict=True)]


def _convolution(config, shape):
    sides, channels = split(config, shape)
    sizes, filters, groups = _pair(config["kernel_size"]), config["filters"], config.get("groups", 1)
    if min(filters, groups) < 1 or _known(channels) % groups or filters % groups:
        raise ValueError(f"{groups} groups of {channels} channels and {filters} filters")
    kernel = (*sizes, channels // groups, filters)
    return _join(config, _slide_all(config, sides, sizes), filters), [kernel, *_bias(config, filters)]


def _depthwise(config, shape):
    sides, channels = split(config, shape)
    sizes, number = _pair(config["kernel_size"]), config.get("depth_multiplier", 1)
    kernel, filters = (*sizes, _known(channels), number), channels * number
    return _join(config, _slide_all(config, sides, sizes), filters), [kernel, *_bias(config, filters)]


def _separable(config, shape):
    output, (kernel,) = _depthwise(config | {"use_bias": False}, shape)
    filters = config["filters"]
    pointwise = (1, 1, kernel[2] * kernel[3], filters)
    return _join(config, split(config, output)[0], filters), [kernel, pointwise, *_bias(config, filters)]


def _transposed(config, shape):
    sides, channels = split(config, shape)
    sizes, filters = _pair(config["kernel_size"]), config["filters"]
    strides, dilations = _pair(config.get("strides", 1)), _pair(config.get("dilation_rate", 1))
    more = config.get("output_padding")
    given = _pair(more) if more is not None else (None, None)
    grown = []
    for side, size, stride, dilation, extra in zip(sides, sizes, strides, dilations, given, strict=True):
        wide, same = (size - 1) * dilation + 1, config.get("padding") == "same"
        if side is not None and extra is not None:
            side = (side - 1) * stride + (wide % 2 if same else wide) + extra
        elif side is not None:
            side = side * stride + (0 if same else max(wide - stride, 0))
        grown.append(side)
    return _join(config, grown, filters), [(*sizes, filters, _known(channels)), *_bias(config, filters)]


def _pooling(config, shape):
    sides, channels = split(config, shape)
    sizes = _pair(config["pool_size"])
    return _join(config, _slide_all(config, sides, sizes, sizes), channels), []


def _global_pooling(config, shape):
    sides, channels = split(config, shape)
    return (_join(config, (1,) * len(sides), channels) if config.get("keepdims") else (channels,)), []


def _upsampling(config, shape):
    sides, channels = split(config, shape)
    grown = [side and side * times for side, times in zip(sides, _pair(config["size"]), strict=True)]
    return _join(config, grown, channels), []


def _resizing(config, shape):
    if config.get("crop_to_aspect_ratio") or config.get("pad_to_aspect_ratio"):
        raise ValueError("a resizing that keeps the aspect ratio")
    return _join(config, (config["height"], config["width"]), split(config, shape)[1]), []


def _edges(name, sign):
    """Return the rule of a layer that adds (sign 1) or cuts (-1) the edges that its config calls `name`."""

    def rule(config, shape):
        sides, channels = split(config, shape)
        both = [sum(_pair(edge)) for edge in _pair(config[name])]
        return _join(config, [side and side + sign * n for side, n in zip(sides, both, strict=True)], channels), []

    return rule


def _dense(config, shape):
    units = config["units"]
    return (*shape[:-1], units), [(_known(shape[-1]), units), *_bias(config, units)]


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


def _axes(config, shape, default=-1):
    """Return the length of the axis that a normalisation is over, as a tuple; Keras forgets a list of several."""
    axis = config.get("axis", default)
    if isinstance(axis, list):
        if len(axis) != 1:
            raise ValueError(f"{len(axis)} axes instead of one")
        axis = axis[0]
    return (_known((None, *shape)[axis]),)


def _batch_norm(config, shape):
    if config.get("renorm") or config.get("virtual_batch_size"):
        raise ValueError("batch renormalisation")
    each = _axes(config, shape)
    return shape, [each] * (config.get("scale", True) + config.get("center", True) + 2)


def _norm(config, shape):
    if config.get("rms_scaling"):
        return shape, [_axes(config, shape)]
    return shape, [_axes(config, shape)] * (config.get("scale", True) + config.get("center", True))


def _prelu(config, shape):
    shared = config.get("shared_axes") or ()
    return shape, [tuple(1 if axis in shared else _known(side) for axis, side in enumerate(shape, 1))]


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


def _unchanged(config, shape):
    axis = config.get("axis")
    if isinstance(axis, list) and len(axis) != 1:  # which Keras forgets
        raise ValueError(f"{len(axis)} axes instead of one")
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
    index = axis if axis < 0 else axis - 1
    joined = list(shapes[0])
    numbers = [shape[index] for shape in shapes]
    joined[index] = None if None in numbers else sum(numbers)
    return tuple(joined), []


RULES = {
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Conv2DTranspose": _transposed,
    "MaxPooling2D": _pooling,
    "AveragePooling2D": _pooling,
    "GlobalMaxPooling2D": _global_pooling,
    "GlobalAveragePooling2D": _global_pooling,
    "UpSampling2D": _upsampling,
    "Resizing": _resizing,
    "ZeroPadding2D": _edges("padding", 1),
    "Cropping2D": _edges("cropping", -1),
    "Dense": _dense,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _norm,
    "GroupNormalization": _norm,
    "PReLU": _prelu,
    "Concatenate": _concatenate,
    "Rescaling": _rescaling,
}
ACTIVATION_LAYERS = ("ReLU", "LeakyReLU", "ELU", "Softmax")
UNCHANGED = ("Activation", "ActivityRegularization", "Identity", "UnitNormalization", *ACTIVATION_LAYERS)
DROPOUTS = ("Dropout", "SpatialDropout2D", "AlphaDropout", "GaussianDropout", "GaussianNoise")
RULES |= dict.fromkeys((*UNCHANGED, *DROPOUTS), _unchanged)
RULES |= dict.fromkeys(("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum"), _merge)
