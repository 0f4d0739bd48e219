# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 5. Grid search: which settings make the best of 3,600 parameters?
#
# Many models keep to the cap. Which one should you train, and how? A [grid search](GLOSSARY.md#grid-search) tries every combination of a few settings. Project C looped over 117 settings by hand. It never built the model anew, so each fit continued the one before.
#
# **You will learn** to write a `HyperModel`, to search with Keras Tuner's `GridSearch`, and to read the edges of a grid.
#
# **You need** notebooks 03 and 04.
#
# **It takes** about 5 minutes in the full profile, at most one in the quick one.

# %%
# The same in every notebook: find the course beside this file, or install it (Colab, Kaggle).
import importlib.util
import subprocess
import sys
from pathlib import Path

REPOSITORY = "https://github.com/OWNER/denoising-3600"
if Path("../denoise_utils").is_dir():
    sys.path.insert(0, "..")
if not importlib.util.find_spec("denoise_utils"):
    if "/OWNER/" in REPOSITORY:
        raise SystemExit("Run this notebook in a clone of the course: its address is missing.")
    wanted = f"denoise-utils[course] @ git+{REPOSITORY}"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", wanted], check=True)
    if "google.colab" in sys.modules:
        print("Colab: Keras was upgraded. If an import fails: Runtime > Restart session.")

from denoise_utils import lessons

lessons.start_keras()  # some seconds, and none of TensorFlow's remarks

# %% [markdown]
# ## Begin
#
# Keras Tuner is a package made for Keras.

# %%
import itertools
import tempfile

import keras
import keras_tuner
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, profiles, search

profile, seed = lessons.begin()

# %% [markdown]
# ## A part of the data is enough
#
# A search compares short trainings: what learns fast looks best. One training is called a trial. Trials are compared on the [validation set](GLOSSARY.md#validation-set), never on the test set. The score is the [excess](GLOSSARY.md#excess), the [loss](GLOSSARY.md#loss) above its floor.

# %%
sizes = {"num_train": profile.search_train, "num_val": profile.search_val, "num_test": 1}
pairs = noise.load_task(noise.assignment_task(), **sizes, seed=seed)
train, val = pairs.train, pairs.val
floor = float(evaluation.bce_floor(val.clean).mean())
untouched = float(evaluation.bce(val.noisy, val.clean).mean()) - floor
chosen = baselines.choose(("median", "Gaussian blur"), val.noisy, val.clean)
filtered = float(evaluation.bce(chosen(val.noisy), val.clean).mean()) - floor
print(f"{len(train.clean):,} pictures to train on, {len(val.clean):,} to compare on")
print(f"floor {floor:.4f}; the noisy input's excess {untouched:.4f}")

# %% [markdown]
# ## The cap comes first
#
# Build every architecture once, count, and drop what is over the [cap](GLOSSARY.md#cap). Keras Tuner cannot forbid a *combination*. So [filters](GLOSSARY.md#filter) and depth become one setting, the architecture, with legal values only.
#
# **Predict:** which of the nine are over 3,600 parameters?


# %%
def split_by_cap(filters, depths):
    """Return {name: (filters, depth, parameters)} of legal architectures, and of others."""
    legal, over = {}, {}
    for number, depth in itertools.product(filters, depths):
        count = models.capped_autoencoder(number, depth).count_params()
        kept = legal if count <= profiles.CAP else over
        kept[f"{number} filters, depth {depth}"] = (number, depth, count)
    return legal, over


legal, over = split_by_cap(profile.pick((12, 16, 20), (12, 20)), profile.pick((1, 2, 3), (1, 2)))
print("legal:", *(f"{name} ({one[2]:,})" for name, one in legal.items()), sep="\n  ")
print("over: ", *(f"{name} ({one[2]:,})" for name, one in over.items()), sep="\n  ")

# %% [markdown]
# ## Your HyperModel
#
# Keras Tuner calls `build(hp)` for the model of a trial. `hp.Choice` names a setting and its values, and returns the value of this trial. `set_random_seed` stands *inside* `build`: each trial gets a fresh model, and all start alike.


# %%
class Denoisers(keras_tuner.HyperModel):
    def __init__(self, legal, grid):
        super().__init__()
        self.legal, self.grid, self.log = legal, grid, []

    def build(self, hp):
        keras.utils.set_random_seed(seed)
        filters, depth, _ = self.legal[hp.Choice("architecture", list(self.legal))]
        model = models.capped_autoencoder(filters, depth)
        rate = hp.Choice("learning_rate", self.grid["learning_rate"])
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        return model


