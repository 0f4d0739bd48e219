"""Hold the project's goals against its report, and write reports/goals.csv: missed ones, too.

    python benchmarks/goals.py        # after make report, whose tables it reads; nothing is computed anew

A goal with seeds, the model's own and those in models/seeds/, is met when their mean meets it; it says how many do.
"""

import csv
import operator
import sys

import numpy as np

from denoise_utils import profiles, saving
from denoise_utils.measures.table import MEASURES
from denoise_utils.system import files

HOLDS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt}
OF_ITS_TASK, RIVAL = "", "clutter_project_w"
GOALS = [  # model, other strength, measure, comparison, what it is compared with: a number, or another model's
    ("clutter_small", OF_ITS_TASK, "excess", "<=", 0.0055),
    ("clutter_small", OF_ITS_TASK, "excess", "<", RIVAL),
    ("clutter_small", OF_ITS_TASK, "excess", "<", "clutter_big"),
    ("clutter_small", OF_ITS_TASK, "psnr", ">=", 30.8),
    ("clutter_small", OF_ITS_TASK, "legibility", ">=", 0.9936),
    ("clutter_tiny", OF_ITS_TASK, "excess", "<=", 0.0100),
    ("clutter_maximum", OF_ITS_TASK, "excess", "<=", 0.0130),
    ("clutter_clipped_sum", OF_ITS_TASK, "excess", "<=", 0.0130),
    ("watermark_small", OF_ITS_TASK, "psnr", ">=", 36.0),
    ("watermark_small", OF_ITS_TASK, "psnr", ">", "watermark_big"),
    ("watermark_small", "marks 30", "psnr", ">=", 29.0),
    ("occlusion_small", OF_ITS_TASK, "psnr", ">=", 40.5),
    ("gaussian_small", OF_ITS_TASK, "bce", "<", 0.0673),
    ("gaussian_small", "sigma 0.0", "psnr", ">", 38.0),
    ("salt_pepper_small", OF_ITS_TASK, "psnr", ">=", 24.9),
    ("salt_pepper_small", OF_ITS_TASK, "legibility", ">=", 0.991),
    ("colour_small", OF_ITS_TASK, "mse", "<=", 0.00141),
]
HEAD = ("goal", "value", "asked", "verdict", "mean", "seeds")


def read_report(folder):
    """Return {(model, "" or another strength): scores} of the tables that `make report` wrote into `folder`."""
    found = {}
    for name in ("budget.csv", "strengths.csv"):
        with open(folder / name, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                place = row["noise"] if name == "strengths.csv" else OF_ITS_TASK
                found[row["file"].removesuffix(".h5"), place] = row
    return found


def judge(goal, found, models):
    """Return the row of a goal, or None where the report has no such model."""
    name, place, measure, sign, bound = goal
    if (name, place) not in found or (isinstance(bound, str) and (bound, OF_ITS_TASK) not in found):
        return None
    layout = {"legibility": "{:.2%}", "psnr": "{:.2f}"}.get(measure, "{:.5f}")  # finer than tables: a goal may be near
    asked = float(found[bound, OF_ITS_TASK][measure]) if isinstance(bound, str) else bound
    value = float(found[name, place][measure])
    row = {"goal": f"{name}{f' at {place}' if place else ''}, {MEASURES[measure].name}", "value": value}
    values = [value] if place else find_seeds(name, measure, value, models)
    if len(values) > 1:
        row |= {"mean": np.mean(values), "seeds": f"{sum(HOLDS[sign](v, asked) for v in values)} of {len(values)}"}
    row["verdict"] = "met" if HOLDS[sign](np.mean(values), asked) else "missed"
    row["asked"] = f"{sign} {layout.format(asked)}" + (f" ({bound})" if isinstance(bound, str) else "")
    return row | {key: layout.format(row[key]) for key in ("value", "mean") if key in row}


def find_seeds(name, measure, value, models):
    """Return the test scores of a model's seeds by their cards, `value` for its own; that alone where one has none."""
    own = models / f"{name}.h5"
    scored = {saving.read_card(own)["settings"]["seed"]: {measure: value}} if own.is_file() else {}
    for path in sorted((models / "seeds").glob(f"{name}_[0-9].h5")):
        scored.setdefault(int(path.stem[-1]), saving.read_card(path).get("test_scores"))
    return [scores[measure] for scores in scored.values()] if all(scored.values()) else [value]


def main():
    """Write a row per goal, and print those that are missed."""
    profile = profiles.load_profile("full")
    found = read_report(profile.reports)
    rows = [row for goal in GOALS if (row := judge(goal, found, profile.models))]
    files.write_csv(profile.reports / "goals.csv", rows, HEAD)
    for row in rows:
        if row["verdict"] == "missed":
            print(f"missed: {row['goal']} {row.get('mean', row['value'])}, asked {row['asked']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
