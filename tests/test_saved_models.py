"""The committed models, as somebody finds them in two years: whole, described, as good as they say."""

import json

import pytest

from denoise_utils import data, evaluation, models, noise, profiles, saving, sources
from tests.conftest import ROOT

PATHS = sorted((ROOT / "models").glob("*.h5"))
NEEDED = ("task", "role", "parameters", "architecture", "settings", "test_scores", "versions", "limits", "sha256")


def test_the_promised_models_are_there():
    assert {"clutter_cap_baseline.h5", "digit_judge.h5"} <= {path.name for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_card_matches_the_file(path):
    card = json.loads(path.with_suffix(".json").read_text())
    assert all(key in card for key in NEEDED)
    assert card["sha256"] == saving.hash_file(path)
    model = saving.load_model(path)
    assert (card["parameters"], card["trainable_parameters"]) == models.count_parameters(model)
    assert card["role"] != "capped" or card["parameters"] <= profiles.CAP
    assert card["settings"]["data"]["images"]


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


def test_baseline_is_as_good_as_its_card_says(real_data):
    path = ROOT / "models" / "clutter_cap_baseline.h5"
    pairs = noise.load_task("clutter", num_train=1, num_val=1)
    found = evaluation.score_model(saving.load_model(path), pairs.test)
    card = saving.read_card(path)["test_scores"]
    assert found["excess"] <= 0.05
    assert found["excess"] == pytest.approx(card["excess"], abs=1e-4)
    assert found["psnr"] == pytest.approx(card["psnr"], abs=0.01)
