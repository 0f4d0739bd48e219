"""The committed models, as somebody finds them in two years: whole, described, as good as they say."""

import json
import math
import re

import numpy as np
import pytest

from denoise_utils import data, evaluation, models, noise, profiles, saving
from denoise_utils.datasets import sources
from denoise_utils.system import files
from denoise_utils.zoo import recipes
from tests.conftest import ROOT

PATHS = sorted((ROOT / "models").glob("*.h5"))
NEEDED = ("task", "role", "parameters", "architecture", "settings", "test_scores", "versions", "limits", "sha256")


DENOISERS = [path for path in PATHS if path.stem != "digit_judge"]


def test_the_promised_models_are_there():
    tasks = {saving.read_card(path)["task"] for path in DENOISERS if saving.read_card(path)["role"] == "capped"}
    assert tasks >= set(noise.TASKS) - {"masking"}
    assert (ROOT / "models" / "digit_judge.h5").is_file()


@pytest.mark.parametrize("path", [*PATHS, *sorted(ROOT.glob("models/seeds/*.h5"))], ids=lambda path: path.stem)
def test_card_matches_the_file(path):
    card = json.loads(path.with_suffix(".json").read_text())
    assert all(key in card for key in NEEDED)
    assert card["sha256"] == files.hash_file(path)
    model = saving.load_model(path)
    assert (card["parameters"], card["trainable_parameters"]) == models.count_parameters(model)
    assert card["role"] != "capped" or card["parameters"] <= profiles.CAP
    assert card["settings"]["data"]["images"]
    backends = re.findall(r"Keras on (\w+)", card["machine"])
    assert card["versions"].keys() <= {"keras", "numpy", *backends}, "versions of what trained it"
    if path.parent.name == "seeds":
        of_best = json.loads((ROOT / "models" / f"{path.stem[:-2]}.json").read_text())
        assert (card["role"], card["task"]) == (of_best["role"], of_best["task"])


@pytest.fixture(scope="module")
def real_data():
    """Skip unless the whole real data is here."""
    if not all(sources.find_npz(name) for name in ("mnist", "fashion_mnist")):
        pytest.skip("needs mnist.npz and fashion_mnist.npz")


def test_judge_reads_clean_digits(real_data):
    test = data.load_splits("mnist", num_train=1).test
    judge = evaluation.load_judge(ROOT / "models")
    read = evaluation.legibility(judge, test.images, test.labels)
    assert read >= 0.993
    assert read == pytest.approx(
        saving.read_card(ROOT / "models" / "digit_judge.h5")["test_scores"]["accuracy"], abs=2e-4
    )


def load_its_task(card, num_test):
    """Return the pairs that a card's scores are of; skip where its datasets are not here, or have fewer images."""
    recipe = recipes.ALL.get(card["settings"]["name"])
    strength = recipe.strength if recipe else {}  # of clutter's other mixes
    pairs = noise.load_task(card["task"], num_train=1, num_val=1, num_test=num_test, **strength)
    if pairs.record["datasets"] != card["settings"]["data"]["datasets"] or len(pairs.test.clean) != num_test:
        pytest.skip("the card's scores are of other images")
    return pairs


@pytest.mark.stress
@pytest.mark.parametrize("path", DENOISERS, ids=lambda path: path.stem)
def test_denoiser_is_as_good_as_its_card_says(real_data, path):
    card = saving.read_card(path)
    pairs = load_its_task(card, card["test_scores"]["images"])
    found = evaluation.score_model(saving.load_model(path), pairs.test)
    for key, margin in {"excess": 1e-4, "mse": 1e-5, "psnr": 0.01, "ssim": 1e-3}.items():
        assert found[key] == pytest.approx(card["test_scores"][key], abs=margin), key
    assert found["psnr"] > card["noisy_input_scores"]["psnr"] or card["role"] != "capped"


CAPPED = [path for path in DENOISERS if saving.read_card(path)["role"] == "capped"]


@pytest.mark.parametrize("path", CAPPED, ids=lambda path: path.stem)
def test_the_first_test_images_agree_with_the_card(real_data, path):
    """Nearly: the first digits are no random part. `make stress` scores all images, and large models."""
    card, number = saving.read_card(path), 300
    pairs = load_its_task(card, number)
    found, said = evaluation.score_model(saving.load_model(path), pairs.test), card["test_scores"]
    assert found["psnr"] == pytest.approx(said["psnr"], abs=5 * said["psnr_sd"] / math.sqrt(number))
    assert found["psnr"] > card["noisy_input_scores"]["psnr"]


AT_MOST = [
    ("clutter_cap_baseline", "excess", 0.05),
    ("clutter_small", "excess", 0.0046),
    ("clutter_tiny", "excess", 0.0115),
    ("colour_medium", "mse", 0.002),
]
AT_LEAST = [("clutter_small", "psnr", 31.9), ("occlusion_small", "psnr", 39), ("salt_pepper_small", "legibility", 0.98)]


@pytest.mark.parametrize(("name", "key", "goal"), AT_MOST)
def test_errors_are_as_low_as_asked(name, key, goal):
    assert saving.read_card(ROOT / "models" / f"{name}.h5")["test_scores"][key] <= goal


@pytest.mark.parametrize(("name", "key", "goal"), AT_LEAST)
def test_scores_are_as_high_as_asked(name, key, goal):
    assert saving.read_card(ROOT / "models" / f"{name}.h5")["test_scores"][key] >= goal


def test_models_stay_small_to_clone():
    sizes = {path: path.stat().st_size for path in (ROOT / "models").rglob("*.*")}
    assert max(sizes.values()) <= 15e6 and sum(sizes.values()) < 60e6, sizes


@pytest.mark.parametrize("name", ["gaussian_cap_baseline", "gaussian_small"])
def test_small_gaussian_model_gains_at_every_strength_and_spares_clean_images(real_data, name):
    model = saving.load_model(ROOT / "models" / f"{name}.h5")
    clean = data.load_splits("mnist", num_train=1, num_val=1, num_test=100).test.images
    for sigma in (0.05, 0.1, 0.2, 0.4, 0.6, 0.8):
        noisy = noise.add_gaussian(clean, sigma, seed=0)
        output = evaluation.predict(model, noisy)
        assert evaluation.psnr(output, clean).mean() > evaluation.psnr(noisy, clean).mean()
    assert evaluation.psnr(evaluation.predict(model, clean), clean).mean() > 35


def test_small_gaussian_model_takes_digits_with_wide_margins(real_data):
    """It uses means over the image, and learned on images that a digit fills."""
    model = saving.load_model(ROOT / "models" / "gaussian_small.h5")
    digits = data.load_splits("mnist", num_train=1, num_val=1, num_test=30).test.images
    wide = np.pad(digits, ((0, 0), (28, 28), (28, 28), (0, 0)))
    noisy = [noise.add_gaussian(clean, 0.2, seed=0) for clean in (digits, wide)]
    output = [evaluation.predict(model, images) for images in noisy]
    assert evaluation.psnr(output[1][:, 28:-28, 28:-28], digits).mean() > evaluation.psnr(output[0], digits).mean() - 1
    assert evaluation.psnr(evaluation.predict(model, wide), wide).mean() > 40
