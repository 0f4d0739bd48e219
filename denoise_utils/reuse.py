"""Run a saved model on images of any size: pad, cut into tiles, blend what overlaps, crop back.

Two kinds of models are told apart by their input. Of a *free* one, (None, None, None, C), the strides say what a side
must be a multiple of, and the kernels how far a pixel reaches: tiles overlap by more than that, so that a picture in
tiles comes out as it would whole. Where a layer sees the whole picture, such as one that averages over it, nothing is
cut, and a picture that is too large is refused. A *fixed* one, (None, 28, 28, C), sees windows of its own size, each
half over the next, and blended. It knows nothing beyond its window: on a large picture it is as good as the windows
are like the images that it was trained on.
"""

import itertools
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils import data, evaluation, saving
from denoise_utils.opening import allow_list, reach, remedies
from denoise_utils.system import stopping, streams

if TYPE_CHECKING:
    import keras

TILE = 1024  # pixels: up to this side a free model takes a picture whole
MAX_BYTES = 2**29  # of the largest tensor inside the model for one window; a few of its size live at a time
MAX_WHOLE = 2**30  # the same where the picture must not be cut: a photograph of 12 megapixels passes many a small model
BATCH = 256  # windows at once, at most
RAMP = 16  # pixels over which two tiles fade into each other


@dataclass(frozen=True)
class Axis:
    """How one side of an image, padded to `length` pixels, is cut: windows of `window` pixels at `starts`.

    `weights` says for each start what its pixels count, (window,); at every pixel they add up to 1.
    """

    length: int
    window: int
    starts: tuple
    weights: list


