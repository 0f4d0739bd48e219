"""Read a pickled numpy array without running anything that the file asks for.

What numpy's own pickles call is replaced by stand-ins written in Python, so that neither the
file's names nor its numbers reach numpy's C code unchecked.
"""

import math
import pickle
import pickletools
import zipfile
from pathlib import Path

import numpy as np

ARRAY_TYPE = object()  # stands for numpy.ndarray: can be passed on, cannot be called
NPY, ZIP, GZIP = b"\x93NUMPY", b"PK\x03\x04", b"\x1f\x8b"  # what such files begin with
KINDS = "buif"  # booleans, whole numbers and floats
WRITTEN = (  # the opcodes that numpy's arrays are written with, of all protocols
    "PROTO FRAME STOP GLOBAL STACK_GLOBAL REDUCE BUILD MARK TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_TUPLE NONE NEWTRUE "
    "NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 STRING BINSTRING SHORT_BINSTRING UNICODE SHORT_BINUNICODE "
    "BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET "
    "LONG_BINGET"
)
OPCODES = frozenset(WRITTEN.split())
MAX_OPCODES = 1000  # of one array, which takes fewer than a hundred


class _Dtype:
    """Stand in for numpy.dtype: a kind, a size and a byte order, nothing else."""

    def __init__(self, code, *_):
        code = code.decode("latin1") if isinstance(code, bytes) else code  # Python 2's text
        if not isinstance(code, str) or code[:1] not in KINDS or not 1 <= len(code) <= 3:
            told = code[:40] if isinstance(code, str) else "things"
            raise pickle.UnpicklingError(f"an array of {told}, which are not numbers")
        self.dtype = np.dtype(code)

    def __setstate__(self, state):
        order = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stand in for the empty array that numpy's pickles build first and fill then."""

    def __init__(self, array_type, shape, _type_code):
        if array_type is not ARRAY_TYPE or shape != (0,):
            raise pickle.UnpicklingError("an array that is not rebuilt the way numpy writes it")
        self.array = None

    def __setstate__(self, state):
        _version, shape, dtype, by_columns, content = state
        self.array = _fill(content, dtype, shape, "F" if by_columns else "C")


def _fill(content, dtype, shape, order):
    """Return the bytes `content` as an array, after checking that they are as many as it needs."""
    whole = isinstance(shape, tuple) and all(type(side) is int and side >= 0 for side in shape)
    plain = whole and isinstance(content, (bytes, bytearray)) and order in ("C", "F")
    if not plain or math.prod(shape) * dtype.dtype.itemsize != len(content):
        raise pickle.UnpicklingError("an array whose shape and content disagree")
    return np.frombuffer(content, dtype.dtype).reshape(shape, order=order)


def _frombuffer(content, dtype, shape, order, axis_order=None):
    """Stand in for numpy's reader of protocol 5."""
    found = _Array(ARRAY_TYPE, (0,), None)
    if order == "K" and axis_order is not None:  # stored along its own axes, to be put back in order
        found.array = _fill(content, dtype, shape, "C").transpose(axis_order)
    else:
        found.array = _fill(content, dtype, shape, order)
    return found


def _encode(text, encoding):
    """Stand in for codecs.encode: protocols 0 to 2 store bytes as Latin-1 text, nothing else."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("text in another encoding than Latin-1")
    return text.encode("latin1")


ADMITTED = {
    ("numpy", "ndarray"): ARRAY_TYPE,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Admit what a numpy array needs and nothing else."""

    def find_class(self, module, name):
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}, which is not part of a numpy array")
        return ADMITTED[module, name]


def _walk(file):
    """Yield each opcode of a pickle with its argument, up to the last.

    pickletools.genops does the same, but takes a text of protocol 0 for ASCII, and in Python 2's arrays it is bytes.
    """
    name = None
    while name != "STOP":
        code = file.read(1)
        opcode = pickletools.code2op.get(code.decode("latin1"))
        if not opcode:
            end = "a pickle that breaks off" if name else "an empty file"
            raise pickle.UnpicklingError(f"the byte {code!r}, which no pickle has there" if code else end)
        name = opcode.name
        yield name, file.readline() if name == "STRING" else opcode.arg and opcode.arg.reader(file)


