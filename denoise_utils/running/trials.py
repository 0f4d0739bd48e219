"""The trials of a grid search: what each is, the ledger of those that are finished, how one is trained."""

import hashlib
import itertools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_tuner

from denoise_utils import models
from denoise_utils.noise import TaskData
from denoise_utils.running import optimizers
from denoise_utils.system import files, stopping

MODEL_AXES = ("filters", "depth")
OBJECTIVE = keras_tuner.Objective("val_loss", "min")


@dataclass(frozen=True)
class Plan:
    """What a search will do, and the folder of its ledger; workers get it from the process that starts them."""

    grid: dict
    legal: list  # architectures within the cap: filters, depth, parameters
    over: list
    seed: int  # of the weights, the same for all trials
    folder: Path

    @property
    def configurations(self) -> list[dict]:
        """The settings of every trial, in Keras Tuner's order."""
        space = self.make_space().space
        product = itertools.product(*(axis.values for axis in space))
        return [dict(zip([axis.name for axis in space], values, strict=True)) for values in product]

    @property
    def ledger(self) -> Path:
        """Folder with one file for each finished trial."""
        return self.folder / "ledger"

    def path_of(self, values: dict) -> Path:
        """Return the path of the ledger's file for the trial with these settings."""
        return self.ledger / ledger_name(values)

    def read_row(self, values: dict) -> dict | None:
        """Return the ledger's row of the trial with these settings, or None if it is missing or damaged."""
        try:
            row = json.loads(self.path_of(values).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return row if self.is_row(row, values) else None

    def read_rows(self) -> list[dict]:
        """Return the rows of all finished trials."""
        return [row for values in self.configurations if (row := self.read_row(values))]

    def is_row(self, row: object, values: dict) -> bool:
        """Say whether `row`, from a file or another process, is the whole row of the trial with these settings."""
        architecture = {label(one): one for one in self.legal}.get(values["architecture"])
        if not architecture or not isinstance(row, dict):
            return False
        losses, seconds = row.get("val_history"), row.get("seconds")
        same = _row_settings(architecture, values).items() <= row.items()
        whole = isinstance(losses, list) and len(losses) == values["epochs"] and all(map(_is_number, losses))
        return same and whole and row.get("val_bce") == min(losses) and _is_number(seconds) and 0 <= seconds < math.inf

    def make_space(self) -> keras_tuner.HyperParameters:
        """Return Keras Tuner's space of all legal configurations and no others."""
        space = keras_tuner.HyperParameters()
        space.Choice("architecture", [label(row) for row in self.legal])
        for axis in self.grid:
            if axis not in MODEL_AXES:
                space.Choice(axis, self.grid[axis])
        return space


def build(row: dict) -> keras.Model:
    """Build the architecture that a row of the grid names."""
    return models.capped_autoencoder(**{axis: row[axis] for axis in MODEL_AXES})


def label(architecture: dict) -> str:
    """Name an architecture, as the tuner's own axis does."""
    return f"{architecture['filters']} filters, depth {architecture['depth']}"


def _row_settings(architecture, values):
    """Return the part of a trial's row that was known before it: the architecture and the other settings."""
    return architecture | {axis: value for axis, value in values.items() if axis != "architecture"}


def _is_number(found):
    """Say whether a value read from JSON is a floating number; it may be infinite."""
    return isinstance(found, float) and not math.isnan(found)


class CappedHyperModel(keras_tuner.HyperModel):
    """Build and fit one trial; filters and depth are one axis, so that the grid is legal throughout."""

    def __init__(self, legal, seed):
        super().__init__()
        self.legal, self.seed = {label(row): row for row in legal}, seed

    def build(self, hp):
        """Build a fresh, seeded model: the tuner's own seed does not reach the weights."""
        keras.utils.set_random_seed(self.seed)
        model = build(self.legal[hp.get("architecture")])
        optimizer = optimizers.OPTIMIZERS[hp.get("optimizer")](hp.get("learning_rate"))
        optimizers.compile_model(model, optimizer, "binary_crossentropy")
        return model

    def fit(self, hp, model, noisy, clean, **kwargs):
        """Fit for the trial's own epochs in its own batches."""
        sizes = {"epochs": hp.get("epochs"), "batch_size": hp.get("batch_size")}
        return model.fit(noisy, clean, validation_batch_size=256, **sizes, **kwargs)


def ledger_name(values: dict) -> str:
    """Return the name of the ledger's file for the trial with these settings."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16] + ".json"


class LedgerTuner(keras_tuner.Tuner):
    """A tuner with a ledger: one file per finished trial, looked up before training.

    Keras Tuner's own resume loses trials after a kill (its issue 1055), so every search starts
    over and walks through what the ledger holds without training it.
    """

    def __init__(self, plan, oracle, project):
        hypermodel = CappedHyperModel(plan.legal, plan.seed)
        # overwrite: the ledger remembers, not the tuner
        super().__init__(oracle, hypermodel, directory=plan.folder, project_name=project, overwrite=True)
        self.plan, self.num_trials, self.rows, self.num_loaded = plan, len(plan.configurations), [], 0

    def run_trial(self, trial, *args, **kwargs):
        """Return the trial's best validation loss, from the ledger or from training it."""
        values = trial.hyperparameters.values
        if row := self.plan.read_row(values):
            self.rows.append(row)
            self.num_loaded += 1
        else:
            row = self._train(trial.hyperparameters, *args, **kwargs)
            try:
                files.write_json(self.plan.path_of(values), row)
            except OSError as error:  # of any other kind of error Keras Tuner makes a failed trial, and goes on
                raise keras_tuner.errors.FatalValueError(str(error)) from None
            self.rows.append(row)
            self._show_progress()
        stopping.check()
        return {"val_loss": row["val_bce"]}

    def _train(self, hp, *args, **kwargs):
        started = time.perf_counter()
        keras.backend.clear_session()
        model = self.hypermodel.build(hp)
        history = self.hypermodel.fit(hp, model, *args, **kwargs).history
        seconds = round(time.perf_counter() - started, 2)
        architecture = self.hypermodel.legal[hp.get("architecture")]
        losses = [loss if math.isfinite(loss) else math.inf for loss in history["val_loss"]]  # diverged: last
        scores = {"val_bce": min(losses), "seconds": seconds, "val_history": losses}
        return _row_settings(architecture, hp.values) | scores

    def _show_progress(self):
        spent = sum(row["seconds"] for row in self.rows)
        left = spent / len(self.rows) * (self.num_trials - len(self.rows))
        best = min(row["val_bce"] for row in self.rows)
        line = f"trial {len(self.rows)}/{self.num_trials}, best validation BCE {best:.4f}, "
        print(f"\r{line}{spent / 60:.1f} min, about {left / 60:.1f} min to go  ", end="", flush=True)


def fit_data(task_data: TaskData) -> tuple[tuple, dict]:
    """Return what a tuner's `search` is called with: arguments and keywords."""
    validation = task_data.val.noisy, task_data.val.clean
    return (task_data.train.noisy, task_data.train.clean), {"validation_data": validation, "verbose": 0}