def denoise(model: "keras.Model", images: np.ndarray, *, per_channel: bool = False) -> np.ndarray:
    """Return `images` denoised by `model`, in the same shape.

    `images` are (H, W), (H, W, C) or (N, H, W, C), C 1 or 3, any H and W. uint8 gives uint8, floats in
    [0, 1] give float32 in [0, 1]. A side that the model cannot take is padded by reflection and cropped
    back; a large picture is cut into tiles, so that memory is bounded. A model of gray images takes colour
    only if `per_channel`: each channel by itself. Raises ValueError or TypeError for other images, and
    ValueError for a model that does not give back images of its input's size, or reaches too far to be cut.
    """
    found = survey(model)
    largest = bound_window(found)
    model = saving.unwrap(model)
    images = np.asarray(images)
    stack = _as_stack(images)
    channels, wanted = stack.shape[-1], model.input_shape[-1]
    split = per_channel and wanted == 1 < channels
    if channels != wanted and not split:
        hint = "pass per_channel=True" if wanted == 1 else "repeat the channel, np.repeat(images, 3, axis=-1)"
        raise ValueError(f"Expected images of {wanted} channel(s), as this model takes, got {channels}: {hint}.")
    down, across = (cut_side(stack.shape[i], model.input_shape[i], found, largest) for i in (1, 2))
    if found.whole and down.window * across.window > largest**2:
        raise ValueError(
            f"Expected a picture of at most {largest} x {largest} pixels, got {stack.shape[1]} x {stack.shape[2]}: the "
            f'layer "{found.whole}" of this model sees the whole picture, which cannot be cut into tiles then, and '
            "takes too much memory whole. Make the picture smaller."
        )
    streams.quiet_tensorflow()
    if model.input_shape[1:3] != (down.window, across.window):
        model.make_predict_function(force=True)  # traced for another size, some layers fail (bilinear upsampling)
    output = np.empty(stack.shape, np.uint8 if stack.dtype == np.uint8 else np.float32)
    num_together = max(1, TILE**2 // (down.length * across.length))  # images held as floats
    parts = [slice(c, c + 1) for c in range(channels)] if split else [slice(None)]
    for first, part in itertools.product(range(0, len(stack), num_together), parts):
        rows = slice(first, first + num_together)
        output[rows, ..., part] = _denoise_together(model, stack[rows, ..., part], down, across, largest)
    return output.reshape(images.shape)


def _as_stack(images):
    """Return `images` as (N, H, W, C), uint8 or float32 in [0, 1]."""
    if images.ndim not in (2, 3, 4) or (images.ndim > 2 and images.shape[-1] not in (1, 3)):
        raise ValueError(f"Expected images (H, W), (H, W, 1 or 3) or (N, H, W, 1 or 3), got {images.shape}.")
    if images.size == 0:
        raise ValueError(f"Expected at least one pixel, got images of shape {images.shape}.")
    stack = images.reshape({2: (1, *images.shape, 1), 3: (1, *images.shape)}.get(images.ndim, images.shape))
    if stack.dtype != np.uint8 and stack.dtype.kind != "f":
        raise TypeError(f"Expected images as uint8, or as floats in [0, 1], got {stack.dtype}: convert them.")
    return stack if stack.dtype == np.uint8 else data.check_images(stack)


def cut_side(side: int, fixed: int | None, found: reach.Reach, largest: int) -> Axis:
    """Return the Axis of a side of `side` pixels, for windows of `fixed` pixels, or of any size if that is None.

    `found` is the model's reach. Raises ValueError if the side has to be cut and windows of `largest` pixels do
    not show what a pixel reaches.
    """
    if fixed:
        length, window, margin, ramp = max(side, fixed), fixed, 0, fixed // 2
    else:
        length, margin, ramp = (round_up(pixels, found.multiple) for pixels in (side, found.margin, RAMP))
        window = min(length, max(round_up(TILE, found.multiple), 4 * (2 * margin + ramp)), largest)
        window = length if found.whole else window
        if window < length and window <= 2 * margin + ramp:
            raise ValueError(
                f"Expected a picture of at most {largest} pixels a side, got {side}: this model looks "
                f"{found.margin} pixels around, and is too wide to be run on larger tiles. Make the picture smaller."
            )
    step = max(1, window - 2 * margin - ramp)  # no step where one window holds the whole side
    starts = (*range(0, length - window, step), length - window)
    place, weights, total = np.arange(window, dtype=np.float32) + 0.5, [], np.zeros(length, np.float32)
    for start in starts:
        from_cut = np.full(window, np.inf, np.float32)  # the image's own border is no cut
        if start > 0:
            from_cut = place
        if start + window < length:
            from_cut = np.minimum(from_cut, window - place)
        weights.append(np.clip((from_cut - margin) / max(ramp, 1), 0, 1))
        total[start : start + window] += weights[-1]
    return Axis(length, window, starts, [w / total[s : s + window] for s, w in zip(starts, weights, strict=True)])


def round_up(pixels: int, multiple: int) -> int:
    """Return the least multiple of `multiple` that is no less than `pixels`."""
    return math.ceil(pixels / multiple) * multiple


def _denoise_together(model, stack, down, across, largest):
    """Return `stack` (N, H, W, C) denoised, of its dtype; it is held as floats, and run in batches of windows."""
    as_bytes = stack.dtype == np.uint8
    height, width = stack.shape[1:3]
    top, left = (down.length - height) // 2, (across.length - width) // 2
    around = ((0, 0), (top, down.length - height - top), (left, across.length - width - left), (0, 0))
    padded = np.pad(np.float32(stack) / 255 if as_bytes else stack, around, mode="reflect")
    output = np.zeros_like(padded)
    places = list(itertools.product(range(len(stack)), range(len(down.starts)), range(len(across.starts))))
    size = min(BATCH, max(1, min(TILE, largest) ** 2 // (down.window * across.window)))
    for first in range(0, len(places), size):
        batch = places[first : first + size]
        corners = [(n, down.starts[y], across.starts[x]) for n, y, x in batch]
        where = [(n, slice(y, y + down.window), slice(x, x + across.window)) for n, y, x in corners]
        denoised = _run(model, np.stack([padded[window] for window in where]))
        for (_, y, x), window, values in zip(batch, where, denoised, strict=True):
            output[window] += values * (down.weights[y][:, None, None] * across.weights[x][:, None])
    output = np.clip(output[:, top : top + height, left : left + width], 0, 1)
    return np.uint8(np.round(output * 255)) if as_bytes else output


def _run(model, windows):
    """Return the model's output for a batch, or raise ValueError if it is no finite image of the same size."""
    try:
        output = np.asarray(model.predict_on_batch(windows))
    except Exception as error:  # a stranger's model may fail in any way
        stopping.check()
        reason = remedies.read_reason(error)
        raise ValueError(f"Expected a model of images {windows.shape[1:]}, got one that fails: {reason}") from None
    if output.shape != windows.shape:
        raise ValueError(f"Expected a model that keeps an image's size, got {output.shape} for {windows.shape}.")
    if not np.all(np.isfinite(output)):
        raise ValueError("Expected finite images, got NaN or infinity: the model that made them is broken.")
    return output


def survey(model: "keras.Model") -> reach.Reach:
    """Return the opening.reach.Reach of a model: what a free side must be a multiple of, how far a pixel reaches.

    They are read from the settings of the model's layers by the table that opening and counting read, too. Raises
    ValueError unless the model maps one image (N, H, W, 1 or 3), channels last, to another of its size, and for a
    layer that is not in the table, that does not fit its inputs, or that mixes the images of a batch.
    """
    evaluation.check_images_model(model)
    model = saving.unwrap(model)
    shape = model.input_shape[1:]
    try:
        config = _built(json.loads(model.to_json()))
        allow_list.check_model(config)
    except Exception as error:  # Keras cannot write each layer's settings down
        reason = remedies.read_reason(error)
        remedy = getattr(error, "remedy", remedies.rebuild("of standard layers and settings alone"))
        raise ValueError(
            f"Expected a model of standard Keras layers, got {reason}, and how far it looks is not known: {remedy}."
        ) from None
    try:
        return reach.find_reach(config, shape)
    except ValueError as error:
        raise ValueError(f"Expected a model of images {shape}, got one that fails: {error}.") from None


def _built(layer):
    """Return the config of a layer, or of a model, without how it was built and compiled, which files do not hold."""
    kept = {key: value for key, value in layer.items() if key not in ("build_config", "compile_config")}
    if "layers" in layer["config"]:
        kept["config"] = layer["config"] | {"layers": [_built(one) for one in layer["config"]["layers"]]}
    return kept


def bound_window(found: reach.Reach) -> int:
    """Return the pixels of a window's side at most: what its largest tensor takes is bounded."""
    largest = math.isqrt(int((MAX_WHOLE if found.whole else MAX_BYTES) / (4 * found.numbers)))
    return max(largest // found.multiple, 1) * found.multiple
