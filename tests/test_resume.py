"""A training that stops, whatever stopped it, goes on after its last whole epoch, to the same weights."""

import json
import random
import resource
import signal
import subprocess
from dataclasses import replace

import keras
import pytest

from denoise_utils import profiles
from denoise_utils.running import callbacks
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.zoo import recipes
from tests import processes
from tests.trainings import Stop, list_names, stop_before, train, train_with_shelf, weights_equal


def check_equal(run, whole):
    """Check that two trainings had the same losses and made the same file."""
    assert [log["val_loss"] for log in run.history] == [log["val_loss"] for log in whole.history]
    assert run.folder.best.read_bytes() == whole.folder.best.read_bytes() and run.folder != whole.folder


BETWEEN_EPOCHS = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
from denoise_utils import profiles
from denoise_utils.running import callbacks
from denoise_utils.zoo import recipes
begin = callbacks.SaveEpoch.on_epoch_begin
def killed_or_begun(self, epoch, logs=None):
    os.kill(os.getpid(), signal.SIGKILL) if epoch == 2 else begin(self, epoch, logs)
callbacks.SaveEpoch.on_epoch_begin = killed_or_begun
profile = replace(profiles.load_profile("tiny"), root=Path(sys.argv[1]))
recipes.train("clutter_tiny", profile, epochs=4, average=0.9)
"""


@pytest.mark.stress
def test_training_killed_between_epochs_goes_on_to_the_same_weights(tmp_path, capsys):
    """With all that a training remembers: the optimizer's state, its schedule, averaged weights, fresh noise."""

    def train_recipe(name):
        keras.utils.clear_session()  # layers are numbered from the start, as in a process of its own
        profile = replace(profiles.load_profile("tiny"), root=tmp_path / name)
        return recipes.train("clutter_tiny", profile, epochs=4, average=0.9)

    assert processes.run(BETWEEN_EPOCHS, tmp_path / "killed").returncode == -signal.SIGKILL
    again = train_recipe("killed")
    assert "goes on after epoch 2" in capsys.readouterr().out
    whole = train_recipe("whole")
    assert again.folder.path.name == whole.folder.path.name and len(whole.history) == 4
    check_equal(again, whole)


@pytest.mark.stress
def test_early_stopping_remembers_the_epochs_before_a_stop(clutter, tmp_path, monkeypatch):
    settings = {"epochs": 40, "patience": 2, "learning_rate": 0.05}
    whole = train(clutter, tmp_path / "whole", **settings)
    last = len(whole.history) - 1
    assert last < 39, "the run must have stopped early, or this test proves nothing"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_before(last, patch)
        train(clutter, tmp_path / "stopped", **settings)
    resumed = train(clutter, tmp_path / "stopped", **settings)
    assert len(resumed.history) == len(whole.history)
    assert weights_equal(resumed.model, whole.model)


def commit(folder):
    for words in (
        ["init", "-q"],
        ["add", "models"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


@pytest.mark.stress
def test_run_stopped_committed_and_cloned_goes_on_to_the_same_weights(clutter, tmp_path, monkeypatch, capsys):
    first, clone = tmp_path / "first", tmp_path / "clone"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        stop_before(2, patch)
        train_with_shelf(clutter, first)
    (folder,) = map(RunFolder, (first / "models" / "runs").iterdir())
    assert list_names(folder) == ["best.h5", "epoch_2.state", "history.json", "settings.json"] and not folder.finished
    commit(first)
    subprocess.run(["git", "clone", "-q", first, clone], check=True)
    run, whole = train_with_shelf(clutter, clone), train_with_shelf(clutter, tmp_path / "whole")
    assert "goes on after epoch 2" in capsys.readouterr().out
    check_equal(run, whole)
    on_shelf = RunFolder(clone / "models" / "runs" / folder.path.name)
    assert list_names(on_shelf) == ["best.h5", "history.json", "scores.json", "settings.json"]
    assert on_shelf.scores == run.scores and on_shelf.history == run.history


def test_full_disk_stops_a_training_that_goes_on_where_it_was(clutter, tmp_path, capsys, monkeypatch):
    whole = train(clutter, tmp_path / "whole", epochs=2)
    write_history = callbacks.SaveEpoch.on_epoch_end

    def fill_up(self, epoch, logs=None):
        write_history(self, epoch, logs)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    with monkeypatch.context() as patch, processes.full_disk(10**12):
        patch.setattr(callbacks.SaveEpoch, "on_epoch_end", fill_up)
        with pytest.raises(OSError, match=r"room for .* bytes at .*File too large.*Make room.*finished is kept"):
            train(clutter, tmp_path / "filled", epochs=2)
    capsys.readouterr()
    again = train(clutter, tmp_path / "filled", epochs=2)
    assert "goes on after epoch 1" in capsys.readouterr().out and weights_equal(again.model, whole.model)


TRAIN = """
import sys
from pathlib import Path
from denoise_utils import noise
from tests.trainings import train
clutter = noise.load_task("clutter", num_train=200, num_val=60, num_test=60)
train(clutter, Path(sys.argv[1]), epochs=60)
"""


@pytest.mark.stress
def test_10_kills_cost_no_bit_of_the_weights(clutter, tmp_path):
    whole = train(clutter, tmp_path / "whole", epochs=60)
    for number in range(10):
        root, epochs = tmp_path / str(number), random.randint(1, 20)

        def has_run(root=root, epochs=epochs):
            return any(len(json.loads(log.read_text())) >= epochs for log in root.glob("*/history.json"))

        processes.kill_within(has_run, 0.3, TRAIN, root)
        assert weights_equal(train(clutter, root, epochs=60).model, whole.model)
