"""Runs: named by settings, finished ones loaded, saved models taken for them."""

import dataclasses
import json
import shutil
import sys
import types

import keras
import numpy as np
import pytest

from denoise_utils import evaluation, models, noise, saving
from denoise_utils.running import callbacks
from denoise_utils.saved import cards
from denoise_utils.system import files
from tests.conftest import ABOUT
from tests.trainings import train, weights_equal


@pytest.fixture(scope="module")
def finished(clutter, tmp_path_factory):
    """A finished run, in a folder of runs that no test changes."""
    return train(clutter, tmp_path_factory.mktemp("finished"))


@pytest.fixture
def here(finished, tmp_path):
    """A folder of runs with a copy of the finished one: trained there again, it is loaded."""
    shutil.copytree(finished.folder.path.parent, tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def trained(monkeypatch):
    """The folders of runs in which something was trained, in their order."""
    found, begin = [], callbacks.SaveEpoch.on_train_begin

    def noted(self, logs=None):
        found.append(self.folder.path.parent)
        begin(self, logs)

    monkeypatch.setattr(callbacks.SaveEpoch, "on_train_begin", noted)
    return found


def test_training_improves_and_returns_the_best_epoch(clutter, tmp_path):
    run = train(clutter, tmp_path, epochs=12, batch_size=8)
    assert run.best["val_loss"] < 0.9 * run.history[0]["val_loss"]
    output = evaluation.predict(run.model, clutter.val.noisy)
    assert evaluation.bce(output, clutter.val.clean).mean() == pytest.approx(run.best["val_loss"], abs=1e-5)


def test_finished_run_is_loaded_not_repeated(clutter, finished):
    written = {path: path.stat().st_mtime_ns for path in finished.folder.path.iterdir()}
    again = train(clutter, finished.folder.path.parent)
    assert {path: path.stat().st_mtime_ns for path in finished.folder.path.iterdir()} == written
    assert weights_equal(finished.model, again.model) and finished.history == again.history


def test_saved_model_counts_as_the_finished_run_of_its_settings_alone(clutter, finished, tmp_path, trained):
    first = finished
    saving.save_run(first, tmp_path / "models", **ABOUT)
    saved = tmp_path / "models" / "killed.h5"
    elsewhere = train(clutter, tmp_path / "elsewhere", saved=[tmp_path / "missing.h5", saved])
    assert not trained and weights_equal(first.model, elsewhere.model)
    assert elsewhere.history == first.history and elsewhere.best == first.best
    again, other = train(clutter, tmp_path / "trained"), train(clutter, tmp_path / "other", seed=1, saved=[saved])
    assert trained == [tmp_path / "trained", tmp_path / "other"]
    assert weights_equal(again.model, first.model) and not weights_equal(other.model, first.model)


def test_saved_model_is_taken_whole_or_not_at_all(clutter, finished, tmp_path, monkeypatch, trained):
    saving.save_run(finished, tmp_path, **ABOUT)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "write_json", killed)
        train(clutter, tmp_path / "new", saved=[tmp_path / "killed.h5"])
    train(clutter, tmp_path / "new", saved=[tmp_path / "killed.h5"])
    assert not trained


def test_saved_model_with_another_card_is_not_taken(clutter, finished, tmp_path, trained):
    saving.save_run(finished, tmp_path, **ABOUT)
    other = train(clutter, tmp_path / "other", seed=1)
    saving.save_model(other.model, tmp_path / "other.h5", {})
    (tmp_path / "killed.h5").write_bytes((tmp_path / "other.h5").read_bytes())
    assert not weights_equal(train(clutter, tmp_path / "new", saved=[tmp_path / "killed.h5"]).model, other.model)
    assert trained == [tmp_path / "other", tmp_path / "new"]


def test_older_card_tells_of_the_best_epoch_only(clutter, finished, tmp_path):
    first = finished
    card = saving.save_run(first, tmp_path, **ABOUT)
    del card["history"]
    saving.save_model(first.model, tmp_path / "killed.h5", card)
    run = train(clutter, tmp_path / "new", saved=[tmp_path / "killed.h5"])
    assert len(run.history) == len(first.history) and run.seconds == pytest.approx(first.seconds, abs=0.1)
    assert (run.best["epoch"], run.best["val_loss"]) == (first.best["epoch"], first.best["val_loss"])
    assert sum(np.isfinite(log["val_loss"]) for log in run.history) == 1
    assert "history" not in cards.make_card(run, **ABOUT)  # what is not known is not told


def test_saving_what_a_run_was_taken_from_leaves_the_file_alone(clutter, finished, tmp_path, capsys):
    saving.save_run(finished, tmp_path, **ABOUT)
    before = [path.stat().st_mtime_ns for path in (tmp_path / "killed.h5", tmp_path / "killed.json")]
    run = train(clutter, tmp_path / "new", saved=[tmp_path / "killed.h5"])
    card = saving.save_run(run, tmp_path, **ABOUT | {"limits": "others"})
    assert card == saving.read_card(tmp_path / "killed.h5") and "stays as it is" in capsys.readouterr().out
    assert [path.stat().st_mtime_ns for path in (tmp_path / "killed.h5", tmp_path / "killed.json")] == before
    saving.save_run(train(clutter, tmp_path / "other", seed=1), tmp_path, **ABOUT)
    assert (tmp_path / "killed.h5").stat().st_mtime_ns != before[0]


