"""Look into an .h5 before Keras does: is it whole, bounded, of standard layers only, with the weights they need?

An .h5 can carry code (a Lambda layer holds bytecode, a custom class a module's path), point to other files
of its reader (external links and storage) and declare more than any memory holds. Nothing here runs or
builds what the file declares: `allow_list` admits its config, `graph` counts what it would need.
"""

import itertools
import json
import math
import mmap
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from denoise_utils.opening import allow_list, graph, keras2, remedies
from denoise_utils.system.escaping import plain

MAX_BYTES = 512 * 2**20  # of the file, of all its numbers, of those in one tensor of one image, and while it is loaded
COPIES = 8  # that loading makes of a weight at most: its start, the stored numbers, copies between them
MAX_CONFIG = 5_000_000  # characters of model_config
MAX_REST = 4 * MAX_CONFIG  # bytes of the file that are no array: texts and names are among them
MAX_OBJECTS = 20_000  # groups and arrays in the file
MAX_NAMES = 10_000  # of layers in a model, of weights in a layer
MAX_NAME = 1000  # characters


@dataclass(frozen=True)
class Contents:
    """What a checked .h5 holds."""

    layers: list  # of graph.Layer, in the order of the file's config
    parameters: int
    keras_version: str | None  # that wrote it
    config: dict | None = None  # of a file of Keras 1 or 2, as Keras 3 would write it


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
            longest = _bound_text(path, _count_rest(file, path, max_bytes))
            version = _read_text(file, "keras_version")
            return _inspect(file, version, max_bytes, longest)
    except UnicodeError:
        raise refusal(path, "a text that is not UTF-8", version) from None
    except ValueError as error:
        raise refusal(path, str(error), version, getattr(error, "remedy", remedies.SAVE_AGAIN)) from None
    except Exception:  # a damaged file makes HDF5 raise nearly anything
        raise refusal(path, "a damaged file, or one that is cut short", version) from None


