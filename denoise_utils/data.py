"""Load real images as train, val and test arrays, float32 in [0, 1], shape (N, H, W, C)."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoise_utils import profiles
from denoise_utils.datasets import pickles, sources

LABELS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
TOLERANCE = 1e-5  # of values beside [0, 1], which rounding leaves: far below a level of gray, 1/255


@dataclass(frozen=True)
class Split:
    """Images (N, H, W, C), float32 in [0, 1], and their integer labels (N,)."""

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Splits:
    """One dataset in three parts, where it came from, and the hash of its arrays."""

    name: str
    label: str  # what tables and figures call it
    source: str
    sha256: str
    train: Split
    val: Split
    test: Split


def _shape_hint(shape):
    """Return how to give images of this shape, if they lack their channel or are laid flat, four axes."""
    if len(shape) == 3:
        return " Add the channel axis: images[..., None]."
    side = math.isqrt(shape[1]) if len(shape) == 2 else 0
    if side > 1 and side * side == shape[1] != shape[0]:  # with as many rows as columns it is one image
        return f" Give each row its two sides: images.reshape(-1, {side}, {side}, 1)."
    return ""


def check_images(images: np.ndarray, name: str = "images") -> np.ndarray:
    """Return `images` if they are (N, H, W, C), C 1 or 3, floating, finite and in [0, 1].

    What rounding left beside that range, by 1e-5 at most, is cut off. Raises TypeError or
    ValueError that says what was expected and what came.
    """
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise TypeError(f"Expected {name} as float32 in [0, 1], got {images.dtype}: divide by 255.")
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"Expected {name} of shape (N, H, W, 1 or 3), got {images.shape}.{_shape_hint(images.shape)}")
    if images.size == 0:
        raise ValueError(f"Expected at least one image in {name}, got shape {images.shape}.")
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):  # min and max carry a NaN or an infinity along
        raise ValueError(f"Expected finite {name}, got NaN or infinity: look for a division by 0.")
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        raise ValueError(f"Expected {name} in [0, 1], got {low:g} to {high:g}: divide by the maximum, or clip.")
    images = images.astype(np.float32, copy=False)
    return np.clip(images, 0, 1) if low < 0 or high > 1 else images


def load_splits(
    name: str,
    *,
    num_train: int | None = None,
    num_val: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
    profile: profiles.Profile | None = None,
) -> Splits:
    """Load the dataset "mnist", "fashion_mnist", "cifar10" or "digits" in three parts.

    Test is the dataset's own test set, val a seeded tenth of its training set. `num_*` keep
    the first so many of each part; None keeps all. In the full `profile` a dataset that is
    not here raises FileNotFoundError; otherwise images from scikit-learn take its place,
    which one line says and `label` carries into every table and figure.
    """
    from sklearn.model_selection import train_test_split

    if name not in sources.SHAPES:
        raise ValueError(f'Expected a dataset of {", ".join(sources.SHAPES)}, got "{name}".')
    profile = profile or profiles.load_profile()
    arrays, source, sha256 = sources.load_arrays(name, allow_bundled=profile.name != "full")
    rows = np.arange(len(arrays["x_train"]))
    train, val = train_test_split(rows, test_size=0.1, random_state=seed)
    test = np.arange(len(arrays["x_test"]))

    def split(part, rows, number):
        rows = rows[:number]
        images = arrays[f"x_{part}"][rows].reshape(len(rows), *sources.SHAPES[name][:2], -1)
        labels = arrays[f"y_{part}"].reshape(-1)[rows].astype(np.int64)
        return Split(images.astype(np.float32) / 255, labels)

    parts = split("train", train, num_train), split("train", val, num_val), split("test", test, num_test)
    label = sources.bundled_label(name) if source == sources.BUNDLED else LABELS[name]
    return Splits(name, label, source, sha256, *parts)


def resize(images: np.ndarray, side: int) -> np.ndarray:
    """Return `images` (N, H, W, C) in [0, 1] at `side` by `side` pixels: bilinear, anti-aliased."""
    import tensorflow as tf  # seconds: only where something is resized

    smaller = tf.image.resize(check_images(images), (side, side), antialias=True)
    return np.clip(smaller.numpy(), 0, 1)


def shift_randomly(images: np.ndarray, rng: np.random.Generator, pixels: int = 2) -> np.ndarray:
    """Return `images` (N, H, W, C), each moved by up to `pixels` each way: an `augment` for digits."""
    side = 2 * pixels + 1
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    down, right = rng.integers(0, side, (2, len(images)))
    return np.moveaxis(windows[np.arange(len(images)), down, right], 1, -1)


def _with_sides(array):
    """Return gray images (N, H, W), or (N, 784) as MNIST is often stored, as (N, H, W, 1); others as they are.

    784 is 28 x 28 and no other square, so nothing is guessed; of other lengths the error names the reshape.
    """
    if array.ndim == 2 and array.shape[1] == 28 * 28:
        array = array.reshape(-1, 28, 28)
    return array[..., None] if array.ndim == 3 else array


def _into_range(noisy, path):
    """Map the whole array so that it lies in [0, 1]: its minimum if below 0 comes to 0, its maximum if above 1 to 1."""
    low, high = (float(noisy.min()), float(noisy.max())) if noisy.size else (0, 1)
    if low == high <= 0:
        raise ValueError(f"Expected images in {path}, got {high:g} everywhere, nothing above 0: look how it was made.")
    low, high = min(low, 0), max(high, 1)
    return (noisy - np.float64(low) if low else noisy) / (high - low)  # in float64, as float16 has no room for it


def load_pairs(noisy_path: str | Path, clean_path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Load the assignment's two pickles as (noisy, clean), float32 (N, H, W, 1) in [0, 1].

    Clean images are in [0, 1] in their file; noisy ones may have any range: those beyond [0, 1] are
    moved and divided as a whole, by their minimum if it is below 0 and their maximum if it is above 1.
    (N, 784) is taken for 28x28. Each pickle may hold a numpy array of numbers and nothing else.
    Raises ValueError for another shape, range, or content.
    """
    noisy, clean = (_with_sides(pickles.load_array(path)) for path in (noisy_path, clean_path))
    if noisy.shape != clean.shape or noisy.ndim != 4:
        raise ValueError(
            f"Expected two arrays of one shape (N, H, W), got {noisy.shape} in {noisy_path} "
            f"and {clean.shape} in {clean_path}.{_shape_hint(noisy.shape) or _shape_hint(clean.shape)}"
        )
    with np.errstate(all="ignore"):  # what is not finite, or too large for float32, is refused in words
        noisy, clean = np.float32(_into_range(noisy, noisy_path)), np.float32(clean)
    return check_images(noisy, f"noisy images of {noisy_path}"), check_images(clean, f"clean images of {clean_path}")


def split_pairs(clean: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the rows of train, val and test as the assignment has them: 10 % test, 20 % of the rest val.

    Raises ValueError unless the clean images are at least 20 gray ones of 28x28.
    """
    from sklearn.model_selection import train_test_split

    if clean.shape[1:] != (profiles.SIDE, profiles.SIDE, 1):
        raise ValueError(f"Expected gray pairs of {profiles.SIDE} pixels a side, got {clean.shape}: cut or pad them.")
    if len(clean) < 20:
        raise ValueError(f"Expected at least 20 pairs, got {len(clean)}: three parts are made of them, so add more.")
    rest, test = train_test_split(np.arange(len(clean)), test_size=0.1, random_state=0)
    train, val = train_test_split(rest, test_size=0.2, random_state=0)
    return train, val, test
