"""SIGKILL at any moment: what is in the folders is whole, or is not there, and a training goes on from it."""

import json
import random
import signal
import subprocess
import time
from dataclasses import replace

import keras
import pytest

from denoise_utils import models, profiles, saving
from denoise_utils.system import files
from denoise_utils.zoo import recipes
from tests import processes
from tests.trainings import train, weights_equal

HALF = """
import os, pathlib, signal, sys
import keras
from denoise_utils import models, noise, saving
from denoise_utils.system import files
from tests.trainings import train

whole_save, folder = keras.Model.save, pathlib.Path(sys.argv[1])

def die(*about):
    os.kill(os.getpid(), signal.SIGKILL)

def save_half(self, path, **options):
    for old in folder.rglob("[!.]*.h5"):
        print(f"\\n{old.name}", files.hash_file(old), flush=True)
    whole_save(self, path, **options)
    os.truncate(path, os.path.getsize(path) // 2)
    die()

def save_half_after_an_epoch(self, path, **options):
    (save_half if list(folder.glob("*/history.json")) else whole_save)(self, path, **options)
"""
SAVE = "saving.save_model(models.capped_autoencoder(8, 1), folder / 'killed.h5', {})"
TRAIN = """
clutter = noise.load_task("clutter", num_train=200, num_val=60, num_test=60)
train(clutter, folder, epochs={epochs})
"""


def run_killed(folder, program):
    """Run a program that kills itself; return the names and hashes of the models that it found before."""
    done = processes.run(HALF + program, folder)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    return dict(line.split() for line in done.stdout.splitlines() if ".h5 " in line)


def check_whole(root):
    """Open every file that a killed training left under its own name; return how many models there were."""
    opened = 0
    for path in root.rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        if path.name.endswith(".weights.h5"):
            model = models.capped_autoencoder(8, 1)
            model.compile("adam", "binary_crossentropy")
            model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
        elif path.suffix == ".h5":
            assert saving.load_model(path).count_params() == models.capped_autoencoder(8, 1).count_params()
            opened += 1
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.name == "log.txt":
            assert all("epoch" in line for line in path.read_text().splitlines())
        else:
            assert path.suffix == ".csv" and len(path.read_text().splitlines()) == 9
    return opened


def test_kill_in_the_middle_of_saving_keeps_the_old_model_and_its_card(tmp_path):
    path = tmp_path / "killed.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {})
    before = path.read_bytes()
    assert run_killed(tmp_path, f"keras.Model.save = save_half\n{SAVE}") == {path.name: files.hash_file(path)}
    assert path.read_bytes() == before and saving.card_matches(path) and saving.load_model(path)
    assert len(list(tmp_path.glob(".killed-*.h5"))) == 1, "the half must be there, or this test proves nothing"


@pytest.mark.stress
def test_kill_in_the_middle_of_a_checkpoint_keeps_the_best_model(clutter, tmp_path, capsys):
    found = run_killed(tmp_path, f"keras.Model.save = save_half_after_an_epoch\n{TRAIN.format(epochs=30)}")
    (best,) = tmp_path.glob("killed-*/best.h5")
    assert found["best.h5"] == files.hash_file(best) and check_whole(tmp_path) == 1
    assert (best.parent / ".checkpoint.h5").is_file(), "the half must be there, or this test proves nothing"
    train(clutter, tmp_path, epochs=30)
    assert "goes on after epoch" in capsys.readouterr().out and not list(best.parent.glob(".check*"))


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")  # killed between the two
def test_kill_between_model_and_card_leaves_the_new_model_and_a_card_that_is_not_its(tmp_path):
    path = tmp_path / "killed.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {})
    run_killed(tmp_path, f"files.write_json = die\n{SAVE}")
    assert saving.load_model(path).count_params() == models.capped_autoencoder(8, 1).count_params()
    assert saving.card_matches(path) is False


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
recipes.train("clutter_tiny", replace(profiles.load_profile("tiny"), root=Path(sys.argv[1])), epochs=4)
"""


@pytest.mark.stress
def test_training_killed_between_epochs_goes_on_to_the_same_weights(tmp_path, capsys):
    """With all that a training remembers: the optimizer's state, its schedule, averaged weights, fresh noise."""

    def train_recipe(name):
        keras.utils.clear_session()  # layers are numbered from the start, as in a process of its own
        return recipes.train("clutter_tiny", replace(profiles.load_profile("tiny"), root=tmp_path / name), epochs=4)

    assert processes.run(BETWEEN_EPOCHS, tmp_path / "killed").returncode == -signal.SIGKILL
    again = train_recipe("killed")
    assert "goes on after epoch 2" in capsys.readouterr().out
    whole = train_recipe("whole")
    assert again.folder.path.name == whole.folder.path.name and again.folder != whole.folder
    losses = [[log["val_loss"] for log in run.history] for run in (whole, again)]
    assert losses[0] == losses[1] and len(losses[0]) == 4
    assert whole.folder.best.read_bytes() == again.folder.best.read_bytes()


