"""What Keras does between batches and epochs: serve them in a fixed order, save after each, stop early."""

import math
import time

import keras
import numpy as np

from denoise_utils import saving
from denoise_utils.system import files


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

    ModelCheckpoint, called before, writes the folder's `checkpoint`; here it is renamed to its `best`.
    The log is written last: it says which state counts.
    """

    def __init__(self, folder, history, settings, shelf=None):
        super().__init__()
        self.folder, self.history, self.settings, self.shelf = folder, history, settings, shelf

    def on_epoch_begin(self, epoch, logs=None):
        files.check_folder(self.folder.path, saving.model_room(self.model, copies=4))  # the model, its state
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        log = {key: float(value) for key, value in logs.items()}
        if not math.isfinite(log.get("val_loss", math.nan)):
            raise ValueError(
                f"Expected a finite val_loss after epoch {epoch + 1} of {self.settings.name}, got {log}: "
                "give validation data; lower the learning rate."
            )
        log |= {"seconds": round(time.perf_counter() - self.started, 2), "machine": saving.machine()}
        if self.folder.checkpoint.is_file():
            files.replace(self.folder.checkpoint, self.folder.best)
        with files.atomic_path(self.folder.state(epoch + 1)) as temporary:
            self.model.save_weights(temporary)  # the optimizer's state too
        if epoch + 1 in self.settings.keep:
            saving.save_model(self.model, self.folder.after(epoch + 1), {})
        self.history.append(log)
        self.folder.write("history", self.history)
        self.folder.state(epoch).unlink(missing_ok=True)
        if self.shelf:
            self.folder.send(self.shelf)


class Progress(keras.callbacks.Callback):
    """Tell how far a training is, and how long it will take by the steps so far, at most every few seconds.

    `tell(line, minutes)` gets a line and the minutes that are left; `log(line)` gets one for each epoch.
    """

    EVERY = 5  # seconds

    def __init__(self, history, settings, steps, tell, log):
        super().__init__()
        self.history, self.steps, self.tell, self.log = history, steps, tell, log
        self.label, self.epochs = f"{settings.name}, seed {settings.seed}", settings.epochs

    def on_train_begin(self, logs=None):
        self.first, self.begun, self.told = len(self.history), time.perf_counter(), time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() - self.told > self.EVERY:
            done = len(self.history) * self.steps + batch + 1
            share = f"epoch {len(self.history) + 1}/{self.epochs}, {(batch + 1) / self.steps:.0%} of it"
            self._tell(f"{share}, loss {float(logs['loss']):.4f}", done)

    def on_epoch_end(self, epoch, logs=None):
        log = self.history[-1]
        line = f"epoch {epoch + 1}/{self.epochs}, loss {log['loss']:.4f}, val_loss {log['val_loss']:.4f}"
        self._tell(line, len(self.history) * self.steps)
        self.log(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {self.label}: {line}, {log['seconds']:.0f} s, {log['machine']}")

    def _tell(self, line, done):
        """Add the time spent and the time left; `done` counts the steps, those of earlier processes too."""
        self.told = time.perf_counter()
        each = (self.told - self.begun) / (done - self.first * self.steps)
        left = each * (self.epochs * self.steps - done) / 60
        spent = sum(log["seconds"] for log in self.history[: self.first]) / 60 + (self.told - self.begun) / 60
        self.tell(f"{self.label}: {line}, {spent:.1f} min, about {left:.1f} min to go", left)

    def on_train_end(self, logs=None):
        print()


def print_over(line, minutes=0):
    """Print `line` over the one before."""
    print(f"\r{line:<100}", end="", flush=True)


def make_callbacks(settings, folder, history, steps, shelf, tell):
    """Return what Keras calls in a training of so many `steps` an epoch that goes on after the epochs of `history`."""
    best = min((log["val_loss"] for log in history), default=None)
    folder.checkpoint.unlink(missing_ok=True)
    made = [
        keras.callbacks.ModelCheckpoint(
            folder.checkpoint, monitor="val_loss", save_best_only=True, initial_value_threshold=best
        ),
        SaveEpoch(folder, history, settings, shelf),
        Progress(history, settings, steps, tell or print_over, folder.log),
    ]
    if settings.average:
        swap = keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        swap._ema_weights_in_model = bool(history)  # a state is saved with the average in the model
        made.insert(0, swap)
    if settings.patience:
        stopping = {"monitor": "val_loss", "patience": settings.patience, "restore_best_weights": True}
        made.append(ResumedEarlyStopping(list(history), folder.best, **stopping))
    return made
