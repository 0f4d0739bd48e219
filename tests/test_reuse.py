"""Reuse: any size and dtype, tiles that agree with the whole, bounded memory, models that are no denoisers."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from denoise_utils import evaluation, models, reuse, saving
from denoise_utils.opening.reach import Reach
from tests.conftest import ROOT

SMALL = ROOT / "models" / "gaussian_small.h5"
COLOUR = ROOT / "models" / "colour_small.h5"


def tied_model(steps=8, strides=2, channels=1):
    """A fully convolutional model: one convolution used again and again, at half the size if `strides` is 2."""
    keras.utils.set_random_seed(3)
    again = layers.Conv2D(8, 3, padding="same", activation="relu", kernel_initializer="orthogonal")
    inputs = layers.Input((None, None, channels))
    x = layers.Conv2D(8, 3, strides=strides, padding="same", activation="relu")(inputs)
    for _ in range(steps):
        x = layers.Add()([again(x), x])
        x = layers.Rescaling(0.7)(x)
    if strides > 1:
        x = layers.UpSampling2D(strides)(x)
    x = layers.Conv2D(channels, 3, padding="same", kernel_initializer="orthogonal", activation="sigmoid")(x)
    return keras.Model(inputs, x)


def cut(side, model):
    """Return how a side of so many pixels is cut for `model`."""
    found = reuse.survey(model)
    return reuse.cut_side(side, None, found, reuse.bound_window(found))


@pytest.fixture(scope="module")
def small():
    model = saving.load_model(ROOT / "models" / "gaussian_cap_baseline.h5")
    assert model.input_shape == (None, 28, 28, 1), "fixed, or these tests prove nothing"
    return model


@pytest.fixture(scope="module")
def tied():
    return tied_model()


def test_digits_come_out_as_the_model_gives_them(small, digits):
    expected = evaluation.clip(evaluation.predict(small, digits))
    found = reuse.denoise(small, digits)
    assert found.dtype == np.float32 and np.allclose(found, expected, atol=1e-6)
    assert not np.allclose(found, digits, atol=1e-2)


SHAPES = [(28, 28), (1, 1), (5, 90), (61, 40), (28, 28, 1), (33, 47, 1), (3, 28, 28, 1), (2, 31, 57, 1)]


@pytest.mark.parametrize("kind", ["fixed", "free"])
@pytest.mark.parametrize("shape", SHAPES)
def test_any_shape_keeps_shape_and_dtype(small, tied, rng, kind, shape):
    model = small if kind == "fixed" else tied
    as_bytes = rng.integers(0, 256, shape, dtype=np.uint8)
    kept = as_bytes.copy()
    found = reuse.denoise(model, as_bytes)
    assert found.dtype == np.uint8 and found.shape == shape and np.array_equal(as_bytes, kept)
    floats = reuse.denoise(model, as_bytes / 255)
    assert floats.dtype == np.float32 and floats.shape == shape and 0 <= floats.min() <= floats.max() <= 1
    assert np.abs(found - floats * 255).max() <= 0.51


def test_padding_and_cropping_are_those_of_the_model(tied, rng):
    image = rng.random((1, 30, 41, 1), dtype=np.float32)
    padded = np.pad(image, ((0, 0), (0, 0), (0, 1), (0, 0)), mode="reflect")
    assert np.allclose(reuse.denoise(tied, image), tied.predict_on_batch(padded)[:, :, :41], atol=1e-6)


@pytest.mark.parametrize(("steps", "strides"), [(8, 2), (20, 1)])
def test_tiles_agree_with_the_whole_picture(monkeypatch, rng, steps, strides):
    model = tied_model(steps, strides)
    image = rng.random((1, 420, 346, 1), dtype=np.float32)
    whole = model.predict_on_batch(image)
    monkeypatch.setattr(reuse, "TILE", 64)
    assert cut(420, model).window < 346
    assert np.abs(reuse.denoise(model, image) - whole).max() < 1e-5


def test_picture_is_not_cut_for_a_model_that_uses_means(monkeypatch, rng):
    model = saving.load_model(SMALL)
    assert any(isinstance(layer, layers.GlobalAveragePooling2D) for layer in model.layers)
    image = rng.random((1, 96, 120, 1), dtype=np.float32)
    whole = evaluation.clip(model.predict_on_batch(image))
    monkeypatch.setattr(reuse, "TILE", 64)
    assert np.abs(reuse.denoise(model, image) - whole).max() < 1e-6
    monkeypatch.setattr(reuse, "MAX_WHOLE", 2**17)
    with pytest.raises(
        ValueError, match=r'got 96 x 120: the layer "\w+" of this model sees the whole picture.*smaller'
    ):
        reuse.denoise(model, image)


def test_tiles_of_a_model_with_poolings_and_skips_agree(monkeypatch, rng):
    keras.utils.set_random_seed(1)
    inputs = layers.Input((None, None, 3))
    one = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    two = layers.Conv2D(4, 5, padding="same", activation="relu")(layers.MaxPooling2D(2)(one))
    three = layers.Conv2D(4, 3, dilation_rate=2, padding="same")(layers.AveragePooling2D(2)(two))
    up = layers.Conv2DTranspose(4, 4, strides=2, padding="same")(three)
    up = layers.UpSampling2D(2, interpolation="bilinear")(layers.Add()([up, two]))
    model = keras.Model(inputs, layers.Conv2D(3, 3, padding="same")(layers.Concatenate()([up, one])))
    image = rng.random((1, 700, 508, 3), dtype=np.float32)
    expected = evaluation.clip(model.predict_on_batch(image))
    monkeypatch.setattr(reuse, "TILE", 32)
    assert reuse.survey(model).multiple == 4 and cut(700, model).window < 508
    assert np.abs(reuse.denoise(model, image) - expected).max() < 1e-5


@pytest.mark.parametrize("nested", [False, True])
def test_survey_reads_multiple_and_reach(nested):
    chain = [layers.Conv2D(4, 3, strides=2, padding="same"), layers.Conv2D(4, 3, padding="same")]
    chain += [layers.Conv2D(4, 3, strides=2, padding="same"), layers.UpSampling2D(4)]
    chain += [layers.Conv2D(1, 3, padding="same")]
    if nested:
        chain = [keras.Sequential([layers.Input((None, None, 1)), *chain[:2]]), *chain[2:]]
    model = keras.Sequential([layers.Input((None, None, 1)), *chain])
    found = reuse.survey(model)
    image = np.zeros((1, 64, 64, 1), np.float32)
    changed = image.copy()
    changed[0, 32, 32] = 1
    moved = np.argwhere(np.abs(model.predict_on_batch(changed) - model.predict_on_batch(image))[0, ..., 0] > 0) - 32
    assert found.multiple == 4 and np.abs(moved).max() <= found.margin <= np.abs(moved).max() + 4


def test_blended_windows_beat_windows_side_by_side(digits):
    """The digits lie across the windows' borders; the model takes 28x28 and no other size."""
    small = saving.load_model(ROOT / "models" / "gaussian_cap_baseline.h5")
    mosaic = np.roll(np.block([[digits[4 * i + j, ..., 0] for j in range(4)] for i in range(4)]), (14, 14), (0, 1))
    noisy = np.clip(mosaic + np.random.default_rng(0).normal(0, 0.2, mosaic.shape), 0, 1).astype(np.float32)
    windows = noisy.reshape(4, 28, 4, 28).transpose(0, 2, 1, 3).reshape(16, 28, 28, 1)
    beside = evaluation.predict(small, windows).reshape(4, 4, 28, 28).transpose(0, 2, 1, 3).reshape(112, 112)
    errors = [np.mean((images - mosaic) ** 2) for images in (noisy, beside, reuse.denoise(small, noisy))]
    assert errors[0] > errors[1] > 1.2 * errors[2]


