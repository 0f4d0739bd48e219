"""How the weight-tied models are trained, and those to compare with: one recipe, a table of what differs.

TensorFlow is imported only where something is trained.
"""

import difflib
import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils import data, noise
from denoise_utils.profiles import Profile
from denoise_utils.running.run_folder import Places
from denoise_utils.running.settings import Settings
from denoise_utils.zoo.fresh_noise import FreshNoise

if TYPE_CHECKING:
    import keras

    from denoise_utils.training import Run

# A recipe's name, epochs and loss are put in by `settings_of`.
SOAP = Settings(name="", epochs=0, optimizer="soap", batch_size=16, learning_rate=5e-3, schedule="cosine")
MUON = replace(SOAP, optimizer="muon", learning_rate=4e-3, clipnorm=1.0)
EIGHTS = replace(SOAP, batch_size=8, learning_rate=4e-3)


@dataclass(frozen=True)
class Recipe:
    """One model: its task, its builder's options, and how long it is trained.

    `strength` replaces parts of the task's canonical strength; `draw`, a name in DRAWS, makes one for each image;
    `build` is a key of BUILDERS; `settings` lack what `settings_of` puts in.
    """

    task: str
    options: dict
    epochs: int  # of the full profile
    strength: dict = field(default_factory=dict)
    draw: str | None = None
    loss: str = "binary_crossentropy"
    build: str = "tied_denoiser"
    settings: Settings = SOAP


# The step of both signs, a column of three pixels and then a row of three: 16 of them with 16 features.
SIGNS = {"filters": 16, "steps": 16, "separable": True, "signs": True}
# One row of three, used on the picture and, every other time, on the turned picture: so much wider, 22 features.
TURNED = {"filters": 22, "steps": 20, "turned": 3, "signs": True}
# The same with a row of five: 18 features and, but for a bias of the readout, all of the 3,600 parameters.
FIVE = {"filters": 18, "steps": 16, "turned": 5, "signs": True, "readout_bias": False}
SEEING = SIGNS | {"filters": 15, "context": True}  # for noise whose strength differs from image to image
PHOTOS = {"channels": 3, "residual": True}
TINY_STEPS = 3  # in the profile of the tests: to build the graph of many steps takes longer than to train it

RECIPES = {
    "clutter_tiny": Recipe("clutter", SIGNS | {"filters": 8}, epochs=12),
    "clutter_small": Recipe("clutter", TURNED, epochs=12),
    "watermark_small": Recipe("watermark", SIGNS, draw="marks 0 to 30", epochs=24),
    "occlusion_small": Recipe("occlusion", SIGNS, epochs=12),
    "gaussian_small": Recipe("gaussian", SEEING, draw="sigma, least of three up to .8", epochs=12),
    "salt_pepper_small": Recipe("salt_pepper", SEEING, draw="amount 0 to .9", epochs=12),
    "colour_small": Recipe("colour", SIGNS | PHOTOS | {"filters": 15}, loss="mean_squared_error", epochs=36),
    "clutter_maximum": Recipe("clutter", SIGNS, strength={"mix": "maximum"}, epochs=6),
    "clutter_clipped_sum": Recipe("clutter", SIGNS, strength={"mix": "clipped sum"}, epochs=6),
}

PLAIN = replace(SOAP, optimizer="adam", batch_size=64, learning_rate=2e-3, clipnorm=1.0)
# The learning rates were chosen in short trainings on clutter (RIVALS); the other tasks take those of the U-Net.
LARGE, STEEP = replace(PLAIN, learning_rate=6e-3), replace(PLAIN, learning_rate=1.8e-2)
SKIPS = {"filters": 32, "depth": 3}
RELU = {"filters": 22, "steps": 16, "separable": True}

# To compare with; they see at least as many images as the capped model of their task. The weight-tied
# ones, first, keep to the cap.
REFERENCES = {
    "clutter_long": Recipe("clutter", FIVE, epochs=24),
    "clutter_signs": Recipe("clutter", SIGNS, epochs=12),
    "clutter_relu": Recipe("clutter", RELU, settings=MUON, epochs=12),
    "clutter_square": Recipe("clutter", {"filters": 16, "steps": 16}, settings=MUON, epochs=12),
    "clutter_medium": Recipe("clutter", SKIPS, build="skip_autoencoder", epochs=12),
    "clutter_project_w": Recipe("clutter", {}, build="project_w_big", settings=STEEP, epochs=12),
    "clutter_big": Recipe("clutter", {}, build="unet", settings=LARGE, epochs=12),
    "gaussian_big": Recipe(
        "gaussian", {}, draw="sigma, least of three up to .8", build="unet", settings=LARGE, epochs=8
    ),
    "colour_big": Recipe("colour", PHOTOS, loss="mean_squared_error", build="unet", settings=LARGE, epochs=12),
}