class Stop(Exception):
    """Stands for a kill at a chosen moment."""


class StopAt(keras.callbacks.Callback):
    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stop


@pytest.mark.stress
def test_early_stopping_remembers_the_epochs_before_a_stop(clutter, tmp_path, monkeypatch):
    settings = {"epochs": 40, "patience": 2, "learning_rate": 0.05}
    whole = train(clutter, tmp_path / "whole", **settings)
    stop_at = len(whole.history) - 1
    assert stop_at < 39, "the run must have stopped early, or this test proves nothing"
    fit = keras.Model.fit
    monkeypatch.setattr(
        keras.Model, "fit", lambda self, *a, callbacks, **k: fit(self, *a, callbacks=[*callbacks, StopAt(stop_at)], **k)
    )
    with pytest.raises(Stop):
        train(clutter, tmp_path / "stopped", **settings)
    monkeypatch.undo()
    resumed = train(clutter, tmp_path / "stopped", **settings)
    assert len(resumed.history) == len(whole.history)
    assert weights_equal(resumed.model, whole.model)


# Chance

MANY = """
import pathlib, sys
import numpy as np
from denoise_utils import models, saving, training
from denoise_utils.saved import cards
from denoise_utils.system import files
root = pathlib.Path(sys.argv[1])
images = np.random.default_rng(0).random((64, 28, 28, 1), dtype=np.float32)
data = (images, images), (images[:32], images[:32])
for seed in range(1000):
    run = training.train(
        lambda: models.capped_autoencoder(8, 1), *data, name="killed", runs=root / "runs", record={"noise": {}},
        epochs=8, batch_size=32, seed=seed, learning_rate=4e-3, keep=(1, 3),
    )
    card = cards.make_card(run, task="clutter", role="capped", scores={}, noisy_scores={}, limits="for a test")
    saving.save_model(run.model, root / "models" / "killed.h5", card)
    files.write_csv(root / "reports" / "killed.csv", run.history, ["loss", "val_loss"])
"""
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def kill_some_time_after(condition, program, root, seconds):
    """Start a program and kill it within so many seconds after `condition()` is true."""
    process = processes.start(program, root, **QUIET)
    try:
        processes.wait_for(condition, process)
        time.sleep(random.uniform(0, seconds))
    finally:
        process.kill()
        process.wait()


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")
def test_25_kills_leave_whole_files(tmp_path):
    for number in range(25):
        root = tmp_path / str(number)
        kill_some_time_after(lambda root=root: list(root.glob("runs/*/best.h5")), MANY, root, 2)
        assert check_whole(root) >= 1


@pytest.mark.stress
def test_10_kills_cost_no_bit_of_the_weights(clutter, tmp_path):
    whole = train(clutter, tmp_path / "whole", epochs=60)
    program = HALF + TRAIN.format(epochs=60)
    for number in range(10):
        root, epochs = tmp_path / str(number), random.randint(1, 20)

        def has_run(root=root, epochs=epochs):
            return any(len(json.loads(log.read_text())) >= epochs for log in root.glob("*/history.json"))

        kill_some_time_after(has_run, program, root, 0.3)
        assert weights_equal(train(clutter, root, epochs=60).model, whole.model)
