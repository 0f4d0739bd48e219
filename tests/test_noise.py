"""Noise: every kind damages, keeps its range, obeys its seed, leaves its input alone, and takes all images at once."""

import sys

import numpy as np
import pytest
from skimage import transform

from denoise_utils import data, noise

KINDS = {
    "watermark": lambda clean, seed: noise.add_watermark(clean, 10, seed=seed),
    "occlusion": lambda clean, seed: noise.add_occlusion(clean, 3, seed=seed),
    "sum": lambda clean, seed: noise.add_clutter(clean, clean[::-1].copy(), "sum", seed=seed),
    "maximum": lambda clean, seed: noise.add_clutter(clean, clean[::-1].copy(), "maximum", seed=seed),
    "clipped sum": lambda clean, seed: noise.add_clutter(clean, clean[::-1].copy(), "clipped sum", seed=seed),
    "gaussian": lambda clean, seed: noise.add_gaussian(clean, 0.2, seed=seed),
    "salt_pepper": lambda clean, seed: noise.add_salt_and_pepper(clean, 0.3, seed=seed),
    "masking": lambda clean, seed: noise.add_masking(clean, 0.3, seed=seed),
}


@pytest.mark.parametrize("kind", KINDS)
def test_damages_within_range_and_never_in_place(digits, kind):
    before = digits.copy()
    noisy = KINDS[kind](digits, 0)
    assert np.array_equal(digits, before)
    assert noisy.shape == digits.shape and noisy.dtype == np.float32
    assert noisy.min() >= 0 and noisy.max() <= 1
    assert np.mean(np.any(noisy != digits, axis=(1, 2, 3))) > 0.9


@pytest.mark.parametrize("kind", KINDS)
def test_same_seed_same_noise_other_seed_other_noise(digits, kind):
    assert np.array_equal(KINDS[kind](digits, 3), KINDS[kind](digits, 3))
    assert not np.array_equal(KINDS[kind](digits, 3), KINDS[kind](digits, 4))


def count_lines(action):
    """Return how many lines of Python, all that it calls included, run in `action()`."""
    lines, before = [0], sys.gettrace()

    def trace(frame, event, argument):
        lines[0] += event == "line"
        return trace

    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return lines[0]


@pytest.mark.parametrize("kind", KINDS)
def test_no_loop_goes_over_the_images(digits, kind):
    """It would take minutes for sixty thousand."""
    few, many = (count_lines(lambda n=n: KINDS[kind](np.resize(digits, (n, 28, 28, 1)), 0)) for n in (10, 2000))
    assert few > 0 and many < few + 1000


def test_watermark_stamps_whole_marks_of_nine_pixels():
    black = np.zeros((3000, 28, 28, 1), np.float32)
    noisy = noise.add_watermark(black, 1, seed=0)
    assert np.all(noisy.sum(axis=(1, 2, 3)) == 9)
    corners = {tuple(np.argwhere(image[..., 0])[0]) for image in noisy}
    rows, columns = {row for row, _ in corners}, {column for _, column in corners}
    assert rows == set(range(24)) and columns == set(range(24))
    top, left = np.argwhere(noisy[0, ..., 0])[0]
    assert np.array_equal(noisy[0, top : top + 5, left : left + 5, 0], noise.WATERMARK)


def test_watermark_takes_a_number_per_image():
    black = np.zeros((4, 28, 28, 1), np.float32)
    lit = noise.add_watermark(black, np.array([0, 1, 2, 30]), seed=0).sum(axis=(1, 2, 3))
    assert lit[0] == 0 and lit[1] == 9 and 9 < lit[2] <= 18 and lit[3] > 90


def test_occlusion_draws_rows_on_even_and_columns_on_odd_images():
    black = np.zeros((4000, 28, 28, 1), np.float32)
    noisy = noise.add_occlusion(black, seed=0)[..., 0]
    assert np.all(noisy.sum(axis=(1, 2)) == 28)
    rows = {int(np.flatnonzero(image.all(axis=1))[0]) for image in noisy[::2]}
    columns = {int(np.flatnonzero(image.all(axis=0))[0]) for image in noisy[1::2]}
    assert rows == columns == set(range(10, 21))


def test_clutter_mixes_by_hand():
    clean, garment = np.full((1, 2, 2, 1), 0.8, np.float32), np.full((1, 2, 2, 1), 0.6, np.float32)
    values = [noise.add_clutter(clean, garment, mix, seed=0)[0, 0, 0, 0] for mix in noise.MIXES]
    assert np.allclose(values, [0.7, 0.8, 1.0])


def test_clutter_pairs_at_random(digits):
    black = np.zeros_like(digits)
    noisy = noise.add_clutter(black, digits, seed=0) * 2
    assert not np.array_equal(noisy, digits)
    assert all(any(np.allclose(image, garment) for garment in digits) for image in noisy)


