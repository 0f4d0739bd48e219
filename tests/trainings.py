"""Small trainings and searches that several test files run."""

import keras
import numpy as np

from denoise_utils import models, search, training
from denoise_utils.running import callbacks


def train(clutter, runs, *, build=lambda: models.capped_autoencoder(8, 1), name="killed", epochs=3, **settings):
    """Train a small model on the clutter task as a run in the folder `runs`."""
    data = (clutter.train.noisy, clutter.train.clean), (clutter.val.noisy, clutter.val.clean)
    settings = {"batch_size": 32, "learning_rate": 4e-3, "patience": 5} | settings
    return training.train(build, *data, name=name, runs=runs, record=clutter.record, epochs=epochs, **settings)


def build_named():
    """Return a model whose layers are numbered from the start, as in a process of its own."""
    keras.utils.clear_session()
    return models.tied_denoiser(6, 2, separable=True, signs=True)


def train_with_shelf(clutter, root, **settings):
    """Train a small run under `root`, as the full profile does: in build/runs, with models/runs as the shelf."""
    settings |= {"optimizer": "soap", "schedule": "cosine", "batch_size": 20}  # its bases change every ten steps
    places = {"runs": root / "build" / "runs", "shelf": root / "models" / "runs"}
    return train(clutter, build=build_named, name="travelled", **places, **settings)


def list_names(folder):
    """Return the names of what lies in a RunFolder."""
    return sorted(path.name for path in folder.path.iterdir())


class Stop(Exception):
    """Stands for the end of a process, or of a session."""


def stop_before(epoch, monkeypatch):
    """Let a training stop where the epoch of that number, from 0, would begin."""
    begin = callbacks.SaveEpoch.on_epoch_begin

    def stopped(self, number, logs=None):
        if number == epoch:
            raise Stop
        begin(self, number, logs)

    monkeypatch.setattr(callbacks.SaveEpoch, "on_epoch_begin", stopped)


def weights_equal(one, two):
    """Say whether two models have the same weights to the bit."""
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


GRID = {
    "filters": [4, 8, 40],
    "depth": [1],
    "optimizer": ["adam"],
    "batch_size": [50],
    "learning_rate": [1e-3, 1e-2],
    "epochs": [1, 2],
}
SMALL = GRID | {"filters": [4, 8, 40], "epochs": [1]}  # four legal configurations


def run_search(clutter, runs, grid=GRID, cap=3600):
    """Search a grid on the clutter task in this process, with the ledger in the folder `runs`."""
    return search.search(grid, cap, clutter, runs=runs)
