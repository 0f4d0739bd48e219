"""Where datasets come from: a file of one's own, Keras, or small ones that scikit-learn carries."""

import contextlib
import functools
import hashlib
import math
import os
import socket
import threading
import time
import zipfile
from pathlib import Path

import numpy as np

from denoise_utils import profiles

SHAPES = {"mnist": (28, 28), "fashion_mnist": (28, 28), "cifar10": (32, 32, 3), "digits": (28, 28)}
KEYS = ("x_train", "y_train", "x_test", "y_test")
BUNDLED = "bundled digits"
DOWNLOAD_TIMEOUT = 10  # seconds that a download may stand still
DOWNLOAD_DEADLINE = 600  # seconds that it may take in all
MAX_IMAGES = 1_000_000  # of one array
RETRY_AFTER = 600  # seconds after which a download that failed is tried again


def read_npz(path, shape):
    """Return the four uint8 arrays of the npz at `path` whose images have `shape`.

    Nothing in the file is unpickled. Raises ValueError if a key is missing, or an array
    has another dtype, shape or length than the layout of Keras's mnist.npz asks.
    """
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("is no .npz archive, or is cut short")
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            if missing:
                raise ValueError(f"lacks {', '.join(missing)} (it has {', '.join(file.files)})")
            for part in ("train", "test"):
                _check_part(_read_header(file, f"x_{part}"), _read_header(file, f"y_{part}"), shape, part)
            return {key: file[key] for key in KEYS}
    except Exception as error:  # a damaged or hostile npz raises nearly anything
        why = error if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"
        raise ValueError(
            f"Expected {path} to hold {', '.join(KEYS)} as uint8, images {shape}; it {why}. "
            "Put a whole copy there, or remove it."
        ) from None


def _read_header(file, key):
    """Return (shape, dtype) of an array of an npz: what it will take, before it is read."""
    with file.zip.open(f"{key}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(member)
    return shape, dtype


def _check_part(images, labels, shape, part):
    """Raise ValueError unless the headers of images and labels are those of a dataset of bounded size."""
    if images[1] != np.uint8:
        raise ValueError(f"has x_{part} of dtype {images[1]}")
    if images[0][1:] != shape or not 10 <= images[0][0] <= MAX_IMAGES:
        raise ValueError(f"has x_{part} of shape {images[0]}")
    if labels[1].kind not in "ui" or math.prod(labels[0]) != images[0][0]:
        raise ValueError(f"has y_{part} of {labels[1]} {labels[0]} for {images[0][0]} images")


def find_npz(name: str) -> Path | None:
    """Return the path of NAME.npz in DENOISE_DATA_DIR or in data/, or None if neither has it."""
    named = os.environ.get("DENOISE_DATA_DIR")
    if named and not profiles.resolve(named).is_dir():
        raise ValueError(f"Expected DENOISE_DATA_DIR to name a folder, got {named}: correct or unset it.")
    folders = ([profiles.resolve(named)] if named else []) + [profiles.project_root() / "data"]
    return next((f / f"{name}.npz" for f in folders if (f / f"{name}.npz").is_file()), None)


def _from_keras(name):
    """Return (Keras's own copy of the dataset, None), or (None, why there is none), in bounded time.

    A failure is remembered for ten minutes, so that not every notebook waits for the network.
    """
    failed = profiles.project_root() / "build" / f"no-{name}.txt"
    if os.environ.get("DENOISE_OFFLINE"):
        return None, "DENOISE_OFFLINE is set"
    if failed.is_file() and time.time() - failed.stat().st_mtime < RETRY_AFTER:
        return None, failed.read_text(encoding="utf-8")
    found = {}
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        worker = threading.Thread(target=_download, args=(name, found), daemon=True)
        worker.start()
        worker.join(DOWNLOAD_DEADLINE)
    finally:
        socket.setdefaulttimeout(before)
    if "arrays" in found:
        return found["arrays"], None
    why = found.get("error", f"no end after {DOWNLOAD_DEADLINE} s")
    with contextlib.suppress(OSError):
        failed.parent.mkdir(exist_ok=True)
        failed.write_text(why, encoding="utf-8")
    return None, why


def _download(name, found):
    """Put Keras's copy of the dataset, or the error, into `found`."""
    from keras import datasets  # seconds: only when no file of one's own is there

    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # its progress bar
            train, test = getattr(datasets, name).load_data()
        found["arrays"] = dict(zip(KEYS, (*train, *test), strict=True))
    except Exception as error:  # Keras raises a bare Exception when it cannot fetch
        found["error"] = f"keras.datasets failed: {error}"


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


def bundled_label(name):
    """Return what tables call the stand-ins of the dataset `name`."""
    return "bundled photographs" if name == "cifar10" else BUNDLED


def _patches(photos, side):
    """Cut each photograph into squares side by side, `side` pixels wide, labelled by photograph."""
    patches, labels = [], []
    for label, photo in enumerate(photos):
        windows = np.lib.stride_tricks.sliding_window_view(photo, (side, side), axis=(0, 1))
        windows = windows[::side, ::side]
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
    arrays, why = (read_npz(path, SHAPES[name]), None) if path else (None, None)
    source = path.name if path else "keras.datasets"
    if arrays is None and name != "digits":
        arrays, why = _from_keras(name)
    if arrays is None and not (allow_bundled or name == "digits"):
        folder = profiles.project_root() / "data"
        raise FileNotFoundError(
            f"Expected {name}.npz in DENOISE_DATA_DIR or {folder}, found none ({why}): "
            f"put {name}.npz there (docs/data.md tells how), or, where the command has it, use --profile quick."
        )
    if arrays is None:
        arrays, source = _bundled(name), BUNDLED
        if name != "digits":
            print(f"No {name} here: using images that ship with scikit-learn instead ({bundled_label(name)}).")
    return arrays, source, hash_arrays(*(np.uint8(arrays[key]) for key in KEYS))


def hash_arrays(*arrays):
    """Return the SHA-256 of the arrays' bytes, one after the other, in hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
