# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14. The budget report: who keeps to the cap?
#
# A grader gets files, not promises. She opens each, counts its numbers, and tries it on unseen pictures. This is the one notebook that scores on test images.
#
# **You will learn** to count what a file really holds, to read a report, and to say what a model is *not* for.
#
# **You need** notebooks 03 and 04, and the models of the course.
#
# **It takes** about 14 minutes in the full profile, at most one in the quick one.

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
# Every model in `models/` is loaded: in a quick run your own, else the course's.

# %%
import types

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from keras import layers

from denoise_utils import baselines, evaluation, lessons, noise, plots, profiles, report, saving

task = noise.assignment_task()
profile, seed = lessons.begin(["all models of models/"])

# %% [markdown]
# ## Count by hand
#
# Every number that the file stores counts, whether it was trained or not. A layer that is called many times stores its numbers once.
#
# **Predict:** a layer of 10 filters of 3 x 3 on 10 channels is called five times. Batch normalization follows once. How many parameters have the two, and how many can be trained?

# %%
inputs = layers.Input((28, 28, 10))
shared, x = layers.Conv2D(10, 3, padding="same"), inputs
for _ in range(5):
    x = shared(x)
small = keras.Model(inputs, layers.BatchNormalization()(x))
stored = sum(int(np.prod(weight.shape)) for weight in small.weights)
trained = sum(int(np.prod(weight.shape)) for weight in small.trainable_weights)
print(f"stored {stored}, trained {trained}; Keras says {small.count_params()}")

# %% [markdown]
# 950 stored: 910 of the layer that is called five times, 40 of the other. The 20 that are not trained, running means and variances, shape every answer. So they count.
#
# ## Count the files
#
# `saving.load_model` looks into a file before Keras opens it: a stranger's file may hold code. The report does so with each, counts, and compares with the cap.
#
# **Predict:** a file of 3,600 float32 numbers has at least how many kilobytes?


# %%
def tell(row):
    print(f"\r{row:60}", end="", flush=True)


folder = lessons.find_model(f"{task}_cap_baseline", profile).parent  # yours, or the course's
found = report.make_report(folder, profiles.CAP, profile, tell=tell)
report.write_report(found, profile.reports)
capped = [row for row in found.capped if "psnr" in row]
print(f"\n{len(found.models)} files; {len(capped)} must keep to {found.cap:,} parameters")
print("over the cap:", [row["file"] for row in found.over] or "none")
print("unreadable:", [row["file"] for row in found.failed] or "none")
largest = max(capped, key=lambda row: row["kilobytes"])
print(f"largest of these: {largest['file']}, {largest['kilobytes']:.0f} kB")

# %% [markdown]
# 14.4 kB of numbers. The rest describes the graph.
#
# ## The assignment's table
#
# First the noisy input, then the best classical filter and what the [judge](GLOSSARY.md#judge) reads in clean pictures. The models follow by their [excess](GLOSSARY.md#excess), the best first. A *reference* may be over the cap.
#
# **Predict:** where does the model of 3.28 million parameters stand?

# %%
tables = {key: rows for key, rows in found.groups.items() if key[0] == task}
first = next(iter(tables))
shown = [row for row in report.list_rows(tables[first]) if row["file"] != "clutter_square.h5"]
Markdown(evaluation.format_table(shown[:12], report.LISTED, "without clutter_square, of a lesson"))

# %% [markdown]
# In excess and PSNR `clutter_small` leads the U-Net and project W (one run); all read alike. `clutter_long` saw twice the pictures. Both ours are the best of three on validation, the U-Net of two.
#
# ## Where does `clutter_small` fail?
#
# Its ten pictures with the lowest [PSNR](GLOSSARY.md#psnr).
#
# **Predict:** what do their garments have in common?

# %%
# Figure: the ten worst test pictures: clean, noisy and denoised, with their PSNR.
best = min((row for row in capped if row["task"] == task), key=lambda row: row["val_bce"])
sizes = {"num_train": 1, "num_val": 1, "num_test": profile.num_test, "seed": seed}
test = noise.load_task(task, **sizes).test
model = saving.load_model(folder / best["file"])
output = evaluation.clip(evaluation.predict(model, test.noisy))
worst = evaluation.psnr(output, test.clean).argsort()[:10]
rows = {"clean": test.clean[worst], "noisy": test.noisy[worst], "denoised": output[worst]}
figure = plots.show_images(rows, test.clean[worst])

