"""What Keras does between batches and epochs: serve them in a fixed order, save after each, stop early."""

import math
import time

import keras
import numpy as np

from denoise_utils import saving


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

    ModelCheckpoint, called before, writes `.checkpoint.h5`; here it is renamed to `best.h5`.
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
        if (self.folder / ".checkpoint.h5").is_file():
            saving.replace(self.folder / ".checkpoint.h5", self.folder / "best.h5")
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
