"""Score the models of one task for the budget report: beside the noisy input, the best filter and clean images.

Each row is handed out as soon as it is finished, so that a report that is stopped has those before.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils import baselines, evaluation, noise, profiles
from denoise_utils.measures import model_shapes
from denoise_utils.measures.table import FILTER, NOISY
from denoise_utils.opening import remedies
from denoise_utils.system import failures, stopping

if TYPE_CHECKING:
    import keras

DIGITS = "digits"  # the task of a judge, which reads clean digits
NUM_SHOWN = 10  # test images on a model's sheet


@dataclass(frozen=True)
class Entry:
    """A model that was counted: the row of its file so far, without scores, the model, and its noise."""

    row: dict
    model: "keras.Model"
    strength: dict  # in place of the task's canonical one; {} for that


@dataclass(frozen=True)
class Scored:
    """A finished row, and the sheet of a denoiser: title to images (10, H, W, C)."""

    row: dict
    sheet: dict[str, np.ndarray] = field(default_factory=dict)


def load_task(task: str, profile: profiles.Profile, strength: dict | None = None) -> noise.TaskData:
    """Load the noisy and clean images of a task, of another strength than its canonical one if one is given.

    Raises FileNotFoundError where its data is not here.
    """
    if task == "pairs" and noise.assignment_task() != "pairs":
        raise FileNotFoundError("Expected DENOISE_PAIRS to name the pickles that it was trained on.")
    known = "masking" if task == DIGITS else task  # that has digits alone
    return noise.load_task(known, **_sizes(profile), **(strength or {}))


def tell_noise(task: str, strength: dict) -> str:
    """Return the noise that a model is scored under in words, such as "mix maximum"; empty for a task without one."""
    whole = noise.TASKS[task].strength | strength if task in noise.TASKS else {}
    return ", ".join(f"{key} {value}" for key, value in whole.items())


def find_strength(task: str, card: dict) -> dict:
    """Return the strength, one of the task's others, that the card says the model was trained under; {} for none."""
    found = card
    for key in ("settings", "data", "noise"):
        found = found.get(key) if isinstance(found, dict) else None
    if task in noise.TASKS and isinstance(found, dict):
        for strength in noise.TASKS[task].others:
            if all(found.get(key) == value for key, value in strength.items()):
                return strength
    return {}


def _sizes(profile):
    return {"num_train": 1, "num_val": profile.search_val, "num_test": profile.num_test, "profile": profile}


def score_task(
    entries: Iterable[Entry], task_data: noise.TaskData, about: dict, judge: "keras.Model | None"
) -> Iterator[Scored]:
    """Yield the rows of one task: its noisy input, its best filter, clean images, then its models.

    `about` is what the rows have in common, their task and noise. `judge` reads digits, or is None. The row of a model
    that cannot be scored has the reason instead.
    """
    if about["task"] == DIGITS:
        yield from _score_each(entries, lambda model: _score_judge(model, task_data))
        return
    yield from map(Scored, _yardsticks(about, task_data, judge))
    yield from _score_each(entries, lambda model: _score_denoiser(model, task_data, judge))


def _score_each(entries: Iterable[Entry], score: Callable[["keras.Model"], Scored]) -> Iterator[Scored]:
    for entry in entries:
        stopping.check()
        try:
            found = score(entry.model)
        except ValueError as error:
            failures.note(entry.row["file"])
            found = Scored({"reason": f"could not be scored: {error}"})
        yield Scored(entry.row | found.row, found.sheet)


def _score_denoiser(model, task_data, judge):
    evaluation.check_images_model(model)
    test = task_data.test
    output = _predict(model, test.noisy)
    scores = _all_scores(output, _predict(model, task_data.val.noisy), task_data, judge)
    shown = {"clean": test.clean, "noisy": test.noisy, "denoised": evaluation.clip(output)}
    return Scored(scores | {"data": task_data.label}, {title: images[:NUM_SHOWN] for title, images in shown.items()})


def _score_judge(model, task_data):
    output, labels = _predict(model, task_data.test.clean), task_data.test.labels
    if output.shape != (len(labels), 10):
        raise ValueError(f"expected ten probabilities per image, got {output.shape}")
    read = float(np.mean(output.argmax(axis=1) == labels))
    return Scored({"legibility": read, "images": len(output), "data": task_data.label})


def score_other_strengths(
    entries: list[Entry], profile: profiles.Profile, judge: "keras.Model | None"
) -> Iterator[dict]:
    """Yield a row for the noisy input and for each denoiser of one task under each of its strengths but their own."""
    task, home = entries[0].row["task"], entries[0].strength
    for strength in ({}, *noise.TASKS[task].others) if task in noise.TASKS else ():
        if strength == home:
            continue
        test = noise.load_task(task, **_sizes(profile) | {"num_val": 1}, **strength).test
        about = {"task": task, "noise": tell_noise(task, strength)}
        yield {"file": NOISY, "role": "yardstick"} | about | evaluation.score(test.noisy, test, judge)
        for entry in entries:
            stopping.check()
            told = {key: entry.row[key] for key in ("file", "role", "parameters")}
            yield told | about | evaluation.score(_predict(entry.model, test.noisy), test, judge)


def _predict(model, images):
    """Return the model's output, or raise ValueError if it does not take such images."""
    try:
        output = evaluation.predict(model, images)
    except Exception as error:  # a stranger's model may fail in any way
        stopping.check()
        line = remedies.read_reason(error)
        raise ValueError(f"expected a model of images {images.shape[1:]}, got {model.input_shape}: {line}") from None
    if not isinstance(output, np.ndarray):
        raise ValueError(f"expected one output, got {model_shapes.name_tensors(model, 'output')}: build it with one")
    return output


def _all_scores(output, val_output, task_data, judge):
    """Return the report's scores of images made from the noisy test and validation images."""
    val_bce = float(evaluation.bce(val_output, task_data.val.clean).mean())
    return {"val_bce": val_bce} | evaluation.score(output, task_data.test, judge)


def _yardsticks(about, task_data, judge):
    """Yield the rows of the untouched noisy input, of the best tuned filter and of clean images."""
    best = baselines.choose(baselines.FILTERS, task_data.val.noisy, task_data.val.clean)
    row = about | {"role": "yardstick", "verdict": None, "data": task_data.label}
    for name, make in ((NOISY, lambda noisy: noisy), (f"{FILTER}{best}", best)):
        output, val_output = make(task_data.test.noisy), make(task_data.val.noisy)
        yield {"file": name} | row | _all_scores(output, val_output, task_data, judge)
    ceiling = evaluation.legibility(judge, task_data.test.clean, task_data.test.labels)
    if ceiling is not None:
        yield {"file": "clean images"} | row | {"legibility": ceiling, "images": len(task_data.test.clean)}
