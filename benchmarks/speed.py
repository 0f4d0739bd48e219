"""Measure how fast the saved models denoise and train, and write reports/speed.md.

    make bench        # or: python benchmarks/speed.py [--models DIR] [--out FILE]

Seconds belong to this machine; the ratios travel better. Nothing else should run meanwhile.
"""

import argparse
import importlib.util
import os
import timeit
from functools import partial
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from denoise_utils import baselines, evaluation, models, noise, profiles, saving
from denoise_utils.running import optimizers
from denoise_utils.system import files
from denoise_utils.zoo import recipes

BATCH, FEW = 256, 20  # images at once; images for a filter that takes them one by one
EPOCH = 60000  # images


def fastest(call, repeat=5):
    """Return the seconds of the fastest of some calls; the first, which builds graphs, is not counted."""
    call()
    return min(timeit.repeat(call, number=1, repeat=repeat))


def images_of(model, number, side=28):
    """Return random images that the model takes."""
    height, width, channels = (size or side for size in model.input_shape[1:])
    return np.random.default_rng(0).random((number, height, width, channels), dtype=np.float32)


def measure_use(title, denoise, make, parameters=None, few=BATCH):
    """Return a row: images a second, in a batch and one by one."""
    batch = make(few)
    whole, single = fastest(lambda: denoise(batch)), fastest(lambda: denoise(batch[:1]))
    return {"name": title, "parameters": parameters, "batch": few / whole, "single": 1 / single}


def load_denoisers(folder):
    """Yield (file name, model) of each saved model of the folder that returns images."""
    for path in saving.find_models(folder):
        model = saving.load_model(path)
        if len(model.output_shape) == 4:
            yield path.name, model


def measure_models(folder, profile):
    """Return a row per denoiser of the folder and per filter; speeds relative to the median and the slowest filter."""
    rows = []
    for name, model in load_denoisers(folder):
        make = partial(images_of, model)
        rows.append(measure_use(name, model.predict_on_batch, make, model.count_params()))
    val = noise.load_task("gaussian", num_train=1, num_val=FEW, num_test=1, profile=profile).val
    noisy = np.concatenate([val.noisy] * (BATCH // FEW + 1))[:BATCH]
    slow = {"BM3D": FEW} if importlib.util.find_spec("bm3d") else {}
    for name, number in {"median": BATCH, "total variation": FEW, "non-local means": FEW, **slow}.items():
        tuned = baselines.tune(name, val.noisy[:5], val.clean[:5])
        rows.append(measure_use(f"filter: {name}", tuned, lambda number: noisy[:number], few=number))
    median = next(row for row in rows if row["name"] == "filter: median")
    for row in rows:
        row |= {f"{key}_ratio": row[key] / median[key] for key in ("batch", "single")}
        row["slowest_ratio"] = row["batch"] / rows[-1]["batch"]  # BM3D where it is installed
    return sorted(rows, key=lambda row: -row["batch"])


def seconds_per_epoch(model, optimizer, batch_size, side=28, steps=10):
    """Return the seconds that training on 60,000 images takes, from the fastest of some steps."""
    loss = "binary_crossentropy" if model.input_shape[-1] == 1 else "mean_squared_error"
    optimizers.compile_model(model, optimizers.make_optimizer(optimizer, 1e-3, "constant", 1), loss)
    images = images_of(model, batch_size, side)
    return fastest(lambda: model.train_on_batch(images, images), steps) * EPOCH / batch_size


def measure_training(folder):
    """Return a row per saved denoiser, trained as its card tells: seconds an epoch, and of project W's big one."""
    rows = []
    for name, model in load_denoisers(folder):
        told = {"optimizer": "adam", "batch_size": 32} | saving.read_card(folder / name).get("settings", {})
        way = told["optimizer"], told["batch_size"]
        row = {"name": name, "parameters": model.count_params(), "way": "{}, {}".format(*way)}
        rows.append(row | {"epoch": seconds_per_epoch(model, *way)})
    big = next((row["epoch"] for row in rows if row["name"] == "watermark_big.h5"), None)
    for row in rows:
        row["ratio"] = row["epoch"] / big if big else None
    return sorted(rows, key=lambda row: row["epoch"])


def measure_growth():
    """Return rows of clutter_small with other steps, filters and image sizes, trained as it is."""
    recipe = recipes.RECIPES["clutter_small"]
    options, way = recipe.options, (recipe.settings.optimizer, recipe.settings.batch_size)
    rows = []
    for changed, values in {"steps": (5, 10, 20, 40), "filters": (8, 12, 16, 24), "side": (14, 28, 56)}.items():
        for value in values:
            keras.utils.set_random_seed(0)
            side = value if changed == "side" else 28
            model = models.tied_denoiser(**options | ({} if changed == "side" else {changed: value}))
            row = {"name": f"{changed} {value}", "parameters": model.count_params()}
            images = images_of(model, BATCH, side)
            used = fastest(lambda model=model, images=images: model.predict_on_batch(images), 3)
            rows.append(row | {"ms": 1000 * used / BATCH, "epoch": seconds_per_epoch(model, *way, side=side, steps=4)})
    return rows


def main():
    """Measure everything and write one Markdown file."""
    profile = profiles.load_profile("full")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=profile.models)
    parser.add_argument("--out", type=Path, default=profile.reports / "speed.md")
    arguments = parser.parse_args()
    base = {key: evaluation.COLUMNS[key] for key in ("name", "parameters")}
    epoch = {"epoch": ("seconds per 60,000 images", "{:,.0f}")}
    slowest = "BM3D" if importlib.util.find_spec("bm3d") else "non-local means"
    use = {"batch": ("images/s, batches", "{:,.0f}"), "batch_ratio": ("of the median's", "{:.3g}")}
    use |= {"slowest_ratio": (f"times {slowest}", "{:,.0f}")}
    use |= {"single": ("images/s, one by one", "{:,.0f}"), "single_ratio": ("of the median's", "{:.3g}")}
    parts = {
        f"Use (28x28, batches of {BATCH}; slow filters on {FEW} images)": (
            measure_models(arguments.models, profile),
            base | use,
        ),
        "Training: steps alone, without noise and validation, optimizer and batch as the cards tell": (
            measure_training(arguments.models),
            base | {"way": ("optimizer, batch", "{}")} | epoch | {"ratio": ("of project W's big one", "{:.2f}")},
        ),
        "How the cost of clutter_small grows": (measure_growth(), base | {"ms": ("ms per image", "{:.3f}")} | epoch),
    }
    text = f"# Speed\n\n{saving.machine()}; the fastest of some calls; run `make bench` to measure your own.\n"
    for title, (rows, columns) in parts.items():
        text += f"\n## {title}\n\n{evaluation.format_table(rows, columns)}\n"
    files.write_text(arguments.out, text)
    print(text)


if __name__ == "__main__":
    main()
