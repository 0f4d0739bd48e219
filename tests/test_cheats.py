"""Cheats that a capped course invites are flagged, and honest models are not."""

import keras
import numpy as np
import pytest

from denoise_utils import noise, profiles, report, saving
from denoise_utils.cli import show
from denoise_utils.grading import one, submissions
from denoise_utils.opening import counting, safe_open
from tests import handins
from tests.conftest import ROOT
from tests.making import save


def grade_here(make, folder, pairs):
    """Grade a hand-in in this process; return its row."""
    row = {}
    make(folder / "one.h5")
    one.grade(folder / "one.h5", {"cap": 3600, "judge": None}, pairs, lambda **found: row.update(found))
    return row


@pytest.fixture(scope="module")
def twenty(clutter):
    """As few pairs as a grader may bring: fewer than one batch."""
    return noise.Pairs(clutter.test.noisy[:20], clutter.test.clean[:20], None)


@pytest.mark.parametrize("name", handins.CHEATS)
def test_cheats_are_flagged_on_twenty_images(name, tmp_path, twenty):
    row, cheat = grade_here(handins.CHEATS[name].make, tmp_path, twenty), handins.CHEATS[name]
    assert row["verdict"] == cheat.verdict, row
    assert any(cheat.says in flag for flag in row["flags"]), row["flags"]


@pytest.mark.parametrize("name", handins.HONEST)
def test_honest_models_are_not_flagged(name, tmp_path, twenty):
    row = grade_here(handins.HONEST[name].make, tmp_path, twenty)
    assert (row["verdict"], row["flags"], row["constants"]) == ("PASS", [], 0), row


def removes_sums(path):
    """Say whether a model is trained for the noise it is graded under; one of another mix draws next to nothing."""
    return saving.read_card(path)["settings"]["data"]["noise"].get("mix", "sum") == "sum"


FILES = sorted((ROOT / "models").glob("clutter*.h5"))
SMALL_FILES = [path for path in FILES if path.stat().st_size < submissions.LARGE_FILE and removes_sums(path)]


@pytest.mark.parametrize("path", SMALL_FILES, ids=lambda path: path.stem)
def test_trained_models_are_not_flagged(path, tmp_path, twenty):
    row = grade_here(handins.write(path.read_bytes()), tmp_path, twenty)
    assert row["verdict"] in ("PASS", "OVER") and not row["flags"], row


def test_single_image_cannot_be_compared(tmp_path, twenty):
    row = grade_here(handins.GOOD, tmp_path, noise.Pairs(twenty.noisy[:1], twenty.clean[:1], None))
    assert (row["verdict"], row["flags"]) == ("PASS", [])


@pytest.mark.parametrize("name", ["constant scalars.h5", "at the cap.h5", "frozen small.h5", "hides more.h5"])
def test_report_grader_and_show_count_alike(name, tmp_path, twenty):
    """What acts as a weight in the settings, what no layer has, and what is no parameter of training."""
    row = grade_here(handins.MANY[name].make, tmp_path, twenty)
    found = report.make_report(tmp_path, 3600, profiles.load_profile("tiny")).models
    assert [(one["parameters"], one["verdict"]) for one in found] == [(row["parameters"], row["verdict"])]
    assert show.describe(tmp_path / "one.h5").startswith(f"one.h5: {row['parameters']:,} parameters, {row['verdict']} ")


def in_a_model(kind, settings, number):
    """Return the config of a model of so many layers of one kind, without their names."""
    return {"class_name": "Sequential", "config": {"layers": [{"class_name": kind, "config": settings}] * number}}


LEAKY = {"class_name": "LeakyReLU", "config": {"negative_slope": 0.01}}
DRAWN = {"class_name": "Constant", "config": {"value": 0.7}}
NORM = {"class_name": "MaxNorm", "config": {"max_value": 2}}


@pytest.mark.parametrize(
    ("kind", "settings", "number"),
    [
        ("Rescaling", {"scale": 0.5}, 1),
        ("Rescaling", {"scale": 0.5, "offset": [0.1] * 16}, 17),
        ("Rescaling", {"scale": [[1.0] * 10] * 10}, 100),  # a place for numbers, whatever stands in it
        ("Rescaling", {"scale": 1.0, "offset": 0}, 0),
        ("ReLU", {"threshold": 0.0, "max_value": None}, 0),
        ("ReLU", {"negative_slope": 0.2, "threshold": 0.1, "max_value": 3.0}, 3),
        ("BatchNormalization", {"scale": True, "center": True, "momentum": 0.9, "epsilon": 1e-6}, 0),
        ("BatchNormalization", {"epsilon": 40.0}, 1),  # it scales as a weight does
        ("LeakyReLU", {"negative_slope": 0.30000001192092896}, 0),  # the default, as Keras 2 wrote it
        ("Conv2D", {"activation": LEAKY}, 1),
        ("Conv2D", {"kernel_initializer": DRAWN, "bias_constraint": NORM}, 0),
        ("Conv2D", {"filters": 7, "kernel_size": [3, 3], "strides": 2}, 0),
        ("ZeroPadding2D", {"padding": [[1, 2], [3, 4]]}, 0),
        ("Dropout", {"rate": 0.3, "seed": 5}, 0),
    ],
)
def test_settings_that_act_as_weights_are_counted(kind, settings, number):
    config = in_a_model(kind, settings, 20)
    assert counting.count_chosen(config) == 20 * number
    assert counting.count_chosen({"class_name": "Functional", "config": {"layers": [config]}}) == 20 * number


@pytest.mark.parametrize(("number", "counted"), [(16, 0), (17, 17)])
def test_sixteen_such_numbers_are_free(tmp_path, number, counted):
    layers = [keras.layers.Rescaling(0.5) for _ in range(number)]
    save(tmp_path, "scales", keras.Sequential([keras.Input((28, 28, 1)), *layers]))
    assert safe_open.inspect_model(tmp_path / "scales.h5").count.constants == counted


def test_output_outside_the_range_is_flagged():
    inputs = keras.Input((28, 28, 1))  # find_cheats asks it for the same images again
    model = keras.Model(inputs, keras.layers.Rescaling(2, -0.5)(inputs))
    noisy = np.random.default_rng(0).random((40, 28, 28, 1), dtype=np.float32)
    flags = one.find_cheats(model, noise.Pairs(noisy, noisy, None), 2 * noisy - 0.5)
    assert len(flags) == 1 and "outside [0, 1]: -0.5 to 1.5" in flags[0]
