"""The noise that a recipe trains under: made afresh in every epoch, its strength perhaps drawn for each image."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from denoise_utils import noise


def _least_of_three(rng, number):
    return {"sigma": 0.8 * rng.random((3, number), np.float32).min(0)}


DRAWS = {
    "marks 0 to 30": lambda rng, number: {"marks": rng.integers(0, 31, number)},
    "sigma, least of three up to .8": _least_of_three,
    "amount 0 to .9": lambda rng, number: {"amount": 0.9 * rng.random(number, dtype=np.float32)},
}


@dataclass(frozen=True)
class FreshNoise:
    """The `augment` (clean, generator) -> noisy of a training on the noise of a task: another noise in every epoch."""

    identity: ClassVar[str] = "fresh_noise"  # finished runs are found by it, so it stays, whatever the class is called
    task: str
    strength: dict
    draw: str | None  # a name in DRAWS: what makes a strength for each image
    overlay: np.ndarray | None = field(repr=False)  # what is laid over the images (N, H, W, C), in a task with one

    def __call__(self, clean: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the clean images (N, H, W, C) with new noise."""
        strength = self.strength | (DRAWS[self.draw](rng, len(clean)) if self.draw else {})
        over = () if self.overlay is None else (self.overlay,)
        return noise.TASKS[self.task].add_noise(clean, *over, **strength, seed=rng)
