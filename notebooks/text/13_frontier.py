# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 13. The frontier: parameters, arithmetic, quality: who leads, and was it luck?
#
# "Small beats big" is easily said. It depends on what you count, on how long each was trained, and on luck. Here are the trained models of the assignment's noise.
#
# **You will learn** to draw a frontier on two axes of cost, and to find who is dominated. You tell the luck of the pictures from that of the seed.
#
# **You need** notebooks 03, 04 and 11.
#
# **It takes** about 2 minutes in the full profile, half a minute in the quick one.

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
# Everything here was trained before. `project_w` is the big model of project W, `project_c` that of project C, `big` a U-Net, `medium` a small U-shaped network. `tiny`, `square` and `small` are weight-tied. `cap_baseline` is notebook 06's; it and `project_c` are the best of three.

# %%
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, saving

NAMES = ["project_c", "cap_baseline", "tiny", "square", "medium", "project_w", "big", "small"]
NAMES = [f"clutter_{name}" for name in NAMES]
SEEDS = [f"seeds/clutter_small_{number}" for number in (0, 1, 2)]
profile, seed = lessons.begin([*NAMES[:-1], "three seeds of clutter_small"])

# %% [markdown]
# ## How was each trained?
#
# A comparison is fair if each had its best chance. What each had:
#
# **Predict:** which of them saw most pictures?

# %%
found = lessons.load_rivals([*NAMES, *SEEDS], profile)
cards = {name: saving.read_card(lessons.find_model(name, profile)) for name in found}
rows = []
for name, card in cards.items():
    how, images = card["settings"], card["settings"]["data"]["images"]["train"]
    row = {"name": name.rpartition("/")[2], "seen": card["epochs_run"] * images}
    row |= {"optimizer": how["optimizer"], "rate": how["learning_rate"]}
    rows.append(row | {"fresh": "yes" if how["augment"] else "no"})
columns = {"name": ("model", "{}"), "seen": ("pictures seen", "{:,}")}
columns |= {"optimizer": ("optimizer", "{}"), "rate": ("rate", "{:g}")}
columns["fresh"] = ("fresh noise each epoch", "{}")
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# Not equal. `tiny` saw fewer than half. Project C and the capped baseline saw most, under the same garments. The rate of project W was chosen in short trainings, and the U-Net took it over: its own might serve it better. Ours was chosen in short trainings, too.
#
# ## Measure
#
# Three axes: what a model stores, what it multiplies, and what it leaves of the error.

# %%
val = noise.load_task("clutter", num_train=1, num_val=profile.pick(3000, 60), num_test=1).val
floor = evaluation.bce_floor(val.clean)
size = {name: model.count_params() for name, model in found.items()}
work = {name: models.count_multiplications(model) / 1e6 for name, model in found.items()}
errors = {}  # of each picture
for name, model in found.items():
    print(f"\r{name} ...                  ", end="", flush=True)
    errors[name] = evaluation.bce(evaluation.predict(model, val.noisy), val.clean) - floor
excess = {name: float(each.mean()) for name, each in errors.items()}
untouched = float((evaluation.bce(val.noisy, val.clean) - floor).mean())
tuned = [baselines.tune(name, val.noisy, val.clean) for name in ("median", "Gaussian blur")]
chosen = min(tuned, key=lambda one: one.val_mse)
filtered = float((evaluation.bce(chosen(val.noisy), val.clean) - floor).mean())

# %% [markdown]
# `clutter_small.h5` is one of its three seeds, so it is left out below. Lower is better; the noisy input lies far above.
#
# **Predict:** on the left the small ones lie far from the big ones. And on the right?

# %%
# Figure: excess against parameters, and against multiplications, each model labelled.
shown = [name for name in found if name != "clutter_small"]
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), sharey=True)
costs = {"parameters": size, "multiplications (million)": work}
for axis, (title, cost) in zip(axes, costs.items(), strict=True):
    for name in shown:
        point = cost[name], excess[name]
        axis.plot(*point, "o", color="tab:red" if name in SEEDS else "tab:blue")
        label = "small, three seeds" if name in SEEDS else name.removeprefix("clutter_")
        if name not in SEEDS[1:]:
            axis.annotate(label, point, (6, 4), textcoords="offset points")
    axis.set(xscale="log", yscale="log", xlabel=title)
    axis.margins(x=0.4, y=0.1)
