"""Recipes: every capped one builds under the cap and trains on fresh noise."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from denoise_utils import models, profiles, reuse, saving
from denoise_utils.opening import safe_open
from denoise_utils.zoo import fresh_noise, recipes, step_variants
from tests.conftest import ABOUT

SIZES = {"num_train": 40, "num_val": 20, "num_test": 10, "profile": profiles.load_profile("tiny")}


TIED = [name for name, recipe in recipes.REFERENCES.items() if recipe.build == "tied_denoiser"]
LARGER = [name for name in recipes.REFERENCES if name not in TIED]


@pytest.mark.parametrize("name", [*recipes.RECIPES, *TIED])
def test_recipe_builds_a_model_of_its_images_under_the_cap(name):
    recipe = recipes.find_recipe(name)
    model = recipes.builder(recipe, profiles.load_profile("full"))()
    assert model.count_params() <= (1000 if name.endswith("tiny") else profiles.CAP)
    channels = 3 if recipe.task == "colour" else 1
    assert model.input_shape == model.output_shape == (None, None, None, channels)


def test_relu_and_square_differ_in_their_step_alone():
    relu, square = recipes.REFERENCES["clutter_relu"], recipes.REFERENCES["clutter_square"]
    assert relu == replace(square, options=relu.options) and relu.options["steps"] == square.options["steps"]
    assert "separable" not in square.options and relu.options["separable"]


def test_five_is_clutter_long_but_for_its_length():
    five, long = recipes.RIVALS["clutter_five"], recipes.REFERENCES["clutter_long"]
    assert five == replace(long, epochs=five.epochs) and long.epochs == 2 * five.epochs
    assert recipes.builder(long, profiles.load_profile("full"))().count_params() == profiles.CAP


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_capped_models_have_one_step_and_one_optimizer(name):
    recipe = recipes.RECIPES[name]
    assert recipe.options["signs"] and recipe.settings == recipes.SOAP
    assert recipe.options.get("turned") == 3 if name == "clutter_small" else recipe.options["separable"]


def test_rates_of_a_rival_are_its_only_difference():
    for name in ("clutter_medium", "clutter_big", "clutter_project_w"):
        found = [recipes.RIVALS[f"{name}_rate_{rate:g}"] for rate in recipes.RATES]
        assert {recipe.settings["learning_rate"] for recipe in found} == set(recipes.RATES)
        reference = recipes.REFERENCES[name]
        assert all(replace(r, settings=reference.settings, epochs=reference.epochs) == reference for r in found)
        alike = [replace(recipe.settings, learning_rate=0.0) for recipe in found]
        assert all(settings == alike[0] for settings in alike)


@pytest.mark.parametrize("name", LARGER)
def test_reference_is_over_the_cap_and_takes_images(name):
    recipe = recipes.REFERENCES[name]
    model = recipes.builder(recipe, profiles.load_profile("full"))()
    assert model.count_params() > profiles.CAP
    if name.endswith("medium"):
        assert 20_000 <= model.count_params() <= 60_000
    assert model.input_shape == model.output_shape == (None, 28, 28, 3 if recipe.task == "colour" else 1)


def test_reference_keeps_its_own_optimizer(tmp_path):
    profile = replace(profiles.load_profile("tiny"), root=tmp_path)
    run = recipes.train("clutter_big", profile)
    own = recipes.REFERENCES["clutter_big"].settings
    for key in ("optimizer", "batch_size", "learning_rate", "schedule", "clipnorm"):
        assert run.settings[key] == own[key]
    assert (own["optimizer"], run.settings["augment"]) == ("adam", "fresh_noise")


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_noise_is_fresh_seeded_and_of_the_right_kind(name):
    recipe = recipes.RECIPES[name]
    pairs, val, fresh_noise = recipes.load_task(recipe, **SIZES)
    first, second = (fresh_noise(pairs.train.clean, np.random.default_rng([0, epoch])) for epoch in (0, 1))
    assert not np.array_equal(first, second)
    assert np.array_equal(first, fresh_noise(pairs.train.clean, np.random.default_rng([0, 0])))
    assert val.shape == pairs.val.clean.shape and not np.array_equal(val, pairs.val.clean)
    if not recipe.draw:  # as strong as the canonical noise of the test
        damage = [
            np.mean((noisy - clean) ** 2) for noisy, clean in ((first, pairs.train.clean), (val, pairs.val.clean))
        ]
        assert damage[0] == pytest.approx(damage[1], rel=0.4)


@pytest.mark.parametrize(
    ("draw", "highest", "mean", "reached"),
    [
        ("marks 0 to 30", 30, 15, 0.99),
        ("sigma, least of three up to .8", 0.8, 0.2, 0.95),  # seldom near the end
        ("amount 0 to .9", 0.9, 0.45, 0.99),
    ],
)
def test_drawn_strengths_cover_the_range_that_their_name_tells(rng, draw, highest, mean, reached):
    (strength, values) = next(iter(fresh_noise.DRAWS[draw](rng, 20000).items()))
    assert draw.startswith(strength)
    assert values.min() >= 0 and reached * highest < values.max() <= highest
    assert values.mean() == pytest.approx(mean, rel=0.03)


def test_strength_of_a_recipe_reaches_the_noise():
    recipe = replace(recipes.RECIPES["clutter_small"], strength={"mix": "maximum"})
    pairs, _, fresh_noise = recipes.load_task(recipe, **SIZES)
    assert pairs.record["noise"] == {"mix": "maximum"}
    noisy = fresh_noise(pairs.train.clean, np.random.default_rng(0))
    assert np.all(noisy >= pairs.train.clean)  # the sum would halve them


# Parameters by hand: the first convolution, column and row, the readout, and what is each variant's own.
COUNTED = {
    "step_signs": 160 + 2 * (3 * 32 * 16 + 16) + 145,
    "step_relu": 220 + 2 * (3 * 22 * 22 + 22) + 199,
    "step_signs_tiny": 80 + 2 * (3 * 16 * 8 + 8) + 73,
    "step_signs_scaled": 150 + 2 * (3 * 30 * 15 + 15) + 136 + 16 * 30,
    "step_signs_column": 180 + (3 * 36 * 18 + 18) + (3 * 18 * 18 + 18) + 163,
    "step_beside": 160 + 2 * (3 * 32 * 16 + 16) + 145,
    "step_prelu": 220 + 2 * (3 * 22 * 22 + 22) + 199 + 2 * 22,
    "step_signs_square": 120 + (9 * 24 * 12 + 12) + 109,
    "step_signs_wide": 130 + (3 * 26 * 20 + 20) + (3 * 40 * 13 + 13) + 118,
}


@pytest.mark.parametrize("name", recipes.STEPS)
def test_variant_of_the_step_keeps_to_the_cap_and_differs_in_what_its_name_tells(name):
    recipe = recipes.STEPS[name]
    model = recipes.builder(recipe, profiles.load_profile("full"))()
    assert model.count_params() == COUNTED.get(name, model.count_params()) <= profiles.CAP
    assert recipe.epochs == 2 and recipe.task == "clutter"
    assert recipe == recipes.STEPS["step_signs"] or name != "step_signs"
    others = [other for other, found in recipes.STEPS.items() if found == recipe]
    assert others == [name]


def test_variants_of_the_step_are_what_they_are_called(rng):
    """All but one half of each kernel at zero, a variant is what its formula says."""
    x = rng.normal(size=(1, 9, 9, 4)).astype(np.float32)
    relu = np.maximum(x, 0)
    found = {kind: np.asarray(step_variants.rectifier(kind, "p")(x)) for kind in step_variants.RECTIFIERS}
    assert np.array_equal(found["relu"], relu)
    assert np.array_equal(found["both"], np.concatenate([relu, np.maximum(-x, 0)], -1))
    assert np.array_equal(found["beside"], np.concatenate([x, relu], -1))
    assert np.allclose(found["prelu"], relu + 0.25 * np.minimum(x, 0))


def test_card_of_a_run_tells_its_noise(tmp_path):
    profile = replace(profiles.load_profile("tiny"), root=tmp_path)
    run = recipes.train("salt_pepper_small", profile)
    assert run.settings["loss"] == "binary_crossentropy"
    assert run.settings["data"]["noise"] == {"drawn": "amount 0 to .9", "fresh": "in every epoch"}
    assert run.settings["augment"] == "fresh_noise" and run.settings["optimizer"] == "soap"
    first = run.history[0]
    assert np.isfinite([first["loss"], first["val_loss"]]).all()


def test_tied_denoiser_counts_and_any_size(tmp_path, rng):
    model = models.tied_denoiser(9, 5, 3)
    assert model.count_params() == (27 * 9 + 9) + (81 * 9 + 9) + (81 * 3 + 3)  # once, however many steps
    assert models.tied_denoiser(9, 12, 3).count_params() == model.count_params()
    saving.save_model(model, tmp_path / "tied.h5", {})
    again = saving.load_model(tmp_path / "tied.h5")
    for size in ((28, 28), (31, 17), (5, 64)):
        images = rng.random((2, *size, 3), dtype=np.float32)
        output = model.predict_on_batch(images)
        assert output.shape == images.shape
        assert np.array_equal(output, again.predict_on_batch(images))


def test_saved_seed_counts_as_the_run_of_that_seed(tmp_path):
    first, second = (
        replace(profiles.load_profile("tiny"), root=tmp_path / part, output=tmp_path) for part in ("first", "second")
    )
    run = recipes.train("clutter_tiny", first, seed=1)
    saving.save_run(run, first.models / "seeds", name="clutter_tiny_1", **ABOUT)
    again = recipes.train("clutter_tiny", second, seed=1)
    assert again.history == run.history and again.folder != run.folder
    assert again.folder.best.read_bytes() == (first.models / "seeds" / "clutter_tiny_1.h5").read_bytes()
    other = recipes.train("clutter_tiny", second, seed=1, learning_rate=1e-3)
    assert other.history != run.history


def test_separable_step_is_a_column_and_a_row_of_three_pixels(rng):
    model = models.tied_denoiser(10, 4, separable=True)
    assert model.count_params() == (9 * 10 + 10) + 2 * (30 * 10 + 10) + (9 * 10 + 1)
    assert models.tied_denoiser(10, 9, separable=True).count_params() == model.count_params()
    image = np.zeros((1, 31, 31, 1), np.float32)
    spot = image.copy()
    spot[0, 15, 15] = 1
    change = np.abs(model.predict_on_batch(spot) - model.predict_on_batch(image))[0, :, :, 0]
    rows, columns = np.nonzero(change)
    reach = 4 + 2  # a pixel for each step, one for the first and one for the last convolution
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (15 - reach, 15 + reach) * 2


def test_context_lets_a_step_see_the_means_over_the_whole_image(tmp_path, rng):
    model = models.tied_denoiser(10, 2, context=True)
    assert model.count_params() == models.tied_denoiser(10, 2).count_params() + 10 * 10
    mix = model.get_layer("shared_context")
    images = rng.random((2, 40, 33, 1), dtype=np.float32)
    changed = images.copy()
    changed[:, :8] = rng.random((2, 8, 33, 1), dtype=np.float32)

    def moved():
        return np.abs(model.predict_on_batch(changed) - model.predict_on_batch(images))[:, -8:].max(axis=(1, 2, 3))

    assert np.all(moved() == 0)  # as it starts: 4 pixels are all that it reaches
    mix.set_weights([rng.normal(size=(10, 10))])
    assert np.all(moved() > 0)
    saving.save_model(model, tmp_path / "context.h5", {})
    again = saving.load_model(tmp_path / "context.h5")
    assert np.array_equal(model.predict_on_batch(images), again.predict_on_batch(images))


def test_both_signs_reach_both_convolutions_of_a_step(tmp_path, rng):
    model = models.tied_denoiser(16, 16, separable=True, signs=True)
    assert model.count_params() == (9 * 16 + 16) + 2 * (3 * 32 * 16 + 16) + (9 * 16 + 1) == 3409
    assert sum(layer.name == "shared_negation" for layer in model.layers) == 1
    images = rng.random((2, 40, 33, 1), dtype=np.float32)
    for name in ("shared_column", "shared_row"):  # the lower half of the kernel is for what ReLU drops
        before, (kernel, bias) = model.predict_on_batch(images), model.get_layer(name).get_weights()
        kernel[:, :, 16:] = 0
        model.get_layer(name).set_weights([kernel, bias])
        assert np.abs(model.predict_on_batch(images) - before).max() > 1e-6


def test_turned_step_is_a_row_and_then_the_same_row_of_the_turned_picture(rng):
    model = models.tied_denoiser(22, 2, signs=True, turned=3)
    assert model.count_params() == (9 * 22 + 22) + (3 * 44 * 22 + 22) + (9 * 22 + 1) == 3345
    assert models.tied_denoiser(22, 20, signs=True, turned=3).count_params() == model.count_params()
    row, both, images = model.get_layer("shared_row"), models.rectifier(True), rng.random((2, 28, 40, 1), np.float32)
    x = model.get_layer(index=1)(images)
    x = x + row(both(x))
    kernel, bias = row.get_weights()
    column = keras.ops.conv(both(x), kernel.transpose(1, 0, 2, 3), padding="same") + bias
    assert np.allclose(model.predict_on_batch(images), model.get_layer("readout")(x + column), atol=1e-5)


TURNED = {"turned": 5}


@pytest.mark.parametrize(
    "options", [{}, {"separable": True}, TURNED, TURNED | {"context": True}, {"residual": True, "channels": 3}]
)
def test_both_signs_are_saved_loaded_tiled_and_counted(tmp_path, rng, options, monkeypatch):
    model = models.tied_denoiser(6, 3, signs=True, **options)
    saving.save_model(model, tmp_path / "signs.h5", {})
    again = saving.load_model(tmp_path / "signs.h5")
    images = rng.random((1, 70, 61, options.get("channels", 1)), dtype=np.float32)
    whole = model.predict_on_batch(images)
    assert np.array_equal(whole, again.predict_on_batch(images))
    assert safe_open.inspect_model(tmp_path / "signs.h5").count.parameters == model.count_params()
    monkeypatch.setattr(reuse, "TILE", 32)
    assert reuse.denoise(model, images) == pytest.approx(np.clip(whole, 0, 1), abs=1e-5)


def test_residual_without_correction_returns_the_input(rng):
    model = models.tied_denoiser(8, 4, residual=True)
    readout = model.get_layer("readout")
    readout.set_weights([0 * weight for weight in readout.get_weights()])
    images = rng.random((2, 20, 20, 1), dtype=np.float32)
    assert np.array_equal(model.predict_on_batch(images), images)


def test_more_steps_take_the_same_weights(rng):
    few, many = models.tied_denoiser(8, 3), models.tied_denoiser(8, 9)
    many.set_weights(few.get_weights())
    images = rng.random((2, 28, 28, 1), dtype=np.float32)
    assert not np.allclose(few.predict_on_batch(images), many.predict_on_batch(images))