# %% [markdown]
# Stripes, straps and edges look like strokes. A stroke on black is .5, as bright as white cloth alone: there strokes are lost. On bright cloth they shine through.
#
# ## What is each model not for?
#
# Each model of role *capped*, one training each, meets every gray noise of the course. We count the change of PSNR.
#
# **Predict:** does a model of marks help against Gaussian noise? Does a model of clutter?

# %%
few = sizes | {"num_val": profile.pick(500, 60), "num_test": profile.pick(1000, 60)}
kinds = [name for name, one in noise.TASKS.items() if one.dataset == "mnist"]
parts = {name: noise.load_task(name, **few) for name in kinds}
grounds = {name: part.test for name, part in parts.items()}
ours = [row for kind in kinds for row in capped if row["task"] == kind]


def gain(answer, one):
    """Return the change of the mean PSNR, in dB."""
    return np.mean(evaluation.psnr(answer, one.clean) - evaluation.psnr(one.noisy, one.clean))


# %% [markdown]
# Every model meets every noise:

# %%
loaded, answers = {row["file"]: saving.load_model(folder / row["file"]) for row in ours}, []
for file, one in loaded.items():
    tell(file)
    answers.append([evaluation.predict(one, ground.noisy) for ground in grounds.values()])
matrix = np.array([[*map(gain, row, grounds.values())] for row in answers])

# %% [markdown]
# Blue is gain, red is harm. A model's own noise has a frame.

# %%
# Figure: a table of colours, models down and kinds of noise across: the change of PSNR.
figure, axis = plt.subplots(figsize=(8, 0.36 * len(ours) + 1.2))
axis.imshow(matrix, cmap="RdBu", vmin=-15, vmax=15, aspect="auto")
for (line, column), value in np.ndenumerate(matrix):
    home = ours[line]["task"] == kinds[column]
    colour = "white" if abs(value) > 9 else "black"
    frame = {"boxstyle": "square", "fill": False, "edgecolor": colour} if home else None
    axis.text(column, line, f"{value:+.1f}", color=colour, ha="center", va="center", bbox=frame)
axis.set_xticks(range(len(kinds)), kinds)
axis.set_yticks(range(len(ours)), [row["file"].removesuffix(".h5") for row in ours])
axis.set_title("Change of PSNR (dB)")
figure.tight_layout()

# %% [markdown]
# Averages:

# %%
at_home = np.array([[row["task"] == kind for kind in kinds] for row in ours])
away = matrix[~at_home]
print(f"at home {matrix[at_home].mean():+.1f} dB; away {away.mean():+.1f} dB on average,")
print(f"median {np.median(away):+.1f}, from {away.min():+.1f} to {away.max():+.1f};")
print(f"{np.sum(away < 0)} of {away.size} fields away from home are harm")
for kind, part in parts.items():  # total variation and wavelet smooth, but keep edges
    names, val = ("median", "Gaussian blur", "total variation", "wavelet"), part.val
    best = baselines.choose(names, val.noisy, val.clean)
    print(f"{kind}: filter {best} {gain(best(part.test.noisy), part.test):+.1f} dB")

# %% [markdown]
# Away from home a model helps more often than it harms: 3.4 dB on average, but 1.7 in the middle. 6 of 50 fields are harm, four of them by .6 dB or less. A filter chosen for each noise gains .8 to 7 dB. At home: 7.7 to 25.8 dB. Against Gaussian noise models of marks gain 7.3 and .3 dB, of clutter 5 to 7. That of salt and pepper removes marks and lines, too: white dots in a row.
#
# > **Correction.** An earlier edition said "on other noises -1.6 dB, 33 % harm". Over its fields of other noises the mean was +2.7 dB, and 17 % were harm. Two columns of clean pictures, counted at an invented 50 dB, had turned the sign.

