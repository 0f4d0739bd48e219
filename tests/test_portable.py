"""Portable files: the older dialect says the same, and another version of Keras opens it."""

import json
import os
import subprocess
import sys
import warnings

import h5py
import keras
import numpy as np
import pytest

from denoise_utils import models, saving
from denoise_utils.profiles import CAP
from denoise_utils.saved import portable
from denoise_utils.zoo import originals
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))
import compatibility

BUILDERS = {
    "capped": lambda: models.capped_autoencoder(8, 2),
    "tied": lambda: models.tied_denoiser(6, 3, separable=True, signs=True, context=True),
    "turned": lambda: models.tied_denoiser(6, 4, signs=True, turned=3),
    "residual": lambda: models.tied_denoiser(6, 2, channels=3, residual=True),
    "unet": lambda: models.unet(4),
    "gated": lambda: models.gated_autoencoder(4),
    "judge": models.digit_judge,
    "project W": originals.project_w_small,
    "sequential": lambda: keras.Sequential(
        [keras.Input((28, 28, 1)), keras.layers.Conv2D(2, 3), keras.layers.LeakyReLU(0.1), keras.layers.Dropout(0.5)]
    ),
    "nested": lambda: keras.Sequential([keras.Input((28, 28, 1)), models.skip_autoencoder(4, 2)]),
}


def read_config(path):
    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])


def keys_of(part):
    if isinstance(part, dict):
        return set(part).union(*map(keys_of, part.values()))
    return set().union(*map(keys_of, part)) if isinstance(part, list) else set()


@pytest.mark.parametrize("kind", BUILDERS)
def test_saved_model_is_written_in_the_older_dialect_and_gives_the_same(tmp_path, rng, kind):
    model = BUILDERS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        saving.save_model(model, tmp_path / "new.h5", {"task": "x"})
    config = read_config(tmp_path / "new.h5")
    assert not keys_of(config) & {"module", "registered_name", "build_config", "batch_shape", "optional", "input_axes"}
    assert saving.read_card(tmp_path / "new.h5")["task"] == "x"
    if kind not in ("sequential", "nested"):
        assert all(isinstance(config["config"][f"{side}_layers"][0], list) for side in ("input", "output"))
    images = rng.random((3, *(side or 28 for side in model.input_shape[1:])), dtype=np.float32)
    again = saving.load_model(tmp_path / "new.h5")
    assert np.array_equal(model.predict_on_batch(images), again.predict_on_batch(images))


def test_state_of_the_optimizer_is_left_out(tmp_path):
    model = models.capped_autoencoder(4, 1)
    model.compile("adam", "binary_crossentropy")
    model.fit(np.zeros((1, 28, 28, 1)), np.zeros((1, 28, 28, 1)), verbose=0)
    path = tmp_path / "checkpoint.h5"
    with saving.without_legacy_warning():
        model.save(path)
    size = path.stat().st_size
    assert portable.make_portable(path) and path.stat().st_size < 0.8 * size
    with h5py.File(path) as file:
        assert "optimizer_weights" not in file and "training_config" not in file.attrs
    assert all(map(np.array_equal, saving.load_model(path).get_weights(), model.get_weights()))


def test_layers_without_weights_take_no_room(tmp_path, rng):
    model = models.tied_denoiser(16, 16, separable=True, signs=True)
    saving.save_model(model, tmp_path / "new.h5", {})
    with saving.without_legacy_warning():
        model.save(tmp_path / "plain.h5", include_optimizer=False)
    with h5py.File(tmp_path / "new.h5") as file:
        kept = ["conv2d", "readout", "shared_column", "shared_row"]
        assert [name.rstrip("_0123456789") for name in file["model_weights"]] == [*kept, "top_level_model_weights"]
        names = list(file["model_weights"].attrs["layer_names"])
        assert set(names) == set(file["model_weights"]) - {"top_level_model_weights"}
        assert names == [layer.name for layer in model.layers if layer.weights and layer.name in names]
    assert (tmp_path / "new.h5").stat().st_size < 80_000 < 150_000 < (tmp_path / "plain.h5").stat().st_size
    images = rng.random((2, 40, 30, 1), dtype=np.float32)
    plain = keras.models.load_model(tmp_path / "new.h5", compile=False)
    assert np.array_equal(plain.predict_on_batch(images), model.predict_on_batch(images))


def test_model_without_any_weights_and_one_of_very_many_layers_are_portable(tmp_path, rng, monkeypatch):
    inputs = keras.Input((28, 28, 1))
    still = keras.Model(inputs, keras.layers.MaxPooling2D(2)(inputs))
    from keras.src.legacy.saving import legacy_h5_format

    many = models.capped_autoencoder(4, 2)
    for name, model in {"still": still, "many": many}.items():
        with monkeypatch.context() as patch, warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            if name == "many":  # the names stand in several attributes where one would be over this limit
                patch.setattr(legacy_h5_format, "HDF5_OBJECT_HEADER_LIMIT", 100)
            saving.save_model(model, tmp_path / f"{name}.h5", {})
        images = rng.random((2, 28, 28, 1), dtype=np.float32)
        again = keras.models.load_model(tmp_path / f"{name}.h5", compile=False)
        assert np.array_equal(again.predict_on_batch(images), model.predict_on_batch(images))
    with h5py.File(tmp_path / "many.h5") as file:
        assert "layer_names" not in file["model_weights"].attrs and "layer_names1" in file["model_weights"].attrs


