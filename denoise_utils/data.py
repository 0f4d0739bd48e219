"""Load real images as train, val and test arrays, float32 in [0, 1], shape (N, H, W, C)."""

from dataclasses import dataclass

import numpy as np

from denoise_utils import pickles, profiles, sources

LABELS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}


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


def check_images(images, name="images"):
    """Return `images` if they are (N, H, W, C), C 1 or 3, floating, finite and in [0, 1].

    Raises TypeError or ValueError that says what was expected and what came.
    """
    images = np.asarray(images)
    if images.dtype.kind != "f":
        raise TypeError(f"Expected {name} as float32 in [0, 1], got {images.dtype}: divide by 255.")
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        hint = " Add the channel axis: images[..., None]." if images.ndim == 3 else ""
        raise ValueError(f"Expected {name} of shape (N, H, W, 1 or 3), got {images.shape}.{hint}")
    if images.size == 0:
        raise ValueError(f"Expected at least one image in {name}, got shape {images.shape}.")
    low, high = float(images.min()), float(images.max())
    if not np.isfinite(low + high):  # min and max carry a NaN or an infinity along
        raise ValueError(f"Expected finite {name}, got NaN or infinity: look for a division by 0.")
    if low < 0 or high > 1:
        raise ValueError(f"Expected {name} in [0, 1], got {low:g} to {high:g}: divide by the maximum, or clip.")
    return images.astype(np.float32, copy=False)


def load_splits(name, *, num_train=None, num_val=None, num_test=None, seed=0, profile=None):
    """Load the dataset "mnist", "fashion_mnist", "cifar10" or "digits" in three parts.

    Test is the dataset's own test set, val a seeded tenth of its training set. `num_*` keep
    the first so many of each part; None keeps all. In the profile "full" a dataset that is
    not here raises FileNotFoundError; otherwise images from scikit-learn take its place,
    which one line says and `label` carries into every table and figure.
    """
    from sklearn.model_selection import train_test_split

    if name not in sources.SHAPES:
        raise ValueError(f'Expected a dataset of {", ".join(sources.SHAPES)}, got "{name}".')
    profile = profile or profiles.load_profile().name
    arrays, source, sha256 = sources.load_arrays(name, allow_bundled=profile != "full")
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


def resize(images, side):
    """Return `images` (N, H, W, C) in [0, 1] at `side` by `side` pixels: bilinear, anti-aliased."""
    import tensorflow as tf  # seconds: only where something is resized

    smaller = tf.image.resize(check_images(images), (side, side), antialias=True)
    return np.clip(smaller.numpy(), 0, 1)


def shift_randomly(images, rng, pixels=2):
    """Return `images` (N, H, W, C), each moved by up to `pixels` each way: an `augment` for digits."""
    side = 2 * pixels + 1
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, images.shape[1:3], axis=(1, 2))
    down, right = rng.integers(0, side, (2, len(images)))
    return np.moveaxis(windows[np.arange(len(images)), down, right], 1, -1)


def load_pairs(noisy_path, clean_path):
    """Load the assignment's two pickles as (noisy, clean), float32 (N, H, W, 1) in [0, 1].

    Noisy images that go above 1 are divided by their maximum. Each pickle may hold a numpy array of
    numbers and nothing else. Raises ValueError for another shape, range, or content.
    """
    noisy, clean = pickles.load_array(noisy_path), pickles.load_array(clean_path)
    noisy, clean = (a[..., None] if a.ndim == 3 else a for a in (noisy, clean))
    if noisy.shape != clean.shape or noisy.ndim != 4:
        raise ValueError(
            f"Expected two arrays of one shape (N, H, W), got {noisy.shape} in {noisy_path} "
            f"and {clean.shape} in {clean_path}."
        )
    highest = np.nanmax(noisy) if noisy.size else 0
    if noisy.size and highest <= 0:
        raise ValueError(f"Expected images in {noisy_path}, got nothing above 0.")
    noisy = check_images(np.float32(noisy / max(highest, 1)), f"noisy images of {noisy_path}")
    return noisy, check_images(np.float32(clean), f"clean images of {clean_path}")