def test_weights_of_windows_add_up_to_one():
    whole = (28, None, 1, 6)  # a side of twice the reach and a ramp, which is no longer than its one window
    for side, fixed, multiple, reach in ((100, 28, 1, 0), (29, 28, 1, 0), (28, 28, 1, 0), (5000, None, 8, 50), whole):
        axis = reuse.cut_side(side, fixed, Reach(multiple, reach, 1), 4096)
        total = np.zeros(axis.length)
        for start, weights in zip(axis.starts, axis.weights, strict=True):
            assert start % multiple == 0
            total[start : start + axis.window] += weights
        assert np.allclose(total, 1, atol=1e-6) and axis.length >= side


def test_colour_by_a_colour_model_and_per_channel_by_a_gray_one_if_asked(small, rng):
    picture = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert reuse.denoise(saving.load_model(COLOUR), picture).shape == (40, 50, 3)
    with pytest.raises(ValueError, match=r"1 channel\(s\).*got 3: pass per_channel=True"):
        reuse.denoise(small, picture)
    found = reuse.denoise(small, picture, per_channel=True)
    for channel in range(3):
        assert np.array_equal(found[..., channel], reuse.denoise(small, picture[..., channel]))
    with pytest.raises(ValueError, match=r"3 channel\(s\).*got 1: repeat the channel"):
        reuse.denoise(saving.load_model(COLOUR), picture[..., 0])


