"""Damage images: six kinds of noise, vectorised, seeded, never in place, and the tasks they make.

Every function takes `clean` (N, H, W, C), floating in [0, 1], and returns float32 of the
same shape and range. `seed` is an int, a list of ints, or a numpy Generator.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from denoise_utils import data, profiles
from denoise_utils.datasets import sources

WATERMARK = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 1, 0], [0, 0, 1, 0, 0], [0, 1, 0, 1, 0], [1, 0, 0, 0, 1]])
PARTS = ("train", "val", "test")
MIXES = ("sum", "maximum", "clipped sum")
GAUSSIAN = "clip(clean + sigma * normal, 0, 1)"
Seed = int | Sequence[int] | np.random.Generator  # as of numpy.random.default_rng


def add_watermark(clean: np.ndarray, marks: int | np.ndarray = 10, *, seed: Seed) -> np.ndarray:
    """Stamp `marks` (an int, or one int per image) X-shaped marks at random places.

    Each mark is 5x5 with 9 pixels of value 1, wholly inside the image, combined by maximum;
    marks may overlap. Raises ValueError for more marks than an image has pixels.
    """
    clean, rng = data.check_images(clean, "clean"), np.random.default_rng(seed)
    num_images, height, width, _ = clean.shape
    marks = np.broadcast_to(np.asarray(marks), (num_images,))
    if marks.dtype.kind not in "iu" or marks.min() < 0 or min(height, width) < 5:
        raise ValueError(f"Expected whole numbers of marks from 0 up on images of at least 5x5, got {marks}.")
    if marks.max() > height * width:
        raise ValueError(f"Expected at most {height * width:,} marks, a mark per pixel, got {marks.max():,}.")
    noisy = clean.copy()
    rows, columns = np.nonzero(WATERMARK)
    for mark in range(marks.max()):  # at most a few dozen; each stamps all images at once
        top = rng.integers(0, height - 4, num_images)
        left = rng.integers(0, width - 4, num_images)
        images = np.flatnonzero(marks > mark)[:, None]
        noisy[images, top[images] + rows, left[images] + columns] = 1
    return noisy


def add_occlusion(clean: np.ndarray, thickness: int = 1, *, seed: Seed) -> np.ndarray:
    """Set a band of `thickness` rows (even images) or columns (odd images) to 1.

    The first line is uniform over 10..20 of 28 pixels, scaled to other sizes.
    """
    clean, rng = data.check_images(clean, "clean"), np.random.default_rng(seed)
    num_images, height, width, _ = clean.shape
    if thickness not in range(1, min(height, width) // 4 + 1):
        raise ValueError(f"Expected a thickness of 1 to {min(height, width) // 4} whole pixels, got {thickness}.")
    noisy = clean.copy()
    for first, view in ((0, noisy), (1, noisy.swapaxes(1, 2))):  # in the second, columns stand as rows
        images, length = np.arange(first, num_images, 2), view.shape[1]
        lines = rng.integers(length * 10 // 28, length * 20 // 28 + 1, len(images))
        for offset in range(thickness):
            view[images, np.minimum(lines + offset, length - 1)] = 1
    return noisy


def add_clutter(clean: np.ndarray, garments: np.ndarray, mix: str = "sum", *, seed: Seed) -> np.ndarray:
    """Lay a random garment over each image.

    `garments` is (M, H, W, C), float32 in [0, 1]. `mix` is "sum" ((clean + garment) / 2, the
    unclipped sum divided by its maximum), "maximum", or "clipped sum".
    """
    clean, garments = data.check_images(clean, "clean"), data.check_images(garments, "garments")
    if garments.shape[1:] != clean.shape[1:]:
        raise ValueError(f"Expected garments of shape (M, *{clean.shape[1:]}), got {garments.shape}.")
    if mix not in MIXES:
        raise ValueError(f'Expected a mix of {", ".join(MIXES)}, got "{mix}".')
    over = garments[np.random.default_rng(seed).integers(0, len(garments), len(clean))]
    if mix == "maximum":
        return np.maximum(clean, over)
    total = clean + over
    return total / 2 if mix == "sum" else np.minimum(total, 1)


def add_gaussian(clean: np.ndarray, sigma: float | np.ndarray = 0.2, *, seed: Seed) -> np.ndarray:
    """Add normal noise of standard deviation `sigma` (a number, or one per image), clip to [0, 1]."""
    clean, rng = data.check_images(clean, "clean"), np.random.default_rng(seed)
    sigma = _per_image(sigma, "sigma on the [0, 1] scale", clean)
    noisy = rng.standard_normal(clean.shape, dtype=np.float32)
    noisy *= sigma
    noisy += clean
    return np.clip(noisy, 0, 1, out=noisy)


def add_salt_and_pepper(clean: np.ndarray, amount: float | np.ndarray = 0.5, *, seed: Seed) -> np.ndarray:
    """Set a fraction `amount` (a number, or one per image) of the pixels to 0 or 1, half each."""
    clean, rng = data.check_images(clean, "clean"), np.random.default_rng(seed)
    amount = _per_image(amount, "amount as a fraction", clean)
    draw = rng.random((*clean.shape[:3], 1), dtype=np.float32)  # all channels of a pixel together
    noisy = np.where(draw < amount / 2, np.float32(0), clean)
    return np.where(draw > 1 - amount / 2, np.float32(1), noisy)


def add_masking(clean: np.ndarray, amount: float | np.ndarray = 0.5, *, seed: Seed) -> np.ndarray:
    """Set a fraction `amount` (a number, or one per image) of the pixels to 0."""
    clean, rng = data.check_images(clean, "clean"), np.random.default_rng(seed)
    amount = _per_image(amount, "amount as a fraction", clean)
    return clean * (rng.random((*clean.shape[:3], 1), dtype=np.float32) >= amount)


def _per_image(strength, name, images):
    """Return `strength`, checked to be in [0, 1], as float32 of shape (1 or N, 1, 1, 1)."""
    strength = np.asarray(strength, dtype=np.float32)
    if strength.ndim > 1 or strength.size not in (1, len(images)):
        raise ValueError(f"Expected one {name}, or {len(images)} of them, got {strength.shape}.")
    if not np.all((strength >= 0) & (strength <= 1)):
        raise ValueError(f"Expected {name} in 0 to 1, got {strength}: write 25/255, not 25.")
    return strength.reshape(-1, 1, 1, 1)


@dataclass(frozen=True)
class Task:
    """One denoising task: a dataset, a noise, its strengths, what is laid over it, a new size."""

    dataset: str
    add_noise: Callable
    strength: dict  # the canonical one
    overlay: str | None = None
    side: int | None = None  # pixels that the images are resized to
    others: tuple = ()  # strengths that the project's own models are scored under as well
    formula: str = ""  # how a noisy picture is made, in one line for a card


TASKS = {
    "watermark": Task(
        "mnist",
        add_watermark,
        {"marks": 10},
        others=({"marks": 30},),
        formula="maximum(clean, marks), each mark a cross of 5x5 pixels at a random place",
    ),
    "occlusion": Task(
        "mnist", add_occlusion, {"thickness": 1}, formula="clean, with a band of thickness rows or columns set to 1"
    ),
    "clutter": Task(
        "mnist",
        add_clutter,
        {"mix": "sum"},
        overlay="fashion_mnist",
        others=({"mix": "maximum"}, {"mix": "clipped sum"}),
        formula="a mix of clean and a garment: sum (clean + garment) / 2, maximum(clean, garment), or clipped sum "
        "minimum(clean + garment, 1)",
    ),
    "gaussian": Task("mnist", add_gaussian, {"sigma": 0.2}, others=({"sigma": 0.0},), formula=GAUSSIAN),
    "salt_pepper": Task(
        "mnist", add_salt_and_pepper, {"amount": 0.5}, formula="clean, with a share amount of pixels set to 0 or 1"
    ),
    "masking": Task("mnist", add_masking, {"amount": 0.5}, formula="clean, with a share amount of pixels set to 0"),
    "colour": Task("cifar10", add_gaussian, {"sigma": 0.1}, side=profiles.SIDE, formula=GAUSSIAN),
}


@dataclass(frozen=True)
class Pairs:
    """Noisy and clean images (N, H, W, C) of one split; labels (N,), or None where unknown."""

    noisy: np.ndarray
    clean: np.ndarray
    labels: np.ndarray | None


@dataclass(frozen=True)
class TaskData:
    """The pairs of one task, what tables call its data, and its record for settings and cards."""

    task: str
    label: str
    record: dict = field(repr=False)
    train: Pairs = field(repr=False)
    val: Pairs = field(repr=False)
    test: Pairs = field(repr=False)
    overlay: np.ndarray | None = field(default=None, repr=False)  # what was laid over the training images, if anything


def load_task(
    task: str,
    *,
    num_train: int | None = None,
    num_val: int | None = None,
    num_test: int | None = None,
    seed: int = 0,
    profile: profiles.Profile | None = None,
    noisy: tuple = PARTS,
    **strength,
) -> TaskData:
    """Load the task's images and damage them: the same noisy images for every model of the task.

    Train, val and test are damaged under seeds of their own. `strength` replaces parts of the
    canonical strength (mix="maximum"); `profile` is that of `load_splits`. Parts that `noisy` does not
    name stay clean on both sides. The task "pairs" is the two pickles that DENOISE_PAIRS names, as they are.
    """
    if task == "pairs":
        if strength:
            raise ValueError(f"Expected no strength for the noise of your own pairs, got {', '.join(strength)}.")
        return _load_own_pairs(num_train, num_val, num_test)
    if task not in TASKS:
        raise ValueError(f'Expected a task of {", ".join(TASKS)}, got "{task}": take one of those.')
    recipe, profile = TASKS[task], profile or profiles.load_profile()
    sizes = {"num_train": num_train, "num_val": num_val, "num_test": num_test, "profile": profile}
    splits = data.load_splits(recipe.dataset, **sizes, seed=seed)
    over = data.load_splits(recipe.overlay, **sizes, seed=seed) if recipe.overlay else None
    strength = recipe.strength | strength
    parts = []
    for number, name in enumerate(PARTS):
        split = getattr(splits, name)
        clean = data.resize(split.images, recipe.side) if recipe.side else split.images
        overlay = [getattr(over, name).images] if over else []
        damaged = recipe.add_noise(clean, *overlay, **strength, seed=[seed, number]) if name in noisy else clean
        parts.append(Pairs(damaged, clean, split.labels))
    datasets = {s.name: s.sha256 for s in (splits, over) if s}
    record = {"task": task, "noise": strength, "datasets": datasets, "seed": seed}
    record |= {"side": recipe.side} if recipe.side else {}
    label = splits.label if not over or over.label == splits.label else f"{splits.label} + {over.label}"
    return _task_data(task, label, record, parts, over.train.images if over else None)


def _task_data(task, label, record, parts, overlay=None):
    sizes = {"train": len(parts[0].clean), "val": len(parts[1].clean)}  # training saw no others
    return TaskData(task, label, record | {"label": label, "images": sizes}, *parts, overlay)


def assignment_task() -> str:
    """Return the task that the assignment is trained on: "pairs" if DENOISE_PAIRS is set, else profiles.TASK."""
    return "pairs" if os.environ.get("DENOISE_PAIRS") else profiles.TASK


def _load_own_pairs(num_train, num_val, num_test):
    """Load the pickles of DENOISE_PAIRS in three parts."""
    paths = [path.strip() for path in os.environ.get("DENOISE_PAIRS", "").split(",")]
    if len(paths) != 2 or not all(paths):
        raise ValueError('Expected DENOISE_PAIRS as "noisy.pkl,clean.pkl", got ' + repr(",".join(paths)))
    noisy, clean = data.load_pairs(*(profiles.resolve(path) for path in paths))
    train, val, test = data.split_pairs(clean)
    rows = [train[:num_train], val[:num_val], test[:num_test]]
    names = [os.path.basename(path) for path in paths]
    about = {"noise": {"files": names}, "datasets": {"pairs": sources.hash_arrays(noisy, clean)}}
    record = {"task": "pairs", **about, "seed": 0}
    return _task_data("pairs", " + ".join(names), record, [Pairs(noisy[r], clean[r], None) for r in rows])
