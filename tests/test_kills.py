"""SIGKILL at any moment: what is in the folders is whole, or is not there."""

import json
import signal

import pytest

from denoise_utils import models, saving
from denoise_utils.system import files
from tests import processes
from tests.trainings import train

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


@pytest.mark.stress
@pytest.mark.filterwarnings("ignore:Expected killed.h5 as its card")
def test_25_kills_leave_whole_files(tmp_path):
    for number in range(25):
        root = tmp_path / str(number)
        processes.kill_within(lambda root=root: list(root.glob("runs/*/best.h5")), 2, MANY, root)
        assert check_whole(root) >= 1