def test_model_that_was_changed_or_replaced_is_the_one_that_is_saved(clutter, here, tmp_path):
    run = train(clutter, here)
    kernel, *others = run.model.get_weights()
    run.model.set_weights([kernel + 1, *others])
    saving.save_run(run, tmp_path / "changed", **ABOUT)
    assert np.array_equal(saving.load_model(tmp_path / "changed" / "killed.h5").get_weights()[0], kernel + 1)
    other = models.capped_autoencoder(8, 1)
    saving.save_run(run.with_model(other), tmp_path / "other", **ABOUT)
    assert weights_equal(saving.load_model(tmp_path / "other" / "killed.h5"), other)
    assert np.array_equal(run.model.get_weights()[0], kernel + 1)


def test_models_of_chosen_epochs_are_kept(clutter, tmp_path):
    run = train(clutter, tmp_path, epochs=3, keep=(1, 3))
    first, last = run.after(1).model, run.after(3).model
    assert not weights_equal(first, last)
    assert run.after(3).best == {"epoch": 3} | run.history[2] and run.taken_after is None
    assert weights_equal(first, train(clutter, tmp_path, epochs=1).model)
    output = evaluation.predict(last, clutter.val.noisy)
    assert evaluation.bce(output, clutter.val.clean).mean() == pytest.approx(run.history[2]["val_loss"], abs=1e-5)
    with pytest.raises(FileNotFoundError, match=r"after_2\.h5"):
        run.after(2).model  # noqa: B018


def test_run_that_keeps_an_epoch_is_scored_after_it_not_at_its_best(clutter, tmp_path):
    run = train(clutter, tmp_path, epochs=3, keep=(1,))
    assert run.best["epoch"] > 1, "or this test proves nothing"
    assert run.scores["epoch"] == 1 and run.scores["val_loss"] == run.history[0]["val_loss"]
    assert run.scores["bce"] == pytest.approx(run.history[0]["val_loss"], abs=1e-5)


def test_weight_decay_shrinks_the_weights(clutter, finished, tmp_path):
    size = lambda run: sum(float(np.sum(weight**2)) for weight in run.model.get_weights())  # noqa: E731
    decayed = train(clutter, tmp_path, weight_decay=0.5)
    assert size(decayed) < 0.99 * size(finished) and decayed.folder.path.name != finished.folder.path.name


def test_moving_average_is_what_is_validated_and_saved(clutter, finished, tmp_path):
    averaged = train(clutter, tmp_path, average=0.9)
    assert averaged.history[0]["loss"] == finished.history[0]["loss"]  # training itself is not changed
    assert averaged.history[0]["val_loss"] != finished.history[0]["val_loss"]
    output = evaluation.predict(averaged.model, clutter.val.noisy)
    assert evaluation.bce(output, clutter.val.clean).mean() == pytest.approx(averaged.best["val_loss"], abs=1e-5)


class Begun(Exception):
    """Ends a training when it begins: its folder is there."""


def test_other_settings_are_another_run(clutter, tmp_path, monkeypatch):
    def stop(self, logs=None):
        raise Begun

    monkeypatch.setattr(callbacks.SaveEpoch, "on_train_begin", stop)
    changes = [{}, {"seed": 1}, {"learning_rate": 1e-3}, {"epochs": 2}, {"patience": 4}, {"optimizer": "nadam"}]
    changes.append({"build": lambda: models.capped_autoencoder(8, 2)})
    for number, change in enumerate(changes, 1):
        with pytest.raises(Begun):
            train(clutter, tmp_path, **change)
        assert len(list(tmp_path.iterdir())) == number, change


def test_seed_decides_the_weights(clutter, finished, tmp_path):
    same, other = (train(clutter, tmp_path, seed=seed) for seed in (0, 1))
    assert weights_equal(finished.model, same.model)
    assert not weights_equal(finished.model, other.model)


def test_loss_that_is_not_finite_stops_with_advice(clutter, tmp_path):
    broken = noise.Pairs(clutter.val.noisy, clutter.val.clean * np.nan, None)
    with pytest.raises(ValueError, match=r"finite val_loss after epoch 1.*lower the learning rate"):
        train(dataclasses.replace(clutter, val=broken), tmp_path)
    assert not list(tmp_path.glob("*/best.h5"))


def test_card_is_made_from_the_run(finished):
    run = finished
    card = cards.make_card(run, task="clutter", role="capped", scores={"psnr": 1}, noisy_scores={}, limits="none")
    assert card["parameters"] == run.model.count_params()
    assert card["settings"] == run.folder.settings
    assert (card["epochs_run"], card["epoch"]) == (len(run.history), run.best["epoch"])
    assert (card["noise"], card["split"].partition(";")[0]) == ("mix sum", "train 200, val 60")
    assert json.loads(json.dumps(card)) == card


def test_run_that_was_trained_elsewhere_is_scored_and_not_trained(clutter, finished, tmp_path, monkeypatch):
    """A machine without TensorFlow ends after the last epoch: no scores, and its state need not travel."""
    shutil.copytree(finished.folder.path, tmp_path / finished.folder.path.name)
    (tmp_path / finished.folder.path.name / "scores.json").unlink()
    monkeypatch.setattr(keras.Model, "fit", lambda *given, **named: pytest.fail("it was trained"))
    again = train(clutter, tmp_path)
    assert again.scores == finished.scores and weights_equal(again.model, finished.model)


def test_machine_names_its_graphics_card(monkeypatch):
    cards = [types.SimpleNamespace(platform="gpu", device_kind="Some card"), types.SimpleNamespace(platform="cpu")]
    monkeypatch.setitem(sys.modules, "jax", types.SimpleNamespace(devices=lambda: cards))
    assert "Some card" not in saving.machine()
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    assert saving.machine().endswith("cores, Some card, Keras on jax")
