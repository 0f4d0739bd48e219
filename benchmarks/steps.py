"""Write reports/steps.md: the variants of the tied step and the rivals' learning rates, from the finished runs.

    python benchmarks/steps.py        # reads models/runs/; nothing is trained or measured anew

Most runs saw the 54,000 training pictures twice. The excess is that of the best epoch on the validation pictures.
"""

import statistics
import sys

from denoise_utils import evaluation, lessons, profiles
from denoise_utils.system import files
from denoise_utils.zoo import recipes

TURNED = "both signs before a row, every other time of the turned picture"
TITLES = {
    "step_signs": "both signs before column and row",
    "step_relu": "ReLU",
    "step_signs_muon": "both signs",
    "step_relu_muon": "ReLU",
    "step_signs_eights": "both signs, batches of 8",
    "step_signs_half_rate": "both signs, half the learning rate",
    "step_signs_double_rate": "both signs, twice the learning rate",
    "step_signs_tiny": "both signs, under 1,000 parameters",
    "step_signs_12_steps": "both signs",
    "step_signs_20_steps": "both signs",
    "step_signs_24_steps": "both signs",
    "step_turned": TURNED,
    "step_turned_16_steps": TURNED,
    "step_turned_28_steps": TURNED,
    "step_five": "both signs before a row of five, every other time of the turned picture",
    "step_signs_again": "both signs, the input's features added again at each step",
    "step_relu_again": "ReLU, the input's features added again at each step",
    "step_signs_scaled": "both signs, a scale and a bias for each step and channel",
    "step_signs_column": "both signs before the column, ReLU before the row",
    "step_signs_row": "ReLU before the column, both signs before the row",
    "step_beside": "x beside ReLU of x",
    "step_prelu": "a learned slope (PReLU)",
    "step_signs_wide": "both signs, 20 channels between column and row",
    "step_signs_square": "both signs before a square of nine",
    "step_signs_half": "both signs, at half resolution",
}
DIVERGED = 1.0  # an excess above it is that of a black or white answer
NAMES = {"soap": "SOAP", "muon": "Muon", "adam": "Adam"}
OF_STEPS = ("step", "filters", "steps", "optimizer", "excess", "lowest to highest", "runs")
OF_LONG = ("recipe", "pictures seen", "optimizer", "learning rate", "excess", "lowest to highest", "runs")
OF_RIVALS = ("rival", "optimizer", "learning rate", "excess", "runs")
PAGE = """# The tied step, varied

Each run saw 108,000 pictures, with fresh clutter on them. The excess, in nats per pixel, is on 6,000 validation
pictures. All keep to 3,600 parameters, so the filters differ. Written by `python benchmarks/steps.py`.

{}

## The rivals' learning rates

After as many pictures; SOAP in batches of 16, Adam of 64.

{}

## Long runs

Attempts at more, and rivals with another optimizer or more pictures; most saved models' long runs are in notebook 13.

{}
"""


def read_runs(names: dict, profile: profiles.Profile) -> dict[str, list[float]]:
    """Return {recipe: excess of each finished run, the lowest first} of `names`, the lowest mean first."""
    found = {name: sorted(run.scores["excess"] for run in lessons.find_runs(name, profile)) for name in names}
    ranked = sorted((statistics.mean(values), name) for name, values in found.items() if values)
    return {name: found[name] for _, name in ranked}


def tell(values: list[float]) -> dict:
    """Return what a row says of the excess of some runs: mean, range, how many."""
    lost, runs = sum(value > DIVERGED for value in values), str(len(values))
    if lost:
        return {"excess": f"{lost} of {runs} diverged", "runs": runs}
    between = f"{values[0]:.4f} to {values[-1]:.4f}" if len(values) > 1 else None
    return {"excess": f"{statistics.mean(values):.4f}", "lowest to highest": between, "runs": runs}


def tell_optimizer(how) -> dict:
    """Return what a row says of the optimizer in the settings `how`."""
    return {"optimizer": NAMES[how.optimizer], "learning rate": f"{how.learning_rate:g}"}


def make_page(profile: profiles.Profile) -> str:
    """Return the page, in Markdown."""
    steps = []
    for name, values in read_runs(recipes.STEPS, profile).items():
        recipe = recipes.STEPS[name]
        row = {"step": TITLES[name], "filters": recipe.options["filters"], "steps": recipe.options.get("steps", 16)}
        steps.append(row | {"optimizer": NAMES[recipe.settings.optimizer]} | tell(values))
    rivals = []
    short = {name: recipe for name, recipe in recipes.RIVALS.items() if recipe.epochs == 2}
    for name, values in read_runs(short, profile).items():
        whose = next(one for one in recipes.REFERENCES if name.startswith(f"{one}_"))
        rivals.append({"rival": whose} | tell_optimizer(short[name].settings) | tell(values))
    longer = {name: one for name, one in (recipes.REFERENCES | recipes.RIVALS).items() if one.epochs > 2}
    long = []
    for name, values in read_runs(longer, profile).items():
        images = lessons.find_runs(name, profile)[0].settings["data"]["images"]["train"]
        row = {"recipe": name, "pictures seen": f"{longer[name].epochs * images:,}"}
        long.append(row | tell_optimizer(longer[name].settings) | tell(values))
    tables = (steps, OF_STEPS), (rivals, OF_RIVALS), (long, OF_LONG)
    return PAGE.format(*(evaluation.format_table(rows, {key: (key, "{}") for key in keys}) for rows, keys in tables))


def main():
    """Write the page."""
    profile = profiles.load_profile("full")
    files.write_text(profile.reports / "steps.md", make_page(profile))
    return 0


if __name__ == "__main__":
    sys.exit(main())
