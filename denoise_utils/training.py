"""Train a model as a run: a folder named by its settings, resumed after a kill, never repeated."""

import hashlib
import json
import math
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from denoise_utils import callbacks, cards, models, optimizers, saving, streams


@dataclass(frozen=True)
class Run:
    """A finished training: its best model by validation loss (or that of `after`), its log, its folder."""

    name: str
    model: keras.Model
    history: list  # one dict per epoch: loss, val_loss, seconds
    settings: dict
    folder: Path
    taken_after: int | None = None  # the epoch that `model` was taken after, if not the best

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

    def after(self, epoch):
        """Return the run with the model as it was after `epoch`, one of those that `train` was told to keep."""
        return replace(self, model=saving.load_model(self.folder / f"after_{epoch}.h5"), taken_after=epoch)


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
):
    """Train the model that `build()` returns and return its Run, with the best epoch's weights.

    `train_data` and `val_data` are (input, target) arrays, `record` says in JSON what they are.
    The run's folder under `runs` is named by all settings: one that is finished is loaded, one
    that was killed goes on at its next epoch, to the same weights as if it had not been (but for
    dropout, whose state Keras does not keep). `patience` epochs without a better val_loss end it.
    `weight_decay` is decoupled (Loshchilov and Hutter 2019); `clipnorm` bounds the norm of each weight's
    gradient; `average` is the momentum of a moving average of the weights, which then is the model;
    `keep` names epochs whose models are kept. An .h5 of the paths `saved` counts as the finished run if its
    card tells of these very settings.
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
    folder = run_folder(runs, settings)
    _restore(saved, settings, folder)
    history = _read_history(folder)
    if (folder / "finished.json").is_file():
        print(f"{name}: finished run {folder.name} loaded, not trained again ({len(history)} epochs).")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        saving.write_json(folder / "settings.json", settings)
        _compile(model, settings, len(train_data[0]))
        if history:
            print(f"{name}: run {folder.name} goes on after epoch {len(history)}.")
            model.load_weights(folder / f"epoch_{len(history)}.weights.h5")
        _fit(model, train_data, val_data, settings, folder, history, augment)
        saving.write_json(folder / "finished.json", {"epochs": len(history), "machine": saving.machine()})
        for state in folder.glob("epoch_*.weights.h5"):
            state.unlink()
    return Run(name, saving.load_model(folder / "best.h5"), history, settings, folder)


def _compile(model, settings, num_images):
    steps = settings["epochs"] * math.ceil(num_images / settings["batch_size"])
    named = [settings[name] for name in ("optimizer", "learning_rate", "schedule")]
    options = {key: settings[key] for key in ("weight_decay", "clipnorm") if key in settings}
    if "average" in settings:
        options |= {"use_ema": True, "ema_momentum": settings["average"]}
    optimizers.compile_model(model, optimizers.make_optimizer(*named, steps, **options), settings["loss"])


def run_folder(runs, settings):
    """Return the folder of the run with these settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return Path(runs) / f"{settings['name']}-{digest[:10]}"


def _restore(saved, settings, folder):
    """Make the finished run `folder` of the .h5 of `saved` whose card tells of these settings, if there is one.

    So a fresh clone has the long trainings of the models that came with it. Their curve is in the card;
    of an older card only the best epoch is known, and NaN stands for the others.
    """
    if folder.exists() or settings.get("keep"):
        return
    for path in (path for path in map(Path, saved) if path.is_file()):
        card = saving.read_card(path)
        if card.get("settings") == settings and saving.card_matches(path):
            ended = {"epochs": card["epochs_run"], "machine": card["machine"]}
            files = {"settings": settings, "history": cards.read_history(card), "finished": ended}
            unfinished = folder.with_name(f".{folder.name}-{os.getpid()}")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            shutil.copy2(path, unfinished / "best.h5")
            for name, content in files.items():
                saving.write_json(unfinished / f"{name}.json", content)
            unfinished.rename(folder)  # whole or not at all, should it be killed
            print(f"{settings['name']}: {path.name} was trained with these settings and counts as the finished run.")
            return


def _read_history(folder):
    path = folder / "history.json"
    return json.loads(path.read_text()) if path.is_file() else []


def _fit(model, train_data, val_data, settings, folder, history, augment):
    """Fit from the epoch after `history` to the end, saving as it goes."""
    batches = callbacks.Batches(*train_data, settings["batch_size"], settings["seed"], len(history), augment)
    (folder / ".checkpoint.h5").unlink(missing_ok=True)
    best = min((log["val_loss"] for log in history), default=None)
    checkpoint = keras.callbacks.ModelCheckpoint(
        folder / ".checkpoint.h5", monitor="val_loss", save_best_only=True, initial_value_threshold=best
    )
    called = [checkpoint, callbacks.SaveEpoch(folder, history, settings)]
    if settings.get("average"):
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        swap._ema_weights_in_model = bool(history)  # a state is saved with the average in the model
        called.insert(0, swap)
    if settings["patience"]:
        past = list(history)
        stopping = {"monitor": "val_loss", "patience": settings["patience"], "restore_best_weights": True}
        called.append(callbacks.ResumedEarlyStopping(past, folder / "best.h5", **stopping))
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
