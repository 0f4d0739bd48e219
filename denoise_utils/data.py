"""Load real images as train, val and test arrays, float32 in [0, 1], shape (N, H, W, C)."""

import functools
import hashlib
import os
import socket
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from denoise_utils import pickles, profiles

SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3), "digits": (28, 28)}
LABELS = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
KEYS = ("x_train", "y_train", "x_test", "y_test")
BUNDLED = "bundled digits"
DOWNLOAD_TIMEOUT = 10  # seconds that a download may stand still


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
    return images


def read_npz(path, shape):
    """Return the four uint8 arrays of the npz at `path` whose images have `shape`.

    Nothing in the file is unpickled. Raises ValueError if a key is missing, or an array
    has another dtype, shape or length than the layout of Keras's mnist.npz asks.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            if missing:
                raise ValueError(f"lacks {', '.join(missing)} (it has {', '.join(file.files)})")
            arrays = {key: file[key] for key in KEYS}
        for part in ("train", "test"):
            _check_part(arrays[f"x_{part}"], arrays[f"y_{part}"], shape, part)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise ValueError(
            f"Expected {path} to hold {', '.join(KEYS)} as uint8, images {shape}; it {error}. "
            "Put a whole copy there, or remove it."
        ) from None
    return arrays


def _check_part(images, labels, shape, part):
    if images.dtype != np.uint8:
        raise ValueError(f"has x_{part} of dtype {images.dtype}")
    if images.shape[1:] != shape or len(images) < 10:
        raise ValueError(f"has x_{part} of shape {images.shape}")
    if labels.dtype.kind not in "ui" or labels.size != len(images):
        raise ValueError(f"has y_{part} of {labels.dtype} {labels.shape} for {len(images)} images")


def find_npz(name):
    """Return the path of NAME.npz in DENOISE_DATA_DIR or in data/, or None if neither has it."""
    named = os.environ.get("DENOISE_DATA_DIR")
    if named and not Path(named).is_dir():
        raise ValueError(f"Expected DENOISE_DATA_DIR to name a folder, got {named}: correct or unset it.")
    folders = ([Path(named)] if named else []) + [profiles.project_root() / "data"]
    return next((f / f"{name}.npz" for f in folders if (f / f"{name}.npz").is_file()), None)


def _from_keras(name):
    """Return Keras's own copy of the dataset (its cache, else a download), or None offline."""
    if os.environ.get("DENOISE_OFFLINE"):
        return None
    from keras import datasets  # seconds: only when no file of one's own is there

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    except Exception:  # Keras raises a bare Exception when it cannot fetch
        return None
    finally:
        socket.setdefaulttimeout(before)
    return dict(zip(KEYS, (x_train, y_train, x_test, y_test), strict=True))


def _bundled(name):
    """Return small real stand-ins that scikit-learn carries: no network, no file."""
    from skimage.transform import resize
    from sklearn.datasets import load_digits, load_sample_images
    from sklearn.model_selection import train_test_split

    if name in ("mnist", "digits"):
        digits = load_digits()
        enlarged = resize(digits.images.transpose(1, 2, 0) / 16, (28, 28), order=1)
        images, labels = enlarged.transpose(2, 0, 1), digits.target
        parts = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
        x_train, x_test, y_train, y_test = parts
    else:
        side, colour = SHAPES[name][0], len(SHAPES[name]) == 3
        photos = [photo / 255 for photo in load_sample_images().images]
        photos = photos if colour else [photo.mean(axis=-1) for photo in photos]
        width = photos[0].shape[1] * 3 // 4  # the right quarter of each photograph is the test set
        x_train, y_train = _patches([photo[:, :width] for photo in photos], side)
        x_test, y_test = _patches([photo[:, width:] for photo in photos], side)
    to_bytes = [np.uint8(np.round(part * 255)) for part in (x_train, x_test)]
    return dict(zip(KEYS, (to_bytes[0], y_train, to_bytes[1], y_test), strict=True))


def _patches(photos, side):
    """Cut each photograph into overlapping squares, `side` pixels wide, labelled by photograph."""
    patches, labels = [], []
    for label, photo in enumerate(photos):
        windows = np.lib.stride_tricks.sliding_window_view(photo, (side, side), axis=(0, 1))
        windows = windows[:: side // 2, :: side // 2]
        if photo.ndim == 3:  # the windows' own axes come last: bring the channel behind them
            windows = np.moveaxis(windows, 2, -1)
        found = windows.reshape(-1, side, side, *photo.shape[2:])
        patches.append(found)
        labels.append(np.full(len(found), label))
    return np.concatenate(patches), np.concatenate(labels)


@functools.lru_cache(maxsize=4)
def load_arrays(name, allow_bundled):
    """Return (uint8 arrays by key, source, hash) from a file, Keras or scikit-learn, in that order."""
    path = None if name == "digits" else find_npz(name)
    arrays = read_npz(path, SHAPES[name]) if path else None
    source = str(path.name) if path else "keras.datasets"
    if arrays is None and name != "digits":
        arrays = _from_keras(name)
    if arrays is None and not (allow_bundled or name == "digits"):
        folder = profiles.project_root() / "data"
        raise FileNotFoundError(
            f"Expected {name}.npz in DENOISE_DATA_DIR or {folder}, and keras.datasets could not "
            f"fetch it: put {name}.npz there, or use the profile quick, which has images of its own."
        )
    if arrays is None:
        arrays, source = _bundled(name), BUNDLED
        if name != "digits":
            print(f"No {name} here: using images that ship with scikit-learn instead ({BUNDLED}).")
    return arrays, source, hash_arrays(*(np.uint8(arrays[key]) for key in KEYS))


def load_splits(name, *, num_train=None, num_val=None, num_test=None, seed=0, profile=None):
    """Load the dataset "mnist", "fashion_mnist", "cifar10" or "digits" in three parts.

    Test is the dataset's own test set, val a seeded tenth of its training set. `num_*` keep
    the first so many of each part; None keeps all. In the profile "full" a dataset that is
    not here raises FileNotFoundError; otherwise images from scikit-learn take its place,
    which one line says and `label` carries into every table and figure.
    """
    from sklearn.model_selection import train_test_split

    if name not in SHAPES:
        raise ValueError(f'Expected a dataset of {", ".join(SHAPES)}, got "{name}".')
    profile = profile or profiles.load_profile().name
    arrays, source, sha256 = load_arrays(name, allow_bundled=profile != "full")
    rows = np.arange(len(arrays["x_train"]))
    train, val = train_test_split(rows, test_size=0.1, random_state=seed)
    test = np.arange(len(arrays["x_test"]))

    def split(part, rows, number):
        rows = rows[:number]
        images = arrays[f"x_{part}"][rows].reshape(len(rows), *SHAPES[name][:2], -1)
        labels = arrays[f"y_{part}"].reshape(-1)[rows].astype(np.int64)
        return Split(images.astype(np.float32) / 255, labels)

    parts = split("train", train, num_train), split("train", val, num_val), split("test", test, num_test)
    label = BUNDLED if source == BUNDLED else LABELS[name]
    return Splits(name, label, source, sha256, *parts)


def hash_arrays(*arrays):
    """Return the SHA-256 of the arrays' bytes, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def load_pairs(noisy_path, clean_path):
    """Load the assignment's two pickles as (noisy, clean), float32 (N, H, W, 1) in [0, 1].

    The noisy images are divided by their maximum. Each pickle may hold a numpy array of
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
    noisy = check_images(np.float32(noisy / (highest or 1)), f"noisy images of {noisy_path}")
    return noisy, check_images(np.float32(clean), f"clean images of {clean_path}")
