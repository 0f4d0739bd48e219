"""Train a model as a run: a folder named by its settings, resumed after a kill, never repeated."""

import copy
import functools
import math
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from denoise_utils import evaluation, models, noise, saving
from denoise_utils.running import callbacks, optimizers
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.saved import cards
from denoise_utils.system import files, streams


@dataclass(frozen=True)
class Run:
    """A finished training: its best model by validation loss (or that of `after`), its log, its folder."""

    name: str
    history: list  # one dict per epoch: loss, val_loss, seconds, machine
    settings: dict
    folder: RunFolder
    taken_after: int | None = None  # the epoch that `model` is taken after, if not the best

    @functools.cached_property
    def model(self):
        """The model, loaded when it is first asked for."""
        path = self.folder.after(self.taken_after) if self.taken_after else self.folder.best
        if self.folder.best.is_file() or self.taken_after:
            return saving.load_model(path)
        raise FileNotFoundError(
            f"Expected the model of the run {self.name} at {path}, found none: it is too large to travel with the "
            f"repository. Its scores are in {self.folder.path / 'scores.json'}; to have the model, move that folder "
            "away and train it anew."
        )

    def with_model(self, model):
        """Return the run with another model in place of its own, such as one whose averages were settled."""
        other = copy.copy(self)
        other.__dict__["model"] = model
        return other

    @property
    def scores(self):
        """Scores of the best model on the validation images, as of `evaluation.score`; its epoch and val_loss."""
        return self.folder.scores

    @property
    def best(self):
        """The log of the epoch, numbered from 1, whose weights `model` has."""
        best = int(np.nanargmin([log["val_loss"] for log in self.history]))
        epoch = self.taken_after or best + 1
        return {"epoch": epoch} | self.history[epoch - 1]

    @property
    def seconds(self):
        """Seconds of training in all."""
        return sum(log["seconds"] for log in self.history)

    @property
    def machine(self):
        """The machines that it was trained on, in words."""
        return "; then ".join(dict.fromkeys(log["machine"] for log in self.history))

    def after(self, epoch):
        """Return the run with the model as it was after `epoch`, one of those that `train` was told to keep."""
        return replace(self, taken_after=epoch)


def train(
    build,
    train_data,
    val_data,
    *,
    name,
    runs,
    record,
    epochs,
    batch_size=128,
    optimizer="adam",
    learning_rate=1e-3,
    schedule="constant",
    loss="binary_crossentropy",
    patience=None,
    seed=0,
    augment=None,
    weight_decay=None,
    clipnorm=None,
    average=None,
    keep=(),
    saved=(),
    shelf=None,
    score=None,
    tell=None,
):
    """Train the model that `build()` returns and return its Run, with the best epoch's weights.

    `train_data` and `val_data` are (input, target) arrays, `record` says in JSON what they are.
    The run's folder under `runs` is named by all settings: one that is finished is loaded, one
    that was killed goes on at its next epoch, to the same weights as if it had not been (but for
    dropout, whose state Keras does not keep). `patience` epochs without a better val_loss end it.
    `weight_decay` is decoupled (Loshchilov and Hutter 2019); `clipnorm` bounds the norm of each weight's
    gradient; `average` is the momentum of a moving average of the weights, which then is the model;
    `keep` names epochs whose models are kept. An .h5 of the paths `saved` counts as the finished run if its
    card tells of these very settings. `shelf` is a folder of runs that travel with the repository: a run that is
    further there is taken from it, and what is trained here is put there after each epoch, if it is small.
    `score(model)` returns the validation scores that are kept with the run, by default those of `evaluation.score`.
    `tell(line, minutes)` is called with the progress and the minutes left, by default the line is printed over itself.
    """
    keras.utils.set_random_seed(seed)
    model = build()
    settings = {
        "name": name,
        "data": record,
        "architecture": models.fingerprint(model),
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "loss": loss,
        "batch_size": batch_size,
        "epochs": epochs,
        "patience": patience,
        "seed": seed,
        "augment": augment.__name__ if augment else None,
    }
    options = {"weight_decay": weight_decay, "clipnorm": clipnorm, "average": average, "keep": sorted(keep)}
    settings |= {key: value for key, value in options.items() if value}
    folder = RunFolder.of(runs, settings)
    if shelf:
        folder.fetch(shelf)
    _restore(saved, settings, folder)
    history = folder.history
    if folder.finished:
        _say_once()
        return Run(name, history, settings, folder)
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write("settings", settings)
    _compile(model, settings, len(train_data[0]))
    if history:
        print(f"{name}: run {folder.path.name} goes on after epoch {len(history)}.")
        model.load_weights(folder.state(len(history)))
    _fit(model, train_data, val_data, settings, folder, history, augment, shelf, tell)
    run = Run(name, history, settings, folder)
    best = {key: run.best[key] for key in ("epoch", "val_loss")}
    folder.finish(best | (score(run.model) if score else _score(run.model, val_data)))
    if shelf:
        folder.send(shelf)
    return run


