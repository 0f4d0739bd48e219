"""Measure images: PSNR, SSIM, BCE with its floor, and legibility; lay scores out as a table.

Images are (N, H, W, C) in [0, 1]; measures are per image, (N,), so that a mean is the mean
of per-image values and has a spread.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils import saving
from denoise_utils.measures import model_shapes, table
from denoise_utils.noise import Pairs
from denoise_utils.system import escaping, streams

if TYPE_CHECKING:
    import keras

EPSILON = 1e-7  # Keras's own clip inside the logarithm
HIGHEST_PSNR = 100.0  # dB, given to an image without any error
CHUNK = 1000  # images measured at once, to bound the memory
FEW = 1000  # images that a model is called for directly: for more, TensorFlow builds a graph


def clip(images: np.ndarray) -> np.ndarray:
    """Return images as float32, clipped to [0, 1]: what a screen would show."""
    return np.clip(np.asarray(images, dtype=np.float32), 0, 1)


def _check_alike(images, clean):
    images, clean = np.asarray(images), np.asarray(clean)
    if images.shape != clean.shape or images.ndim != 4:
        raise ValueError(f"Expected two arrays of one shape (N, H, W, C), got {images.shape}, {clean.shape}.")
    if not np.all(np.isfinite(images)):
        raise ValueError("Expected finite images, got NaN or infinity: the model that made them is broken.")
    return images, clean


def _per_image_mean(values):
    return values.reshape(len(values), -1).mean(axis=1, dtype=np.float64)


def mse(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each image, clipped to [0, 1]."""
    images, clean = _check_alike(images, clean)
    return _per_image_mean((clip(images) - clean) ** 2)


