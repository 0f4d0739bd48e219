# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Grid search: which settings make the best of 3,600 parameters?

# %%
import heapq
import tempfile
import time

import numpy as np
from IPython.display import Markdown

from denoise_utils import evaluation, noise, plots, profiles, saving, search
from denoise_utils.running import workers

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# Project C, the older project behind this assignment, wanted this search and could not run it: scikit-learn's `GridSearchCV` stumbled over the shape of its images, so it looped over
# 117 settings by hand. Its loop never rebuilt the model, so every fit continued the one before, and the winner was picked by eye. Here is
# the search it wanted: a **fresh, seeded model per trial**, the cap enforced **before** training, all trials in one ranked table, and a ledger that
# survives a kill.
#
# - **Consumes**: the clutter task on a part of the training set (or the pickles that `DENOISE_PAIRS` names).
# - **Produces**: `reports/clutter_search.csv`, every trial ranked; notebook 6 retrains the winner on all of train.

# %%
task = noise.assignment_task()
pairs = noise.load_task(task, num_train=profile.search_train, num_val=profile.search_val, seed=seed)
print(
    f"{task} from {pairs.label}: {len(pairs.train.clean):,} images to train a trial on, {len(pairs.val.clean):,} to compare trials"
)

# %% [markdown]
# ## What a model gets, and what we want of it
#
# Above the noisy input, below the clean target; the PSNR of the untouched input stands over each picture.

# %%
figure = plots.show_images(
    {"noisy": pairs.val.noisy[:10], "clean": pairs.val.clean[:10]}, pairs.val.clean[:10], pairs.label
)

# %% [markdown]
# ## The grid, cut to size
#
# Six axes. Those of the architecture decide the parameters, so we build each architecture once, count, and drop what is over the cap before a single
# step is trained.

# %%
legal, over = search.split_by_cap(profile.grid, profiles.CAP)
settings = int(np.prod([len(values) for axis, values in profile.grid.items() if axis not in search.MODEL_AXES]))
rows = [row | {"verdict": "searched"} for row in legal] + [row | {"verdict": "over the cap"} for row in over]
columns = {key: (key, "{}") for key in ("filters", "depth", "verdict")} | {"parameters": ("parameters", "{:,}")}
print("the other axes:", {axis: values for axis, values in profile.grid.items() if axis not in search.MODEL_AXES})
Markdown(evaluation.format_table(sorted(rows, key=lambda row: row["parameters"]), columns))

# %% [markdown]
# Every legal architecture meets every other setting:

# %%
Markdown(
    f"{len(legal)} legal architectures x {settings} settings = **{len(legal) * settings} trials**; "
    f"{len(over)} architectures, {len(over) * settings} configurations, are left out by the cap of {profiles.CAP:,}."
)

# %% [markdown]
# ## Run it
#
# Keras Tuner's `GridSearch` walks the grid. A trial that the ledger already holds is looked up, not trained, so a search that was killed goes on
# where it was.

# %%
found = search.search(profile.grid, profiles.CAP, pairs, runs=profile.runs, seed=seed)
print(
    f"{len(found.rows)} trials, {found.num_loaded} of them from the ledger; {found.num_skipped} configurations over the cap"
)

# %% [markdown]
# ## All trials, ranked
#
# Above all, the untouched noisy input; then every trial, best first. The validation BCE stands beside its excess over the floor. The same table goes to a file.

# %%
floor = float(evaluation.bce_floor(pairs.val.clean).mean())
ranked = [row | {"rank": rank, "excess": row["val_bce"] - floor} for rank, row in enumerate(found.rows, 1)]
untouched = float(evaluation.bce(pairs.val.noisy, pairs.val.clean).mean())
first = {"rank": "noisy input", "val_bce": untouched, "excess": untouched - floor}
columns = {
    key: (key, "{}") for key in ("rank", "filters", "depth", "optimizer", "batch_size", "learning_rate", "epochs")
}
columns |= {"parameters": ("parameters", "{:,}"), "val_bce": ("val BCE", "{:.4f}"), "excess": ("excess", "{:.4f}")}
columns |= {"seconds": ("seconds", "{:.0f}")}
table = [row | {"data": pairs.label} for row in (first, *ranked)]
saving.write_csv(profile.reports / f"{task}_search.csv", table, [*columns, "data"])
Markdown(evaluation.format_table(table, columns, f"{pairs.label}; {len(ranked)} trials, validation floor {floor:.4f}"))

