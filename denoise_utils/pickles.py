"""Read a pickled numpy array without running anything that the file asks for."""

import pickle

import numpy as np


def _reconstruct(array_type, shape, type_code):
    """Stand in for numpy's own: an empty array, which the pickle then fills."""
    if array_type is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError("an array that is not rebuilt the way numpy writes it")
    return np.ndarray(shape, type_code)


def _encode(text, encoding):
    """Stand in for codecs.encode: protocol 2 stores bytes as Latin-1 text, nothing else."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in the encoding {encoding}")
    return text.encode("latin1")


def _frombuffer(buffer, dtype, shape, order, axis_order=None):
    """Stand in for numpy's reader of protocol 5."""
    array = np.frombuffer(buffer, dtype=dtype)
    if axis_order is not None:
        return array.reshape([shape[axis] for axis in axis_order]).transpose(np.argsort(axis_order))
    return array.reshape(shape, order=order)


ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Admit what a numpy array needs and nothing else."""

    def find_class(self, module, name):
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}, which is not part of a numpy array")
        return ADMITTED[module, name]


def load_array(path):
    """Return the numpy array pickled in the file `path`.

    Only numpy arrays of numbers are read: a pickle that names anything else is refused
    before that thing is looked up, so nothing in the file runs. Raises ValueError.
    """
    try:
        with open(path, "rb") as file:
            array = _ArrayUnpickler(file).load()
    except FileNotFoundError:
        raise
    except Exception as error:  # a hostile or broken pickle may raise nearly anything
        raise ValueError(
            f"Expected a pickled numpy array in {path}, got {error or type(error).__name__}: "
            "save it with pickle.dump(array, file)."
        ) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        found = getattr(array, "dtype", type(array).__name__)
        raise ValueError(f"Expected an array of numbers in {path}, got {found}.")
    return array