def psnr(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return each image's peak signal-to-noise ratio in dB for a peak of 1, at most 100."""
    return _decibels(mse(images, clean))


def _decibels(errors):
    return -10 * np.log10(np.maximum(errors, 10 ** (-HIGHEST_PSNR / 10)))


def ssim(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return each image's structural similarity (Wang et al. 2004: Gaussian window of 11, sigma 1.5)."""
    import tensorflow as tf

    parts = _cut(*_check_alike(images, clean))
    return np.concatenate([tf.image.ssim(clip(a), np.float32(b), max_val=1.0).numpy() for a, b in parts])


def _cut(images, clean):
    """Return pairs of parts of both arrays, so that no measure takes much memory."""
    return [(images[i : i + CHUNK], clean[i : i + CHUNK]) for i in range(0, len(images) or 1, CHUNK)]


def bce(images: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Return each image's binary cross-entropy against the clean one, in nats per pixel."""
    return np.concatenate([_bce(a, b) for a, b in _cut(*_check_alike(images, clean))])


def _bce(images, clean):
    images = np.clip(np.asarray(images, dtype=np.float64), EPSILON, 1 - EPSILON)
    return _per_image_mean(-(clean * np.log(images) + (1 - clean) * np.log1p(-images)))


def bce_floor(clean: np.ndarray) -> np.ndarray:
    """Return the lowest BCE that each clean image allows: the entropy of its grey values."""
    return bce(clean, clean)


def read_digits(judge: "keras.Model", images: np.ndarray) -> np.ndarray:
    """Return the digit (N,) that the classifier `judge` reads in each image."""
    return np.argmax(predict(judge, clip(images)), axis=1)


def legibility(judge: "keras.Model | None", images: np.ndarray, labels: np.ndarray | None) -> float | None:
    """Return the share of images whose digit the classifier `judge` reads correctly.

    None where that cannot be asked: without a judge, without labels, or of other images than its digits.
    """
    if judge is None or labels is None or judge.input_shape[1:] != images.shape[1:]:
        return None
    return float(np.mean(read_digits(judge, images) == labels))


def check_images_model(model: "keras.Model") -> None:
    """Raise ValueError unless `model` takes images (N, H, W, 1 or 3) and returns images of the same shape.

    A model of other shapes, or of another order of axes, would be refused by Keras at best, and at worst
    make a picture that is wrong.
    """
    taken, made = model_shapes.only_shape(model, "input"), model_shapes.only_shape(model, "output")
    if len(taken) in (1, 2):
        layer = "Flatten()" if len(taken) == 1 else "Reshape((28, 28))"
        kind = "" if len(taken) == 1 else ", without an axis of channels"
        raise ValueError(
            f"Expected a model of images (H, W, 1 or 3), got one that takes {taken}{kind}: wrap it, such as by "
            f"keras.Sequential([Input((28, 28, 1)), {layer}, model, Reshape((28, 28, 1))])."
        )
    first = model_shapes.find_channels_first(model)
    if first or len(taken) != 3 or taken[2] not in (1, 3):
        kind = f"channels first (layer {first})" if first else "no channels last"
        raise ValueError(
            f"Expected a model of images (H, W, 1 or 3), got one that takes {taken}, {kind}: "
            'build the same convolutions with data_format="channels_last" on such images (other layers with axis=-1), '
            "and take over the weights, new.set_weights(old.get_weights())."
        )
    if len(made) != 3 or any(a != b for a, b in zip(taken, made, strict=True) if None not in (a, b)):
        raise ValueError(
            f"Expected a model that returns images as it takes them, {taken}, got one that returns {made}: "
            "it is no denoiser."
        )


def predict(model: "keras.Model", images: np.ndarray, batch_size: int = 64) -> np.ndarray:
    """Return the model's output for `images`, an array even if the model gives a dict or a list of one.

    Call it once for many images.

    Raises ValueError if the model takes other shapes than theirs, or their axes in another order.
    """
    taken = model_shapes.only_shape(model, "input")
    fits = len(taken) == images.ndim - 1
    fits = fits and all(a in (None, b) for a, b in zip(taken, images.shape[1:], strict=True))
    if not fits or model_shapes.find_channels_first(model):
        order = "" if not fits else ", channels first"
        raise ValueError(f"Expected a model of images {images.shape[1:]}, got one that takes {taken}{order}.")
    streams.quiet_tensorflow()
    model = saving.unwrap(model)
    if len(images) <= FEW:
        return _predict_few(model, images, batch_size)
    return model.predict(images, batch_size=batch_size, verbose=0)


def _predict_few(model, images, batch_size):
    """Return the model's output without building a graph, which takes longer than to do without for so few."""
    from keras import ops, tree

    starts = range(0, len(images) or 1, batch_size)
    parts = [model(images[start : start + batch_size], training=False) for start in starts]
    return tree.map_structure(lambda *found: np.concatenate([ops.convert_to_numpy(one) for one in found]), *parts)


def load_judge(folder: str | Path) -> "keras.Model":
    """Load the classifier that measures legibility; raise FileNotFoundError if there is none."""
    path = Path(folder) / "digit_judge.h5"
    if not path.is_file():
        raise FileNotFoundError(f"Expected the judge of legibility at {path}: run notebook 03_measure_quality first.")
    return saving.load_model(path)


def score(images: np.ndarray, pairs: Pairs, judge: "keras.Model | None" = None) -> dict:
    """Score `images` against `pairs.clean`: means and standard deviations over images.

    Returns the number of images and each of table.MEASURES, psnr and ssim with their spread
    (psnr_sd, ssim_sd); legibility is None where it cannot be asked.
    """
    errors, ssims = mse(images, pairs.clean), ssim(images, pairs.clean)
    psnrs = _decibels(errors)
    mean_bce = float(bce(images, pairs.clean).mean())
    return {
        "images": len(images),
        "bce": mean_bce,
        "excess": mean_bce - float(bce_floor(pairs.clean).mean()),
        "mse": float(errors.mean()),
        "psnr": float(psnrs.mean()),
        "psnr_sd": float(psnrs.std()),
        "ssim": float(ssims.mean()),
        "ssim_sd": float(ssims.std()),
        "legibility": legibility(judge, images, pairs.labels),
    }


def score_filters(pairs: Pairs, filtered: dict[str, np.ndarray], judge: "keras.Model | None" = None) -> list[dict]:
    """Return a table row per filter: its title and the scores of its images; `filtered` as of baselines.filter_all.

    Images fewer than the pairs are compared with the first of them.
    """
    rows = []
    for title, images in filtered.items():
        first = slice(0, len(images))
        labels = None if pairs.labels is None else pairs.labels[first]
        part = replace(pairs, noisy=pairs.noisy[first], clean=pairs.clean[first], labels=labels)
        rows.append({"name": title} | score(images, part, judge))
    return rows


def yardsticks(pairs: Pairs, filtered: dict[str, np.ndarray], judge: "keras.Model | None" = None) -> list[dict]:
    """Return the table rows that every model is read against: noisy input, clean images, and `filtered`."""
    rows = [{"name": table.NOISY} | score(pairs.noisy, pairs, judge)]
    ceiling = legibility(judge, pairs.clean, pairs.labels)
    if ceiling is not None:
        rows.append({"name": "clean images", "legibility": ceiling})
    return rows + score_filters(pairs, filtered, judge)


def score_model(model: "keras.Model", pairs: Pairs, judge: "keras.Model | None" = None) -> dict:
    """Score the model's output on `pairs.noisy` against `pairs.clean`; raise ValueError for no model of images."""
    check_images_model(model)
    return score(predict(model, pairs.noisy), pairs, judge)


COLUMNS = {"name": ("model", "{}"), "parameters": table.PARAMETERS} | table.columns(table.USUAL)


def format_table(rows: list[dict], columns: dict[str, tuple[str, str]] = COLUMNS, caption: str = "") -> str:
    """Return `rows` (dicts) as a Markdown table; `columns` gives each key its title and format.

    What a row lacks is shown as a dash.
    """

    def cell(row, key):
        value = row.get(key)
        return "-" if value is None else escaping.markdown(columns[key][1].format(value))

    titles = " | ".join(title for title, _ in columns.values())
    aligned = " | ".join("---" if layout == "{}" else "---:" for _, layout in columns.values())
    lines = [f"| {titles} |", f"| {aligned} |"]
    lines += ["| " + " | ".join(cell(row, key) for key in columns) + " |" for row in rows]
    return "\n".join(lines + ([f"\n*{escaping.markdown(caption)}*"] if caption else []))