# %% [markdown]
# The spread between first and last is what a bad choice costs:

# %%
best, last = ranked[0], ranked[-1]
Markdown(
    f"The winner: **{search.label(best)}**, {best['parameters']:,} parameters, {best['optimizer']}, batch {best['batch_size']}, "
    f"learning rate {best['learning_rate']}, {best['epochs']} epochs: validation BCE {best['val_bce']:.4f}, excess {best['excess']:.4f}. "
    f"The last has an excess of {last['excess']:.4f}, {last['excess'] / best['excess']:.1f} times as much. "
    f"Ranks 1 and 2 differ by {ranked[1]['excess'] - best['excess']:.4f} with one seed each: that decides nothing between them."
)

# %% [markdown]
# ## Parameters alone do not decide
#
# Each dot is a trial. If parameters were what matters, the dots would fall from left to right; see how far apart dots of the *same* parameter count lie.

# %%
figure = plots.show_search(found.rows, found.over_cap, profiles.CAP, pairs.label)

# %% [markdown]
# ## Which axis matters?
#
# For each value of each axis: the best trial that has it, and the median of all that have it.

# %%
rows = []
for axis in profile.grid:
    for value in sorted({row[axis] for row in found.rows}, key=str):
        excesses = [row["excess"] for row in ranked if row[axis] == value]
        rows.append({"axis": axis, "value": value, "best": min(excesses), "median": float(np.median(excesses))})
columns = {
    "axis": ("axis", "{}"),
    "value": ("value", "{}"),
    "best": ("best excess", "{:.4f}"),
    "median": ("median", "{:.4f}"),
}
Markdown(evaluation.format_table(rows, columns, pairs.label))

# %% [markdown]
# How much the choice along one axis moves the best result, largest first:

# %%
spread = {axis: np.ptp([row["best"] for row in rows if row["axis"] == axis]) for axis in profile.grid}
order = sorted(spread, key=spread.get, reverse=True)
narrow = min(profile.grid["filters"])
at_narrow = {
    d: min(r["excess"] for r in ranked if (r["filters"], r["depth"]) == (narrow, d)) for d in profile.grid["depth"]
}
Markdown(
    "; ".join(f"{axis}: {spread[axis]:.4f}" for axis in order)
    + f". **{order[0]}** moves it most. But the cap ties axes "
    f"together: deep models must be narrow. At {narrow} filters alone, the best excess by depth is "
    + ", ".join(f"{depth}: {value:.4f}" for depth, value in at_narrow.items())
    + "."
)

# %% [markdown]
# ## One axis was a waste
#
# Project C searched over the number of epochs. But with a fixed seed and learning rate, a short training is the *beginning* of a longer one. We check: the
# validation losses of each short trial against the same epochs of its longer twin.

# %%
short, long = min(profile.grid["epochs"]), max(profile.grid["epochs"])
key = [axis for axis in profile.grid if axis != "epochs"]
by_key = {(row["epochs"], *(row[axis] for axis in key)): row for row in found.rows}
twins = [(row, by_key[(long, *(row[axis] for axis in key))]) for row in found.rows if row["epochs"] == short]
differences = [np.max(np.abs(np.subtract(a["val_history"], b["val_history"][:short]))) for a, b in twins]
wasted = sum(a["seconds"] for a, _ in twins) / sum(row["seconds"] for row in found.rows)
Markdown(
    f"Largest difference over {len(twins)} pairs of twins: {max(differences):.1e}. The short trials took {wasted:.0%} of the search's time and "
    "told us nothing that the long ones do not: train long once, watch the validation loss, stop early."
)

# %% [markdown]
# ## What it cost
#
# From the seconds of each trial:

# %%
seconds = np.array([row["seconds"] for row in found.rows])
Markdown(
    f"{len(seconds)} trials took {seconds.sum() / 60:.1f} minutes on this machine, {seconds.mean():.1f} s each (sd {seconds.std():.1f}); "
    f"the over-cap configurations would have added about {found.num_skipped * seconds.mean() / 60:.1f} minutes."
)

# %% [markdown]
# ## Two workers on this machine
#
# `python -m denoise_utils search --workers 2` runs the same search with Keras Tuner's chief, which hands out trials and keeps the ledger, and two
# workers that train. A worker that is killed is started again and repeats its one trial. We measure a small part of the grid, from nothing, with one process and with two workers.

