"""Data: splits, sources in order, files that are wrong, pickles that are hostile."""

import random
import socket
import tracemalloc
import urllib.request
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import datasets

from denoise_utils import data, noise, profiles
from denoise_utils.datasets import sources
from tests.making import by_python_2, dump, write_npz


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder that DENOISE_DATA_DIR names, without network."""
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DENOISE_OFFLINE", "1")
    sources.load_arrays.cache_clear()
    yield tmp_path
    sources.load_arrays.cache_clear()


def test_splits_come_from_the_folder_with_the_datasets_own_test_set(folder):
    arrays = write_npz(folder / "mnist.npz")
    splits = data.load_splits("mnist", profile=profiles.load_profile("full"))
    assert splits.source == "mnist.npz" and splits.label == "MNIST"
    assert np.array_equal(splits.test.images[..., 0] * 255, arrays["x_test"])
    assert np.array_equal(splits.test.labels, arrays["y_test"])
    assert (len(splits.train.images), len(splits.val.images)) == (90, 10)
    assert splits.train.images.dtype == np.float32 and splits.train.images.shape[1:] == (28, 28, 1)
    both = np.concatenate([splits.train.images, splits.val.images]) * 255
    assert sorted(image.tobytes() for image in np.uint8(np.round(both))[..., 0]) == sorted(
        image.tobytes() for image in arrays["x_train"]
    )


def test_splits_are_seeded_and_limits_keep_the_first(folder):
    write_npz(folder / "mnist.npz")
    one, same, other = (data.load_splits("mnist", seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(one.train.images, same.train.images)
    assert not np.array_equal(one.train.images, other.train.images)
    few = data.load_splits("mnist", num_train=5, num_val=3, num_test=2)
    assert np.array_equal(few.train.images, one.train.images[:5])
    assert (len(few.val.images), len(few.test.images)) == (3, 2)


def test_colour_labels_in_a_column_are_flattened(folder):
    write_npz(folder / "cifar10.npz", shape=(32, 32, 3), y_train=np.zeros((100, 1), np.uint8))
    splits = data.load_splits("cifar10")
    assert splits.train.images.shape == (90, 32, 32, 3) and splits.train.labels.shape == (90,)


def test_hash_follows_the_pixels(folder):
    arrays = write_npz(folder / "mnist.npz")
    first = data.load_splits("mnist").sha256
    changed = arrays["x_test"].copy()
    changed[0, 0, 0] ^= 1
    write_npz(folder / "mnist.npz", x_test=changed)
    sources.load_arrays.cache_clear()
    assert data.load_splits("mnist").sha256 != first


def test_full_without_data_names_the_file_and_the_place(folder):
    with pytest.raises(FileNotFoundError, match=r"mnist\.npz in DENOISE_DATA_DIR or .*data.*put mnist\.npz there"):
        data.load_splits("mnist", profile=profiles.load_profile("full"))


@pytest.mark.parametrize(("name", "shape"), [("mnist", 1), ("fashion_mnist", 1), ("cifar10", 3), ("digits", 1)])
def test_quick_without_data_falls_back_to_real_bundled_images(folder, capsys, name, shape):
    splits = data.load_splits(name, profile=profiles.load_profile("quick"))
    assert splits.label == ("bundled photographs" if name == "cifar10" else "bundled digits")
    assert splits.train.images.shape[-1] == shape
    assert splits.train.images.std() > 0.1 and len(splits.train.images) > 300
    said = capsys.readouterr().out
    assert (splits.label in said and said.count("\n") == 1) or name == "digits"


def test_bundled_patches_share_no_pixel(folder, monkeypatch):
    """Nor do the training and the test set; each pixel here has a colour of its own."""
    number = np.arange(2 * 100 * 160).reshape(2, 100, 160)
    photos = np.stack([number % 256, number // 256, 0 * number], axis=-1).astype(np.uint8)
    monkeypatch.setattr(datasets, "load_sample_images", lambda: SimpleNamespace(images=list(photos)))
    splits = data.load_splits("cifar10", num_val=3, profile=profiles.load_profile("quick"))
    images = np.concatenate([part.images for part in (splits.train, splits.val, splits.test)])
    assert images.shape == (2 * 3 * (3 + 1), 32, 32, 3)  # of 120 and of 40 pixels in width
    pixels = np.round(images.reshape(-1, 3) * 255)
    assert len(np.unique(pixels, axis=0)) == len(pixels)


class SilentServer:
    """Accepts connections on loopback and never answers."""

    def __enter__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def __exit__(self, *_):
        self.socket.close()


def test_stalled_download_is_given_up_and_not_tried_again_at_once(folder, monkeypatch):
    import keras

    asked = []

    def load_data():
        asked.append(1)
        return urllib.request.urlopen(address)

    monkeypatch.delenv("DENOISE_OFFLINE")
    monkeypatch.setattr(profiles, "project_root", lambda: folder)
    monkeypatch.setattr(sources, "DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    with SilentServer() as address:
        for _ in range(2):
            assert data.load_splits("mnist", profile=profiles.load_profile("quick")).label == sources.BUNDLED
            sources.load_arrays.cache_clear()
        assert len(asked) == 1
    with pytest.raises(FileNotFoundError, match="timed out"):
        data.load_splits("mnist", profile=profiles.load_profile("full"))
    assert socket.getdefaulttimeout() is None


def test_keras_own_copy_is_used_where_no_file_is(folder, monkeypatch):
    import keras

    arrays = write_npz(folder / "kept_elsewhere.npz")
    halves = [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")]
    monkeypatch.delenv("DENOISE_OFFLINE")
    monkeypatch.setattr(profiles, "project_root", lambda: folder)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: halves)
    splits = data.load_splits("mnist", profile=profiles.load_profile("full"))
    assert splits.source == "keras.datasets" and splits.label == "MNIST"
    assert np.array_equal(splits.test.images[..., 0] * 255, arrays["x_test"])


def test_relative_folder_is_found_from_a_notebooks_folder(folder, monkeypatch, tmp_path):
    (tmp_path / "project" / "notebooks").mkdir(parents=True)
    (tmp_path / "project" / "denoise_utils").mkdir()
    (tmp_path / "project" / "mine").mkdir()
    write_npz(tmp_path / "project" / "mine" / "mnist.npz")
    monkeypatch.setenv("DENOISE_DATA_DIR", "mine")
    monkeypatch.chdir(tmp_path / "project" / "notebooks")
    assert data.load_splits("mnist").source == "mnist.npz"


BAD_FILES = {
    "a missing key": {"y_test": None},
    "floats": {"x_train": np.zeros((100, 28, 28))},
    "another size": {"x_test": np.zeros((20, 32, 32), np.uint8)},
    "labels of another length": {"y_train": np.zeros(7, np.uint8)},
    "objects": {"y_train": np.array([{}] * 100, dtype=object)},
    "empty": {"x_train": np.zeros((0, 28, 28), np.uint8), "y_train": np.zeros(0, np.uint8)},
}


@pytest.mark.parametrize("fault", BAD_FILES)
def test_wrong_npz_is_refused_by_name(folder, fault):
    write_npz(folder / "mnist.npz", **BAD_FILES[fault])
    with pytest.raises(ValueError, match=r"Expected .*mnist\.npz to hold x_train.*Put a whole copy"):
        data.load_splits("mnist")


def promise(path, dtype="<u1"):
    """Write an npz whose header promises more images than any memory holds."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": (10**13, 28, 28)}).ljust(117) + "\n"
    with zipfile.ZipFile(path, "w") as file:
        for key in sources.KEYS:
            file.writestr(f"{key}.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode())


def damage_bytes(path, step):
    """Flip a bit of every `step`-th byte."""
    content = bytearray(path.read_bytes())
    content[::step] = bytes(byte ^ 1 for byte in content[::step])
    path.write_bytes(content)


@pytest.mark.parametrize("fault", ["a promise", "encrypted", "an unknown compression", "flipped bits"])
def test_hostile_npz_is_refused_by_name(folder, fault):
    path = folder / "mnist.npz"
    if fault == "a promise":
        promise(path)
    else:
        write_npz(path)
        whole = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):  # each entry's header, twice
            place = whole.find(signature)
            while place >= 0:
                if fault == "encrypted":
                    whole[place + offset] |= 1
                elif fault == "an unknown compression":
                    whole[place + offset + 2] = 77
                place = whole.find(signature, place + 1)
        path.write_bytes(whole)
        if fault == "flipped bits":
            damage_bytes(path, 997)
    with pytest.raises(ValueError, match=r"Expected .*mnist\.npz to hold x_train.*Put a whole copy"):
        data.load_splits("mnist")


