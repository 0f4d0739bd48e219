"""Train a model as a run: a folder named by its settings, resumed after a kill, never repeated."""

import hashlib
import itertools
import json
import logging
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from denoise_utils import models, saving

OPTIMIZERS = {"adam": keras.optimizers.Adam, "nadam": keras.optimizers.Nadam, "sgd": keras.optimizers.SGD}


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
        best = min(range(len(self.history)), key=lambda e: self.history[e]["val_loss"])
        epoch = self.taken_after or best + 1
        return {"epoch": epoch} | self.history[epoch - 1]

    @property
    def seconds(self):
        """Seconds of training in all."""
        return sum(log["seconds"] for log in self.history)

    def after(self, epoch):
        """Return the run with the model as it was after `epoch`, one of those that `train` was told to keep."""
        return replace(self, model=saving.load_model(self.folder / f"after_{epoch}.h5"), taken_after=epoch)


class Batches(keras.utils.PyDataset):
    """Serve (input, target) batches in an order that depends on the seed and the epoch alone.

    A resumed training therefore sees what an uninterrupted one would have seen. `augment`
    (inputs, generator) -> inputs makes the epoch's own inputs.
    """

    def __init__(self, inputs, targets, batch_size, seed, first_epoch=0, augment=None):
        super().__init__()
        self.inputs, self.targets, self.batch_size, self.augment = inputs, targets, batch_size, augment
        self.seed, self.epoch = seed, first_epoch
        self._begin_epoch()

    def _begin_epoch(self):
        rng = np.random.default_rng([self.seed, self.epoch])
        self._order = rng.permutation(len(self.inputs))
        self._inputs = self.augment(self.inputs, rng) if self.augment else self.inputs

    def __len__(self):
        return math.ceil(len(self.inputs) / self.batch_size)

    def __getitem__(self, index):
        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        return self._inputs[rows], self.targets[rows]

    def on_epoch_end(self):
        self.epoch += 1
        self._begin_epoch()


class ResumedEarlyStopping(keras.callbacks.EarlyStopping):
    """EarlyStopping that remembers the epochs before a kill."""

    def __init__(self, past, best_file, **kwargs):
        super().__init__(**kwargs)
        self.past, self.best_file = past, best_file

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        for epoch, log in enumerate(self.past):
            super().on_epoch_end(epoch, log)
        if self.past:
            self.best_weights = saving.load_model(self.best_file).get_weights()


class SaveEpoch(keras.callbacks.Callback):
    """After each epoch: keep the best model, the whole state and the log, each in one piece.

    ModelCheckpoint, called before, writes `checkpoint.h5`; here it is renamed to `best.h5`.
    The log is written last: it says which state counts.
    """

    def __init__(self, folder, history, settings):
        super().__init__()
        self.folder, self.history = folder, history
        self.name, self.epochs, self.keep = settings["name"], settings["epochs"], settings.get("keep", ())

    def on_epoch_begin(self, epoch, logs=None):
        saving.check_folder(self.folder, saving.model_room(self.model, copies=4))  # the model, its state
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        log = {key: float(value) for key, value in logs.items()}
        if not math.isfinite(log.get("val_loss", math.nan)):
            raise ValueError(
                f"Expected a finite val_loss after epoch {epoch + 1} of {self.name}, got {log}: "
                "give validation data; lower the learning rate."
            )
        log["seconds"] = round(time.perf_counter() - self.started, 2)
        if (self.folder / "checkpoint.h5").is_file():
            saving.replace(self.folder / "checkpoint.h5", self.folder / "best.h5")
        with saving.atomic_path(self.folder / f"epoch_{epoch + 1}.weights.h5") as temporary:
            self.model.save_weights(temporary)  # the optimizer's state too
        if epoch + 1 in self.keep:
            saving.save_model(self.model, self.folder / f"after_{epoch + 1}.h5", {})
        self.history.append(log)
        saving.write_json(self.folder / "history.json", self.history)
        (self.folder / f"epoch_{epoch}.weights.h5").unlink(missing_ok=True)
        minutes = sum(past["seconds"] for past in self.history) / 60
        line = f"{self.name}: epoch {epoch + 1}/{self.epochs}, loss {log['loss']:.4f}, "
        print(f"\r{line}val_loss {log['val_loss']:.4f}, {minutes:.1f} min", end="", flush=True)

    def on_train_end(self, logs=None):
        print()