def _variant(**options):
    return Recipe("clutter", options, build="step_variant", epochs=2)


# The tied step of both signs, one thing changed at a time. Each sees 108,000 images: shorter trainings rank them
# otherwise. All have at most 3,600 parameters.
STEPS = {
    "step_signs": Recipe("clutter", SIGNS, epochs=2),
    "step_relu": Recipe("clutter", RELU, epochs=2),
    "step_signs_muon": Recipe("clutter", SIGNS, settings=MUON, epochs=2),
    "step_relu_muon": Recipe("clutter", RELU, settings=MUON, epochs=2),
    "step_signs_eights": Recipe("clutter", SIGNS, settings=EIGHTS, epochs=2),
    "step_signs_half_rate": Recipe("clutter", SIGNS, settings=replace(SOAP, learning_rate=2.5e-3), epochs=2),
    "step_signs_double_rate": Recipe("clutter", SIGNS, settings=replace(SOAP, learning_rate=1e-2), epochs=2),
    "step_signs_tiny": Recipe("clutter", SIGNS | {"filters": 8}, epochs=2),
    **{f"step_signs_{steps}_steps": Recipe("clutter", SIGNS | {"steps": steps}, epochs=2) for steps in (12, 20, 24)},
    "step_turned": Recipe("clutter", TURNED, epochs=2),
    **{f"step_turned_{steps}_steps": Recipe("clutter", TURNED | {"steps": steps}, epochs=2) for steps in (16, 28)},
    "step_five": Recipe("clutter", FIVE, epochs=2),
    "step_signs_again": _variant(filters=16, again=True),
    "step_relu_again": _variant(filters=22, column="relu", row="relu", again=True),
    "step_signs_scaled": _variant(filters=15, scaled=True),
    "step_signs_column": _variant(filters=18, row="relu"),
    "step_signs_row": _variant(filters=18, column="relu"),
    "step_beside": _variant(filters=16, column="beside", row="beside"),
    "step_prelu": _variant(filters=22, column="prelu", row="prelu"),
    "step_signs_wide": _variant(filters=13, hidden=20),
    "step_signs_square": _variant(filters=12, square=True),
    "step_signs_half": _variant(filters=16, steps=64, half=True),  # as many multiplications as 16 steps
}

# The learning rates of the rivals, each after the 108,000 images that the steps are compared at.
RATES = (2e-3, 6e-3, 1.8e-2, 5.4e-2)
RIVALS = {
    f"{name}_rate_{rate:g}": replace(REFERENCES[name], settings=replace(PLAIN, learning_rate=rate), epochs=2)
    for name in ("clutter_medium", "clutter_big", "clutter_project_w")
    for rate in RATES
}
RIVALS |= {  # 7 of the U-Net's 15 kernels make matrices that are small enough for SOAP, one of project W's 8
    f"{name}_soap": replace(REFERENCES[name], settings=SOAP, epochs=2) for name in ("clutter_medium", "clutter_big")
}
RIVALS["clutter_big_long"] = replace(REFERENCES["clutter_big"], epochs=REFERENCES["clutter_long"].epochs)
RIVALS["clutter_big_long_soap"] = replace(REFERENCES["clutter_big"], settings=SOAP)
# clutter_signs twice as long; at the learning rate that was the best after 108,000 images; and with fewer steps.
RIVALS["clutter_signs_long"] = replace(REFERENCES["clutter_signs"], epochs=24)
RIVALS["clutter_double_rate"] = replace(STEPS["step_signs_double_rate"], epochs=12)
RIVALS["clutter_12_steps"] = replace(RIVALS["clutter_double_rate"], options=SIGNS | {"steps": 12})
# clutter_small with more steps; and clutter_long, but for its length.
RIVALS["clutter_28_steps"] = replace(STEPS["step_turned_28_steps"], epochs=12)
RIVALS["clutter_five"] = replace(STEPS["step_five"], epochs=12)

# In the order in which they are trained, if all are.
ALL = RECIPES | REFERENCES | STEPS | RIVALS


