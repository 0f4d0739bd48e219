"""A moving picture of a weight-tied model at work: what its readout sees after each step."""

from pathlib import Path

import keras
import numpy as np
from keras import layers
from PIL import Image, ImageDraw

from denoise_utils.system import files

NUM_SHOWN = 8  # pictures in a row
ZOOM = 3  # screen pixels a side of one of theirs
GAP, LINE = 6, 14  # screen pixels between pictures, and for the line below
GRAYS = 32
FRAME, PAUSE = 160, 2400  # milliseconds that a step is shown, and the last one


def after_each_step(model: keras.Model) -> keras.Model:
    """Return a model that gives the readout, the last layer of `model`, after every step that ends in an Add.

    Readouts before the last step were not trained for. Raises ValueError if the model has no such steps.
    """
    readout = model.layers[-1]
    states = [layer.output for layer in model.layers if isinstance(layer, layers.Add)]
    if not states or states[-1].shape[-1] != readout.input.shape[-1]:
        raise ValueError(
            f"Expected a model of steps that each end in an Add, got {model.name}: take a weight-tied one."
        )
    return keras.Model(model.input, [readout(state) for state in states])


def write_steps(path: str | Path, model: keras.Model, noisy: np.ndarray) -> int:
    """Write the steps of `model` on the first of `noisy` (N, H, W, 1) in [0, 1] as a GIF; return its size in bytes."""
    noisy = noisy[:NUM_SHOWN]
    pictures = [noisy, *map(np.asarray, after_each_step(model)(noisy))]
    last = len(pictures) - 1
    frames = [draw(noisy, now, f"step {step} of {last}") for step, now in enumerate(pictures)]
    times = [FRAME] * last + [PAUSE]
    with files.atomic_path(path) as temporary:
        frames[0].save(temporary, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0)
    return Path(path).stat().st_size


def draw(above: np.ndarray, below: np.ndarray, line: str) -> Image.Image:
    """Return two rows of pictures (N, H, W, 1) in [0, 1], and a line of text, as a gray image."""
    rows = [
        np.concatenate([np.pad(one[..., 0], ((0, 0), (0, GAP // ZOOM))) for one in row], 1) for row in (above, below)
    ]
    pixels = np.concatenate([np.pad(row, ((0, GAP // ZOOM), (0, 0))) for row in rows])
    levels = np.rint(np.clip(pixels, 0, 1) * (GRAYS - 1)) * (255 / (GRAYS - 1))
    shown = np.kron(levels, np.ones((ZOOM, ZOOM))).astype(np.uint8)
    image = Image.fromarray(np.pad(shown, ((0, LINE), (0, 0))))
    ImageDraw.Draw(image).text((GAP, shown.shape[0]), line, fill=200)
    return image
