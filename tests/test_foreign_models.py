"""Old files and models of other shapes: they open, or the error says how to convert them; no wrong picture."""

import keras
import numpy as np
import pytest
from keras import layers

from denoise_utils import evaluation, safe_open, saving
from tests import legacy


def draw(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


def kernel(rng, *shape, filters=None):
    return {"kernel": draw(rng, *shape), "bias": draw(rng, filters or shape[-1])}


@pytest.mark.parametrize("sequential", [False, True])
def test_file_of_keras_2_opens_with_its_weights(tmp_path, rng, sequential):
    rows = [legacy.convolution(4), legacy.batch_norm(), legacy.LEAKY, legacy.POOLING, legacy.UPSAMPLING]
    rows.append(legacy.convolution(1, "sigmoid"))
    parts = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {0: kernel(rng, 3, 3, 1, 4), 1: {part: np.abs(draw(rng, 4)) for part in parts}}
    weights[5] = kernel(rng, 3, 3, 4, 1)
    legacy.write(tmp_path / "old.h5", rows, weights, sequential=sequential)
    model = saving.load_model(tmp_path / "old.h5")
    assert safe_open.inspect_model(tmp_path / "old.h5").keras_version == "2.11.0"
    stored = [array for arrays in weights.values() for array in arrays.values()]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), stored, strict=True))
    slope = next(layer for layer in model.layers if isinstance(layer, layers.LeakyReLU)).negative_slope
    assert slope == pytest.approx(0.3)
    evaluation.check_images_model(model)


def test_file_of_keras_2_that_does_not_open_says_how_to_convert_it_and_that_works(tmp_path, rng):
    rows = [legacy.convolution(4), legacy.transposed(1)]
    weights = {0: kernel(rng, 3, 3, 1, 4), 1: kernel(rng, 3, 3, 1, 4, filters=1)}
    path = tmp_path / "old.h5"
    legacy.write(path, rows, weights)
    with pytest.raises(ValueError, match=r"old\.h5.*written by Keras 2\.11\.0.*model\.load_weights\(path\)") as caught:
        saving.load_model(path)
    assert "\n" not in str(caught.value)
    anew = [layers.Conv2D(4, 3, padding="same", activation="relu")]
    anew.append(layers.Conv2DTranspose(1, 3, padding="same", activation="relu"))
    model = keras.Sequential([layers.Input((28, 28, 1)), *anew])
    model.load_weights(path)
    saving.save_model(model, tmp_path / "new.h5", {})
    assert np.array_equal(saving.load_model(tmp_path / "new.h5").get_weights()[0], weights[0]["kernel"])


def test_old_file_with_a_lambda_is_refused(tmp_path):
    path = tmp_path / "old.h5"
    legacy.write(path, [("Lambda", {"function": ["4wEAAAA=", None, None], "function_type": "lambda"})], {})
    with pytest.raises(ValueError, match="class Lambda, which is not on the list"):
        saving.load_model(path)


def flat():
    return keras.Sequential([layers.Input((784,)), layers.Dense(784, activation="sigmoid")])


def channels_first():
    convolution = layers.Conv2D(1, 3, padding="same", data_format="channels_first", name="first")
    return keras.Sequential([layers.Input((1, 28, 28)), convolution])


def hidden_channels_first():
    inner = keras.Sequential(
        [layers.Input((28, 28, 1)), layers.MaxPooling2D(1, data_format="channels_first", name="in")]
    )
    return keras.Sequential([layers.Input((28, 28, 1)), inner])


def enlarging():
    return keras.Sequential([layers.Input((28, 28, 1)), layers.UpSampling2D(2)])


def classifier():
    return keras.Sequential([layers.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10)])


def two_inputs():
    inputs = [layers.Input((28, 28, 1)) for _ in range(2)]
    return keras.Model(inputs, layers.Add()(inputs))


STRANGE = {
    flat: r"takes \(784,\): wrap it",
    channels_first: r"takes \(1, 28, 28\), channels first \(layer first\)",
    hidden_channels_first: r"channels first \(layer in\)",
    enlarging: r"returns \(56, 56, 1\)",
    classifier: r"returns \(10,\)",
    two_inputs: "one input, got 2",
}


@pytest.mark.parametrize("build", STRANGE, ids=lambda build: build.__name__)
def test_model_that_does_not_denoise_images_is_refused(build, tmp_path, clutter):
    saving.save_model(build(), tmp_path / "x.h5", {})
    model = saving.load_model(tmp_path / "x.h5")
    with pytest.raises(ValueError, match=STRANGE[build]):
        evaluation.check_images_model(model)
    with pytest.raises(ValueError, match=r"^Expected a model"):
        evaluation.score_model(model, clutter.test)


@pytest.mark.parametrize("build", [flat, channels_first, hidden_channels_first, two_inputs])
def test_prediction_by_it_is_refused_too(build):
    with pytest.raises(ValueError, match=r"^Expected a model"):
        evaluation.predict(build(), np.zeros((2, 28, 28, 1), dtype=np.float32))


def test_advice_for_flat_models_works(clutter):
    inner = flat()
    shaped = [layers.Input((28, 28, 1)), layers.Flatten(), inner, layers.Reshape((28, 28, 1))]
    model = keras.Sequential(shaped)
    evaluation.check_images_model(model)
    images = clutter.test.noisy
    expected = inner.predict_on_batch(images.reshape(-1, 784)).reshape(images.shape)
    assert np.allclose(evaluation.predict(model, images), expected, atol=1e-6)


def test_models_for_any_size_and_for_colour_are_admitted():
    for shape in ((None, None, 1), (None, None, 3), (28, 28, 3)):
        inputs = layers.Input(shape)
        model = keras.Model(inputs, layers.Conv2D(shape[2], 3, padding="same")(inputs))
        evaluation.check_images_model(model)
        assert evaluation.predict(model, np.zeros((2, 28, 28, shape[2]), dtype=np.float32)).shape[3] == shape[2]