def find_recipe(name: str) -> Recipe:
    """Return the recipe called `name`, or raise ValueError that names those like it."""
    if name not in ALL:
        near = difflib.get_close_matches(name, ALL, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`python -m denoise_utils train --list` names them."
        raise ValueError(f'Expected a model that the course trains, got "{name}": {hint}')
    return ALL[name]


def check_data(names: Iterable[str], profile: Profile) -> None:
    """Raise FileNotFoundError unless all that the recipes `names` train on is here, or the profile has stand-ins."""
    tasks = [noise.TASKS[find_recipe(name).task] for name in names]
    for dataset in {name: None for task in tasks for name in (task.dataset, task.overlay) if name}:
        data.load_splits(dataset, num_train=1, num_val=1, num_test=1, profile=profile)


def load_task(
    recipe: Recipe,
    *,
    num_train: int | None,
    num_val: int | None,
    num_test: int | None,
    profile: Profile,
    seed: int = 0,
    noisy: tuple[str, ...] = noise.PARTS,
) -> tuple[noise.TaskData, np.ndarray, FreshNoise]:
    """Return the recipe's TaskData, its validation images damaged as in training, and its `augment`.

    The augment makes the fresh noise of each epoch; the TaskData's parts of `noisy` have the canonical one.
    """
    sizes = {"num_train": num_train, "num_val": num_val, "num_test": num_test, "profile": profile}
    found = noise.load_task(recipe.task, **sizes, seed=seed, noisy=noisy, **recipe.strength)
    fresh_noise = FreshNoise(recipe.task, found.record["noise"], recipe.draw, found.overlay)
    val = fresh_noise(found.val.clean, np.random.default_rng([seed, 1])) if recipe.draw else found.val.noisy
    return found, val, fresh_noise


BUILDERS = {  # module and function, imported only where something is built
    "tied_denoiser": ("models", "tied_denoiser"),
    "skip_autoencoder": ("models", "skip_autoencoder"),
    "unet": ("models", "unet"),
    "project_w_big": ("zoo.originals", "project_w_big"),
    "step_variant": ("zoo.step_variants", "denoiser"),
}


def builder(recipe: Recipe, profile: Profile) -> "Callable[[], keras.Model]":
    """Return the function without arguments that builds the recipe's model; it has few steps in the profile "tiny"."""
    module, function = BUILDERS[recipe.build]
    options = recipe.options
    if profile.name == "tiny" and "steps" in options:
        options = options | {"steps": TINY_STEPS}
    return partial(getattr(importlib.import_module(f"denoise_utils.{module}"), function), **options)


def settings_of(name: str, profile: Profile, seed: int = 0) -> Settings:
    """Return the settings that the recipe `name` trains with in the profile, but for images and architecture."""
    recipe = find_recipe(name)
    return replace(recipe.settings, name=name, seed=seed, epochs=profile.pick(recipe.epochs, 1), loss=recipe.loss)


def places_of(name: str, profile: Profile, seed: int = 0) -> Places:
    """Return where the run of a recipe may be: among runs, on the shelf, or as a saved model, perhaps of its seed."""
    saved = profile.models / f"{name}.h5", profile.models / "seeds" / f"{name}_{seed}.h5"
    return Places(profile.runs, saved, profile.shelf)


def train(
    name: str, profile: Profile, *, seed: int = 0, places: Places | None = None, tell: Callable | None = None, **changes
) -> "Run":
    """Train the model `name` of ALL as a run of the profile and return the Run.

    A killed run goes on at its next epoch; a finished one is loaded, as is the saved model of that name (or, under
    models/seeds, of that name and seed) if it was trained so: `places` says where to look. `changes` replace settings;
    `tell` is that of `training.train_by`.
    """
    from denoise_utils import training

    recipe, settings = find_recipe(name), replace(settings_of(name, profile, seed), **changes)
    sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": 1}
    found, val, fresh_noise = load_task(recipe, **sizes, profile=profile, noisy=("val",))
    told = {} if recipe.draw else found.record["noise"]
    record = found.record | {"noise": told | {"drawn": recipe.draw or "canonical", "fresh": "in every epoch"}}
    return training.train_by(
        replace(settings, data=record, augment=fresh_noise.identity),
        builder(recipe, profile),
        (found.train.clean, found.train.clean),
        (val, found.val.clean),
        places=places or places_of(name, profile, seed),
        augment=fresh_noise,
        score=partial(_score, pairs=found.val, folder=profile.models),
        tell=tell,
    )


def _score(model, pairs, folder):
    """Score a model on validation images of the canonical noise, read by the judge of `folder` where it lies there."""
    from denoise_utils import evaluation

    judge = evaluation.load_judge(folder) if (folder / "digit_judge.h5").is_file() else None
    return evaluation.score_model(model, pairs, judge)
