"""Runs that travel: sent to a folder of the repository, taken from a clone of it, gone on with to the same bits."""

import re
import subprocess
from fnmatch import fnmatch

import keras
import numpy as np
import pytest

from denoise_utils import models, saving, training
from denoise_utils.running import callbacks, run_folder
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.zoo import recipes
from tests.conftest import ROOT

SETTINGS = {"name": "travelled", "record": {}, "epochs": 3, "batch_size": 4}  # the bases change every ten steps


class Stop(Exception):
    """Stands for the end of a session."""


def build():
    keras.utils.clear_session()  # layers are numbered from the start, as in a process of its own
    return models.tied_denoiser(6, 2, separable=True, signs=True)


def train(root, data, **settings):
    """Train a small run under `root`, as the full profile does: in build/runs, with models/runs as the shelf."""
    places = {"runs": root / "build" / "runs", "shelf": root / "models" / "runs"}
    return training.train(build, *data, **SETTINGS | places | {"optimizer": "soap", "schedule": "cosine"} | settings)


@pytest.fixture
def data(digits, rng):
    pairs = np.float32(digits + rng.random(digits.shape)) / 2, digits
    return pairs, (pairs[0][:20], pairs[1][:20])


def stop_before(epoch, monkeypatch):
    begin = callbacks.SaveEpoch.on_epoch_begin

    def stopped(self, number, logs=None):
        if number == epoch:
            raise Stop
        begin(self, number, logs)

    monkeypatch.setattr(callbacks.SaveEpoch, "on_epoch_begin", stopped)


def commit(folder):
    for words in (
        ["init", "-q"],
        ["add", "models"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def names(folder):
    return sorted(path.name for path in folder.path.iterdir())


@pytest.mark.stress
def test_run_stopped_committed_and_cloned_goes_on_to_the_same_weights(data, tmp_path, monkeypatch, capsys):
    first, clone = tmp_path / "first", tmp_path / "clone"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_before(2, patch)
        train(first, data)
    (folder,) = map(RunFolder, (first / "models" / "runs").iterdir())
    assert names(folder) == ["best.h5", "epoch_2.state", "history.json", "settings.json"] and not folder.finished
    commit(first)
    subprocess.run(["git", "clone", "-q", first, clone], check=True)
    run, whole = train(clone, data), train(tmp_path / "whole", data)
    assert "goes on after epoch 2" in capsys.readouterr().out
    assert [log["val_loss"] for log in run.history] == [log["val_loss"] for log in whole.history]
    assert run.folder.best.read_bytes() == whole.folder.best.read_bytes()
    on_shelf = RunFolder(clone / "models" / "runs" / folder.path.name)
    assert names(on_shelf) == ["best.h5", "history.json", "scores.json", "settings.json"]
    assert on_shelf.scores == run.scores and on_shelf.history == run.history


def test_finished_run_on_the_shelf_is_loaded(data, tmp_path, monkeypatch):
    first = train(tmp_path, data)
    assert set(first.scores) >= {"epoch", "val_loss", "psnr", "excess"}
    assert first.scores["bce"] == pytest.approx(first.best["val_loss"], abs=1e-5)
    assert all(set(log) == {"loss", "val_loss", "seconds", "machine"} for log in first.history)
    monkeypatch.setattr(keras.Model, "fit", None)  # nothing is to be trained
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    again = train(tmp_path, data)
    assert again.history == first.history and again.folder.best.read_bytes() == first.folder.best.read_bytes()


@pytest.mark.stress
def test_large_model_stays_behind_and_its_scores_travel(data, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "MOST", 1000)
    run = train(tmp_path, data)
    (folder,) = map(RunFolder, (tmp_path / "models" / "runs").iterdir())
    assert names(folder) == ["history.json", "scores.json", "settings.json"]
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    again = train(tmp_path, data)
    assert again.scores == run.scores
    with pytest.raises(FileNotFoundError, match=r"too large to travel.*train it anew"):
        again.model  # noqa: B018
    card = {
        "settings": run.settings.as_json(),
        "epoch": 1,
        "validation_loss": 1.0,
        "machine": "",
        "seconds": 1,
        "epochs_run": 1,
    }
    saving.save_model(run.model, tmp_path / "big.h5", card)
    assert train(tmp_path, data, saved=[tmp_path / "big.h5"]).model.count_params() == run.model.count_params()


def test_shelf_that_is_behind_or_cut_is_not_taken(data, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_before(2, patch)
        train(tmp_path, data)
    (here,) = map(RunFolder, (tmp_path / "build" / "runs").iterdir())
    shelf = tmp_path / "models" / "runs"
    assert not here.fetch(shelf), "it is as far as the one here"
    new = RunFolder(tmp_path / "new" / here.path.name)
    state = shelf / here.path.name / "epoch_2.state"
    state.rename(tmp_path / "kept.state")
    assert not new.fetch(shelf) and not new.path.exists()
    (tmp_path / "kept.state").rename(state)
    assert new.fetch(shelf) and new.state(2).read_bytes() == here.state(2).read_bytes()


def test_history_that_is_no_json_is_named(tmp_path):
    (tmp_path / "history.json").write_text("[{")
    with pytest.raises(ValueError, match=r"history\.json as JSON.*trained anew"):
        RunFolder(tmp_path).history  # noqa: B018


@pytest.fixture(scope="module")
def committed():
    """The files of models/ that git has or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "models"], cwd=ROOT, capture_output=True, text=True
    )
    if listed.returncode:
        pytest.skip("not a git repository")
    return [path for path in (ROOT / name for name in listed.stdout.splitlines()) if path.is_file()]


def test_models_folder_stays_small(committed):
    assert sum(path.stat().st_size for path in committed) < 60_000_000
    travelling = [path for path in committed if "runs" in path.relative_to(ROOT / "models").parts]
    assert all(path.stat().st_size <= run_folder.MOST for path in travelling)


def test_committed_runs_are_named_by_their_settings_and_whole(committed):
    folders = {path.parent for path in committed if path.parent.parent == ROOT / "models" / "runs"}
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "notebooks" / "text").glob("*.py")]
    loaded = re.findall(r'"runs/([^"]+)"', "".join(texts))  # what notebooks load
    for folder in map(RunFolder, sorted(folders)):
        assert RunFolder.of(ROOT / "models" / "runs", folder.settings).path == folder.path
        name = folder.settings["name"]
        assert name in recipes.ALL or any(fnmatch(f"{name}-", one) for one in loaded), f"{name}: who trains it?"
        assert folder.history and all(log["seconds"] > 0 and log["machine"] for log in folder.history)
        if folder.finished:
            losses, kept = [log["val_loss"] for log in folder.history], folder.settings.get("keep")
            assert folder.scores["val_loss"] == (losses[max(kept) - 1] if kept else min(losses))
            assert not list(folder.path.glob("*.state"))
        else:
            assert (folder.path / f"epoch_{len(folder.history)}.state").is_file()
        if folder.best.is_file():
            assert saving.load_model(folder.best).count_params() > 0
