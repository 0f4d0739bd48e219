"""Pickles: numpy arrays of numbers are read, whatever else is in the file does not run."""

import gzip
import pickle
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from denoise_utils.datasets import pickles
from tests.making import by_python_2, dump

KINDS = ["bool", "uint8", "int64", "float32", "float64", ">f4"]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F", "transposed"])
def test_arrays_of_numbers_are_read_exactly(tmp_path, protocol, kind, order):
    array = (np.arange(60).reshape(3, 4, 5) % 7).astype(kind)
    array = array.transpose(1, 0, 2) if order == "transposed" else np.asarray(array, order=order)
    found = pickles.load_array(dump(tmp_path / "x.pkl", array, protocol))
    assert found.dtype == array.dtype and np.array_equal(found, array)


@pytest.mark.parametrize("protocol", range(3))
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_python_2_are_read_exactly(tmp_path, protocol, kind, order):
    array = np.asarray((np.arange(60).reshape(3, 4, 5) % 7).astype(kind), order=order)
    (tmp_path / "x.pkl").write_bytes(by_python_2(array, protocol))
    found = pickles.load_array(tmp_path / "x.pkl")
    assert found.dtype == array.dtype and np.array_equal(found, array)


@pytest.mark.parametrize("protocol", range(3))
def test_every_byte_of_python_2_survives(tmp_path, protocol):
    array = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    (tmp_path / "x.pkl").write_bytes(by_python_2(array, protocol))
    assert np.array_equal(pickles.load_array(tmp_path / "x.pkl"), array)


# By Python 2's pickle, which cPickle replaced: it numbers all parts. The shape is of long integers, as on Windows.
NUMBERED = (
    b"cnumpy.core.multiarray\n_reconstruct\np0\n(cnumpy\nndarray\np1\n(I0\ntp2\nS'b'\np3\ntp4\nRp5\n(I1\n(L2L\nL3L\ntp6\n"
    b"cnumpy\ndtype\np7\n(S'f4'\np8\nI0\nI1\ntp9\nRp10\n(I3\nS'<'\np11\nNNNI-1\nI-1\nI0\ntp12\nbI00\nS'\\x00\\x00\\x00\\x00"
    b"\\x00\\x00\\x80?\\x00\\x00\\x00@\\x00\\x00@@\\x00\\x00\\x80@\\x00\\x00\\xa0@'\np13\ntp14\nb."
)


def test_python_2_on_windows_is_read(tmp_path):
    (tmp_path / "x.pkl").write_bytes(NUMBERED)
    assert np.array_equal(pickles.load_array(tmp_path / "x.pkl"), np.arange(6, dtype=np.float32).reshape(2, 3))


def test_content_of_python_2_must_fill_its_shape(tmp_path):
    (tmp_path / "x.pkl").write_bytes(NUMBERED.replace(b"L3L", b"L4L"))
    with pytest.raises(ValueError, match="shape and content disagree"):
        pickles.load_array(tmp_path / "x.pkl")


@pytest.mark.parametrize("hidden", [False, True])
def test_hostile_pickle_of_python_2_is_refused_and_does_not_run(tmp_path, hidden):
    marker = tmp_path / "marker"
    attack = f"cos\nsystem\n(S'echo > {marker}'\ntR".encode()
    pickle.loads(attack + b".")
    assert marker.exists(), "the attack itself must work, or this test proves nothing"
    marker.unlink()
    (tmp_path / "x.pkl").write_bytes(NUMBERED.replace(b"S'f4'\n", attack) if hidden else attack + b".")
    with pytest.raises(ValueError, match="not part of a numpy array"):
        pickles.load_array(tmp_path / "x.pkl")
    assert not marker.exists()


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
    """Whoever follows all that is doubled forty times never comes to an end."""
    (tmp_path / "x.pkl").write_bytes(BOMBS[kind])
    tracemalloc.start()
    with pytest.raises(ValueError, match="Expected a pickled numpy array") as caught:
        pickles.load_array(tmp_path / "x.pkl")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert len(str(caught.value)) < 400


