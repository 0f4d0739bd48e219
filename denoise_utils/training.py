"""Train a model as a run: a folder named by its settings, resumed after a kill, never repeated."""

import copy
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from denoise_utils import evaluation, noise, saving
from denoise_utils.running import callbacks, optimizers
from denoise_utils.running.run_folder import Places, RunFolder
from denoise_utils.running.settings import Settings, fingerprint, identify
from denoise_utils.system import streams

Arrays = tuple[np.ndarray, np.ndarray]  # inputs and targets


@dataclass(frozen=True)
class Run:
    """A finished training: its best model by validation loss (or that of `after`), its log, its folder."""

    name: str  # of the settings, but for a copy that is saved under another
    history: list[dict]  # one per epoch: loss, val_loss, seconds, machine
    settings: Settings
    folder: RunFolder
    taken_after: int | None = None  # the epoch that `model` is taken after, if not the best

    @functools.cached_property
    def model(self) -> keras.Model:
        """The model, loaded when it is first asked for."""
        path = self.folder.after(self.taken_after) if self.taken_after else self.folder.best
        if self.folder.best.is_file() or self.taken_after:
            return saving.load_model(path)
        raise FileNotFoundError(
            f"Expected the model of the run {self.name} at {path}, found none: it is too large to travel with the "
            f"repository. Its scores are in {self.folder.path / 'scores.json'}; to have the model, move that folder "
            "away and train it anew."
        )

    def with_model(self, model: keras.Model) -> "Run":
        """Return the run with another model in place of its own, such as one whose averages were settled."""
        other = copy.copy(self)
        other.__dict__["model"] = model
        return other

    @property
    def scores(self) -> dict:
        """Scores on the validation images, as of `evaluation.score`, with epoch and val_loss of what was scored."""
        return self.folder.scores

    @property
    def best(self) -> dict:
        """The log of the epoch, numbered from 1, whose weights `model` has."""
        best = int(np.nanargmin([log["val_loss"] for log in self.history]))
        epoch = self.taken_after or best + 1
        return {"epoch": epoch} | self.history[epoch - 1]

    @property
    def seconds(self) -> float:
        """Seconds of training in all."""
        return sum(log["seconds"] for log in self.history)

    @property
    def machine(self) -> str:
        """The machines that it was trained on, in words."""
        return "; then ".join(dict.fromkeys(log["machine"] for log in self.history))

    def after(self, epoch: int) -> "Run":
        """Return the run with the model as it was after `epoch`, one of those that `train` was told to keep."""
        return replace(self, taken_after=epoch)


def train(
    build: Callable[[], keras.Model],
    train_data: Arrays,
    val_data: Arrays,
    *,
    runs: Path,
    record: dict,
    augment: Callable | None = None,
    saved: tuple[Path, ...] = (),
    shelf: Path | None = None,
    score: Callable | None = None,
    **others,
) -> Run:
    """Train the model that `build()` returns and return its Run, with the best epoch's weights.

    `train_data` and `val_data` are (input, target) arrays, `record` says in JSON what they are. `others` are the
    other fields of `running.settings.Settings`, which says what they mean: name and epochs, always; optimizer,
    learning_rate, schedule, loss, batch_size, patience, seed, weight_decay, clipnorm, average, keep.
    The run's folder under `runs` is named by all settings: one that is finished is loaded, one
    that was killed goes on at its next epoch, to the same weights as if it had not been (but for
    dropout, whose state Keras does not keep). `saved` and `shelf` are further places to find it: see `Places`.
    `augment(inputs, generator)` makes the inputs of each epoch; its name is a setting.
    `score(model)` returns the validation scores that are kept with the run, by default those of `evaluation.score`.
    It gets the best model; of a run that keeps models of named epochs, the last of those.
    Raises TypeError for a setting that there is not, or that is missing, ValueError for a loss that is not finite.
    """
    settings = Settings(data=record, augment=identify(augment), **others)
    places = Places(runs, tuple(saved), shelf)
    return train_by(settings, build, train_data, val_data, places=places, augment=augment, score=score)


def train_by(
    settings: Settings,
    build: Callable[[], keras.Model],
    train_data: Arrays,
    val_data: Arrays,
    *,
    places: Places,
    augment: Callable | None = None,
    score: Callable | None = None,
    tell: Callable | None = None,
) -> Run:
    """Do what `train` does, by `settings` that want nothing but the architecture of what `build()` returns.

    `tell(line, minutes)` is called with the progress and the minutes left, by default the line is printed over itself.
    """
    keras.utils.set_random_seed(settings.seed)
    model = build()
    settings = replace(settings, architecture=fingerprint(model))
    folder = places.find(settings)
    run = Run(settings.name, folder.history, settings, folder)
    if folder.finished:
        return run
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.write("settings", settings.as_json())
    if len(run.history) < settings.epochs and not _has_waited(run.history, settings.patience):
        _compile(model, settings, len(train_data[0]))
        if run.history:
            print(f"{run.name}: run {folder.path.name} goes on after epoch {len(run.history)}.")
            model.load_weights(folder.state(len(run.history)))
        _fit(model, train_data, val_data, settings, folder, run.history, augment, places.shelf, tell)
    scored = run.after(max(settings.keep)) if settings.keep else run
    told = {key: scored.best[key] for key in ("epoch", "val_loss")}
    folder.finish(told | (score(scored.model) if score else _score(scored.model, val_data)))
    if places.shelf:
        folder.send(places.shelf)
    return run


def _score(model, val_data):
    """Return the scores of a model of images on its validation data; {} of another model."""
    noisy, clean = val_data
    if model.output_shape[1:] != model.input_shape[1:] or np.ndim(clean) != 4:
        return {}
    return evaluation.score_model(model, noise.Pairs(noisy, clean, None))


def _compile(model, settings, num_images):
    steps = settings.epochs * math.ceil(num_images / settings.batch_size)
    options = {key: value for key in ("weight_decay", "clipnorm") if (value := settings[key])}
    if settings.average:
        options |= {"use_ema": True, "ema_momentum": settings.average}
    named = settings.optimizer, settings.learning_rate, settings.schedule
    optimizers.compile_model(model, optimizers.make_optimizer(*named, steps, **options), settings.loss)


def _has_waited(history, patience):
    """Say whether the last `patience` epochs brought nothing: a kill came between the last of them and the end."""
    best = min(range(len(history)), key=lambda epoch: history[epoch]["val_loss"], default=0)
    return bool(patience) and len(history) - 1 - best >= patience


def _fit(model, train_data, val_data, settings, folder, history, augment, shelf, tell):
    """Fit from the epoch after `history` to the end, saving as it goes."""
    batches = callbacks.Batches(*train_data, settings.batch_size, settings.seed, len(history), augment)
    called = callbacks.make_callbacks(settings, folder, history, len(batches), shelf, tell)
    streams.quiet_tensorflow()
    with saving.without_legacy_warning():
        model.fit(
            batches,
            validation_data=val_data,
            validation_batch_size=256,
            epochs=settings.epochs,
            initial_epoch=len(history),
            shuffle=False,  # the batches are in their order
            callbacks=called,
            verbose=0,
        )
