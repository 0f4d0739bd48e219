"""Make the card of a saved model: all from its run, nothing typed."""

import math
import re
from importlib import metadata

from denoise_utils.noise import TASKS


def find_version(package):
    """Return the version of an installed package, "none" of another."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def find_versions(machine):
    """Return the versions of what trained on `machine`, a Run's; that of Keras alone if its backend is not here."""
    backends = sorted(set(re.findall(r"Keras on (\w+)", machine)))
    found = {package: find_version(package) for package in ("keras", *backends, "numpy")}
    return {"keras": found["keras"]} if "none" in found.values() else found


def describe_noise(told):
    """Return the noise of a task's record in words: each strength, or the range that training drew it from."""
    noise = told.get("noise")
    parts = [f"{name} {value}" for name, value in noise.items()] if isinstance(noise, dict) else []
    return ", ".join(parts)


def describe_formula(task):
    """Return how the noisy pictures of a task are made, in one line; "" of another task."""
    return TASKS[task].formula if task in TASKS else ""


def describe_input(shape):
    """Return in words what a model takes whose input has `shape`, the batch first."""
    sides = ", ".join("any" if side is None else str(side) for side in shape[1:])
    return f"float32 in [0, 1] (divide bytes by 255), shape (N, {sides})"


def describe_use(name, shape, role):
    """Return five lines of Python that use the model NAME.h5, without this project's package."""
    one = ", ".join(str(side or 28) for side in (1, *shape[1:]))
    judge = role == "judge"
    return [
        "import keras, numpy as np",
        f'model = keras.models.load_model("{name}.h5", compile=False)',
        f"pictures = np.zeros(({one}), np.float32)  # yours instead, in [0, 1]",
        "output = model.predict(pictures)" + ("" if judge else ".clip(0, 1)"),
        "print(output.argmax(axis=1))  # the digits" if judge else "print(output.shape)  # as many, as large",
    ]


def about_use(name, task, role, shape):
    """Return what a card tells somebody who wants to use the model: its input, its noise, five lines of code."""
    formula = describe_formula(task)
    told = {"input": describe_input(shape), "formula": formula, "use": describe_use(name, shape, role)}
    return {key: value for key, value in told.items() if value}


def describe_split(settings, scores):
    """Return in words how many images trained, chose and tested a model, how they were drawn, and the seeds."""
    told = settings.get("data") if isinstance(settings.get("data"), dict) else {}
    images = told.get("images")
    sizes = (images if isinstance(images, dict) else {"train": images}) | {"test": scores.get("images")}
    counts = [f"{part} {size:,}" for part, size in sizes.items() if isinstance(size, int) and size]
    rule = "test is the dataset's own, val a tenth of its training set"
    if told.get("task") == "pairs":
        rule = "test is a tenth of the pairs, val a fifth of the rest"
    seeds = f"seed {told.get('seed')} for split and noise, {settings.get('seed')} for weights and order"
    return f"{', '.join(counts)}; {rule}; {seeds}" if counts else ""


def read_history(card):
    """Return the history of the run that a card tells of; of an older card all epochs but the best are NaN."""
    if "history" in card:
        return [dict(zip(card["history"], log, strict=True)) for log in zip(*card["history"].values(), strict=True)]
    each = {"loss": math.nan, "val_loss": math.nan, "seconds": card["seconds"] / card["epochs_run"]}
    history = [dict(each) for _ in range(card["epochs_run"])]
    history[card["epoch"] - 1]["val_loss"] = card["validation_loss"]
    return history


def make_card(run, *, task, role, scores, noisy_scores, limits):
    """Return the card of a run's model: what it is, how it was made and how well it does.

    `scores` and `noisy_scores` are those of the model and of its untouched input on the test set.
    """
    from denoise_utils import models  # Keras takes seconds, and most of this module is for reading cards

    settings = run.settings.as_json()
    parameters, trainable = models.count_parameters(run.model)
    history = {key: [log[key] for log in run.history] for key in ("loss", "val_loss", "seconds")}
    known = all(math.isfinite(value) for values in history.values() for value in values)
    return {
        "name": run.name,
        "task": task,
        "role": role,
        "noise": describe_noise(settings["data"]),
        **about_use(run.name, task, role, run.model.input_shape),
        "split": describe_split(settings, scores),
        "parameters": parameters,
        "trainable_parameters": trainable,
        "architecture": models.architecture_line(run.model),
        "settings": settings,
        "epochs_run": len(run.history),
        "epoch": run.best["epoch"],
        "validation_loss": run.best["val_loss"],
        "seconds": round(run.seconds, 1),
        **({"history": history} if known else {}),
        "machine": run.machine,
        "test_scores": scores,
        "noisy_input_scores": noisy_scores,
        "versions": find_versions(run.machine),
        "limits": limits,
    }