def save_array(path, array, ending):
    """Write a real .npy, .npz or gzipped pickle, whatever the name of `path`."""
    with open(path, "wb") as file:
        if ending == ".npy":
            np.save(file, array)
        elif ending == ".npz":
            np.savez_compressed(file, noisy=array, clean=array / 2)
        else:
            file.write(gzip.compress(pickle.dumps(array)))


@pytest.mark.parametrize(
    ("ending", "named"),
    [(".npy", "a .npy file"), (".npz", r"a .npz file with \['noisy', 'clean'\]"), (".pkl.gz", "a .gz file")],
)
@pytest.mark.parametrize("name", ["it's X", "misnamed.pkl"])
def test_other_formats_are_named_and_their_line_converts_them(tmp_path, rng, ending, named, name):
    array = rng.random((5, 28, 28))
    path = tmp_path / (name if name.endswith(".pkl") else name + ending)
    save_array(path, array, ending)
    with pytest.raises(ValueError, match=f"got {named}. Convert it and name the new file: import") as caught:
        pickles.load_array(path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    line = str(caught.value).partition("new file: ")[2]
    subprocess.run([sys.executable, "-c", line], check=True)
    assert all(path.read_bytes() == content for path, content in before.items())
    (new,) = set(tmp_path.iterdir()) - set(before)
    assert new.name == ("misnamed_new.pkl" if name.endswith(".pkl") else name + ".pkl")
    assert np.array_equal(pickles.load_array(new), array)


def test_conversion_overwrites_no_pickle_of_that_name(tmp_path):
    save_array(tmp_path / "X.npy", np.ones(3), ".npy")
    dump(tmp_path / "X.pkl", np.zeros(3))
    with pytest.raises(ValueError, match=r"dump\('.*X_new\.pkl'\)$"):
        pickles.load_array(tmp_path / "X.npy")


@pytest.mark.parametrize("cut", [False, True])
def test_archive_without_arrays_is_named(tmp_path, cut):
    with zipfile.ZipFile(tmp_path / "X.zip", "w") as file:
        file.writestr("X.pkl", pickle.dumps(np.ones(3)))
    if cut:
        (tmp_path / "X.zip").write_bytes((tmp_path / "X.zip").read_bytes()[:50])
    with pytest.raises(ValueError, match=r"got a \.zip file: unpack it"):
        pickles.load_array(tmp_path / "X.zip")


NO_ARRAYS = {
    "empty": (b"", "an empty file"),
    "text": (b"1,2,3", "POP_MARK, which numpy does not write"),
    "words": (b"noisy", "the byte b'n', which no pickle has there"),
    "a text": (pickle.dumps("a"), "a str"),
    "a text of Python 2": (b"S'a'\np0\n.", "a bytes"),
    "cut": (NUMBERED[:-1], "a pickle that breaks off"),
    "a name of two lines": (pickle.dumps("a\nb")[:-1] + b"\x8c\x01c\x93.", r"a\?b\.c, which is not part"),
    "a long name": (b"c" + b"a" * 10_000 + b"\nb\n.", "aaaa: save it"),
}


@pytest.mark.parametrize("kind", NO_ARRAYS)
def test_what_is_no_array_is_told_in_one_short_line(tmp_path, kind):
    content, words = NO_ARRAYS[kind]
    (tmp_path / "x.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=f"Expected a pickled numpy array of numbers in .*{words}") as caught:
        pickles.load_array(tmp_path / "x.pkl")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize(("name", "kind"), [("nowhere.pkl", FileNotFoundError), ("", IsADirectoryError)])
def test_what_is_no_file_is_told(tmp_path, name, kind):
    with pytest.raises(kind, match=r"Expected a pickled numpy array at .*look for its name\."):
        pickles.load_array(tmp_path / name)