def test_gaussian_has_the_sigma_that_was_asked():
    grey = np.full((200, 28, 28, 1), 0.5, np.float32)
    noisy = noise.add_gaussian(grey, 0.1, seed=0)
    assert abs(noisy.std() - 0.1) < 0.001 and abs(noisy.mean() - 0.5) < 0.001
    spread = noise.add_gaussian(grey[:2], np.array([0.0, 0.1]), seed=0).std(axis=(1, 2, 3))
    assert spread[0] == 0 and spread[1] > 0.08


def test_salt_and_pepper_and_masking_hit_the_fraction_asked():
    grey = np.full((200, 28, 28, 3), 0.5, np.float32)
    noisy = noise.add_salt_and_pepper(grey, 0.3, seed=0)
    assert abs(np.mean(noisy == 1) - 0.15) < 0.005 and abs(np.mean(noisy == 0) - 0.15) < 0.005
    assert np.array_equal(noisy[..., 0], noisy[..., 1])
    assert abs(np.mean(noise.add_masking(grey, 0.3, seed=0) == 0) - 0.3) < 0.005


BAD_CALLS = {
    "sigma of 25": lambda x: noise.add_gaussian(x, 25, seed=0),
    "negative amount": lambda x: noise.add_masking(x, -0.1, seed=0),
    "two sigmas for forty images": lambda x: noise.add_gaussian(x, [0.1, 0.2], seed=0),
    "half a mark": lambda x: noise.add_watermark(x, 0.5, seed=0),
    "more marks than pixels": lambda x: noise.add_watermark(x, 1_000_000_000, seed=0),
    "no thickness": lambda x: noise.add_occlusion(x, 0, seed=0),
    "unknown mix": lambda x: noise.add_clutter(x, x, "minimum", seed=0),
    "garments of another size": lambda x: noise.add_clutter(x, x[:, :14], seed=0),
    "bytes": lambda x: noise.add_gaussian(np.uint8(x * 255), 0.1, seed=0),
    "unknown task": lambda x: noise.load_task("rain"),
}


@pytest.mark.parametrize("call", BAD_CALLS)
def test_bad_calls_say_what_was_expected(digits, call):
    with pytest.raises((ValueError, TypeError), match="Expected"):
        BAD_CALLS[call](digits)


@pytest.mark.parametrize("task", noise.TASKS)
def test_every_task_loads_the_same_noise_for_every_model(task):
    one, two = (noise.load_task(task, num_train=8, num_val=6, num_test=5) for _ in range(2))
    assert np.array_equal(one.test.noisy, two.test.noisy)
    assert (len(one.train.clean), len(one.val.clean), len(one.test.clean)) == (8, 6, 5)
    assert not np.array_equal(one.test.noisy, one.test.clean)
    assert one.record["task"] == task and one.record["images"] == {"train": 8, "val": 6}


def test_own_pairs_are_split_as_the_assignment_splits_them(tmp_path, monkeypatch, rng):
    clean = rng.random((100, 28, 28))
    for name, array in (("X", clean * 2), ("Y", clean)):
        (tmp_path / f"{name}.pkl").write_bytes(__import__("pickle").dumps(array))
    monkeypatch.setenv("DENOISE_PAIRS", f"{tmp_path / 'X.pkl'}, {tmp_path / 'Y.pkl'}")
    assert noise.assignment_task() == "pairs"
    pairs = noise.load_task("pairs")
    assert [len(part.clean) for part in (pairs.train, pairs.val, pairs.test)] == [72, 18, 10]
    assert pairs.test.labels is None and pairs.label == "X.pkl + Y.pkl"
    monkeypatch.setenv("DENOISE_PAIRS", "only_one.pkl")
    with pytest.raises(ValueError, match="DENOISE_PAIRS"):
        noise.load_task("pairs")


def test_colour_task_is_resized_smoothly_before_the_noise():
    pairs = noise.load_task("colour", num_train=4, num_val=4, num_test=100)
    assert pairs.test.clean.shape == (100, 28, 28, 3) and pairs.record["side"] == 28
    gray = abs(pairs.test.clean - 0.5) < 0.2  # far from black and white, where the noise is cut off
    assert np.std((pairs.test.noisy - pairs.test.clean)[gray]) == pytest.approx(0.1, abs=0.01)
    whole = data.load_splits("cifar10", num_train=4, num_val=4, num_test=100).test.images
    smaller = transform.resize(whole, (100, 28, 28, 3), order=1, anti_aliasing=True)
    assert np.mean((pairs.test.clean - smaller) ** 2) < 2e-4
    assert np.allclose(pairs.test.clean.mean((1, 2)), whole.mean((1, 2)), atol=0.02)