WRONG = {
    "whole numbers": (np.zeros((28, 28), int), TypeError, "uint8, or as floats"),
    "up to 255": (np.full((28, 28), 255.0), ValueError, r"in \[0, 1\], got 255"),
    "NaN": (np.full((28, 28), np.nan), ValueError, "NaN"),
    "no pixel": (np.zeros((0, 28), np.uint8), ValueError, "at least one pixel"),
    "no image": (np.zeros((0, 28, 28, 1)), ValueError, "at least one pixel"),
    "four channels": (np.zeros((28, 28, 4), np.uint8), ValueError, r"got \(28, 28, 4\)"),
    "a row": (np.zeros(784, np.uint8), ValueError, r"got \(784,\)"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_wrong_images_are_refused(small, fault):
    images, kind, words = WRONG[fault]
    with pytest.raises(kind, match=words):
        reuse.denoise(small, images)


def no_denoiser(kind):
    """Build a model that is no denoiser of images (N, H, W, C)."""
    if kind == "judge":
        return models.digit_judge()
    if kind == "flat":
        return keras.Sequential([layers.Input((784,)), layers.Dense(784)])
    if kind == "channels first":
        return keras.Sequential([layers.Input((1, 28, 28)), layers.Conv2D(1, 3, 1, "same", "channels_first")])
    if kind == "channels first, three wide":
        inputs = layers.Input((3, None, 3))
        return keras.Model(inputs, layers.Conv2D(3, 3, 1, "same", data_format="channels_first")(inputs))
    if kind == "two inputs":
        inputs = [layers.Input((28, 28, 1)), layers.Input((28, 28, 1))]
        return keras.Model(inputs, layers.Add()(inputs))
    if kind == "smaller":
        return keras.Sequential([layers.Input((None, None, 1)), layers.MaxPooling2D(2)])
    model = keras.Sequential([layers.Input((28, 28, 1)), layers.Conv2D(1, 3, padding="same")])
    model.set_weights([weight * np.nan for weight in model.get_weights()])
    return model


KINDS = {
    "judge": r"returns images as it takes them, \(28, 28, 1\), got one that returns \(10,\)",
    "flat": r"takes \(784,\): wrap it",
    "channels first": r"takes \(1, 28, 28\), channels first",
    "channels first, three wide": r"takes \(3, None, 3\), channels first",
    "two inputs": "one input, got 2",
    "smaller": "keeps an image's size",
    "broken": "NaN or infinity",
}


@pytest.mark.parametrize("kind", KINDS)
def test_models_that_are_no_denoisers_are_refused(kind):
    with pytest.raises(ValueError, match=KINDS[kind]):
        reuse.denoise(no_denoiser(kind), np.zeros((28, 28), np.uint8))


def convolutions(data_format):
    channels = 1 if data_format == "channels_first" else -1
    rows = [layers.Conv2D(4, 3, padding="same", data_format=data_format)]
    rows += [layers.BatchNormalization(axis=channels), layers.UpSampling2D(2, data_format=data_format)]
    rows += [layers.Conv2D(1, 3, 2, "same", data_format)]
    return keras.Sequential([layers.Input((1, 28, 28) if channels == 1 else (28, 28, 1)), *rows])


def test_advice_for_channels_first_models_works(rng):
    old, new = convolutions("channels_first"), convolutions("channels_last")
    image = rng.random((28, 28), dtype=np.float32)
    with pytest.raises(ValueError, match=r'data_format="channels_last".*new\.set_weights\(old\.get_weights\(\)\)'):
        reuse.denoise(old, image)
    new.set_weights(old.get_weights())
    expected = evaluation.clip(old.predict_on_batch(image[None, None]))[0, 0]
    assert np.allclose(reuse.denoise(new, image), expected, atol=1e-5) and expected.std() > 0.01


def test_advice_for_flat_models_works(rng):
    flat = no_denoiser("flat")
    model = keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), flat, layers.Reshape((28, 28, 1))])
    image = rng.random((28, 28), dtype=np.float32)
    expected = evaluation.clip(flat.predict_on_batch(image.reshape(1, 784))).reshape(28, 28)
    assert np.allclose(reuse.denoise(model, image), expected, atol=1e-6)


