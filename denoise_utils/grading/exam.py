"""The exam of a class: test images under a noise that nobody has seen, the same for everybody."""

import hashlib
import os
from importlib import metadata
from pathlib import Path

import numpy as np

from denoise_utils import data, noise
from denoise_utils.datasets import sources
from denoise_utils.opening import safe_open
from denoise_utils.system import files

PACKAGE = Path(__file__).resolve().parents[1]
PUBLIC_SEED = 1  # of a student's own check: everybody may know it, so no class is graded under it unless asked to


def load_exam(task, *, seed, num_images=None, profile=None, pickles=None):
    """Return the noise.TaskData whose test images, damaged under `seed`, every submission gets.

    The seed also draws which `num_images` of the test images they are: nobody can train on those in particular.
    `pickles` (two paths, noisy and clean) replaces them by a grader's own, as of data.load_pairs.
    """
    if not pickles:
        found = noise.load_task(task, num_train=1, num_val=1, seed=seed, profile=profile)
        test, label, record = found.test, found.label, found.record
    else:
        names = [os.path.basename(path) for path in pickles]
        task, label, record = "pairs", " + ".join(names), {"noise": {"files": names}, "seed": seed}
        test = noise.Pairs(*data.load_pairs(*pickles), None)
    test = _draw(test, seed, num_images)
    return noise.TaskData(task, label, record, test, test, test)


def _draw(pairs, seed, number):
    """Return `number` of the pairs, or all if there are no more, drawn by `seed` and in their order."""
    if number is None or number >= len(pairs.clean):
        return pairs
    rows = np.sort(np.random.default_rng([seed, number]).choice(len(pairs.clean), number, replace=False))
    return noise.Pairs(pairs.noisy[rows], pairs.clean[rows], None if pairs.labels is None else pairs.labels[rows])


def check_judge(path):
    """Raise ValueError unless the .h5 at `path` is a classifier of ten digits."""
    outputs = safe_open.inspect_model(path).layers[-1].outputs[-1][0]
    if tuple(outputs) != (10,):
        raise ValueError(
            f"Expected a judge that tells ten digits apart in {path}, got one that answers {tuple(outputs)}: "
            "python -m denoise_utils train judge --seed S makes one."
        )


def write_exam(exam, folder, cap, judge):
    """Write the exam's images and settings to `folder` and return the settings; one.read_exam reads them.

    `judge` is the path of the .h5 that reads digits; where there is none, legibility is not asked. The settings are
    everything that a result depends on beside the file.
    """
    folder, test, judge = Path(folder), exam.test, Path(judge)
    folder.mkdir(parents=True)
    for name in ("noisy", "clean", "labels"):
        if getattr(test, name) is not None:
            np.save(folder / f"{name}.npy", getattr(test, name))
    settings = {
        "task": exam.task,
        "images": sources.hash_arrays(test.noisy, test.clean),
        "cap": cap,
        "judge": str(judge.resolve()) if judge.is_file() else None,
        "judge_sha256": files.hash_file(judge) if judge.is_file() else None,
        "code": _hash_code(),
    }
    files.write_json(folder / "settings.json", settings)
    return settings


def _hash_code():
    """Return a hash of this package and of the versions below it."""
    versions = [metadata.version(package) for package in ("keras", "tensorflow", "numpy")]
    hashes = [files.hash_file(path) for path in sorted(PACKAGE.rglob("*.py"))]
    return hashlib.sha256("".join(versions + hashes).encode()).hexdigest()
