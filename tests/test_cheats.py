"""Cheats that a capped course invites are flagged, and honest models are not."""

import keras
import numpy as np
import pytest

from denoise_utils import noise
from denoise_utils.grading import one as grade_one
from denoise_utils.grading import submissions
from denoise_utils.opening import counting
from tests import handins
from tests.conftest import ROOT


def grade_here(make, folder, pairs):
    """Grade a hand-in in this process; return its row."""
    row = {}
    make(folder / "one.h5")
    grade_one.grade(folder / "one.h5", {"cap": 3600, "judge": None}, pairs, lambda **found: row.update(found))
    return row


@pytest.fixture(scope="module")
def twenty(clutter):
    """As few pairs as a grader may bring: fewer than one batch."""
    return noise.Pairs(clutter.test.noisy[:20], clutter.test.clean[:20], None)


@pytest.mark.parametrize("name", handins.CHEATS)
def test_cheats_are_flagged_on_twenty_images(name, tmp_path, twenty):
    row, one = grade_here(handins.CHEATS[name].make, tmp_path, twenty), handins.CHEATS[name]
    assert row["verdict"] == one.verdict, row
    assert any(one.says in flag for flag in row["flags"]), row["flags"]


@pytest.mark.parametrize("name", handins.HONEST)
def test_honest_models_are_not_flagged(name, tmp_path, twenty):
    row = grade_here(handins.HONEST[name].make, tmp_path, twenty)
    assert (row["verdict"], row["flags"], row["constants"]) == ("PASS", [], 0), row


SMALL_FILES = [
    path for path in sorted((ROOT / "models").glob("clutter*.h5")) if path.stat().st_size < submissions.LARGE_FILE
]


@pytest.mark.parametrize("path", SMALL_FILES, ids=lambda path: path.stem)
def test_trained_models_are_not_flagged(path, tmp_path, twenty):
    row = grade_here(handins.write(path.read_bytes()), tmp_path, twenty)
    assert row["verdict"] in ("PASS", "OVER") and not row["flags"], row


def test_single_image_cannot_be_compared(tmp_path, twenty):
    row = grade_here(handins.GOOD, tmp_path, noise.Pairs(twenty.noisy[:1], twenty.clean[:1], None))
    assert (row["verdict"], row["flags"]) == ("PASS", [])


def test_constants_are_counted_and_settings_are_not():
    padding, nodes = [[1, 2], [3, 4]], [[["input", 0, 0, {}], ["other", 0, 0, {}]] * 20]
    big = {"class_name": "__numpy__", "config": {"value": [[1.0] * 10] * 10}}
    assert counting.count_constants({"padding": padding, "nodes": nodes, "shape": [None, 28, 28, 1]}) == 0
    assert counting.count_constants({"layers": [{"scale": big}, {"edges": [0.5] * 17}, "text"]}) == 117


@pytest.mark.parametrize(
    ("settings", "number"),
    [
        ({"scale": 0.5}, 1),
        ({"scale": 0.5, "offset": [0.1] * 16}, 17),
        ({"scale": 1.0, "offset": 0, "threshold": 0.0, "max_value": None}, 0),
        ({"scale": True, "center": True, "momentum": 0.9, "epsilon": 1e-6}, 0),  # of a normalisation
        ({"epsilon": 40.0}, 1),  # it scales as a weight does
        ({"negative_slope": 0.30000001192092896}, 0),  # the default, as Keras 2 wrote it
        ({"negative_slope": 0.2, "threshold": 0.1, "max_value": 3.0}, 3),
        ({"activation": {"class_name": "LeakyReLU", "config": {"negative_slope": 0.01}}}, 1),
        ({"kernel_initializer": {"config": {"value": 0.7}}, "bias_constraint": {"config": {"max_value": 2}}}, 0),
        ({"filters": 7, "kernel_size": [3, 3], "strides": 2, "rate": 0.3, "seed": 5, "axis": [1, 2], "l2": 0.1}, 0),
    ],
)
def test_settings_that_act_as_weights_are_counted_beyond_sixteen(settings, number):
    config = {"layers": [{"class_name": "Some", "config": settings}] * 20}
    assert counting.count_constants(config) == 20 * number
    few = {"layers": [{"config": {"scale": 0.5}}] * 16}
    assert counting.count_constants(few) == 0 and counting.count_constants({"layers": few["layers"] * 2}) == 32


def test_output_outside_the_range_is_flagged():
    inputs = keras.Input((28, 28, 1))  # find_cheats asks it for the same images again
    model = keras.Model(inputs, keras.layers.Rescaling(2, -0.5)(inputs))
    noisy = np.random.default_rng(0).random((40, 28, 28, 1), dtype=np.float32)
    flags = grade_one.find_cheats(model, noise.Pairs(noisy, noisy, None), 2 * noisy - 0.5)
    assert len(flags) == 1 and "outside [0, 1]: -0.5 to 1.5" in flags[0]
