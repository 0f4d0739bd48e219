"""The card and the layers of a saved model, read without TensorFlow."""

import json
import shutil
import subprocess
import sys

import h5py
import keras
import pytest

from denoise_utils import cli, models, saving
from denoise_utils.cli import show
from denoise_utils.saved import cards
from denoise_utils.zoo import originals
from tests.conftest import ROOT

PATHS = sorted((ROOT / "models").glob("*.h5"))


@pytest.fixture
def saved(tmp_path):
    """A small saved model whose card says little."""
    path = tmp_path / "x.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {"task": "clutter", "limits": "none known"})
    return path


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_committed_models_show_their_card_and_every_layer(path):
    card, text = saving.read_card(path), show.describe(path)
    assert text.startswith(f"{path.name}: {card['parameters']:,} parameters, ") and "WARNING" not in text
    flat = " ".join(text.split())
    for said in (card["task"], card["limits"], card["machine"], card["sha256"], "keras 3."):
        assert said in flat
    for sha256 in card["settings"]["data"]["datasets"].values():
        assert sha256 in flat
    assert f"{card['settings']['seed']} for weights and order" in flat and "test is the dataset's own" in flat
    if path.stem != "digit_judge":
        assert f"PSNR {card['test_scores']['psnr']:.2f} dB (sd " in flat
        assert f"PSNR {card['noisy_input_scores']['psnr']:.2f} dB" in flat.partition("noisy input BCE ")[2]
    assert f"{card['epochs_run']} run, the model is of epoch {card['epoch']}" in flat


def test_command_imports_nothing_that_takes_seconds():
    program = (
        "import sys; from denoise_utils import cli; code = cli.main(['show', 'models/gaussian_small.h5'])\n"
        "print(code, sorted({'tensorflow', 'keras', 'skimage', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_table_has_weights_and_parameters_of_layers_inside_too(tmp_path):
    saving.save_model(originals.project_r_encoder_decoder(), tmp_path / "x.h5", {})
    rows = [line.split() for line in show.describe(tmp_path / "x.h5").splitlines()]
    assert ["total", "541,775"] in rows
    row = next(row for row in rows if "5x5x3x16," in row)
    assert row[0].startswith("encoder/conv2d") and row[1:] == ["Conv2D", "28x28x16", "5x5x3x16,", "16", "1,216"]


@pytest.mark.parametrize("steps", [1, 3, 6])
def test_steps_of_a_tied_model_stand_once(tmp_path, steps):
    saving.save_model(models.tied_denoiser(4, steps), tmp_path / "x.h5", {})
    lines = show.describe(tmp_path / "x.h5").partition("\nlayer ")[2].splitlines()
    kinds = [line.split()[1] for line in lines[1:-1] if "(used" not in line and "..." not in line]
    folded = [line for line in lines if "..." in line]
    if steps > 3:  # the first step has the shared layer in its middle
        assert [line.strip() for line in folded] == [f"... these 2 again, {steps - 2} times"]
        assert kinds == ["Conv2D", "ReLU", "Add", "ReLU", "Add", "Conv2D"]
    else:
        assert not folded and kinds.count("Add") == steps
    assert lines[-1].split() == ["total", f"{models.tied_denoiser(4, steps).count_params():,}"]


def test_layers_with_weights_of_their_own_are_all_shown(tmp_path):
    inputs = x = keras.Input((28, 28, 1))
    for _ in range(6):
        x = keras.layers.Conv2D(1, 3, padding="same")(x)
    saving.save_model(keras.Model(inputs, x), tmp_path / "x.h5", {})
    assert show.describe(tmp_path / "x.h5").count(" Conv2D ") == 6


def test_verdict_follows_the_cap(saved, capsys):
    assert cli.main(["show", str(saved)]) == 0 and "PASS (cap 3,600)" in capsys.readouterr().out
    assert cli.main(["show", str(saved), "--cap", "5"]) == 0 and "OVER (cap 5)" in capsys.readouterr().out


def test_lone_file_shows_its_own_card(saved):
    saved.with_suffix(".json").unlink()
    text = show.describe(saved)
    assert "none known" in text and "WARNING" not in text and "sha256" not in text


def test_file_without_any_card_says_so(saved):
    saved.with_suffix(".json").unlink()
    with h5py.File(saved, "r+") as file:
        del file.attrs["card"]
    assert "no card" in show.describe(saved) and "conv2d" in show.describe(saved)


def test_card_of_another_file_is_warned_of(saved, tmp_path):
    other = tmp_path / "other.h5"
    saving.save_model(models.capped_autoencoder(6, 1), other, {"parameters": 1})
    shutil.copy(other, saved)
    assert "WARNING: x.json is the card of another file" in show.describe(saved)
    assert "WARNING: the card counts 1 parameters" in show.describe(other)
    with pytest.warns(UserWarning, match=r"Expected x\.h5 as its card describes it, got other bytes"):
        saving.load_model(saved)


def test_texts_of_strangers_are_shown_without_control_characters(saved):
    card = {"task": "a\x1b[2Jb", "settings": 3, "test_scores": [1], "versions": "x", "limits": "long " * 1000}
    saved.with_suffix(".json").write_text(json.dumps(card))
    text = show.describe(saved)
    assert "\x1b" not in text and "a\\x1b[2Jb" in text and len(text) < 10_000
    card = {"test_scores": {"psnr": 10**400, "images": "many"}, "settings": {"data": {"images": {"train": "x"}}}}
    saved.with_suffix(".json").write_text(json.dumps(card))
    assert "total" in show.describe(saved)


def test_what_cannot_be_opened_is_one_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "x.h5").write_bytes(b"none")
    for name in ("x.h5", "missing.h5"):
        assert cli.main(["show", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: Expected ") and name in said and len(said.splitlines()) == 1


def test_split_of_own_pairs_and_of_unknown_data_is_told():
    told = {"task": "pairs", "seed": 0, "images": {"train": 144, "val": 36}, "noise": {"files": ["X.pkl", "Y.pkl"]}}
    split = cards.describe_split({"data": told, "seed": 2}, {"images": 20})
    assert split.startswith("train 144, val 36, test 20; test is a tenth of the pairs") and "2 for weights" in split
    assert cards.describe_split({}, {}) == "" and cards.describe_noise({}) == ""
