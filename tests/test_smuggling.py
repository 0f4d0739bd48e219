"""Numbers hidden where no weight is: they count, or the structure that holds them is flagged; honest models are not."""

import os
from pathlib import Path

import h5py
import keras
import pytest

from denoise_utils import models, profiles, report, saving
from denoise_utils.cli import show
from denoise_utils.opening import container, counting, safe_open
from denoise_utils.opening.layers import INPUT, TABLE, kinds
from tests import handins, smuggling, tutorials
from tests.conftest import ROOT

CASES = (
    Path(os.environ.get("DENOISE_CASES_DIR") or ROOT.parent / "shared" / "cases") / "h5"
)  # of other versions of Keras
COURSE = sorted([*(ROOT / "models").glob("*.h5"), *(ROOT / "models" / "seeds").glob("*.h5")])
RUNS = sorted((ROOT / "models" / "runs").rglob("*.h5"))  # some of them learned to make one picture of everything
COMPUTED = "computed from none of the input"
HIDDEN = {  # how each model is built, how many numbers must count at least, what its flags say
    "edges": (150, COMPUTED, "its structure and settings take"),
    "small_epsilons": (200, "stand as constants in the layers' settings", "its structure and settings take"),
    "nearly_usual_scales": (200, "stand as constants in the layers' settings", "rounded from a wide type"),
    "slopes": (150, "stand as constants in the layers' settings"),
    "unpacked_by_float16": (2100, COMPUTED, "more than 32 bits", "rounded from a wide type"),
    "unpacked_by_large_numbers": (2 * 784, COMPUTED),
    "three_to_a_weight": (8 * 784 // 2, COMPUTED),
    "through_a_gate": (8 * 784 // 2, COMPUTED),
    "through_a_narrow_gate": (8 * 784 // 2, COMPUTED),
    "explained_by_a_decoy": (5220 + 300, COMPUTED),
    "between_pixels": (40, COMPUTED, "its structure and settings take"),
    "odd_sizes": (80, "stand as constants in the layers' settings"),
    "from_an_alphabet": (1000, COMPUTED, "its structure and settings take"),
    "nearly_constant": (1000, COMPUTED, "its structure and settings take"),
    "chain": (100, COMPUTED, "uses of layers around"),
    "noise_of_a_seed": (0, "training=True"),
    "in_float64": (7184, "more than 32 bits are stored: by their bits they count as 3,592 more"),
    "too_much_work": (0, "too much work to look for numbers"),
}


def inspect(model, path):
    with saving.without_legacy_warning():
        model.save(path, include_optimizer=False)
    return safe_open.inspect_model(path).count


@pytest.mark.parametrize("name", HIDDEN)
def test_hidden_numbers_count_or_are_flagged(name, tmp_path):
    least, *says = HIDDEN[name]
    found = inspect(getattr(smuggling, name)(), tmp_path / "x.h5")
    flags = counting.find_flags(found, 3600)
    assert found.parameters >= least, found
    assert all(any(words in flag for flag in flags) for words in says), flags
    assert show.describe(tmp_path / "x.h5").startswith(f"x.h5: {found.parameters:,} parameters")


def test_report_counts_hidden_numbers_too(tmp_path):
    found = inspect(smuggling.unpacked_by_large_numbers(), tmp_path / "x.h5")
    row = report.make_report(tmp_path, 3600, profiles.load_profile("tiny")).models[0]
    assert row["parameters"] == found.parameters > found.built


def test_list_of_epsilons_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"with epsilon .* instead of a number from 0"):
        inspect(smuggling.epsilon_lists(), tmp_path / "x.h5")


def test_whole_numbers_of_64_bits_count_twice(tmp_path):
    before = inspect(handins.good(), tmp_path / "x.h5")
    smuggling.store_as_whole_numbers(tmp_path / "x.h5")
    after = safe_open.inspect_model(tmp_path / "x.h5").count
    assert after.wide == after.parameters - before.parameters > 0 == before.wide


def test_long_config_is_refused_unread(tmp_path, monkeypatch):
    inspect(handins.good(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file.attrs["model_config"] = "[" * (container.MAX_CONFIG + 1)  # no JSON: reading it would say so
    safe_open.check_readable(tmp_path / "x.h5")
    with pytest.raises(ValueError, match="a config of 5,000,001 characters, more than 5,000,000"):
        safe_open.inspect_model(tmp_path / "x.h5")


def list_numbers():
    """Return the kinds of all settings that a list of numbers fits, with where they stand."""
    settings = [(kind, key, one) for kind, layer in TABLE.items() for key, one in layer.settings.items()]
    settings += [("InputLayer", key, one) for key, one in INPUT.items()]
    return {(kind, key): one for kind, key, one in settings if one.fits([0.37] * 16) or one.fits([3] * 16)}


def test_only_a_scale_and_what_shapes_an_image_may_be_lists():
    """A list of numbers that no rule counts is a place for weights."""
    shapes = {"target_shape", "dims", "shared_axes", "axis", "noise_shape", "batch_shape", "batch_input_shape"}
    found = list_numbers()
    assert {key for _, key in found} == shapes | {"scale", "offset"}
    for (_, key), kind in found.items():
        assert kind.fits([0.37] * 16) == (key in ("scale", "offset"))
        assert kinds.count_chosen(kind, [0.37] * 16) == 16 * (key in ("scale", "offset"))


def check_is_honest(path, about=None):
    count = safe_open.inspect_model(path).count
    assert count.parameters == count.built == count.stored, about
    flags = counting.find_flags(count, count.parameters)  # what the cap itself has flagged is another matter
    assert not flags and count.searched, (about, flags, count)


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_models_of_the_course_are_counted_as_before_and_not_flagged(path):
    check_is_honest(path)
    assert safe_open.inspect_model(path).count.parameters == saving.read_card(path)["parameters"]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_finished_runs_are_counted_by_their_weights_alone(path):
    count = safe_open.inspect_model(path).count
    assert count.parameters == count.built == count.stored


@pytest.mark.skipif(not CASES.is_dir(), reason="the files of other versions are not here")
def test_files_of_other_versions_are_not_flagged():
    opened = 0
    for path in sorted(CASES.rglob("*.h5")):
        try:
            safe_open.inspect_model(path)
        except ValueError:
            continue
        check_is_honest(path, path.name)
        opened += 1
    assert opened > 30


def test_sixteen_steps_of_both_signs_are_not_flagged(tmp_path):
    keras.utils.set_random_seed(0)
    inspect(models.tied_denoiser(16, 16, separable=True, signs=True), tmp_path / "x.h5")
    check_is_honest(tmp_path / "x.h5")


def test_untrained_models_are_counted_by_their_weights_alone(tmp_path):
    """What they answer is nearly constant: chance, not their weights, would decide how it is rounded."""
    for shape in ((8, 2), (4, 3), (6, 3)):
        for seed in range(8):
            keras.utils.set_random_seed(seed)
            found = inspect(models.capped_autoencoder(*shape), tmp_path / "x.h5")
            assert found.parameters == found.built, (shape, seed)


@pytest.mark.parametrize("build", tutorials.ALL, ids=lambda build: build.__name__)
def test_models_of_tutorials_are_not_flagged(build, tmp_path):
    keras.utils.set_random_seed(0)
    inspect(build(), tmp_path / "x.h5")
    check_is_honest(tmp_path / "x.h5")