# %% [markdown]
# [Epochs](GLOSSARY.md#epoch) and [batch](GLOSSARY.md#batch) size are arguments of `fit`, so `fit` is a method too, and chooses them. `Trials` inherits `build`. `**keywords` hands on what the tuner adds, such as its callbacks. The log keeps the validation loss of every epoch.


# %%
class Trials(Denoisers):
    def fit(self, hp, model, *arrays, **keywords):
        batch_size = hp.Choice("batch_size", self.grid["batch_size"])
        epochs = hp.Choice("epochs", self.grid["epochs"])
        history = model.fit(*arrays, batch_size=batch_size, epochs=epochs, **keywords)
        losses = history.history["val_loss"]
        filters, depth, count = self.legal[hp.get("architecture")]
        row = {"filters": filters, "depth": depth, "parameters": count, **hp.values}
        self.log.append(row | {"losses": losses, "excess": min(losses) - floor})
        print(f"\rtrial {len(self.log)}", end="", flush=True)
        return history


# %% [markdown]
# ## Search
#
# `GridSearch` walks through all combinations. It writes files as it goes, here into a temporary folder.
#
# **Predict:** how many trials are there? Which architecture wins, and with which batch size?


# %% tags=["trains"]
def search_grid(legal, grid):
    """Train every combination once and return the log, best first."""
    trials = Trials(legal, grid)
    objective = keras_tuner.Objective("val_loss", "min")
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.GridSearch(trials, objective, directory=folder, overwrite=True)
        validation = {"validation_data": (val.noisy, val.clean), "validation_batch_size": 256}
        tuner.search(train.noisy, train.clean, verbose=0, **validation)
    print(f" of {len(legal) * int(np.prod([len(values) for values in grid.values()]))}")
    return sorted(trials.log, key=lambda row: row["excess"])


grid = {"learning_rate": [1e-3], "batch_size": profile.pick([32, 128], [32])}
grid["epochs"] = profile.pick([2, 4], [1, 2])
log = search_grid(legal, grid)

# %% [markdown]
# The ten best, below the noisy input and a Gaussian blur (width and brightness fitted to 200 of these pictures):

# %% tags=["trains"]
columns = {key: (key, "{}") for key in ("architecture", "learning_rate", "batch_size", "epochs")}
columns |= {"parameters": ("parameters", "{:,}"), "excess": ("excess", "{:.4f}")}


def ten_best(log):
    """Return the head of a sorted log as a Markdown table."""
    rows = [{"architecture": "noisy input", "excess": untouched}]
    rows += [{"architecture": f"filter: {chosen}", "excess": filtered}, *log[:10]]
    return Markdown(evaluation.format_table(rows, columns, pairs.label))


steps = {"batch_size": min(grid["batch_size"]), "epochs": max(grid["epochs"])}
told = ", ".join(f"{axis} {log[0][axis]}" for axis in steps)
lessons.claim("the best took the most steps", steps.items() <= log[0].items(), told, profile)
ten_best(log)

# %% [markdown]
# The best trials have small batches and many epochs: they took the most steps. The model with 829 parameters beats the one of depth 3 with 2,149 (see the map).
#
# ## See it as a map
#
# A heat map shows two settings at once: the best excess of each pair.


# %%
def heat_map(log, down, across):
    """Draw the lowest excess of the trials for each pair of two settings."""
    names = [sorted({row[axis] for row in log}) for axis in (down, across)]
    best = np.full([len(values) for values in names], np.nan)
    for row in log:
        place = names[0].index(row[down]), names[1].index(row[across])
        best[place] = np.nanmin([best[place], row["excess"]])
    _, axes = plt.subplots(figsize=(1.6 * len(names[1]) + 1, 0.7 * len(names[0]) + 1))
    axes.imshow(best, cmap="Blues", aspect="auto", vmin=0, vmax=2 * np.nanmax(best))
    for (line, column), value in np.ndenumerate(best):
        text = "over the cap" if np.isnan(value) else f"{value:.4f}"
        axes.text(column, line, text, ha="center", va="center")
    axes.set_yticks(range(len(names[0])), names[0])
    axes.set_xticks(range(len(names[1])), names[1])
    axes.set(ylabel=down, xlabel=across, facecolor="0.8")


# %% [markdown]
# Each cell is one architecture. Light means less error.

# %% tags=["trains"]
# Figure: a map of the excess, depth down and filters across.
heat_map(log, "depth", "filters")
best = {(row["filters"], row["depth"]): row["excess"] for row in reversed(log)}  # the best last
shallow, deep = best[12, 1], [best[12, depth] for depth in profile.pick((2, 3), (2,))]
told = f"{shallow:.4f}; " + ", ".join(f"{excess:.4f}" for excess in deep)
lessons.claim("with 12 filters depth 1 beats all deeper", shallow < min(deep), told, profile)
wider = [best[filters, 1] for filters in profile.pick((12, 16, 20), (12, 20))]
told = ", ".join(f"{excess:.4f}" for excess in wider)
lessons.claim("more filters help", wider == sorted(wider, reverse=True), told, profile)

