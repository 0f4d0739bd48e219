"""Saving: whole files or none, cards beside and inside, bad files refused in one sentence."""

import json
import os
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from denoise_utils import models, saving
from denoise_utils.system import files


@pytest.fixture
def saved(tmp_path):
    """A small saved model with a card."""
    path = tmp_path / "models" / "x.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {"task": "clutter", "role": "capped"})
    return path


def test_card_beside_and_inside(saved):
    beside = json.loads(saved.with_suffix(".json").read_text())
    assert beside["sha256"] == files.hash_file(saved)
    with h5py.File(saved) as file:
        assert json.loads(file.attrs["card"]) == {"task": "clutter", "role": "capped"}
    assert saving.read_card(saved) == beside
    saved.with_suffix(".json").unlink()
    assert saving.read_card(saved) == {"task": "clutter", "role": "capped"}


def test_numbers_of_a_list_share_a_line_and_nothing_else_changes(tmp_path):
    content = {"loss": [0.5, -1e-07, 3], "text": "[1,\n  2]", "names": ["a", "b"], "none": [], "inner": {"x": [1]}}
    files.write_json(tmp_path / "x.json", content)
    text = (tmp_path / "x.json").read_text()
    assert json.loads(text) == content
    assert '"loss": [ 0.5, -1e-07, 3 ],' in text.splitlines()[1]


def test_no_temporary_file_is_left(saved):
    assert sorted(os.listdir(saved.parent)) == ["x.h5", "x.json"]


def test_plain_keras_opens_it_in_a_fresh_process_with_equal_outputs(saved, tmp_path, rng):
    images = rng.random((2, 28, 28, 1), dtype=np.float32)
    np.save(tmp_path / "images.npy", images)
    program = (
        "import sys, numpy, keras; m = keras.models.load_model(sys.argv[1], compile=False);"
        "numpy.save(sys.argv[2], m.predict_on_batch(numpy.load(sys.argv[2])))"
    )
    subprocess.run([sys.executable, "-c", program, saved, tmp_path / "images.npy"], check=True, cwd=tmp_path)
    ours = saving.load_model(saved).predict_on_batch(images)
    assert np.array_equal(np.load(tmp_path / "images.npy"), ours)


def test_interrupted_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "table.csv"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise KeyboardInterrupt
    assert path.read_text() == "old" and os.listdir(tmp_path) == ["table.csv"]


def test_leavings_of_a_kill_are_cleared_when_they_are_old(tmp_path):
    for name, age in ((".x-leftover.csv", 3600), (".x-leftnew_.csv", 0), (".x-my own.csv", 3600)):
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    files.write_text(tmp_path / "x.csv", "whole")
    assert sorted(os.listdir(tmp_path)) == [".x-leftnew_.csv", ".x-my own.csv", "x.csv"]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.h5"):
        saving.load_model(tmp_path / "nothing.h5")


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.h5, got .*x\.hdf5"):
        saving.save_model(models.capped_autoencoder(4, 1), tmp_path / "x.hdf5", {})


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_broken_card_is_an_error(saved, text):
    saved.with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="Expected the card"):
        saving.read_card(saved)
