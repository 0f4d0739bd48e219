"""Small trainings and searches that several test files run."""

import numpy as np

from denoise_utils import models, search, training


def train(clutter, runs, *, build=lambda: models.capped_autoencoder(8, 1), name="killed", epochs=3, **settings):
    """Train a small model on the clutter task as a run in the folder `runs`."""
    data = (clutter.train.noisy, clutter.train.clean), (clutter.val.noisy, clutter.val.clean)
    settings = {"batch_size": 32, "learning_rate": 4e-3, "patience": 5} | settings
    return training.train(build, *data, name=name, runs=runs, record=clutter.record, epochs=epochs, **settings)


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