@functools.cache
def _say_once():
    """Say, once in a process, that what is finished is not trained again."""
    print("Finished runs are loaded, not trained again; python -m denoise_utils train --list shows them.")


def _score(model, val_data):
    """Return the scores of a model of images on its validation data; {} of another model."""
    noisy, clean = val_data
    if model.output_shape[1:] != model.input_shape[1:] or np.ndim(clean) != 4:
        return {}
    return evaluation.score_model(model, noise.Pairs(noisy, clean, None))


def _compile(model, settings, num_images):
    steps = settings["epochs"] * math.ceil(num_images / settings["batch_size"])
    named = [settings[name] for name in ("optimizer", "learning_rate", "schedule")]
    options = {key: settings[key] for key in ("weight_decay", "clipnorm") if key in settings}
    if "average" in settings:
        options |= {"use_ema": True, "ema_momentum": settings["average"]}
    optimizers.compile_model(model, optimizers.make_optimizer(*named, steps, **options), settings["loss"])


def _restore(saved, settings, folder):
    """Make the finished run `folder` of the .h5 of `saved` whose card tells of these settings, if there is one.

    So a fresh clone has the long trainings of the models that came with it. Their curve is in the card;
    of an older card only the best epoch is known, and NaN stands for the others. A run that came without its
    model, which was too large, is given that model.
    """
    if folder.best.is_file() or (folder.history and not folder.finished) or settings.get("keep"):
        return
    for path in (path for path in map(Path, saved) if path.is_file()):
        card = saving.read_card(path)
        if card.get("settings") == settings and saving.card_matches(path):
            if not folder.finished:
                _restore_run(card, folder)
            with files.atomic_path(folder.best) as temporary:
                shutil.copyfile(path, temporary)
            return


def _restore_run(card, folder):
    """Make what a run has besides its model, whole or not at all, should it be killed."""
    unfinished = RunFolder(folder.path.with_name(f".{folder.path.name}-{os.getpid()}"))
    shutil.rmtree(unfinished.path, ignore_errors=True)
    unfinished.path.mkdir(parents=True)
    unfinished.write("settings", card["settings"])
    unfinished.write("history", [log | {"machine": card["machine"]} for log in cards.read_history(card)])
    unfinished.write("scores", {"epoch": card["epoch"], "val_loss": card["validation_loss"]})
    shutil.rmtree(folder.path, ignore_errors=True)  # begun, without an epoch
    unfinished.path.rename(folder.path)


def _fit(model, train_data, val_data, settings, folder, history, augment, shelf, tell):
    """Fit from the epoch after `history` to the end, saving as it goes."""
    batches = callbacks.Batches(*train_data, settings["batch_size"], settings["seed"], len(history), augment)
    checkpoint_path = folder.path / ".checkpoint.h5"
    checkpoint_path.unlink(missing_ok=True)
    best = min((log["val_loss"] for log in history), default=None)
    checkpoint = keras.callbacks.ModelCheckpoint(
        checkpoint_path, monitor="val_loss", save_best_only=True, initial_value_threshold=best
    )
    called = [checkpoint, callbacks.SaveEpoch(folder, history, settings, shelf)]
    called.append(callbacks.Progress(history, settings, len(batches), tell or callbacks.print_over, folder.log))
    if settings.get("average"):
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        swap._ema_weights_in_model = bool(history)  # a state is saved with the average in the model
        called.insert(0, swap)
    if settings["patience"]:
        past = list(history)
        stopping = {"monitor": "val_loss", "patience": settings["patience"], "restore_best_weights": True}
        called.append(callbacks.ResumedEarlyStopping(past, folder.best, **stopping))
        since_best = len(past) - 1 - min(range(len(past)), key=lambda e: past[e]["val_loss"], default=-1)
        if past and since_best >= settings["patience"]:  # killed between the last epoch and the end
            return
    streams.quiet_tensorflow()
    with saving.without_legacy_warning():
        model.fit(
            batches,
            validation_data=val_data,
            validation_batch_size=256,
            epochs=settings["epochs"],
            initial_epoch=len(history),
            shuffle=False,  # the batches are in their order
            callbacks=called,
            verbose=0,
        )