def dilated(filters, dilations):
    inputs = x = layers.Input((None, None, 1))
    for dilation in dilations:
        x = layers.Conv2D(filters, 3, padding="same", dilation_rate=dilation)(x)
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same")(x))


def test_window_is_bounded_by_the_widest_layer():
    inputs, plain = layers.Input((None, None, 1)), dilated(64, [2**n for n in range(9)])
    for model in (plain, keras.Model(inputs, plain(inputs))):  # the same inside another
        axis = cut(4000, model)
        assert 1024 < axis.window < 4000 and axis.window**2 * 64 * 4 <= reuse.MAX_BYTES


def test_window_is_bounded_at_the_scale_of_the_widest_layer():
    inputs = layers.Input((None, None, 1))
    finer = layers.Conv2D(64, 3, padding="same")(layers.UpSampling2D(2)(inputs))
    finer = keras.Model(inputs, layers.Conv2D(1, 3, strides=2, padding="same")(finer))
    assert cut(4000, finer).window == 724  # 256 numbers for a pixel
    coarser = layers.Conv2D(512, 3, strides=8, padding="same")(inputs)
    coarser = keras.Model(inputs, layers.Conv2D(1, 1)(layers.UpSampling2D(8)(coarser)))
    found = [reuse.bound_window(reuse.survey(model)) for model in (coarser, dilated(512, [1]))]
    assert found == [512, 512]


def test_model_that_reaches_further_than_a_tile_can_show_is_refused():
    model = dilated(256, [2**n for n in range(9)])
    with pytest.raises(ValueError, match=r"at most 724 pixels a side, got 4000: this model looks 512 pixels around"):
        cut(4000, model)
    assert cut(700, model).window == 700  # as a whole


PROGRAM = """
import resource, sys
import numpy as np
from denoise_utils import reuse, saving
image = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3), dtype=np.uint8)
found = reuse.denoise(saving.load_model(sys.argv[1]), image, per_channel=True)
assert found.shape == image.shape and found.dtype == np.uint8
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.stress
@pytest.mark.parametrize("kind", ["gaussian_cap_baseline", "gaussian_small", "colour_small", "tied"])
def test_twelve_megapixels_fit_in_four_gigabytes(kind, tmp_path):
    path = ROOT / "models" / f"{kind}.h5"
    if kind == "tied":
        path = tmp_path / "tied.h5"
        saving.save_model(tied_model(20, 1, channels=3), path, {})
    done = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 4


def test_model_that_fails_on_a_picture_is_an_error_of_one_line(rng):
    """One that adds its input to a convolution that is smaller by its rim: it was never run."""
    inputs = layers.Input((None, None, 1))
    model = keras.Model(inputs, layers.Add()([inputs, layers.Conv2D(1, 3)(inputs)]))
    with pytest.raises(ValueError, match=r"Expected a model of images .* got one that fails: ") as caught:
        reuse.denoise(model, rng.random((30, 30), dtype=np.float32))
    assert "\n" not in str(caught.value)