def _check_opcodes(file):
    """Raise UnpicklingError unless the pickle is written with few opcodes, those of arrays; then rewind it.

    A few bytes can ask for a place of any number in the unpickler's memory, or double a tuple at every turn.
    """
    for count, (name, argument) in enumerate(_walk(file)):
        if name not in OPCODES or count > MAX_OPCODES:
            raise pickle.UnpicklingError(f"{name}, which numpy does not write, or too many parts")
        if name.endswith("PUT") and int(argument) > MAX_OPCODES:
            raise pickle.UnpicklingError(f"a part numbered {argument}")
    file.seek(0)


def _new_path(path, name):
    """Return `name` beside `path`, or another that is free, so that a conversion overwrites nothing."""
    path = path.with_name(name)
    return str(path.with_name(f"{path.stem}_new{path.suffix}") if path.exists() else path)


def _check_format(path):
    """Raise ValueError, with the line that converts it, for a .npy, .npz or .gz file; OSError for no file."""
    try:
        with open(path, "rb") as file:
            start = file.read(len(NPY))
    except OSError as error:
        found = "no file" if isinstance(error, FileNotFoundError) else f'"{error.strerror}"'
        raise type(error)(f"Expected a pickled numpy array at {path}, found {found}: look for its name.") from None
    old, path = str(path), Path(path)
    new = _new_path(path, path.stem.removesuffix(".pkl") + ".pkl")
    if start == NPY:
        what, line = "a .npy file", f"import numpy; numpy.load({old!r}).dump({new!r})"
    elif start.startswith(ZIP):
        names = _list_arrays(path)
        what, line = f"a .npz file with {names}", f"import numpy; numpy.load({old!r})[{names[0]!r}].dump({new!r})"
    elif start.startswith(GZIP):
        new = _new_path(path, path.name.removesuffix(".gz"))
        line = f"import gzip, pathlib; pathlib.Path({new!r}).write_bytes(gzip.open({old!r}).read())"
        what = "a .gz file"
    else:
        return
    raise ValueError(f"Expected a pickled numpy array in {path}, got {what}. Convert it and name the new file: {line}")


def _list_arrays(path):
    """Return the names of the first arrays in a .npz file."""
    try:
        with zipfile.ZipFile(path) as file:
            names = [name.removesuffix(".npy") for name in file.namelist() if name.endswith(".npy") and len(name) < 50]
    except Exception:  # a broken archive may raise nearly anything
        names = []
    if not names:
        raise ValueError(f"Expected a pickled numpy array in {path}, got a .zip file: unpack it, name what is in it.")
    return names[:4]


def load_array(path):
    """Return the numpy array pickled in the file `path`, by Python 2 or 3, in any protocol.

    Only numpy arrays of numbers are read: a pickle that names anything else is refused
    before that thing is looked up, so nothing in the file runs. Raises ValueError, which for a
    .npy, .npz or .gz file has the line that converts it, or OSError where no file can be read.
    """
    _check_format(path)
    try:
        with open(path, "rb") as file:
            _check_opcodes(file)
            found = _ArrayUnpickler(file, encoding="bytes").load()  # Python 2's text is bytes
    except Exception as error:  # a hostile or broken pickle may raise nearly anything
        what = str(error) or type(error).__name__
    else:
        what = f"a {type(found).__name__}"
        if isinstance(found, _Array) and found.array is not None:
            return found.array
    what = "".join(letter if letter.isprintable() else "?" for letter in what[:200])  # it may quote the file
    raise ValueError(
        f"Expected a pickled numpy array of numbers in {path}, got {what}: save it with pickle.dump(array, file)."
    )
