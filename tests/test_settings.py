"""The settings of a run: what was trained and committed stays the run of its settings, whatever becomes of the code."""

import functools
import json
from dataclasses import replace

import keras
import pytest

from denoise_utils import profiles
from denoise_utils.datasets import sources
from denoise_utils.noise import TASKS
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.running.settings import Settings, fingerprint, identify
from denoise_utils.zoo import recipes
from denoise_utils.zoo.fresh_noise import FreshNoise

# Each name ends in a hash of the settings: under another one, what took hours would be trained anew.
RUNS = {
    "clutter_medium_soap-5e1974b3a1",
    "step_relu-3fe9c70a40",
    "step_relu_muon-2080ca5651",
    "step_signs-d3f3db0d38",
    "step_signs_muon-e4931d9d59",
}
FULL = profiles.load_profile("full")


def read_all():
    """Return the settings of every committed model and run, by name."""
    found = {path.name: RunFolder(path).settings for path in sorted(FULL.shelf.iterdir())}
    for path in sorted(FULL.models.glob("*.json")) + sorted(FULL.models.glob("seeds/*.json")):
        found[path.stem] = json.loads(path.read_text())["settings"]
    return found


COMMITTED = read_all()
NOTEBOOKS = "cap_baseline"  # called as a recipe is, but trained by a notebook
OF_RECIPES = [name for name, told in COMMITTED.items() if told["name"] in recipes.ALL and NOTEBOOKS not in name]


def test_committed_runs_keep_their_names():
    assert {name for name in COMMITTED if (FULL.shelf / name).is_dir()} >= RUNS
    for name in RUNS:
        assert RunFolder.of(FULL.shelf, Settings.read(COMMITTED[name]).as_json()).path.name == name


@pytest.mark.parametrize("name", COMMITTED)
def test_what_was_committed_is_read_and_told_again_in_the_same_words(name):
    assert json.dumps(Settings.read(COMMITTED[name]).as_json()) == json.dumps(COMMITTED[name])


@functools.cache
def fingerprint_of(name):
    return fingerprint(recipes.builder(recipes.ALL[name], FULL)())


@pytest.mark.parametrize("name", OF_RECIPES)
def test_what_was_committed_has_the_settings_of_its_recipe(name):
    told = COMMITTED[name]
    settings = recipes.settings_of(told["name"], FULL, told["seed"])
    assert settings.trains_as(told)
    known = {"data": told["data"], "architecture": fingerprint_of(told["name"]), "augment": FreshNoise.identity}
    assert json.dumps(replace(settings, **known).as_json()) == json.dumps(told)


@pytest.mark.parametrize("name", ["clutter_small", "gaussian_small", "step_signs_muon-e4931d9d59"])
def test_recipe_finds_what_was_committed_and_trains_nothing(name, tmp_path, monkeypatch):
    told = COMMITTED[name]
    if sources.load_arrays(TASKS["clutter"].overlay, allow_bundled=True)[1] == sources.BUNDLED:
        pytest.skip("the real images are not on this machine")
    monkeypatch.setattr(keras.Model, "fit", None)
    run = recipes.train(told["name"], replace(FULL, root=tmp_path), seed=told["seed"])
    assert json.dumps(run.settings.as_json()) == json.dumps(told)
    assert run.folder.path.parent == tmp_path / "build" / "runs" and run.model.count_params() <= profiles.CAP


def test_training_on_fresh_noise_damages_no_other_image_and_loads_garments_once(monkeypatch, tmp_path):
    task, loaded, damaged = TASKS["clutter"], [], []
    load, add = recipes.noise.data.load_splits, task.add_noise

    def noted_load(name, **sizes):
        loaded.append(name)
        return load(name, **sizes)

    def noted_add(clean, overlay, **options):
        damaged.append(len(clean))
        return add(clean, overlay, **options)

    monkeypatch.setattr(recipes.noise.data, "load_splits", noted_load)
    monkeypatch.setitem(TASKS, "clutter", replace(task, add_noise=noted_add))
    tiny = replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    recipes.train("clutter_tiny", tiny)
    assert loaded == ["mnist", "fashion_mnist"]
    assert set(damaged) == {tiny.num_val, tiny.num_train} and damaged.count(tiny.num_val) == 1


def test_settings_that_are_none_of_ours_are_refused():
    with pytest.raises(ValueError, match=r"settings of a training \(name.*got \{'name': 'x', 'depth': 1\}"):
        Settings.read({"name": "x", "depth": 1})
    with pytest.raises(TypeError, match="with a name, got functools"):
        identify(functools.partial(max, 1))