def test_newer_keys_are_left_out_at_their_defaults_only():
    plain = {"class_name": "BatchNormalization", "config": {"axis": -1, "renorm": False, "synchronized": False}}

    def translated():
        model = {"class_name": "Sequential", "config": {"layers": [plain]}}
        return portable.translate(model)["config"]["layers"][0]["config"]

    assert translated() == {"axis": -1}
    plain["config"]["synchronized"] = True
    assert translated() == {"axis": -1, "synchronized": True}


def test_model_that_has_no_older_form_is_saved_as_it_is_with_a_warning(tmp_path, rng):
    inputs = keras.Input((28, 28, 1))
    query = keras.layers.Conv2D(2, 3)(inputs)
    output = keras.layers.MultiHeadAttention(1, 2)(query, query)
    model = keras.Model(inputs, output)
    with pytest.warns(UserWarning, match="needs this version: a layer that is called with more than its inputs"):
        saving.save_model(model, tmp_path / "new.h5", {})
    assert "module" in keys_of(read_config(tmp_path / "new.h5"))
    images = rng.random((2, 28, 28, 1), dtype=np.float32)
    again = keras.models.load_model(tmp_path / "new.h5", compile=False)
    assert np.array_equal(model.predict_on_batch(images), again.predict_on_batch(images))


def test_file_whose_outputs_would_differ_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "plain.h5"
    with saving.without_legacy_warning():
        models.capped_autoencoder(4, 1).save(path, include_optimizer=False)
    before, translate = path.read_bytes(), portable.translate

    def wrong(config):
        found = translate(config)
        found["config"]["layers"][1]["config"]["activation"] = "tanh"
        return found

    monkeypatch.setattr(portable, "translate", wrong)
    with pytest.warns(UserWarning, match="its outputs differ"):
        assert portable.make_portable(path) is False
    assert path.read_bytes() == before


def test_committed_models_are_in_the_older_dialect():
    for path in sorted((ROOT / "models").rglob("*.h5")):
        if "runs" in path.parts and not (path.parent / "scores.json").is_file():
            continue  # a checkpoint of a run that is not finished
        keys = keys_of(read_config(path))
        assert not keys & {"module", "registered_name", "batch_shape", "optional", "input_axes"}, path.name
        assert saving.card_matches(path) in (True, None)


@pytest.fixture(scope="module")
def other_keras(tmp_path_factory):
    """A folder with Keras 3.13.2 alone; what it needs is the installed one's."""
    folder = tmp_path_factory.mktemp("keras")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", folder, "keras==3.13.2"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"Keras 3.13.2 could not be installed: {done.stderr.strip()[-200:]}")
    return folder


@pytest.mark.stress
def test_another_keras_opens_the_models(tmp_path, other_keras):
    for name in ("clutter_small", "gaussian_small", "colour_small", "occlusion_cap_baseline"):
        (tmp_path / f"{name}.h5").write_bytes((ROOT / "models" / f"{name}.h5").read_bytes())
    saving.save_model(BUILDERS["tied"](), tmp_path / "new.h5", {})
    plain = tmp_path / "plain.h5"
    with saving.without_legacy_warning():
        models.capped_autoencoder(4, 1).save(plain, include_optimizer=False)
    names = compatibility.make_expected(tmp_path / "files", tmp_path)
    found = compatibility.try_files(sys.executable, {"PYTHONPATH": os.fspath(other_keras)}, tmp_path / "files")
    assert isinstance(found.pop("plain"), str), "as Keras writes it, it must not open, or this test proves nothing"
    assert set(found) == set(names) - {"plain"}
    assert all(not isinstance(result, str) and result < compatibility.LIMIT for result in found.values()), found


def test_report_tells_who_opens_what_and_why_not(tmp_path):
    from pathlib import Path

    found = {"Keras A": {"x": 1e-6, "y": "ValueError: no"}, "Keras B": {"x": 0.5, "y": 0.0}, "Keras C": "not tried: z"}
    compatibility.write_report(found, {"x": Path("x.h5"), "y": Path("seeds/y.h5")}, tmp_path / "table.md")
    text = (tmp_path / "table.md").read_text()
    assert "| x.h5 | yes | no (1) | no (2) |" in text and "| seeds/y.h5 | no (3) | yes | no (2) |" in text
    assert "1. opens, but its outputs differ by 0.5" in text and "3. ValueError: no" in text


def test_a_model_that_an_older_keras_does_not_open_says_so_where_people_look():
    lines = (ROOT / "reports" / "compatibility.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if ".h5 |" in line]
    assert {len(row) for row in rows} == {10}, "every version has been tried on every file"
    refused = [row[0] for row in rows if any(cell.startswith("no") for cell in row)]
    readme = (ROOT / "models" / "README.md").read_text(encoding="utf-8")
    for name in refused:
        assert name in readme.split("| file |")[0], f"models/README.md says which Keras {name} takes"
        card = saving.read_card(ROOT / "models" / name)
        assert "opens it from" in card["limits"] and card["parameters"] > CAP, f"the card of {name} says so, too"
