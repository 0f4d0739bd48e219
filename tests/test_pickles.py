"""Pickles: numpy arrays of numbers are read, whatever else is in the file does not run."""

import pickle
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from denoise_utils import pickles


def dump(path, content, protocol=None):
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


KINDS = ["bool", "uint8", "int64", "float32", "float64", ">f4"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F", "transposed"])
def test_arrays_of_numbers_are_read_exactly(tmp_path, protocol, kind, order):
    array = (np.arange(60).reshape(3, 4, 5) % 7).astype(kind)
    array = array.transpose(1, 0, 2) if order == "transposed" else np.asarray(array, order=order)
    found = pickles.load_array(dump(tmp_path / "x.pkl", array, protocol))
    assert found.dtype == array.dtype and np.array_equal(found, array)


class Hostile:
    """Pickles into an order to write a file."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (type(self.marker).write_text, (self.marker, "I ran"))


class HostileDtype:
    """Pickles into a call of numpy's own reader of text files."""

    def __reduce__(self):
        return (np.fromfile, ("secrets.txt",))


def test_hostile_pickle_is_refused_and_does_not_run(tmp_path):
    marker = tmp_path / "marker.txt"
    pickle.loads(pickle.dumps(Hostile(marker)))
    assert marker.exists(), "the attack itself must work, or this test proves nothing"
    marker.unlink()
    path = dump(tmp_path / "X.pkl", Hostile(marker))
    with pytest.raises(ValueError, match="not part of a numpy array"):
        pickles.load_array(path)
    assert not marker.exists()


@pytest.mark.parametrize("content", [HostileDtype(), np.array([Hostile(Path("x")), 1], dtype=object)])
def test_hidden_calls_are_refused(tmp_path, content):
    path = dump(tmp_path / "X.pkl", content)
    with pytest.raises(ValueError, match="Expected a pickled numpy array"):
        pickles.load_array(path)


class RawPointers:
    """Pickles into an array of objects at addresses of the attacker's choice."""

    def __reduce__(self):
        return (np.ndarray, ((2,), "O", bytes(16)))


class HugeArray:
    """Pickles into an order for more memory than there is."""

    def __reduce__(self):
        return (np.ndarray, ((2**40,), "u1"))


@pytest.mark.parametrize("attack", [RawPointers, HugeArray])
def test_numpys_own_constructors_cannot_be_called(tmp_path, attack):
    with pytest.raises(ValueError, match="Expected a pickled numpy array"):
        pickles.load_array(dump(tmp_path / "x.pkl", attack()))


def test_shape_and_content_must_agree(tmp_path):
    whole = pickle.dumps(np.zeros((5, 28, 28), np.uint8), protocol=2)
    shape = pickle.dumps((5, 28, 28), protocol=2)[2:-1]
    assert whole.count(shape[:6]) == 1
    path = tmp_path / "x.pkl"
    path.write_bytes(whole.replace(shape[:6], shape[:1] + bytes([9]) + shape[2:6]))
    with pytest.raises(ValueError, match="shape and content disagree"):
        pickles.load_array(path)


@pytest.mark.parametrize("keep", [0, 1, 40, 200])
def test_truncated_pickle_is_refused(tmp_path, keep):
    path = tmp_path / "X.pkl"
    path.write_bytes(pickle.dumps(np.ones((5, 28, 28)))[:keep])
    with pytest.raises(ValueError, match="Expected a pickled numpy array"):
        pickles.load_array(path)


def doubled(number, start, end):
    """Return a pickle that doubles a tuple `number` times: a few bytes, 2 ** number texts when it is shown."""
    return b"\x80\x02" + start + b"q\x00" + b"h\x00h\x00\x86q\x00" * number + end


BOMBS = {
    "place in the memory": b"\x80\x02Nr" + (2**26 - 1).to_bytes(4, "little") + b".",
    "doubled type": doubled(40, b"cnumpy\ndtype\nX\x01\x00\x00\x00a", b"\x85R."),
    "doubled key": doubled(40, b"}X\x01\x00\x00\x00a", b"K\x01s."),
    "doubled encoding": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00a"
    + doubled(40, b"X\x01\x00\x00\x00a", b"\x86R.")[2:],
    "shape of a text": b"\x80\x02cnumpy._core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
    b"K\x00\x85X\x01\x00\x00\x00b\x87R(K\x01J\x00\x00\x00\x40X\x04\x00\x00\x00aaaa\x86cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R\x89C\x01atb.",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_few_bytes_do_not_take_time_or_memory(tmp_path, kind):
    (tmp_path / "x.pkl").write_bytes(BOMBS[kind])
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ValueError, match="Expected a pickled numpy array") as caught:
        pickles.load_array(tmp_path / "x.pkl")
    assert time.process_time() - started < 2 and tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert len(str(caught.value)) < 400
