"""The grid search: capped before training, complete, ranked, seeded, resumed after a kill."""

import dataclasses
import itertools
import json
import shutil
import signal

import pytest

from denoise_utils import models, noise, search
from denoise_utils.running import trials
from tests import processes
from tests.trainings import GRID, SMALL, run_search

KILLED = """
import os, signal, sys
import keras
from denoise_utils import noise
from tests.trainings import SMALL, run_search
fit, begun = keras.Model.fit, []
def killed_or_fit(*about, **options):
    begun.append(1)
    return os.kill(os.getpid(), signal.SIGKILL) if len(begun) == 3 else fit(*about, **options)
keras.Model.fit = killed_or_fit
run_search(noise.load_task("clutter", num_train=200, num_val=60, num_test=60), sys.argv[1], SMALL)
"""


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


@pytest.mark.stress
def test_killed_search_goes_on_without_repeating(found, clutter, tmp_path):
    assert processes.run(KILLED, tmp_path).returncode == -signal.SIGKILL
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/ledger/[!.]*.json")}
    resumed = run_search(clutter, tmp_path, SMALL)
    assert resumed.num_loaded == len(written) == 2
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())
    whole = [row for row in found.rows if row["epochs"] == 1]
    assert [settings_of(row) for row in resumed.rows] == [settings_of(row) for row in whole]
    assert [row["val_bce"] for row in resumed.rows] == [row["val_bce"] for row in whole]


def cut_key(content, key):
    """Return a row's JSON without one of its keys."""
    return json.dumps({name: value for name, value in json.loads(content).items() if name != key}).encode()


DAMAGES = (  # what a full disk, a crash of the machine or an editor may make of a row
    lambda content: b"",
    lambda content: content[: len(content) // 2],
    lambda content: bytes(len(content)),
    lambda content: b"\xff" + content,
    lambda content: b"[" * 100_000,
    lambda content: b"null",
    lambda content: cut_key(content, "val_history"),
)


def test_damaged_trials_are_trained_again_and_no_others(found, clutter, tmp_path):
    shutil.copytree(found.folder.parent, tmp_path, dirs_exist_ok=True)
    path, *whole = (tmp_path / found.folder.name / "ledger").glob("[!.]*.json")
    before = path.read_bytes()
    plan = search.make_plan(GRID, 3600, clutter, runs=tmp_path)
    for damage in DAMAGES:
        path.write_bytes(damage(before))
        assert len(plan.read_rows()) == len(whole) == 7
    written = [one.stat().st_mtime_ns for one in whole]
    healed = run_search(clutter, tmp_path)
    assert healed.num_loaded == 7 and [one.stat().st_mtime_ns for one in whole] == written
    assert [row["val_history"] for row in healed.rows] == [row["val_history"] for row in found.rows]
    again = run_search(clutter, tmp_path)
    assert again.num_loaded == 8 and again.rows == healed.rows


def test_only_a_whole_row_of_the_very_trial_counts(found, clutter, tmp_path):
    plan = search.make_plan(GRID, 3600, clutter, runs=tmp_path)
    one, other = plan.configurations[:2]
    row, of_other = (json.loads((found.folder / "ledger" / trials.ledger_name(v)).read_text()) for v in (one, other))
    assert plan.is_row(row, one) and plan.is_row(of_other, other) and not plan.is_row(of_other, one)
    for key in row:
        assert not plan.is_row({name: value for name, value in row.items() if name != key}, one), key
        assert not plan.is_row(row | {key: None}, one), key
        assert not plan.is_row(row | {key: float("nan")}, one), key
    assert not plan.is_row(row | {"seconds": -1.0}, one) and not plan.is_row(row | {"seconds": float("inf")}, one)
    assert not plan.is_row(row | {"val_history": row["val_history"] * 2}, one)
    assert not plan.is_row(row | {"val_bce": row["val_bce"] + 1}, one)


ONE = GRID | {"filters": [4], "epochs": [1], "learning_rate": [1e-2]}  # a single configuration


@pytest.mark.stress
def test_another_grid_or_architecture_is_another_search(clutter, tmp_path, monkeypatch):
    def linear(filters, depth):
        inputs = models.layers.Input((28, 28, 1))
        hidden = models.layers.Conv2D(filters, 3, padding="same")(inputs)
        return models.keras.Model(inputs, models.layers.Conv2D(1, 3, padding="same")(hidden))

    one, two = run_search(clutter, tmp_path, ONE), run_search(clutter, tmp_path, ONE | {"filters": [8]})
    monkeypatch.setattr(models, "capped_autoencoder", linear)
    three = run_search(clutter, tmp_path, ONE)
    assert len({found.folder for found in (one, two, three)}) == 3
    assert [found.num_loaded for found in (one, two, three)] == [0, 0, 0]


def test_diverged_trials_are_kept(clutter, tmp_path):
    broken = noise.Pairs(clutter.val.noisy, clutter.val.clean * float("nan"), None)
    rows = run_search(dataclasses.replace(clutter, val=broken), tmp_path, ONE).rows
    assert [row["val_bce"] for row in rows] == [float("inf")]


def test_grid_with_nothing_legal_is_an_error(clutter, tmp_path):
    with pytest.raises(ValueError, match="at most 100 parameters"):
        run_search(clutter, tmp_path, GRID | {"filters": [40]}, cap=100)