# %%
part = {axis: values[-1:] for axis, values in profile.grid.items()}
part |= {"filters": profile.grid["filters"], "depth": profile.grid["depth"][:1], "epochs": profile.grid["epochs"][:1]}
walls, tables = {}, {}
for num_workers in profile.pick((1, 2), ()):
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        tables[num_workers] = workers.search_parallel(
            part, profiles.CAP, pairs, runs=folder, num_workers=num_workers, seed=seed
        ).rows
        walls[num_workers] = time.perf_counter() - started
if not walls:
    print("Measured in the full profile only: the processes' start alone takes longer than these small trials.")

# %% [markdown]
# Wall time holds the start of the processes, most of it TensorFlow's import; the notebook's own process has that behind it.

# %%
columns = {"workers": ("workers", "{}"), "trials": ("trials", "{}"), "wall": ("wall time (s)", "{:.0f}")}
columns |= {"rate": ("trials per minute", "{:.1f}"), "mean": ("seconds per trial", "{:.1f}")}
rows = [
    {"workers": n, "trials": len(t), "wall": walls[n], "rate": 60 * len(t) / walls[n]}
    | {"mean": np.mean([row["seconds"] for row in t])}
    for n, t in tables.items()
]
Markdown(evaluation.format_table(rows, columns, pairs.label) if rows else "Not measured in this profile.")

# %% [markdown]
# What the second worker gains, and whether both searches say the same:

# %%
same = "Not measured in this profile."
if tables:
    orders = [[[row[axis] for axis in part] for row in table] for table in tables.values()]
    one, two = (np.array([row["val_bce"] for row in table]) for table in tables.values())
    same = (
        f"Two workers take {walls[2] / walls[1]:.2f} times the wall time of one process, and each trial {rows[1]['mean'] / rows[0]['mean']:.2f} times as "
        "long: TensorFlow uses several cores in one process already, and the workers share them. The rankings are "
        f"**{'the same' if orders[0] == orders[1] else 'not the same'}**; the validation losses differ by at most {np.max(np.abs(one - two)):.1e}."
    )
Markdown(same)

# %% [markdown]
# ## On paper: 10 and 1,000 machines
#
# The chief hands the next trial to the first machine that is free. With the measured seconds of every trial of the whole search, that is a short
# calculation, for machines like this one and without their start:

# %%
queue = sorted(found.rows, key=lambda row: [profile.grid[axis].index(row[axis]) for axis in profile.grid])
rows, busy = [], sum(row["seconds"] for row in queue)
for machines in (1, 10, 1000):
    free = [0.0] * machines  # the moment from which each is free
    for row in queue:
        heapq.heapreplace(free, free[0] + row["seconds"])
    wall, used = max(free), sum(moment > 0 for moment in free)
    rows.append({"machines": machines, "used": used, "wall": wall, "gain": busy / wall, "paid": machines * wall / 60})
columns = {"machines": ("machines", "{:,}"), "used": ("with a trial", "{}"), "wall": ("wall time (s)", "{:.0f}")}
columns |= {"gain": ("times as fast", "{:.1f}"), "paid": ("machine minutes", "{:.0f}")}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# The longest trial is the floor of the wall time, whatever the number of machines:

# %%
longest = max(row["seconds"] for row in queue)
ten, thousand = rows[1:]
Markdown(
    f"{len(queue)} trials of {busy / len(queue):.1f} s are {busy / 60:.1f} machine minutes of work. Ten machines need {ten['wall']:.0f} s and are busy "
    f"{busy / 10 / ten['wall']:.0%} of the time. Of a thousand, {thousand['used']} get a trial; the search takes {thousand['wall']:.0f} s, which is the longest trial "
    f"({longest:.0f} s), and a start of 10 s on each would be {10 / (10 + longest):.0%} of it. From about {int(np.ceil(busy / longest))} machines on, the longest "
    "trial sets the time: only shorter trials (no short twins, early stopping) would help."
)

# %% [markdown]
# ## What we learned
#
# - A grid search is worth its name only with a fresh model per trial, a cap checked before training and every trial in the table.
# - How the parameters are arranged matters more than how many there are; epochs are not an axis but an early stop.
# - Notebook 6 takes the winner, trains it on all of train until it stops improving, and saves it.
