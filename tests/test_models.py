"""Models: published parameter counts, shapes, and the .h5 round trip of each."""

import keras
import numpy as np
import pytest

from denoise_utils import models, saving
from denoise_utils.opening import safe_open, work
from denoise_utils.running.settings import fingerprint
from denoise_utils.zoo import originals

COUNTS = {  # all parameters, and the trainable ones among them
    "project_c_pooling": (3369, 3369),
    "project_c_dense": (3552, 3552),
    "project_c_transposed": (3279, 3279),
    "project_w_small": (3729, 3729),
    "project_w_big": (3284993, 3282177),
    "project_o_dense": (214594, 214594),
    "project_g_nine_layers": (51057, 50705),
    "project_r_encoder_decoder": (541775, 541065),  # PyTorch counts the trainable ones alone
    "tutorial_keras": (28353, 28353),
    "tutorial_tensorflow": (3217, 3217),
}
BUILDERS = {name: getattr(originals, name) for name in COUNTS}
OURS = ("capped_autoencoder", "skip_autoencoder", "unet", "gated_autoencoder", "digit_judge")
BUILDERS |= {name: getattr(models, name) for name in OURS}


@pytest.mark.parametrize("name", COUNTS)
def test_published_models_have_their_published_parameters(name):
    assert models.count_parameters(BUILDERS[name]()) == COUNTS[name]


@pytest.mark.parametrize(("filters", "depth"), [(8, 3), (10, 2), (12, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_models_with_skips_count_as_by_hand(filters, depth, channels):
    body = (9 * channels + 1) * filters + (2 * depth - 1) * (9 * filters + 1) * filters
    gated = models.gated_autoencoder(filters, depth, channels)
    assert gated.count_params() == body + (filters + 1) * filters + 9 * filters * channels
    assert gated.output_shape == (None, 28, 28, channels)
    if channels == 1:
        assert models.skip_autoencoder(filters, depth).count_params() == body + 9 * filters + 1


@pytest.mark.parametrize("channels", [1, 3])
def test_unet_counts_as_by_hand_and_can_be_residual(channels):
    widths = [4, 8, 16]  # of two levels and the bottom
    down = sum(9 * a * b + b + 9 * b * b + b for a, b in zip([channels, 4, 8], widths, strict=True))
    up = sum(9 * (2 * b + b) * b + b + 9 * b * b + b for b in (8, 4))  # its input: the level below and the skip
    plain, residual = (models.unet(4, 2, channels, residual) for residual in (False, True))
    readout = (9 * 4 + 1) * channels
    assert plain.count_params() == down + up + readout
    assert residual.count_params() == down + up + readout - channels
    assert plain.output_shape == residual.output_shape == (None, 28, 28, channels)


def test_plain_unet_has_about_a_million_parameters():
    assert models.unet().count_params() == pytest.approx(1e6, rel=0.1)


def test_closed_gate_returns_the_input(rng):
    model = models.gated_autoencoder(8, 2, 3)
    gate = next(layer for layer in model.layers if layer.name.startswith("dense"))
    kernel, bias = gate.get_weights()
    gate.set_weights([0 * kernel, bias - 200])
    images = rng.random((2, 28, 28, 3), dtype=np.float32)
    assert np.array_equal(model.predict_on_batch(images), images)


def test_batch_norm_and_leaky_relu_of_project_g_are_optional():
    plain = originals.project_g_nine_layers(batch_norm=False, leaky=False)
    assert models.count_parameters(plain) == (50353, 50353)  # 704 fewer: four per channel of layers 2 to 8
    kinds = {type(layer).__name__ for layer in plain.layers}
    assert "BatchNormalization" not in kinds and "LeakyReLU" not in kinds


@pytest.mark.parametrize("filters", [8, 12, 20])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_capped_autoencoder_counts_as_by_hand(filters, depth):
    narrow = filters // 2
    by_hand = 10 * filters + (9 * filters + 1) * narrow + (9 * narrow + 1) * narrow * 2 * (depth - 1) + 9 * narrow + 1
    model = models.capped_autoencoder(filters, depth)
    assert model.count_params() == by_hand and model.output_shape == (None, 28, 28, 1)


def test_statistics_of_batch_normalisation_count():
    model = keras.Sequential([keras.layers.Input((4, 4, 1)), keras.layers.BatchNormalization()])
    assert models.count_parameters(model) == (4, 2)


@pytest.mark.parametrize("name", [*BUILDERS, "tied"])
def test_multiplications_are_those_that_the_report_counts(tmp_path, name):
    model = models.tied_denoiser(4, 3) if name == "tied" else BUILDERS[name]()
    saving.save_model(model, tmp_path / "model.h5", {})
    config = safe_open.inspect_model(tmp_path / "model.h5").config
    expected = work.count_multiplications(config, (28, 28, model.input_shape[-1]))
    assert models.count_multiplications(model) == expected


def test_settled_averages_are_those_of_the_images(rng):
    norm = keras.layers.BatchNormalization()
    model = keras.Sequential([keras.layers.Input((4, 4, 1)), norm])
    images = 3 + 0.1 * rng.standard_normal((600, 4, 4, 1), dtype=np.float32)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    assert np.abs(model.predict_on_batch(images)).mean() > 2, "with its initial averages it does not normalise"
    output = models.settle(model, images).predict_on_batch(images)
    assert norm.moving_mean.numpy() == pytest.approx(images.mean(), abs=1e-3)
    assert norm.moving_variance.numpy() == pytest.approx(images.var(), rel=0.02)
    assert abs(output.mean()) < 0.02 and norm.momentum == 0.99
    assert all(np.array_equal(a, b.numpy()) for a, b in zip(before, model.trainable_weights, strict=True))


def test_model_without_batch_norm_has_nothing_to_settle(rng):
    model = models.skip_autoencoder(4, 1)
    images = rng.random((3, 28, 28, 1), dtype=np.float32)
    before = model.predict_on_batch(images)
    assert models.batch_norms(model) == [] and np.array_equal(
        models.settle(model, images).predict_on_batch(images), before
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_round_trip_through_h5_is_exact(tmp_path, rng, name):
    model = BUILDERS[name]()
    saving.save_model(model, tmp_path / "x.h5", {})
    images = rng.random((3, *model.input_shape[1:]), dtype=np.float32)
    again = saving.load_model(tmp_path / "x.h5").predict_on_batch(images)
    assert np.array_equal(again, model.predict_on_batch(images))


def test_layers_are_described_for_diagrams_and_cards():
    model = originals.project_c_pooling()
    rows = models.describe_layers(model)
    assert sum(row["parameters"] for row in rows) == 3369
    assert models.architecture_line(model).startswith("Conv2D 28x28x16 > MaxPooling2D 14x14x16 > Conv2D 14x14x8")


def test_fingerprint_follows_the_architecture_and_not_the_session():
    one, same, other = (fingerprint(models.capped_autoencoder(filters, 2)) for filters in (8, 8, 12))
    assert one == same != other


def test_fingerprint_knows_layer_names_from_other_words():
    def build(activation):
        inputs = keras.layers.Input((8, 8, 1))
        shared = keras.layers.Conv2D(1, 3, padding="same", activation=activation)
        once = keras.layers.Activation("relu")(shared(inputs))
        return keras.Model(inputs, keras.layers.Add()([once, shared(once)]), name="tied")

    keras.backend.clear_session()
    one, same, other = (fingerprint(build(activation)) for activation in ("relu", "relu", "elu"))
    assert one == same != other
