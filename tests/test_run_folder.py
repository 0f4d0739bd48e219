"""Runs that travel: sent to a folder of the repository, found there and loaded."""

import re
import subprocess
from fnmatch import fnmatch

import keras
import pytest

from denoise_utils import saving
from denoise_utils.running import run_folder
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.zoo import recipes
from tests.conftest import ROOT
from tests.trainings import Stop, list_names, stop_before, train_with_shelf


def test_finished_run_on_the_shelf_is_loaded(clutter, tmp_path, monkeypatch):
    first = train_with_shelf(clutter, tmp_path)
    assert set(first.scores) >= {"epoch", "val_loss", "psnr", "excess"}
    assert first.scores["bce"] == pytest.approx(first.best["val_loss"], abs=1e-5)
    assert all(set(log) == {"loss", "val_loss", "seconds", "machine"} for log in first.history)
    monkeypatch.setattr(keras.Model, "fit", None)  # nothing is to be trained
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    again = train_with_shelf(clutter, tmp_path)
    assert again.history == first.history and again.folder.best.read_bytes() == first.folder.best.read_bytes()


@pytest.mark.stress
def test_large_model_stays_behind_and_its_scores_travel(clutter, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "MOST", 1000)
    run = train_with_shelf(clutter, tmp_path)
    (folder,) = map(RunFolder, (tmp_path / "models" / "runs").iterdir())
    assert list_names(folder) == ["history.json", "scores.json", "settings.json"]
    (tmp_path / "build").rename(tmp_path / "elsewhere")
    again = train_with_shelf(clutter, tmp_path)
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
    found = train_with_shelf(clutter, tmp_path, saved=[tmp_path / "big.h5"])
    assert found.model.count_params() == run.model.count_params()


def test_shelf_that_is_behind_or_cut_is_not_taken(clutter, tmp_path, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_before(2, patch)
        train_with_shelf(clutter, tmp_path)
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
