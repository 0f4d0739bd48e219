"""Look into an .h5 before Keras does: is it whole, bounded, of standard layers only, with the weights they need?

An .h5 can carry code (a Lambda layer holds bytecode, a custom class a module's path), point to other files
of its reader (external links and storage) and declare more than any memory holds. Nothing here runs or
builds what the file declares: `allow_list` admits its config, `graph` counts what it would need.
"""

import json
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from denoise_utils.opening import allow_list, container, counting, graph, keras2, remedies
from denoise_utils.system.escaping import plain

MAX_BYTES = 512 * 2**20  # of the file, of all its numbers, of those in one tensor of one image, and while it is loaded
COPIES = 8  # that loading makes of a weight at most: its start, the stored numbers, copies between them


@dataclass(frozen=True)
class Contents:
    """What a checked .h5 holds."""

    layers: list  # of parts.Layer, in the order of the file's config
    count: counting.Count
    keras_version: str | None  # that wrote it
    config: dict  # as Keras 3 writes it
    old: bool  # whether Keras 1 or 2 wrote the file, with another config


def inspect_model(path, max_bytes=MAX_BYTES):
    """Return the Contents of the .h5 at `path`, without Keras.

    Raises FileNotFoundError, or ValueError with the reason why it should not be opened.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a saved model at {path}, found none: look for the .h5's name.")
    remedies.check_start(path)
    if path.suffix != ".h5":  # Keras takes the format from it, and what is looked into here must be what it reads
        raise ValueError(f"Expected a file whose name ends in .h5, got {path.name}: rename it if it is one.")
    if path.stat().st_size > max_bytes:
        raise ValueError(
            f"Expected at most {max_bytes:,} bytes in {path.name}, got {path.stat().st_size:,}: "
            "if you know where it is from, load it with a larger max_bytes."
        )
    version = None
    try:
        with h5py.File(path) as file:
            remedies.check_whole(file)
            longest = container.bound_text(path, container.count_rest(file, path, max_bytes))
            version = container.read_text(file, "keras_version")
            return _inspect(file, version, max_bytes, longest)
    except UnicodeError:
        raise refusal(path, "a text that is not UTF-8", version) from None
    except ValueError as error:
        raise refusal(path, str(error), version, getattr(error, "remedy", remedies.SAVE_AGAIN)) from None
    except Exception:  # a damaged file makes HDF5 raise nearly anything
        raise refusal(path, "a damaged file, or one that is cut short", version) from None


def check_readable(path):
    """Raise ValueError unless the .h5 at `path` can be read through and holds a model, be it one to open or not."""
    remedies.check_start(path)
    try:
        with h5py.File(path) as file:
            remedies.check_whole(file)
            text = file.attrs["model_config"]
            if len(text) <= container.MAX_CONFIG:  # a longer one is refused, unread: it takes thirty times its size
                json.loads(text)
            file["model_weights"].visititems(lambda *_: None)
    except remedies.Refused as error:
        raise ValueError(f"Expected a saved Keras model in {path.name}, got {error}: {error.remedy}.") from None
    except Exception as error:  # a broken file may raise nearly anything
        reason = remedies.read_reason(error)
        raise ValueError(
            f"Expected a saved Keras model in {path.name}, which cannot be read: {reason}. Save or copy it again."
        ) from None


def read_card(path, max_bytes=MAX_BYTES):
    """Return the text of the card that the .h5 at `path` holds, or None; raise ValueError if it holds too much."""
    with h5py.File(path) as file:
        container.count_rest(file, Path(path), max_bytes)
        return container.read_text(file, "card")


def refusal(path, reason, version=None, remedy=remedies.SAVE_AGAIN):
    """Return the ValueError that says why `path` is not opened, and what to do; of Keras 1 or 2 that it is."""
    reason, version = plain(" ".join(reason.split())[:400]), plain(version or "")[:20]
    by = f", which was written by Keras {version}" if keras2.is_old(version) else ""
    return ValueError(
        f"Expected a saved model of standard Keras layers in {Path(path).name}{by}, got {reason}. "
        f"It was not opened: {remedy}."
    )


def _inspect(file, version, max_bytes, longest):
    """Return the Contents of the open file: its config admitted, followed, and compared with its weights.

    None of the texts that its lists point to has more than `longest` bytes.
    """
    text = container.read_text(file, "model_config")
    if not isinstance(file["model_weights"], h5py.Group):
        raise ValueError("no model: model_weights is no group")
    if len(text) > container.MAX_CONFIG:
        raise ValueError(f"a config of {len(text):,} characters, more than {container.MAX_CONFIG:,}")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a config that is no JSON, or is nested too deep") from None
    if not isinstance(config, dict):
        raise ValueError("a config that describes no model")
    old = keras2.is_old(version)
    with _explained():
        allow_list.check_depth(config)
        modern = keras2.modernise(config, version, container.read_text(file, "backend"))
    layers, walk = follow(modern, max_bytes)
    each = 8 if '"float64"' in text else 4  # bytes
    if sum(layer.parameters for layer in layers) * each * COPIES > max_bytes:
        raise ValueError(f"more parameters than load within {max_bytes:,} bytes")
    weights = container.find_weights(file["model_weights"], min(container.MAX_NAMES, max_bytes // (2 * longest)), old)
    _compare(layers, weights)
    for name, arrays in weights.items():
        if not all(np.isfinite(array[...]).all() for array in arrays):
            raise ValueError(f'the layer "{name}" with weights that are NaN or infinite')
    count = counting.count(config, layers, walk, modern, file["model_weights"], weights)
    return Contents(layers, count, version, modern, old)


def follow(config, max_bytes):
    """Return (the layers of a config, as parts.Layer; the graph.Graph that followed it).

    Raises ValueError for a config that is not admitted, or has a tensor of more than `max_bytes` for one image.
    """
    walk = graph.Graph(max_bytes // 4)
    with _explained():
        allow_list.check_depth(config)
        allow_list.check_model(config)
        layers, _ = walk.follow(config)
    return list(layers.values()), walk


@contextmanager
def _explained():
    """Say of what is refused in a config how to build the model instead."""
    try:
        yield
    except remedies.Refused:
        raise
    except ValueError as error:
        raise remedies.Refused(str(error), remedies.rebuild("of standard layers and settings alone")) from None
    except (TypeError, KeyError, IndexError, AttributeError):
        raise ValueError("a config in an unknown form") from None


def _compare(layers, weights):
    """Raise ValueError unless every layer has the weights that its config needs, and no others are there."""
    for layer in layers:
        stored, needed = [array.shape for array in weights.get(layer.name, [])], layer.all_weights
        if sorted(stored) != sorted(needed):
            raise ValueError(f'the layer "{layer.name}" with weights of {stored} instead of {needed}')
    strange = set(weights) - {layer.name for layer in layers}
    if strange:
        raise ValueError(f'weights of "{min(strange)}", a layer that the model does not have')
