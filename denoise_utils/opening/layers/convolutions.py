"""Layers with kernels: convolutions, and the dense layer, which is one of 1x1 on images."""

from denoise_utils.opening.layers import compute, entry, kinds
from denoise_utils.opening.layers.activations import ACTIVATION
from denoise_utils.opening.layers.entry import Entry
from denoise_utils.opening.layers.windows import see_windows, slide_all, spread, spread_side

USUAL = {"use_bias": kinds.maybe(kinds.SWITCH), "activation": ACTIVATION, **kinds.trained("bias")}
WINDOW = USUAL | {
    "kernel_size": kinds.pair(),
    "strides": kinds.maybe(kinds.pair()),
    "padding": kinds.PADDING,
    "data_format": kinds.FORMAT,
    "dilation_rate": kinds.pair(),
}
NUMBER = kinds.whole()


def _bias(config, number):
    return [(number,)] if config.get("use_bias", True) else []


def _convolution(config, shape):
    sides, channels = entry.split(config, shape)
    sizes, filters, groups = entry.pair(config["kernel_size"]), config["filters"], config.get("groups", 1)
    if entry.known(channels) % groups or filters % groups:
        raise ValueError(f"{groups} groups of {channels} channels and {filters} filters")
    kernel = (*sizes, channels // groups, filters)
    return entry.join(config, slide_all(config, sides, sizes), filters), [kernel, *_bias(config, filters)]


def _depthwise(config, shape):
    sides, channels = entry.split(config, shape)
    sizes, number = entry.pair(config["kernel_size"]), config.get("depth_multiplier", 1)
    kernel, filters = (*sizes, entry.known(channels), number), channels * number
    return entry.join(config, slide_all(config, sides, sizes), filters), [kernel, *_bias(config, filters)]


def _separable(config, shape):
    output, (kernel,) = _depthwise(config | {"use_bias": False}, shape)
    filters = config["filters"]
    pointwise = (1, 1, kernel[2] * kernel[3], filters)
    return entry.join(config, entry.split(config, output)[0], filters), [kernel, pointwise, *_bias(config, filters)]


def _transposed(config, shape):
    sides, channels = entry.split(config, shape)
    sizes, filters = entry.pair(config["kernel_size"]), config["filters"]
    grown = [spread(side, *window) for side, window in zip(sides, _list_spreads(config), strict=True)]
    kernel = (*sizes, filters, entry.known(channels))
    return entry.join(config, grown, filters), [kernel, *_bias(config, filters)]


def _list_spreads(config):
    """Return for each side the (width with its holes, stride, whether it pads, output padding) of a transposed one."""
    strides, dilations = entry.pair(config.get("strides") or 1), entry.pair(config.get("dilation_rate", 1))
    more, same = config.get("output_padding"), config.get("padding") == "same"
    given = entry.pair(more) if more is not None else (None, None)
    each = zip(entry.pair(config["kernel_size"]), strides, dilations, given, strict=True)
    return [((size - 1) * dilation + 1, stride, same, extra) for size, stride, dilation, extra in each]


def _see_transposed(config, image):
    if entry.is_channels_first(config):
        return (), True
    return tuple(
        spread_side(side, *window) for side, window in zip(image.sides, _list_spreads(config), strict=False)
    ), False


def _see_kernel(config, image):
    return see_windows(config, image, config["kernel_size"])


def _dense(config, shape):
    units = config["units"]
    return (*shape[:-1], units), [(entry.known(shape[-1]), units), *_bias(config, units)]


LAYERS = {
    "Conv2D": Entry(
        WINDOW | {"filters": NUMBER, "groups": NUMBER, **kinds.trained("kernel")},
        _convolution,
        _see_kernel,
        compute.last(compute.convolve),
        kernels=1,
    ),
    "DepthwiseConv2D": Entry(
        WINDOW | {"depth_multiplier": NUMBER, **kinds.trained("depthwise")},
        _depthwise,
        _see_kernel,
        compute.last(compute.convolve_depthwise),
        kernels=1,
    ),
    "SeparableConv2D": Entry(
        WINDOW | {"filters": NUMBER, "depth_multiplier": NUMBER, **kinds.trained("depthwise pointwise")},
        _separable,
        _see_kernel,
        compute.last(compute.convolve_separable),
        kernels=2,
    ),
    "Conv2DTranspose": Entry(
        WINDOW | {"filters": NUMBER, "output_padding": kinds.maybe(kinds.pair(0)), **kinds.trained("kernel")},
        _transposed,
        _see_transposed,
        compute.last(compute.convolve_transposed),
        kernels=1,
        at_input=True,
    ),
    "Dense": Entry(
        USUAL | {"units": NUMBER, **kinds.trained("kernel")}, _dense, compute=compute.multiply_dense, kernels=1
    ),
}