def test_hundreds_of_damaged_npz_are_refused_in_words(folder):
    write_npz(folder / "mnist.npz")
    whole, rng, refused = (folder / "mnist.npz").read_bytes(), random.Random(1), 0
    headers = [place for place in range(len(whole) - 6) if whole[place : place + 6] == b"\x93NUMPY"]
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[rng.choice(headers) + rng.randrange(128)] ^= rng.randrange(1, 256)
        (folder / "mnist.npz").write_bytes(flipped)
        try:
            sources.read_npz(folder / "mnist.npz", (28, 28))
        except ValueError as error:
            assert str(error).startswith("Expected ") and "\n" not in str(error)
            refused += 1
    assert refused > 200


def test_arrays_of_an_npz_are_measured_before_they_are_read(folder):
    arrays = write_npz(folder / "mnist.npz") | {"x_test": np.zeros((40_000, 784), np.float64)}
    np.savez_compressed(folder / "mnist.npz", **arrays)  # 250 MB, packed to less than one
    assert (folder / "mnist.npz").stat().st_size < 1_000_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="has x_test of dtype float64"):
        sources.read_npz(folder / "mnist.npz", (28, 28))
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("named", ["nowhere", "a file"])
def test_data_folder_that_is_none_is_named(folder, monkeypatch, named):
    (folder / "a file").write_text("x")
    monkeypatch.setenv("DENOISE_DATA_DIR", str(folder / named))
    with pytest.raises(ValueError, match=f"DENOISE_DATA_DIR to name a folder, got .*{named}: correct or unset"):
        data.load_splits("mnist", profile=profiles.load_profile("quick"))


