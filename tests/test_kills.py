"""SIGKILL at any moment: what is in the folders is whole, or is not there."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from denoise_utils import models, saving
from denoise_utils.system import files
from tests.conftest import ROOT

PROGRAM = """
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
        lambda: models.capped_autoencoder(4, 1), *data, name="killed", runs=root / "runs", record={"noise": {}},
        epochs=8, batch_size=32, seed=seed, learning_rate=4e-3, keep=(1, 3),
    )
    card = cards.make_card(run, task="clutter", role="capped", scores={}, noisy_scores={}, limits="for a test")
    saving.save_model(run.model, root / "models" / "killed.h5", card)
    files.write_csv(root / "reports" / "killed.csv", run.history, ["loss", "val_loss"])
"""
HALF = """
import os, pathlib, signal, sys
import keras
import numpy as np
from denoise_utils import models, saving, training
from denoise_utils.system import files

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
images = np.random.default_rng(0).random((64, 28, 28, 1), dtype=np.float32)
settings = {"name": "killed", "record": {}, "epochs": 30, "learning_rate": 4e-3}
training.train(lambda: models.capped_autoencoder(4, 1), (images, images), (images, images), runs=folder, **settings)
"""
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def kill_trainings(folder, number):
    """Kill `number` trainings, each in a process of its own, within two seconds after its first model."""
    roots = [folder / str(index) for index in range(number)]
    waiting = {root: subprocess.Popen([sys.executable, "-c", PROGRAM, root], cwd=ROOT, **QUIET) for root in roots}
    due, deadline = {}, time.monotonic() + 300
    try:
        while waiting:
            for root, process in list(waiting.items()):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("the training ended, or did not begin, before it could be killed")
                if root not in due and list(root.glob("runs/*/best.h5")):
                    due[root] = time.monotonic() + random.uniform(0, 2)
                if time.monotonic() > due.get(root, deadline):
                    process.kill()  # SIGKILL
                    process.wait()
                    del waiting[root]
            time.sleep(0.002)
    finally:
        for process in waiting.values():
            process.kill()
            process.wait()
    return roots


def check_whole(root):
    """Open every file that a killed training left under its own name; return how many models there were."""
    opened = 0
    for path in root.rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        if path.name.endswith(".weights.h5"):
            model = models.capped_autoencoder(4, 1)
            model.compile("adam", "binary_crossentropy")
            model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
        elif path.suffix == ".h5":
            assert saving.load_model(path).count_params() == models.capped_autoencoder(4, 1).count_params()
            opened += 1
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.name == "log.txt":
            assert all("epoch" in line for line in path.read_text().splitlines())
        else:
            assert path.suffix == ".csv" and len(path.read_text().splitlines()) == 9
    return opened


@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")  # killed between the two
def test_killed_training_leaves_whole_files(tmp_path):
    for root in kill_trainings(tmp_path, 3):
        assert check_whole(root) >= 1


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")
def test_25_kills_leave_whole_files(tmp_path):
    for part in range(5):
        for root in kill_trainings(tmp_path / str(part), 5):
            assert check_whole(root) >= 1


def run_killed(folder, program):
    """Run a program that kills itself; return the names and hashes of the models that it found before."""
    done = subprocess.run([sys.executable, "-c", HALF + program, folder], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    return dict(line.split() for line in done.stdout.splitlines() if ".h5 " in line)


def test_kill_in_the_middle_of_saving_keeps_the_old_model_and_its_card(tmp_path):
    path = tmp_path / "killed.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {})
    before = path.read_bytes()
    assert run_killed(tmp_path, f"keras.Model.save = save_half\n{SAVE}") == {path.name: files.hash_file(path)}
    assert path.read_bytes() == before and saving.card_matches(path) and saving.load_model(path)
    assert len(list(tmp_path.glob(".killed-*.h5"))) == 1, "the half must be there, or this test proves nothing"


def test_kill_in_the_middle_of_a_checkpoint_keeps_the_best_model(tmp_path):
    found = run_killed(tmp_path, f"keras.Model.save = save_half_after_an_epoch\n{TRAIN}")
    (best,) = tmp_path.glob("killed-*/best.h5")
    assert found["best.h5"] == files.hash_file(best) and check_whole(tmp_path) == 1
    assert (best.parent / ".checkpoint.h5").is_file(), "the half must be there, or this test proves nothing"
    run = subprocess.run([sys.executable, "-c", HALF + TRAIN, tmp_path], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0 and "goes on after epoch" in run.stdout and not list(best.parent.glob(".check*"))


@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")
def test_kill_between_model_and_card_leaves_the_new_model_and_a_card_that_is_not_its(tmp_path):
    path = tmp_path / "killed.h5"
    saving.save_model(models.capped_autoencoder(4, 1), path, {})
    run_killed(tmp_path, f"files.write_json = die\n{SAVE}")
    assert saving.load_model(path).count_params() == models.capped_autoencoder(8, 1).count_params()
    assert saving.card_matches(path) is False
