"""Look at an .h5 as a container: is it bounded, in one piece, of plain arrays and texts of bounded length?

It may point to other files of its reader (external links and storage), and declare more than any memory holds.
"""

import itertools
import math
import mmap
import re

import h5py

from denoise_utils.opening import keras2

MAX_CONFIG = 5_000_000  # characters of model_config
MAX_REST = 4 * MAX_CONFIG  # bytes of the file that are no array: texts and names are among them
MAX_OBJECTS = 20_000  # groups and arrays in the file
MAX_NAMES = 10_000  # of layers in a model, of weights in a layer
MAX_NAME = 1000  # characters


def count_rest(file, path, max_bytes):
    """Return the bytes of the file besides its arrays, its texts above all; raise ValueError if there are too many."""
    rest = path.stat().st_size - _check_tree(file, max_bytes)
    if rest > MAX_REST:
        raise ValueError(f"{rest:,} bytes besides its arrays, more than {MAX_REST:,}")
    return rest


def bound_text(path, rest):
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


def read_text(file, name):
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
        read_text(group, name)
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