def make_optimizer(name, learning_rate, schedule, total_steps, weight_decay=None):
    """Return a fresh optimizer; schedule "cosine" warms up over a twentieth, then decays to 0."""
    if schedule == "cosine":
        warmup = max(1, total_steps // 20)
        learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0, total_steps - warmup, warmup_target=learning_rate, warmup_steps=warmup
        )
    elif schedule != "constant":
        raise ValueError(f'Expected the schedule "constant" or "cosine", got "{schedule}".')
    return OPTIMIZERS[name](learning_rate, weight_decay=weight_decay)


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
    keep=(),
):
    """Train the model that `build()` returns and return its Run, with the best epoch's weights.

    `train_data` and `val_data` are (input, target) arrays, `record` says in JSON what they are.
    The run's folder under `runs` is named by all settings: one that is finished is loaded, one
    that was killed goes on at its next epoch, to the same weights as if it had not been (but for
    dropout, whose state Keras does not keep). `patience` epochs without a better val_loss end it.
    `weight_decay` is decoupled (Loshchilov and Hutter 2019); `keep` names epochs whose models are kept.
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
    settings |= {key: value for key, value in (("weight_decay", weight_decay), ("keep", sorted(keep))) if value}
    folder = run_folder(runs, settings)
    history = _read_history(folder)
    if (folder / "finished.json").is_file():
        print(f"{name}: finished run {folder.name} loaded, not trained again ({len(history)} epochs).")
    else:
        folder.mkdir(parents=True, exist_ok=True)
        saving.write_json(folder / "settings.json", settings)
        _compile(model, settings, len(train_data[0]))
        if history:
            print(f"{name}: run {folder.name} goes on after epoch {len(history)}.")
            model.optimizer.build(model.trainable_variables)
            model.load_weights(folder / f"epoch_{len(history)}.weights.h5")
        _fit(model, train_data, val_data, settings, folder, history, augment)
        saving.write_json(folder / "finished.json", {"epochs": len(history), "machine": saving.machine()})
        for state in folder.glob("epoch_*.weights.h5"):
            state.unlink()
    return Run(name, saving.load_model(folder / "best.h5"), history, settings, folder)


def _compile(model, settings, num_images):
    steps = settings["epochs"] * math.ceil(num_images / settings["batch_size"])
    named = [settings[name] for name in ("optimizer", "learning_rate", "schedule")]
    model.compile(make_optimizer(*named, steps, settings.get("weight_decay")), settings["loss"])


def run_folder(runs, settings):
    """Return the folder of the run with these settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return Path(runs) / f"{settings['name']}-{digest[:10]}"


def _read_history(folder):
    path = folder / "history.json"
    return json.loads(path.read_text()) if path.is_file() else []


def _fit(model, train_data, val_data, settings, folder, history, augment):
    """Fit from the epoch after `history` to the end, saving as it goes."""
    batches = Batches(*train_data, settings["batch_size"], settings["seed"], len(history), augment)
    (folder / "checkpoint.h5").unlink(missing_ok=True)
    best = min((log["val_loss"] for log in history), default=None)
    checkpoint = keras.callbacks.ModelCheckpoint(
        folder / "checkpoint.h5", monitor="val_loss", save_best_only=True, initial_value_threshold=best
    )
    callbacks = [checkpoint, SaveEpoch(folder, history, settings)]
    if settings["patience"]:
        past = list(history)
        stopping = {"monitor": "val_loss", "patience": settings["patience"], "restore_best_weights": True}
        callbacks.append(ResumedEarlyStopping(past, folder / "best.h5", **stopping))
        since_best = len(past) - 1 - min(range(len(past)), key=lambda e: past[e]["val_loss"], default=-1)
        if past and since_best >= settings["patience"]:  # killed between the last epoch and the end
            return
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it remarks on every fifth new model
    with saving.without_legacy_warning():
        model.fit(
            batches,
            validation_data=val_data,
            validation_batch_size=256,
            epochs=settings["epochs"],
            initial_epoch=len(history),
            shuffle=False,  # Batches shuffles
            callbacks=callbacks,
            verbose=0,
        )


def seconds_spent(runs):
    """Return the seconds of training that all runs and searches under the folder `runs` took."""
    histories = [json.loads(path.read_text()) for path in Path(runs).glob("*/history.json")]
    trials = [json.loads(path.read_text()) for path in Path(runs).glob("*/ledger/[!.]*.json")]
    return sum(log["seconds"] for log in itertools.chain(*histories, trials))