axes[0].set_ylabel("excess (nats per pixel)")
figure.tight_layout()

# %% [markdown]
# On the left, `small` and `square` stand alone. On the right it stands among the large ones, and nothing is cheap *and* good. `medium` is as good as `tiny` or better for less arithmetic.
#
# ## Who is dominated?
#
# A model is *dominated* if another is at least as good on every axis and better on one. What is left is the frontier. For `small`, take the middle one of the three seeds.
#
# **Predict:** who drops out, when both costs count?


# %%
def dominates(one, other):
    """Tell whether the point `one` is nowhere worse than `other`, and somewhere better."""
    return np.all(np.less_equal(one, other)) and np.any(np.less(one, other))


points = {name: (size[name], work[name], excess[name]) for name in shown if name not in SEEDS}
ours = sorted(excess[name] for name in SEEDS if name in found)
if ours:
    points["clutter_small"] = (size[SEEDS[0]], work[SEEDS[0]], ours[len(ours) // 2])
for name, point in points.items():
    by = [other for other, better in points.items() if dominates(better, point)]
    said = "dominated by " + ", ".join(by) if by else "on the frontier"
    print(f"{name.removeprefix('clutter_'):13} {said}")

# %% [markdown]
# Projects C and W drop out. The capped baseline beats the one on every axis, the U-Net the other. Every other model is the best at some price.

# %%
dominated = [n for n in points if any(dominates(p, points[n]) for p in points.values())]
alone = sorted(dominated) == ["clutter_project_c", "clutter_project_w"]
lessons.claim("projects C and W alone are dominated", alone, f"dominated: {dominated}", profile)

# %% [markdown]
# ## The luck of the pictures
#
# Other validation pictures would have given other means. Draw as many from them, with repetition, a thousand times: the *bootstrap* (Efron 1979). Both models are always measured on the same draw, so easy pictures help both.
#
# **Predict:** could the lead of project W over `small` be the luck of 3,000 pictures?

# %%
rng = np.random.default_rng(seed)
draws = rng.integers(0, len(val.clean), (1000, len(val.clean)))
apart = {}
for other in [name for name in ("clutter_project_w", "clutter_square", SEEDS[1]) if name in found]:
    if SEEDS[0] in found:
        difference = errors[SEEDS[0]] - errors[other]
        low, high = np.percentile(difference[draws].mean(axis=1), (2.5, 97.5))
        apart[other] = (low, high)
        print(f"small, seed 0, minus {other.rpartition('/')[2]}: {low:+.5f} to {high:+.5f}")

# %% [markdown]
# None of the intervals contains 0. For these pictures' kind, even two seeds of one recipe differ: .0003 to .0006. So what does an interval between two *models* say about two *recipes*? Little, if each was trained once.
#
# ## The luck of the seed
#
# Another seed is another training. Its luck is not in the pictures, so no number of pictures shows it.
#
# **Predict:** how many spreads of our seeds lie between their mean and each rival?

# %%
rows = [{"name": "noisy input", "excess": untouched}]
rows += [{"name": f"filter: {chosen}", "excess": filtered}]
spread = float(np.std(ours, ddof=1)) if len(ours) > 1 else None
for name, (_, _, value) in sorted(points.items(), key=lambda item: -item[1][2]):
    row = {"name": name.removeprefix("clutter_"), "excess": value, "runs": 1}
    if name == "clutter_small":
        row |= {"excess": float(np.mean(ours)), "runs": len(ours), "sd": spread}
    elif spread:
        row["apart"] = (value - np.mean(ours)) / spread
    rows.append(row)
columns = {"name": ("model", "{}"), "excess": ("excess", "{:.4f}"), "runs": ("runs", "{}")}
columns |= {"sd": ("sd over seeds", "{:.4f}"), "apart": ("from small, in its sd", "{:+.0f}")}
Markdown(evaluation.format_table(rows, columns, f"{len(val.clean):,} validation pictures"))

# %% [markdown]
# All above `medium` are far away, `square` is near: 4 spreads, from one run. Project W and the U-Net lead by 6 and 10. One run each, so their luck is unknown. If it is as large as ours, both leads are real. Of "976 times fewer numbers", then, the honest headline is: close, not ahead.

# %%
if spread:
    lead = (np.mean(ours) - points["clutter_project_w"][2]) / spread
    here = f"project W {lead:.0f} sd ahead"
    lessons.claim("project W leads by more than three spreads", lead > 3, here, profile)

# %% [markdown]
# > **Correction.** An earlier edition named only the rivals that it beat, with "+49.9 sd" from three seeds. It drew a floor of 2,000 pictures beside losses on 6,000. A spread from three seeds is itself uncertain by half: read "far" or "near", not the number.
#
# ## What the cap hides
#
# The cap counts what is stored. A tied model buys quality with arithmetic instead.

# %%
for name in ("clutter_cap_baseline", "clutter_small", "clutter_project_w"):
    if name in found:
        times = work[name] / size[name] * 1e6
        print(f"{name.removeprefix('clutter_'):13} {size[name]:>9,} numbers,", end=" ")
        print(f"each used {times:,.0f} times a picture")

# %% [markdown]
# Each number of `small` is used 11,000 times for one picture, of project W's 24 times. The cap is a good exercise in thrift. It is no measure of cost.
#
# ## Exercises
#
# Replace each `...`, run the cell, then the check below it.
#
# ### Exercise 1 (easy)
#
# A new model has 5,000 parameters, 40 million multiplications and an excess of .0095. Which model of `points` dominates it, `"clutter_square"` or `"clutter_medium"`, or both, or none? Answer with a set of names.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it, with numbers of the full run:

# %% tags=["check"]
known = {"clutter_square": (2625, 29.1, 0.0092), "clutter_medium": (46849, 5.1, 0.0111)}
right = {name for name, point in known.items() if dominates(point, (5000, 40, 0.0095))}
hint = "square: 2,625 and 29.1 million, .0092; medium: 46,849 and 5.1 million, .0111"
lessons.check(answer_1, lambda answer: set(answer) == right, hint)

# %% [markdown]
# ### Exercise 2 (medium)
#
# Write the frontier as a function: from a dictionary of points to the list of names that no other dominates.


# %% tags=["exercise"]
def answer_2(points):
    """Return the names of the points that no other dominates."""
    return ...


# %% [markdown]
# Check it:


# %% tags=["check"]
some = {"a": (1, 9, 3), "b": (2, 2, 2), "c": (2, 2, 3), "d": (9, 1, 1), "e": (3, 3, 2)}
hint = "keep a name if dominates(other, point) is false for every other point"
lessons.check(answer_2, lambda names: sorted(names) == ["a", "b", "d"], hint, some)

# %% [markdown]
# ### Exercise 3 (open)
#
# How many pictures does the bootstrap need, to tell seed 0 from seed 1 of `small`? Find the smallest multiple of `step` for which the 95 % interval of the difference excludes 0, on the first so many pictures. Answer 0 if all are too few.

# %% tags=["exercise"]
first, second = SEEDS[:2] if SEEDS[1] in errors else list(errors)[:2]
step = profile.pick(25, 5)
answer_3 = ...  # how many pictures

# %% [markdown]
# Check it:


# %% tags=["check"]
def is_smallest(answer):
    """Tell whether `answer` is the smallest number, give or take the luck of the draws."""

    def tells_apart(number):
        some = (errors[first] - errors[second])[:number]
        draws = np.random.default_rng(1).integers(0, number, (1000, number))
        return np.prod(np.percentile(some[draws].mean(axis=1), (2.5, 97.5))) > 0

    numbers = range(step, len(val.clean) + 1, step)
    smallest = next((number for number in numbers if tells_apart(number)), 0)
    return answer % step == 0 and abs(answer - smallest) <= max(2 * step, 0.2 * smallest)


hint = "the bootstrap above, for each multiple in turn: when do both ends have one sign?"
lessons.check(answer_3, is_smallest, hint)

# %% [markdown]
# ## What we learned
#
# - Who leads depends on the axis. Name the cost, or name both.
# - A dominated model has no excuse left. The others are a choice.
# - The bootstrap tells the luck of the pictures, seeds that of the training. Three seeds tell far from near, no more.
# - A rival with one run and a borrowed rate has not had its best chance. Say so beside the number.
#
# **References**: B. Efron (1979), *Bootstrap Methods: Another Look at the Jackknife*, [doi:10.1214/aos/1176344552](https://doi.org/10.1214/aos/1176344552).
