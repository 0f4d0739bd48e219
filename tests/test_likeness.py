"""Copies are found by the pictures that they make, and nobody else is taken for one."""

import itertools
import shutil

import keras
import numpy as np
import pytest

from denoise_utils import cli, models, saving
from denoise_utils.grading import exam, likeness
from tests import classes, handins
from tests.conftest import ROOT

MODELS = ROOT / "models"
RNG = np.random.default_rng(0)


def change(name, path, edit):
    """Save a model of the course under another name, its weights changed by `edit`."""
    model = saving.load_model(MODELS / name)
    model.set_weights(edit(model.get_weights()))
    handins.save(model, path)


def nudge(weights):
    return [weight + RNG.normal(0, 1e-6, weight.shape) for weight in weights]


def permute(weights):
    """Number the channels of the first convolution anew."""
    kernel, bias, second, *rest = weights
    order = RNG.permutation(len(bias))
    return [kernel[..., order], bias[order], second[:, :, order], *rest]


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """A class of seven, graded by the command: {submission: its flags}."""
    folder, out = tmp_path_factory.mktemp("class"), tmp_path_factory.mktemp("out")
    change("clutter_cap_baseline.h5", folder / "baseline nudged.h5", nudge)
    change("clutter_cap_baseline.h5", folder / "baseline permuted.h5", permute)
    change("clutter_tiny.h5", folder / "clutter_tiny.h5", nudge)
    shutil.copy(MODELS / "seeds" / "clutter_small_2.h5", folder / "of a seed.h5")
    keras.utils.set_random_seed(1)
    own = models.capped_autoencoder(8, 1)
    for name in ("own.h5", "own again.h5"):
        handins.save(own, folder / name)
        own.set_weights(nudge(own.get_weights()))
    keras.utils.set_random_seed(2)
    handins.save(models.capped_autoencoder(8, 1), folder / "somebody's.h5")
    options = ["--profile", "quick", "--images", "60", "--jobs", "1", "--timeout", "120"]
    assert cli.main(["grade", str(folder), "--out", str(out), *options]) == 0
    return {row["submission"]: row["flags"] + row["notes"] for row in classes.read_csv(out / "grades.csv")}


@pytest.mark.stress
def test_baseline_is_called_that_and_no_copy(flags):
    for name in ("baseline nudged.h5", "baseline permuted.h5"):
        assert "the same pictures as the course's baseline models/clutter_cap_baseline.h5" in flags[name]
        assert "which is no copy" in flags[name] and flags[name].count(likeness.SAYS) == 1


@pytest.mark.stress
def test_copies_of_the_course_are_found_under_any_name(flags):
    assert "the same pictures as the course's models/clutter_tiny.h5, which differ by" in flags["clutter_tiny.h5"]
    assert "the course's models/seeds/clutter_small_2.h5" in flags["of a seed.h5"]


@pytest.mark.stress
def test_copies_among_the_class_are_found_and_nobody_else(flags):
    assert "the same pictures as own again.h5, which differ by" in flags["own.h5"]
    assert "the same pictures as own.h5" in flags["own again.h5"]
    assert likeness.SAYS not in flags["somebody's.h5"]


@pytest.mark.parametrize("task", ["clutter", "watermark"])
def test_good_models_of_two_seeds_are_no_copies(task):
    """The better they are, the more alike are their pictures."""
    noisy = exam.load_exam(task, seed=5, num_images=64).test.noisy
    paths = sorted((MODELS / "seeds").glob(f"{task}_small_*.h5"))
    seen = {path.stem: saving.load_model(path).predict(noisy, verbose=0) for path in paths}
    assert len(seen) >= 2
    for one, other in itertools.combinations(seen.values(), 2):
        assert np.abs(one - other).mean() > 10 * likeness.NEAR
    assert likeness.find_flags({name: likeness.take_pixels(pixels) for name, pixels in seen.items()}, {}, set()) == (
        {},
        {},
    )


def test_nearest_is_named_and_the_others_are_counted():
    output = RNG.random((4, 28, 28, 1), dtype=np.float32)
    far = {"a": 0, "b": 1e-5, "c": 5e-5, "d": 2e-4}
    pictures = {name: likeness.take_pixels(output + shift) for name, shift in far.items()}
    found, notes = likeness.find_flags(pictures, {}, set())
    assert found["a"] == ["the same pictures as b, which differ by 1e-05 a pixel (and 1 more)"] and "d" not in found
    assert not notes
    assert likeness.find_flags({"a": pictures["a"], "b": pictures["b"]}, {}, {("a", "b"), ("b", "a")}) == ({}, {})
    assert likeness.find_flags({"a": "no pixels", "b": None}, {"c": pictures["a"]}, set()) == ({}, {})
