"""Search a grid of settings with Keras Tuner: capped, one fresh model per trial, resumable."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_tuner

from denoise_utils.noise import TaskData
from denoise_utils.running import trials, workers
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.running.settings import fingerprint
from denoise_utils.running.trials import Plan
from denoise_utils.system import files, stopping


@dataclass(frozen=True)
class Search:
    """A finished search: one row per trial, best first; what was left out; what it took."""

    rows: list
    over_cap: list  # (filters, depth, parameters) of architectures that were never trained
    num_skipped: int  # configurations that those stand for
    num_loaded: int  # trials that an earlier call had finished
    folder: Path

    @property
    def best(self) -> dict:
        """The row with the lowest validation BCE."""
        return self.rows[0]


def split_by_cap(grid: dict, cap: int) -> tuple[list[dict], list[dict]]:
    """Count each architecture of `grid` and return (legal, over): dicts with its parameters."""
    legal, over = [], []
    for values in itertools.product(*(grid[axis] for axis in trials.MODEL_AXES)):
        row = dict(zip(trials.MODEL_AXES, values, strict=True))
        row["parameters"] = trials.build(row).count_params()
        (legal if row["parameters"] <= cap else over).append(row)
    keras.backend.clear_session()
    return legal, over


def make_plan(grid: dict, cap: int, task_data: TaskData, *, runs: Path, seed: int = 0) -> Plan:
    """Return the Plan of searching `grid`, and make its folder, named by all that the result depends on."""
    legal, over = split_by_cap(grid, cap)
    if not legal:
        raise ValueError(f"Expected an architecture of at most {cap} parameters, got {over}: narrow the grid.")
    told = {"name": "search", "grid": grid, "cap": cap, "data": task_data.record, "seed": seed}
    told["architectures"] = [fingerprint(trials.build(row)) for row in legal]
    folder = RunFolder.of(runs, told).path
    folder.mkdir(parents=True, exist_ok=True)
    files.write_json(folder / "settings.json", told)
    return Plan(grid, legal, over, seed, folder)


def search(
    grid: dict, cap: int, task_data: TaskData, *, runs: Path, seed: int = 0, num_workers: int = 1, deadline: int = 3600
) -> Search | None:
    """Train every legal configuration of `grid` once and return a Search, best first.

    The train part of `task_data` is trained on, its val part compares the trials. Over-cap architectures are left
    out before training. Stopped or killed, it goes on where it was. With `num_workers`, so many processes train; the
    result, the ledger and its folder are the same, and a process that dies is restarted. With Keras Tuner's
    environment variables set, this is one of several machines: the chief, or workers, for which None is returned.
    Raises RuntimeError unless the completed trials are exactly the legal configurations; of several processes,
    TimeoutError after `deadline` seconds without a newly finished trial, ChildProcessError if they keep dying. What
    was finished stays in the ledger.
    """
    address = workers.find_address()
    plan = make_plan(grid, cap, task_data, runs=runs, seed=seed)
    if num_workers == 1 and not address:
        return _search_alone(plan, task_data)
    num_loaded = len(plan.read_rows())
    if workers.work(plan, trials.fit_data(task_data), num_workers, address, deadline):
        return _collect(plan, plan.read_rows(), num_loaded)
    return None


def _search_alone(plan, task_data):
    oracle = keras_tuner.oracles.GridSearchOracle(objective=trials.OBJECTIVE, hyperparameters=plan.make_space())
    tuner = trials.LedgerTuner(plan, oracle, "tuner")
    arrays, options = trials.fit_data(task_data)
    with stopping.noticed():
        tuner.search(*arrays, **options)
    if tuner.num_loaded < tuner.num_trials:
        print()
    return _collect(plan, tuner.rows, tuner.num_loaded)


def _collect(plan, rows, num_loaded):
    """Return the finished Search from the rows of all its trials; raises RuntimeError if one is missing."""
    if len(rows) != len(plan.configurations):
        raise RuntimeError(f"Expected {len(plan.configurations)} finished trials, got {len(rows)}: see {plan.folder}.")
    settings_per_model = len(plan.configurations) // len(plan.legal)
    rows = sorted(rows, key=lambda row: row["val_bce"])
    return Search(rows, plan.over, len(plan.over) * settings_per_model, num_loaded, plan.folder)