# %% [markdown]
# At 12 filters depth 1 leads by about .02, at 16 by .005. More filters help, too. One seed each: small gaps decide nothing.
#
# ## The best stands at the edge
#
# At the edge of a grid you do not know what lies beyond. Where is your winner?


# %% tags=["trains"]
def say_edges(row, axes):
    """Print for each setting whether the best value is the lowest or the highest tried."""
    for axis, values in axes.items():
        edge = {min(values): "lowest", max(values): "highest"}.get(row[axis])
        if len(set(values)) > 1:
            print(f"{axis}: {row[axis]} of {sorted(set(values))}", f"<- {edge}" if edge else "")


say_edges(log[0], {axis: [row[axis] for row in log] for axis in ("filters", "depth", *grid)})

# %% [markdown]
# Everything is at an edge. So extend the grid:
#
# - *depth*: below 1 there is no encoder left. This edge is real.
# - *filters*: 26 is the widest even number under the cap (27 would fit, 28 not). Take it.
# - *batch size*: go down to 16.
# - *[learning rate](GLOSSARY.md#learning-rate)*: try three more, four times as high each.
# - *epochs*: wait a moment.
#
# **Predict:** does the best move inside?

# %% tags=["trains"]
# Figure: a map of the excess, learning rate down and batch size across.
wider, _ = split_by_cap(profile.pick((26,), (20,)), (1,))
rates = profile.pick([1e-3, 4e-3, 1.6e-2, 6.4e-2], [4e-3, 1.6e-2])
second = {"learning_rate": rates, "batch_size": [16, 32], "epochs": grid["epochs"][-1:]}
extended = search_grid(wider, second)
say_edges(extended[0], {axis: [row[axis] for row in extended] for axis in second})
heat_map(extended, "learning_rate", "batch_size")
best = [min(r["excess"] for r in extended if r["learning_rate"] == rate) for rate in rates]
told = f"excess {', '.join(f'{excess:.4f}' for excess in best)}"
inside = min(best) < min(best[0], best[-1])
lessons.claim("now the best learning rate lies inside", inside, told, profile)
four = {row["excess"]: row["learning_rate"] for row in extended[:4]}
near = max(four) - min(four) < 0.01 and {*four.values()} == {4e-3, 1.6e-2}
told = f"{min(four):.4f} to {max(four):.4f}"
lessons.claim("the best four, of rates .004 and .016, lie within .01", near, told, profile)

# %% [markdown]
# The best four lie within .01: rates of .004 and .016, batches of 16 and 32. So the best rate lies inside, on a plateau where one seed decides little. Batches of 16 and 4 epochs are edges again: more steps help. We stop for time; exercise 3 goes on.
#
# ## Are epochs a setting?
#
# Project C searched over 13 numbers of epochs.
#
# **Predict:** two trials differ only in their epochs, 2 and 4. What does the short one tell you that the long one does not?

# %% tags=["trains"]
long = {(r["architecture"], r["batch_size"]): r for r in log if r["epochs"] == grid["epochs"][1]}
short = [row for row in log if row["epochs"] == grid["epochs"][0]]
twins = [(row["losses"], long[row["architecture"], row["batch_size"]]["losses"]) for row in short]
apart = max(abs(a - b) for few, many in twins for a, b in zip(few, many, strict=False))
told = f"largest difference over {len(twins)} pairs: {apart:.1e}"
lessons.claim("short and long agree in the epochs of both", apart < 1e-6, told, profile)

# %% [markdown]
# Nothing. With one seed and a constant learning rate, a short training is the *beginning* of a longer one. Train long once, and stop early: notebook 06 does.
#
# ## The same, but it survives a kill
#
# Stop your search, and it starts from nothing. `search.search` keeps a ledger, one file for each finished trial. Called again, it trains only what is missing. **Predict:** what?

# %% tags=["trains"]
same = {"filters": profile.pick([12, 20], [12]), "depth": [1], "optimizer": ["adam"]}
same |= {axis: values[-1:] for axis, values in grid.items()} | {"batch_size": [32]}
found = search.search(same, profiles.CAP, pairs, runs=profile.runs, seed=seed)
again = search.search(same, profiles.CAP, pairs, runs=profile.runs, seed=seed)
print(f"called again: {again.num_loaded} of {len(again.rows)} trials were there")
yours = {
    row["filters"]: row["excess"]
    for row in log
    if row["epochs"] == grid["epochs"][1] and row["batch_size"] == 32 and row["depth"] == 1
}
apart = max(abs(row["val_bce"] - floor - yours[row["filters"]]) for row in found.rows)
told = f"largest difference {apart:.1e}"
lessons.claim("the ledger holds what your search found", apart < 1e-6, told, profile)