def read_card(path, max_bytes=MAX_BYTES):
    """Return the text of the card that the .h5 at `path` holds, or None; raise ValueError if it holds too much."""
    with h5py.File(path) as file:
        _count_rest(file, Path(path), max_bytes)
        return _read_text(file, "card")


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
    text = _read_text(file, "model_config")
    if not isinstance(file["model_weights"], h5py.Group):
        raise ValueError("no model: model_weights is no group")
    if len(text) > MAX_CONFIG:
        raise ValueError(f"a config of {len(text):,} characters, more than {MAX_CONFIG:,}")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("a config that is no JSON, or is nested too deep") from None
    if not isinstance(config, dict):
        raise ValueError("a config that describes no model")
    old = keras2.is_old(version)
    with _explained():
        allow_list.check_depth(config)
        config = keras2.modernise(config, version, _read_text(file, "backend"))
    layers = _follow(config, max_bytes)
    each = 8 if '"float64"' in text else 4  # bytes
    if sum(layer.parameters for layer in layers) * each * COPIES > max_bytes:
        raise ValueError(f"more parameters than load within {max_bytes:,} bytes")
    weights = find_weights(file["model_weights"], min(MAX_NAMES, max_bytes // (2 * longest)), old)
    _compare(layers, weights)
    for name, arrays in weights.items():
        if not all(np.isfinite(array[...]).all() for array in arrays):
            raise ValueError(f'the layer "{name}" with weights that are NaN or infinite')
    return Contents(layers, sum(layer.parameters for layer in layers), version, config if old else None)


def _follow(config, max_bytes):
    """Return the layers of an admitted config, as graph.Layer."""
    with _explained():
        allow_list.check_depth(config)
        allow_list.check_model(config)
        layers, _ = graph.Graph(max_bytes // 4).follow(config)
    return list(layers.values())


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


def _count_rest(file, path, max_bytes):
    """Return the bytes of the file besides its arrays, its texts above all; raise ValueError if there are too many."""
    rest = path.stat().st_size - _check_tree(file, max_bytes)
    if rest > MAX_REST:
        raise ValueError(f"{rest:,} bytes besides its arrays, more than {MAX_REST:,}")
    return rest


def _bound_text(path, rest):
    """Return a bound on the bytes of a text that a list points to: HDF5 keeps them in heaps that tell their size."""
    longest = 1
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for heap in re.finditer(b"GCOL", content):
            longest = max(longest, int.from_bytes(content[heap.start() + 8 : heap.start() + 16], "little"))
            if longest >= rest:
                return rest
    return longest


def _check_tree(file, max_bytes):
    """Return the bytes of the file that are arrays.

    Raises ValueError for links that leave the file, or arrays that are not plain, stored and bounded.
    """
    waiting, seen, total, stored = [file], {h5py.h5o.get_info(file.id).addr}, 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f'the link "{name}", which points to another place or another file')
            part = group[name]
            address = h5py.h5o.get_info(part.id).addr
            if address in seen or len(seen) > MAX_OBJECTS:
                raise ValueError(f'"{name}", which is there twice or is one of more than {MAX_OBJECTS:,} parts')
            seen.add(address)
            if isinstance(part, h5py.Group):
                waiting.append(part)
            else:
                total += _count_bytes(part, name)
                stored += part.id.get_storage_size()
            if total > max_bytes:
                raise ValueError(f"arrays of more than {max_bytes:,} bytes")
    return stored


def _count_bytes(array, name):
    """Return the bytes that an array takes in memory; raise ValueError if it is not a plain array of numbers."""
    if not isinstance(array, h5py.Dataset) or array.dtype.kind not in "fiu" or array.shape is None:
        raise ValueError(f'"{name}", which is no array of numbers')
    if array.external or array.is_virtual:
        raise ValueError(f'the array "{name}", whose numbers are in another file')
    if array.chunks is not None or array.id.get_create_plist().get_nfilters():  # a few bytes may unpack to any number
        raise ValueError(f'the array "{name}", compressed or in parts, which Keras does not write')
    size = math.prod(array.shape) * array.dtype.itemsize
    if array.id.get_storage_size() != size:
        raise ValueError(f'the array "{name}" without its numbers')
    return size


def _read_text(file, name):
    """Return an attribute that is one text, or None."""
    if name not in file.attrs:
        return None
    stored = file.attrs.get_id(name)
    if stored.shape != () or stored.dtype.kind not in "OS" or h5py.check_string_dtype(stored.dtype) is None:
        raise ValueError(f"a {name} that is no text")
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else value


def _read_names(group, name, most):
    """Return a list of names, which Keras spreads over several attributes if it is long.

    Each may be the same long text of the file: `most` of them bound what reading one attribute takes.
    """
    numbered = (f"{name}{number}" for number in itertools.count())
    parts = [name] if name in group.attrs else itertools.takewhile(group.attrs.__contains__, numbered)
    names = []
    for part in parts:
        stored = group.attrs.get_id(part)
        if len(stored.shape) != 1 or len(names) + stored.shape[0] > most:
            raise ValueError(f"a list of {name} that is none, or has more than {most:,}")
        if stored.shape[0]:
            if h5py.check_string_dtype(stored.dtype) is None:
                raise ValueError(f"a list of {name} that are no names")
            names += [one.decode() if isinstance(one, bytes) else str(one) for one in group.attrs[part]]
            if max(map(len, names)) > MAX_NAME:
                raise ValueError(f"a name of more than {MAX_NAME:,} characters")
    return names


def find_weights(group, most=MAX_NAMES, old=False):
    """Return the stored arrays by layer, for layers that have any; of an `old` file by names that Keras 3 allows."""
    weights = {}
    for name in ("backend", "keras_version"):  # Keras reads them here too
        _read_text(group, name)
    for layer in _read_names(group, "layer_names", most):
        if layer not in group:
            raise ValueError(f'the layer "{layer}" without its weights')
        names = _read_names(group[layer], "weight_names", most)
        missing = [name for name in names if not isinstance(group[layer].get(name), h5py.Dataset)]
        known = keras2.rename(layer) if old else layer
        if missing or known in weights:
            raise ValueError(f'the layer "{layer}" without its weights' if missing else f'two layers "{layer}"')
        weights[known] = [group[layer][name] for name in names]
    if "top_level_model_weights" in group and _read_names(group["top_level_model_weights"], "weight_names", most):
        raise ValueError("weights that belong to no layer")
    return {layer: arrays for layer, arrays in weights.items() if arrays}


def _compare(layers, weights):
    """Raise ValueError unless every layer has the weights that its config needs, and no others are there."""
    for layer in layers:
        stored, needed = [array.shape for array in weights.get(layer.name, [])], layer.all_weights
        if sorted(stored) != sorted(needed):
            raise ValueError(f'the layer "{layer.name}" with weights of {stored} instead of {needed}')
    strange = set(weights) - {layer.name for layer in layers}
    if strange:
        raise ValueError(f'weights of "{min(strange)}", a layer that the model does not have')