# %%
here = f"{away.mean():+.1f} dB away, {matrix[at_home].mean():+.1f} at home"
harm = np.mean(away < 0)
lessons.claim("away from home there is some gain", 0 < away.mean() < 5, here, profile)
lessons.claim("and some harm", 0 < harm < 0.2, f"{harm:.0%} of the fields", profile)

# %% [markdown]
# ## And a clean picture?
#
# How near does the model's answer stay to a clean picture?

# %%
clean = grounds["masking"].clean
answers = {file: evaluation.predict(one, clean) for file, one in loaded.items()}
kept = {file: np.mean(evaluation.psnr(one, clean)) for file, one in answers.items()}
for file, value in sorted(kept.items(), key=lambda item: -item[1]):
    print(f"{value:5.1f} dB  {file.removesuffix('.h5')}")

# %% [markdown]
# 25 to 58 dB. `occlusion_small` and `watermark_small` leave most of a clean picture alone. The baselines redraw more, and so do both models of clutter.
#
# ## Into README and cards
#
# Only a full run on the course's own data speaks for the project.

# %%
if profile.name == "full" and task == profiles.TASK:
    report.update_readme(profile.root / "README.md", found)
    report.update_cards(folder, found)
    print("The README's table is written, and the scores of the cards.")
else:
    print("README and cards stay as they are.")

# %% [markdown]
# ## Exercises
#
# Replace each `...`, run the cell, then the check below it.
#
# ### Exercise 1 (easy)
#
# `python -m denoise_utils report FOLDER` ends with a number for scripts. It is 0 if all is well, 1 if a model that must keep to the cap does not, 2 if a file could not be read. A folder holds a model of 3,600 parameters, a *reference* of 5,000, and a broken file. What is the number?

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it:

# %% tags=["check"]
cap = profiles.CAP
verdicts = [("capped", cap, "PASS"), ("reference", cap + 1400, "OVER"), (None, 0, "UNREADABLE")]
rows = [{"role": role, "parameters": n, "verdict": told} for role, n, told in verdicts]
rows[2]["reason"] = "Expected an HDF5 file."
hint = "a reference may be over the cap; what about the broken file?"
lessons.check(answer_1, report.Report(cap, rows=rows).exit_code, hint)

# %% [markdown]
# ### Exercise 2 (medium)
#
# Write the count. Two layers may share one weight, so go through `model.weights`, which names each once. `count_params` is not allowed.


# %% tags=["exercise"]
def answer_2(model):
    """Return how many numbers the model stores."""
    return ...


# %% [markdown]
# Check it:

# %% tags=["check"]
hint = "multiply the sides of weight.shape, and add over model.weights"
for weights, right in ((small.weights, 950), (small.weights[2:], 40)):
    only = types.SimpleNamespace(weights=weights)  # no count_params here
    lessons.check(answer_2, right, hint, only)

# %% [markdown]
# ### Exercise 3 (open)
#
# More arithmetic does not always buy a better picture. Find two models under the same noise, of which the first makes fewer multiplications *and* has the lower excess. `found.models` holds the rows, each a dictionary.

# %% tags=["exercise"]
answer_3 = ...  # two rows

# %% [markdown]
# Check it:


# %% tags=["check"]
def saves(two):
    """Tell whether the first is better for less, under the same noise."""
    first, second = two
    same = all(first[key] == second[key] for key in ("task", "noise"))
    return same and all(first[key] < second[key] for key in ("multiplications", "excess"))


hint = "compare rows of the same task and noise; try all pairs in two loops"
lessons.check(answer_3, saves, hint)

# %% [markdown]
# ## What we learned
#
# - The verdict is one number against another. It takes no training and no trust.
# - Beside it stand the noisy input, the filter, the arithmetic and the pictures: what the parameters were worth.
# - A denoiser is made for its noise. The matrix says what happens elsewhere, and it is worth printing before anyone uses the file.
# - `reports/budget.html` has it all on one page, and `python -m denoise_utils report models/` writes it without a notebook.
#
# **References**: M. Mitchell et al. (2019), *Model Cards for Model Reporting*, [doi:10.1145/3287560.3287596](https://doi.org/10.1145/3287560.3287596).
