"""The grid search: capped before training, complete, ranked, seeded, resumed after a kill."""

import dataclasses
import itertools
import random
import subprocess
import sys
import time

import pytest

from denoise_utils import models, noise, search

GRID = {
    "filters": [4, 8, 40],
    "depth": [1],
    "optimizer": ["adam"],
    "batch_size": [50],
    "learning_rate": [1e-3, 1e-2],
    "epochs": [1, 2],
}
PROGRAM = """
import sys
from denoise_utils import noise, search
from tests.test_search import GRID
pairs = noise.load_task("clutter", num_train=200, num_val=60, num_test=60)
search.search(GRID, 3600, pairs, runs=sys.argv[1])
"""


def run_search(clutter, runs, grid=GRID, cap=3600):
    return search.search(grid, cap, clutter, runs=runs)


@pytest.fixture(scope="module")
def found(clutter, tmp_path_factory):
    """One whole search."""
    return run_search(clutter, tmp_path_factory.mktemp("search"))


def settings_of(row):
    return tuple(row[axis] for axis in GRID)


def test_every_legal_configuration_once_and_no_other(found):
    legal = [values for values in itertools.product(*GRID.values()) if values[0] != 40]
    assert sorted(settings_of(row) for row in found.rows) == sorted(legal)
    assert [row["filters"] for row in found.over_cap] == [40]
    assert len(found.rows) + found.num_skipped == len(list(itertools.product(*GRID.values())))


def test_rows_are_ranked_with_their_parameters_and_seconds(found):
    losses = [row["val_bce"] for row in found.rows]
    assert losses == sorted(losses) and found.best is found.rows[0]
    for row in found.rows:
        assert row["parameters"] == models.capped_autoencoder(row["filters"], row["depth"]).count_params()
        assert row["seconds"] > 0 and len(row["val_history"]) == row["epochs"]


def test_each_trial_starts_from_a_fresh_model(found):
    by_settings = {settings_of(row): row for row in found.rows}
    for filters, rate in itertools.product([4, 8], [1e-3, 1e-2]):
        short, long = (by_settings[filters, 1, "adam", 50, rate, epochs] for epochs in (1, 2))
        assert short["val_history"][0] == long["val_history"][0]


def test_finished_search_is_looked_up(found, clutter):
    again = run_search(clutter, found.folder.parent)
    assert again.num_loaded == len(found.rows) and again.rows == found.rows


def test_killed_search_goes_on_without_repeating(found, clutter, tmp_path):
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.DEVNULL)
    try:
        for _ in range(6000):
            if len(list(tmp_path.glob("*/ledger/[!.]*.json"))) >= 3:
                break
            assert process.poll() is None, "the search ended before it could be killed"
            time.sleep(0.01)
        time.sleep(random.uniform(0, 2))
    finally:
        process.kill()
        process.wait()
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/ledger/[!.]*.json")}
    resumed = run_search(clutter, tmp_path)
    assert resumed.num_loaded == len(written) >= 3
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())
    assert [settings_of(row) for row in resumed.rows] == [settings_of(row) for row in found.rows]
    assert [row["val_bce"] for row in resumed.rows] == [row["val_bce"] for row in found.rows]


def test_another_grid_is_another_search(clutter, tmp_path):
    small = GRID | {"filters": [4], "epochs": [1], "learning_rate": [1e-2]}
    one, two = run_search(clutter, tmp_path, small), run_search(clutter, tmp_path, small | {"filters": [8]})
    assert one.folder != two.folder and (one.num_loaded, two.num_loaded) == (0, 0)


def test_another_architecture_is_another_search(found, clutter, monkeypatch):
    def linear(filters, depth):
        inputs = models.layers.Input((28, 28, 1))
        hidden = models.layers.Conv2D(filters, 3, padding="same")(inputs)
        return models.keras.Model(inputs, models.layers.Conv2D(1, 3, padding="same")(hidden))

    monkeypatch.setattr(models, "capped_autoencoder", linear)
    again = run_search(clutter, found.folder.parent, GRID | {"filters": [4, 8], "epochs": [1]})
    assert again.folder != found.folder and again.num_loaded == 0


def test_diverged_trials_are_kept_and_rank_last(clutter, tmp_path):
    broken = noise.Pairs(clutter.val.noisy, clutter.val.clean * float("nan"), None)
    grid = GRID | {"epochs": [1]}
    rows = run_search(dataclasses.replace(clutter, val=broken), tmp_path, grid).rows
    assert [row["val_bce"] for row in rows] == [float("inf")] * 4


def test_grid_with_nothing_legal_is_an_error(clutter, tmp_path):
    with pytest.raises(ValueError, match="at most 100 parameters"):
        run_search(clutter, tmp_path, GRID | {"filters": [40]}, cap=100)