# %% [markdown]
# Which settings go on to notebook 06? The course's file comes from an older search of 112 trials without 26 filters and without batches of 16. It chose 20 filters, depth 1, a rate of .004 and batches of 32. Its rate, depth and batch stood at edges, too. Notebook 06 trains that one. Whether yours beats it over three seeds is for you to try.
#
# ## Exercises
#
# ### Exercise 1 (easy): count the trials
#
# A grid has 12, 16 and 24 filters, depths 1 and 2, three learning rates, two batch sizes and one number of epochs. How many trials keep to the cap? Notebook 04 has the table.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it:

# %% tags=["check"]
hint = "Count the legal architectures first, then multiply by the other settings."
lessons.check(answer_1, 6 * len(split_by_cap((12, 16, 24), (1, 2))[0]), hint)

# %% [markdown]
# ### Exercise 2 (medium): project C's fault
#
# This HyperModel is broken as project C's loop was: every trial goes on with the weights of the one before. Mend it, and let all start alike. Then search its two learning rates with `keras_tuner.GridSearch`, two epochs each, on 200 pictures. `answer_2` is your tuner.


# %% tags=["exercise"]
class ProjectC(keras_tuner.HyperModel):
    def __init__(self):
        super().__init__()
        self.model = models.capped_autoencoder(12, 1)

    def build(self, hp):
        rate = hp.Choice("learning_rate", [1e-3, 4e-3])
        self.model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        return self.model


answer_2 = ...  # your keras_tuner.GridSearch, after its search

# %% [markdown]
# The check builds a model, spoils its weights, and builds another:


# %% tags=["check"]
def builds_afresh(hypermodel):
    """Say whether two models start alike, whatever became of the first."""
    model = hypermodel.build(keras_tuner.HyperParameters())
    start = model.get_weights()
    model.set_weights([weight + 1 for weight in start])
    weights = hypermodel.build(keras_tuner.HyperParameters()).get_weights()
    return all(np.array_equal(a, b) for a, b in zip(start, weights, strict=True))


def has_searched(tuner):
    done = [one for one in tuner.oracle.trials.values() if one.status == "COMPLETED"]
    return len(done) == 2 and builds_afresh(tuner.hypermodel)


lessons.check(answer_2, has_searched, "Where is the model made and seeded? Did both trials end?")

# %% [markdown]
# ### Exercise 3 (open): beat the grid
#
# Find settings that neither grid holds, and that beat the best of both (in a short run: of the first). You may change the learning rate, the batch size and the architecture, if it is legal. The check trains your model for as many epochs as the winner had.

# %% tags=["exercise"]
answer_3 = ...  # (filters, depth, learning rate, batch size)

# %% [markdown]
# Check it:


# %% tags=["check"]
def excess_of(filters, depth, learning_rate, batch_size):
    """Return the excess of a new setting; infinity if it was tried or is over the cap."""
    one = {"filters": filters, "depth": depth}
    one |= {"learning_rate": learning_rate, "batch_size": batch_size}
    legal, _ = split_by_cap([filters], [depth])
    if not legal or any(one.items() <= row.items() for row in log + extended):
        return np.inf
    settings = {"learning_rate": [learning_rate], "batch_size": [batch_size]}
    return search_grid(legal, settings | {"epochs": grid["epochs"][-1:]})[0]["excess"]


hint = "It must be new and legal. What did the extension say about the learning rate?"
bar = profile.pick(extended, log)[0]["excess"]
lessons.check(answer_3, lambda settings: excess_of(*settings) < bar, hint)

# %% [markdown]
# ## What we learned
#
# - A search needs a fresh, seeded model in each trial, and the cap before the training.
# - A best at the edge is a question, not an answer: extend the grid, or say why not.
# - Epochs are no setting: they are decided by stopping early.
# - One seed decides nothing between neighbours.
#
# **References**
#
# - J. Bergstra, Y. Bengio (2012), *Random search for hyper-parameter optimization*, JMLR 13, [jmlr.org](https://jmlr.org/papers/v13/bergstra12a.html).
# - T. O'Malley et al. (2019), *Keras Tuner*, [github.com/keras-team/keras-tuner](https://github.com/keras-team/keras-tuner).
# - Project C: [qtvo93/Machine_Learning_General](https://github.com/qtvo93/Machine_Learning_General).
