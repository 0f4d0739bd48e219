"""SIGKILL at any moment: what is in the folders is whole, or is not there."""

import json
import random
import subprocess
import sys
import time

import pytest

from denoise_utils import models, saving
from tests.conftest import ROOT

PROGRAM = """
import pathlib, sys
import numpy as np
from denoise_utils import cards, models, saving, training
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
    saving.write_csv(root / "reports" / "killed.csv", run.history, ["loss", "val_loss"])
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
