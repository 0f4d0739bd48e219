"""How the weight-tied models are trained: one recipe, and a table of what differs between them.

TensorFlow is imported only where something is trained.
"""

from dataclasses import dataclass, field

import numpy as np

from denoise_utils import data, noise

COMMON = {"optimizer": "muon", "batch_size": 16, "learning_rate": 4e-3, "schedule": "cosine", "clipnorm": 1.0}


@dataclass(frozen=True)
class Recipe:
    """One model: its task, the options of `models.tied_denoiser`, and how long it is trained.

    `strength` replaces parts of the task's canonical strength; `draw`, a name in DRAWS, makes one for each image.
    """

    task: str
    options: dict
    strength: dict = field(default_factory=dict)
    draw: str | None = None
    loss: str = "binary_crossentropy"
    epochs: int = 8  # of the full profile


DRAWS = {
    "marks 0 to 30": lambda rng, number: {"marks": rng.integers(0, 31, number)},
    "sigma .8 u^4": lambda rng, number: {"sigma": 0.8 * rng.random(number, dtype=np.float32) ** 4},
    "amount 0 to .9": lambda rng, number: {"amount": 0.9 * rng.random(number, dtype=np.float32)},
}

SMALL = {"filters": 16, "steps": 12}
COLOUR = SMALL | {"channels": 3, "residual": True}

RECIPES = {
    "clutter_tiny": Recipe("clutter", {"filters": 9, "steps": 12}, epochs=5),
    "clutter_small": Recipe("clutter", {"filters": 16, "steps": 16}, epochs=12),
    "watermark_small": Recipe("watermark", SMALL, draw="marks 0 to 30", epochs=5),
    "occlusion_small": Recipe("occlusion", SMALL, epochs=3),
    "gaussian_small": Recipe("gaussian", SMALL, draw="sigma .8 u^4", epochs=5),
    "salt_pepper_small": Recipe("salt_pepper", SMALL, draw="amount 0 to .9", epochs=3),
    "colour_small": Recipe("colour", COLOUR, loss="mean_squared_error", epochs=12),
    "clutter_maximum": Recipe("clutter", SMALL, strength={"mix": "maximum"}, epochs=2),
    "clutter_clipped_sum": Recipe("clutter", SMALL, strength={"mix": "clipped sum"}, epochs=2),
}


def find_recipe(name):
    """Return the recipe called `name`, or raise ValueError that names them all."""
    if name not in RECIPES:
        raise ValueError(f'Expected a model of {", ".join(RECIPES)}, got "{name}".')
    return RECIPES[name]


def load_task(recipe, *, num_train, num_val, num_test, profile, seed=0):
    """Return the recipe's TaskData, its validation images damaged as in training, and its `augment`.

    The augment (clean, generator) -> noisy makes the fresh noise of each epoch; test images have the canonical one.
    """
    sizes = {"num_train": num_train, "num_val": num_val, "num_test": num_test, "profile": profile}
    pairs = noise.load_task(recipe.task, **sizes, seed=seed, **recipe.strength)
    task = noise.TASKS[recipe.task]
    over = data.load_splits(task.overlay, **sizes, seed=seed).train.images if task.overlay else None

    def fresh_noise(clean, rng):
        strength = task.strength | recipe.strength
        strength |= DRAWS[recipe.draw](rng, len(clean)) if recipe.draw else {}
        return task.add_noise(clean, *([] if over is None else [over]), **strength, seed=rng)

    val = pairs.val.noisy
    if recipe.draw:
        val = fresh_noise(pairs.val.clean, np.random.default_rng([seed, 1]))
    return pairs, val, fresh_noise


def train(name, profile, *, seed=0, **changes):
    """Train the model `name` of RECIPES as a run of the profile and return the Run.

    A killed run goes on at its next epoch, a finished one is loaded. `changes` replace settings of `training.train`.
    """
    from denoise_utils import models, training

    recipe = find_recipe(name)
    sizes = {key: getattr(profile, key) for key in ("num_train", "num_val")} | {"num_test": 1}
    pairs, val, fresh_noise = load_task(recipe, **sizes, profile=profile.name)
    told = {} if recipe.draw else pairs.record["noise"]
    record = pairs.record | {"noise": told | {"drawn": recipe.draw or "canonical", "fresh": "in every epoch"}}
    settings = COMMON | {"epochs": profile.pick(recipe.epochs, 1), "loss": recipe.loss, "record": record}
    settings |= {"augment": fresh_noise, "runs": profile.runs, "name": name, "seed": seed} | changes
    clean = pairs.train.clean
    return training.train(
        lambda: models.tied_denoiser(**recipe.options), (clean, clean), (val, pairs.val.clean), **settings
    )
