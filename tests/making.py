"""Files of models and of data that several test files make."""

import pickle

import numpy as np

from denoise_utils import saving


def save(folder, name, model, **card):
    """Save a model with its card as `name`.h5 in a folder."""
    saving.save_model(model, folder / f"{name}.h5", card)


def write_npz(path, num_train=100, num_test=20, shape=(28, 28), **replaced):
    """Write a dataset of random images, uint8, as Keras keeps it; return its arrays. None leaves one out."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (num_train, *shape), dtype=np.uint8),
        "y_train": np.arange(num_train, dtype=np.uint8) % 10,
        "x_test": rng.integers(0, 256, (num_test, *shape), dtype=np.uint8),
        "y_test": np.arange(num_test, dtype=np.uint8) % 10,
    } | replaced
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return arrays


def dump(path, content, protocol=None):
    """Pickle `content` into a file; return its path."""
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


PYTHON_2 = (  # of protocols 0, 1 and 2, as Python 2.7.18 with numpy 1.16.6 writes them
    b"cnumpy.core.multiarray\n_reconstruct\np1\n(cnumpy\nndarray\np2\n(I0\ntS'b'\ntRp3\n(I1\n%(shape)bcnumpy\ndtype\np4\n"
    b"(S'%(code)b'\nI0\nI1\ntRp5\n(I3\nS'%(order)b'\nNNNI-1\nI-1\nI0\ntbI0%(columns)d\nS%(escaped)b\ntb.",
    b"cnumpy.core.multiarray\n_reconstruct\nq\x01(cnumpy\nndarray\nq\x02(K\x00tU\x01btRq\x03(K\x01%(shape)bcnumpy\ndtype\nq\x04"
    b"(U\x02%(code)bK\x00K\x01tRq\x05(K\x03U\x01%(order)bNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tbI0%(columns)d\n%(counted)btb.",
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85U\x01b\x87Rq\x03(K\x01%(shape)bcnumpy\n"
    b"dtype\nq\x04U\x02%(code)bK\x00K\x01\x87Rq\x05(K\x03U\x01%(order)bNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb%(flag)b%(counted)btb.",
)


def by_python_2(array, protocol):
    """Return the bytes that Python 2's cPickle writes for an array of three axes, each below 256."""
    columns = array.flags.f_contiguous and not array.flags.c_contiguous
    content = array.tobytes("F" if columns else "C")
    size = len(content)
    sides = [b"I%d\n" % side if protocol == 0 else b"K" + bytes([side]) for side in array.shape]
    parts = {
        "shape": b"".join(sides) + b"\x87" if protocol == 2 else b"(" + b"".join(sides) + b"t",
        "order": array.dtype.str[:1].encode(),
        "code": array.dtype.str[1:].encode(),
        "columns": columns,
        "flag": b"\x88" if columns else b"\x89",
        "escaped": repr(content)[1:].encode(),
        "counted": (b"U" + bytes([size]) if size < 256 else b"T" + size.to_bytes(4, "little")) + content,
    }
    return PYTHON_2[protocol] % {key.encode(): part for key, part in parts.items()}