def test_data_folder_of_a_user_who_is_none_is_named(folder, monkeypatch):
    monkeypatch.setenv("DENOISE_DATA_DIR", "~nobody-of-this-name/data")
    with pytest.raises(ValueError, match="DENOISE_DATA_DIR to name a folder, got ~nobody-of-this-name/data"):
        data.load_splits("mnist", profile=profiles.load_profile("quick"))


def test_npy_named_npz_is_refused(folder):
    np.save(folder / "mnist.npy", np.zeros((100, 28, 28), np.uint8))
    (folder / "mnist.npy").rename(folder / "mnist.npz")
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        data.load_splits("mnist")


@pytest.mark.parametrize("keep", [0, 10, 1000, 50_000])
def test_truncated_npz_is_refused(folder, keep):
    write_npz(folder / "mnist.npz")
    whole = (folder / "mnist.npz").read_bytes()
    assert keep < len(whole)
    (folder / "mnist.npz").write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r"mnist\.npz"):
        data.load_splits("mnist")


def test_unknown_dataset_is_an_error():
    with pytest.raises(ValueError, match='got "minst"'):
        data.load_splits("minst")


IMAGES = np.full((2, 28, 28, 1), 0.5, np.float32)
WRONG = {
    "bytes": (np.uint8(IMAGES * 255), TypeError, "divide by 255"),
    "range": (IMAGES * 255, ValueError, "got 127.5 to 127.5"),
    "negative": (IMAGES - 1, ValueError, "got -0.5"),
    "no channel": (IMAGES[..., 0], ValueError, r"images\[\.\.\., None\]"),
    "flat": (IMAGES.reshape(2, -1), ValueError, r"two sides: images\.reshape\(-1, 28, 28, 1\)\."),
    "flat, of another size": (np.ones((2, 1024), np.float32), ValueError, r"reshape\(-1, 32, 32, 1\)\."),
    "no square": (np.ones((2, 783), np.float32), ValueError, r"got \(2, 783\)\.$"),
    "one image": (np.ones((16, 16), np.float32), ValueError, r"got \(16, 16\)\.$"),
    "more than rounding": (IMAGES * 2.0001, ValueError, "got 1.00005 to 1.00005"),
    "less than rounding": (IMAGES * -0.0001, ValueError, "got -5e-05 to -5e-05"),
    "five axes": (IMAGES[None], ValueError, "shape"),
    "two channels": (np.repeat(IMAGES, 2, axis=-1), ValueError, "1 or 3"),
    "empty": (IMAGES[:0], ValueError, "at least one image"),
    "NaN": (IMAGES * np.nan, ValueError, "NaN"),
    "infinity": (IMAGES * np.inf, ValueError, "infinity"),
    "text": (np.array(["a picture"]), TypeError, "float32"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_images_are_refused(fault):
    images, kind, words = WRONG[fault]
    with pytest.raises(kind, match=words):
        data.check_images(images)


@pytest.mark.parametrize(
    ("value", "kept"), [(np.float32(1.0000001), 1), (np.float32(-1e-7), 0), (np.float64(1.000001), 1)]
)
def test_what_rounding_leaves_beside_the_range_is_cut_off(value, kept):
    images = np.full((2, 28, 28, 1), value)
    assert images.max() > 1 or images.min() < 0
    before = images.copy()
    assert np.all(data.check_images(images) == kept) and np.array_equal(images, before)


def test_images_in_the_range_are_not_copied():
    assert data.check_images(IMAGES) is IMAGES


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("order", ["C", "F"])
def test_pairs_are_read_from_every_pickle_protocol(tmp_path, rng, protocol, order):
    clean = np.asarray(rng.random((5, 28, 28)), order=order)
    noisy = np.asarray(clean + rng.random((5, 28, 28)), order=order)
    found = data.load_pairs(dump(tmp_path / "X.pkl", noisy, protocol), dump(tmp_path / "Y.pkl", clean, protocol))
    assert [array.shape for array in found] == [(5, 28, 28, 1)] * 2
    assert found[0].max() == 1 and np.allclose(found[0][..., 0], noisy / noisy.max(), atol=1e-6)
    assert np.allclose(found[1][..., 0], clean, atol=1e-6)


@pytest.mark.parametrize(("highest", "divided"), [(0.4, 1), (1.0, 1), (1.8, 1.8), (255, 255)])
def test_only_noisy_images_above_one_are_divided(tmp_path, rng, highest, divided):
    noisy = rng.random((5, 28, 28))
    noisy *= highest / noisy.max()
    found, _ = data.load_pairs(dump(tmp_path / "X.pkl", noisy), dump(tmp_path / "Y.pkl", rng.random((5, 28, 28))))
    assert np.allclose(found[..., 0], noisy / divided, atol=1e-6)


RANGES = {  # of the noisy values: which two of them come to 0 and to 1
    (0.1, 0.4): (0, 1),
    (0, 1): (0, 1),
    (0, 1.8): (0, 1.8),
    (-1, 1): (-1, 1),
    (-0.6, 1.7): (-0.6, 1.7),
    (-0.4, 0.3): (-0.4, 1),
    (-3, -1): (-3, 1),
    (-128, 127): (-128, 127),
    (-60_000, 60_000): (-60_000, 60_000),
}


@pytest.mark.parametrize("found", RANGES)
@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
def test_noisy_images_may_have_any_range(tmp_path, rng, found, kind):
    (low, high), (zero, one) = found, RANGES[found]
    noisy = rng.random((5, 28, 28))
    noisy = low + (noisy - noisy.min()) / (noisy.max() - noisy.min()) * (high - low)
    noisy = noisy.astype(kind)
    clean = rng.random((5, 28, 28))
    scaled, kept = data.load_pairs(dump(tmp_path / "X.pkl", noisy), dump(tmp_path / "Y.pkl", clean))
    assert scaled.dtype == np.float32 and scaled.min() >= 0 and scaled.max() <= 1
    assert np.allclose(scaled[..., 0], (noisy.astype(float) - zero) / (one - zero), atol=1e-3)
    assert np.array_equal(kept[..., 0], np.float32(clean))


def test_whole_numbers_of_either_sign_are_scaled_without_overflow(tmp_path):
    noisy = np.resize(np.arange(-128, 128, dtype=np.int8), (5, 28, 28))
    clean = np.resize(np.array([False, True]), (5, 28, 28))
    scaled, kept = data.load_pairs(dump(tmp_path / "X.pkl", noisy), dump(tmp_path / "Y.pkl", clean))
    assert np.allclose(scaled[..., 0] * 255 - 128, noisy, atol=1e-4) and np.array_equal(kept[..., 0], clean)


@pytest.mark.parametrize("flat", [(True, True), (True, False), (False, True)])
def test_pairs_of_784_values_are_images_of_28_by_28(tmp_path, rng, flat):
    pairs = rng.random((2, 5, 28, 28), dtype=np.float32)
    paths = tmp_path / "X.pkl", tmp_path / "Y.pkl"
    for path, images, as_rows in zip(paths, pairs, flat, strict=True):
        dump(path, images.reshape(5, 784) if as_rows else images)
    assert np.array_equal(data.load_pairs(*paths), pairs[..., None])


def test_clean_images_of_a_hair_above_one_are_no_error(tmp_path, rng):
    clean = rng.random((5, 28, 28))
    clean[0, 0, 0] = 1.0000001
    found = data.load_pairs(dump(tmp_path / "X.pkl", clean), dump(tmp_path / "Y.pkl", clean))
    assert found[1].max() == 1


NOT_PAIRS = {
    "a list": ([[0.0]], [[0.0]], "numpy array of numbers|which are not numbers"),
    "objects": (np.array([None]), np.array([None]), "numpy array of numbers|which are not numbers"),
    "text": (np.array(["a"]), np.array(["a"]), "numpy array of numbers|which are not numbers"),
    "shapes that differ": (np.ones((3, 28, 28)), np.ones((2, 28, 28)), "of one shape"),
    "one image": (np.ones((28, 28)), np.ones((28, 28)), "of one shape"),
    "flat, of another size": (np.ones((3, 1024)), np.ones((3, 1024)), r"reshape\(-1, 32, 32, 1\)\.$"),
    "clean flat": (np.ones((3, 32, 32)), np.ones((3, 1024)), r"reshape\(-1, 32, 32, 1\)\.$"),
    "empty": (np.ones((0, 28, 28)), np.ones((0, 28, 28)), "at least one image"),
    "clean up to 255": (np.ones((3, 28, 28)), np.full((3, 28, 28), 255.0), "got 255 to 255"),
    "clean below 0": (np.ones((3, 28, 28)), np.full((3, 28, 28), -0.5), "clean images of .*Y.pkl in .* got -0.5 to"),
    "clean NaN": (np.ones((3, 28, 28)), np.full((3, 28, 28), np.nan), "finite clean images of .*Y.pkl, got NaN"),
    "clean beyond float32": (np.ones((3, 28, 28)), np.full((3, 28, 28), 1e300), "got NaN or infinity"),
    "all black": (np.zeros((3, 28, 28)), np.ones((3, 28, 28)), "got 0 everywhere, nothing above 0"),
    "one value below 0": (np.full((3, 28, 28), -2.0), np.ones((3, 28, 28)), "got -2 everywhere"),
    "all NaN": (np.full((3, 28, 28), np.nan), np.ones((3, 28, 28)), "finite noisy images of .*X.pkl, got NaN"),
    "a NaN": (np.array([[[0, np.nan]]]), np.ones((1, 1, 2)), "finite noisy images of .*X.pkl, got NaN"),
    "infinity": (np.array([[[0, np.inf]]]), np.ones((1, 1, 2)), "finite noisy images of .*X.pkl, got NaN or inf"),
    "both infinities": (np.array([[[-np.inf, np.inf]]]), np.ones((1, 1, 2)), "finite noisy images"),
    "too far apart": (np.array([[[-1.7e308, 1.7e308]]]), np.ones((1, 1, 2)), "finite noisy images"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("fault", NOT_PAIRS)
def test_pairs_that_are_none_are_refused_in_one_line(tmp_path, fault):
    noisy, clean, words = NOT_PAIRS[fault]
    with pytest.raises(ValueError, match=words) as caught:
        data.load_pairs(dump(tmp_path / "X.pkl", noisy), dump(tmp_path / "Y.pkl", clean))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "words"),
    [((19, 28, 28), "at least 20 pairs, got 19"), ((20, 16, 16), r"gray pairs of 28 pixels a side, got \(20,")],
)
def test_own_pairs_of_another_size_are_refused_by_what_is_wrong(tmp_path, monkeypatch, rng, shape, words):
    path = dump(tmp_path / "X.pkl", rng.random(shape))
    monkeypatch.setenv("DENOISE_PAIRS", f"{path},{path}")
    with pytest.raises(ValueError, match=words):
        noise.load_task("pairs")


@pytest.mark.parametrize("protocol", range(3))
def test_own_pairs_of_python_2_are_trained_on(tmp_path, monkeypatch, rng, protocol):
    noisy, clean = rng.standard_normal((20, 28, 28)), rng.random((20, 28, 28))
    for name, array in (("X", noisy), ("Y", clean)):
        (tmp_path / f"{name}.pkl").write_bytes(by_python_2(array, protocol))
    monkeypatch.setenv("DENOISE_PAIRS", f"{tmp_path / 'X.pkl'},{tmp_path / 'Y.pkl'}")
    pairs = noise.load_task("pairs")
    parts = [pairs.train, pairs.val, pairs.test]
    assert sum(len(part.clean) for part in parts) == 20
    everything = np.concatenate([part.noisy for part in parts])
    assert everything.min() == 0 and everything.max() == 1


def test_shifted_digits_keep_their_ink_and_move(digits, rng):
    shifted = data.shift_randomly(digits, rng)
    assert shifted.shape == digits.shape and not np.array_equal(shifted, digits)
    inner = np.pad(digits[:, 4:-4, 4:-4], ((0, 0), (4, 4), (4, 4), (0, 0)))
    moved = data.shift_randomly(inner, rng)
    assert np.allclose(moved.sum(axis=(1, 2, 3)), inner.sum(axis=(1, 2, 3)), rtol=1e-5)
