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
# "Small beats big" is easily said. It depends on what you count, on training, and on luck. Here: models of the assignment's noise.
#
# **You will learn** to draw a frontier on two axes of cost, and to find who is dominated. You tell the luck of pictures from that of seeds.
#
# **You need** notebooks 03, 04 and 11.
#
# **It takes** about 3 minutes in the full profile, at most one in the quick one.

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
# `project_w` is the big model of project W, `project_c` that of project C, `big` a U-Net, `medium` a small U-shaped network. `tiny`, `square`, `relu`, `signs` and `small` are weight-tied (notebook 11). `cap_baseline` is notebook 06's; it, `relu`, `signs` and `project_c` are the best of three. `small` has three seeds, `medium` and `big` two.

# %%
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, saving

NAMES = ["project_c", "cap_baseline", "tiny", "square", "relu", "signs", "medium"]
NAMES += ["project_w", "big"]
NAMES = [f"clutter_{name}" for name in NAMES]
SEEDS = [f"seeds/clutter_small_{number}" for number in (0, 1, 2)]
TWICE = ["seeds/clutter_medium_0", "seeds/clutter_big_1"]
RUNS = [f"runs/{name}" for name in ("*_rate_*", "*_soap", "*_long", "step_*")]
profile, seed = lessons.begin([*NAMES, *RUNS, "seeds of some"])

# %% [markdown]
# ## How was each trained?
#
# A comparison is fair if each had its best chance.
#
# **Predict:** which of them saw most pictures?

# %%
found = lessons.load_rivals([*NAMES, *TWICE, *SEEDS], profile)
rows, shown = [], [name for name in found if name not in [*TWICE, *SEEDS[1:]]]  # seeds are alike
for name in shown:
    card = saving.read_card(lessons.find_model(name, profile))
    how, images = card["settings"], card["settings"]["data"]["images"]["train"]
    row = {"name": name.rpartition("/")[2], "seen": card["epochs_run"] * images}
    row |= {"optimizer": how["optimizer"], "rate": how["learning_rate"]}
    row["batch"] = how["batch_size"]
    rows.append(row | {"fresh": "yes" if how["augment"] else "no"})
columns = {"name": ("model", "{}"), "seen": ("pictures seen", "{:,}")}
columns |= {"optimizer": ("optimizer", "{}"), "rate": ("rate", "{:g}")}
columns["batch"] = ("batch", "{}")
columns["fresh"] = ("fresh noise each epoch", "{}")
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# Project C and the capped baseline saw most, under the same garments. A learning rate that suits one may spoil another. Three rivals after 108,000 pictures:
#
# **Predict:** how much does the best rate gain on the worst?

# %%
ways = {f"rate_{rate}": (f"Adam, {rate}", "{:.4f}") for rate in (0.002, 0.006, 0.018, 0.054)}
ways["soap"] = ("SOAP, 0.005", "{:.4f}")
columns, rows = {"name": ("rival", "{}")} | ways, []
for rival in ("medium", "project_w", "big"):
    rows.append({"name": rival})
    for way in ways:
        for run in lessons.find_runs(f"clutter_{rival}_{way}", profile):
            rows[-1][way] = run.scores["excess"]
ours = [run.scores["excess"] for run in lessons.find_runs("step_turned", profile)]
rows.append({"name": f"small, mean of {len(ours)}", "soap": np.mean(ours or np.nan)})
Markdown(evaluation.format_table(rows, columns, "excess, 6,000 validation pictures, one run each"))

# %% [markdown]
# The best rate beats the worst by 31 and 18 %; the U-Net learns nothing beyond .006. SOAP, in smaller batches, gains `medium` 29 % and `big` 28 %; project W's kernels are too large for it. Long runs have the best of their row, but `big` kept Adam (see the end). `signs`, with half, its own, and twice its rate: .0090, .0082, .0080.
#
# ## Measure
#
# Three axes: what a model stores, multiplies, and leaves of the error.

# %%
val = noise.load_task("clutter", num_train=1, num_val=profile.pick(None, 60), num_test=1).val
floor = evaluation.bce_floor(val.clean)
size = {name: model.count_params() for name, model in found.items()}
work = {name: models.count_multiplications(model) / 1e6 for name, model in found.items()}
errors = {}  # of each picture
for name, model in found.items():
    print(f"\r{name} ...                  ", end="", flush=True)
    errors[name] = evaluation.bce(evaluation.predict(model, val.noisy), val.clean) - floor
excess = {name: float(each.mean()) for name, each in errors.items()}
untouched = float((evaluation.bce(val.noisy, val.clean) - floor).mean())
chosen = baselines.choose(("median", "Gaussian blur"), val.noisy, val.clean)
filtered = float((evaluation.bce(chosen(val.noisy), val.clean) - floor).mean())

# %% [markdown]
# Seeds go together.

# %%
runs = {name: [name] for name in found if name in NAMES}
for name in [name for name in found if name not in NAMES]:
    runs.setdefault(name.removeprefix("seeds/")[:-2], []).append(name)
each = {name: [excess[one] for one in of_seeds] for name, of_seeds in runs.items()}
COLOURS = ["tab:blue", "tab:red"]  # of rivals, and of ours
ALIKE = [f"clutter_{name}" for name in ("tiny", "small", "medium", "signs")]  # as the short
brief = {ALIKE[0]: "step_signs_tiny", "clutter_relu": "step_relu", ALIKE[1]: "step_turned"}
brief[ALIKE[3]] = "step_signs"
brief |= {name: f"{name}_soap" for name in (ALIKE[2], "clutter_big")}
for name, recipe in brief.items():
    brief[name] = [run.scores["excess"] for run in lessons.find_runs(recipe, profile)]
brief = {name: values for name, values in brief.items() if values}  # the course has them
costs = {"parameters": size, "multiplications (million)": work}

# %% [markdown]
# Above, short trainings with one recipe: SOAP, batches of 16. Below, the long ones, hollow where the recipe is another. Bars reach from the lowest seed to the highest.
#
# **Predict:** on the left the small ones lie far from the big ones. And on the right?

# %%
# Figure: excess against two costs, each model labelled; above short trainings, below long ones.
figure, axes = plt.subplots(2, 2, figsize=(11, 7.6), sharex="col", sharey="row")
away = {ALIKE[0]: (-24, 8), ALIKE[1]: (-42, -12), ALIKE[2]: (-26, -16)}
away |= {ALIKE[3]: (-40, -3), NAMES[8]: (-2, -17)}
for line, panel in zip(axes, (brief, each), strict=True):
    for axis, (title, cost) in zip(line, costs.items(), strict=True):
        for name, values in panel.items():
            place, ours = cost[runs[name][0]], name == "clutter_small"
            shape = "full" if panel is brief or name in ALIKE else "none"
            axis.plot([place] * len(values), values, color=COLOURS[ours])
            axis.plot(place, np.mean(values), "o", color=COLOURS[ours], fillstyle=shape)
            offset = (6, 4) if panel is brief else away.get(name, (6, 4))
            axis.annotate(name[8:], (place, np.mean(values)), offset, textcoords="offset points")
        axis.set(xscale="log", yscale="log", xlabel=title, ylabel="excess (nats per pixel)")
        axis.margins(x=0.4, y=0.15)

# %% [markdown]
# Left, the tied ones stand apart; right, `small` is among the large. Above, the U-Net leads; below, `small`.
#
# ## Who is dominated?
#
# A model is *dominated* if another is at least as good on every axis and better on one. What is left is the frontier. Where there are seeds, take their mean.
#
# **Predict:** who drops out, when both costs count?


# %%
def dominates(one, other):
    """Tell whether the point `one` is nowhere worse than `other`, and somewhere better."""
    return np.all(np.less_equal(one, other)) and np.any(np.less(one, other))


points = {}
for name, of_seeds in runs.items():
    points[name] = (size[of_seeds[0]], work[of_seeds[0]], float(np.mean(each[name])))
for name, point in points.items():
    by = [other for other, better in points.items() if dominates(better, point)]
    said = "dominated by " + ", ".join(by) if by else "on the frontier"
    print(f"{name.removeprefix('clutter_'):13} {said}")

# %% [markdown]
# Project C and both large ones drop out. The capped baseline beats C on every axis, `small` beats the U-Net and W. `square` stays in by .0002: perhaps luck.

# %%
dominated = [n for n in points if any(dominates(p, points[n]) for p in points.values())]
lost = {"clutter_project_c", "clutter_project_w", "clutter_big"}
lost = lost <= set(dominated) <= lost | {"clutter_square"}
lessons.claim("C, W and the U-Net are, else square at most", lost, f"{dominated}", profile)

# %% [markdown]
# ## The luck of the pictures
#
# Other validation pictures would have given other means. Draw as many from them, with repetition, a thousand times: the *bootstrap* (Efron 1979). Both models are always measured on the same draw, so easy pictures help both.
#
# **Predict:** could `small`'s lead over the U-Net be the luck of 6,000 pictures?

# %%
rng = np.random.default_rng(seed)
draws = rng.integers(0, len(val.clean), (1000, len(val.clean)))
apart = {}
for other in [name for name in ("clutter_project_w", "clutter_big", SEEDS[1]) if name in found]:
    if SEEDS[0] in found:
        difference = errors[SEEDS[0]] - errors[other]
        low, high = np.percentile(difference[draws].mean(axis=1), (2.5, 97.5))
        apart[other] = (low, high)
        print(f"small, seed 0, minus {other.rpartition('/')[2]}: {low:+.5f} to {high:+.5f}")

# %% [markdown]
# Seeds 0 and 1 of ours cannot be told apart; the two other differences are no luck of pictures. But two *models*, each trained once, say little about two *recipes*.
#
# ## The luck of the seed
#
# No number of pictures shows the luck of a seed.
#
# **Predict:** which rival is nearest to `small`?

# %%
rows = [{"name": "noisy input", "excess": untouched}]
rows += [{"name": f"filter: {chosen}", "excess": filtered}]
sd = {name: float(np.std(values, ddof=1)) for name, values in each.items() if len(values) > 1}
for name, (_, _, value) in sorted(points.items(), key=lambda item: -item[1][2]):
    row = {"name": name.removeprefix("clutter_"), "excess": value, "runs": len(each[name])}
    row["sd"] = sd.get(name)
    if "clutter_small" in sd and name != "clutter_small":
        row["apart"] = value / points["clutter_small"][2] - 1
    rows.append(row)
columns = {"name": ("model", "{}"), "excess": ("excess", "{:.4f}"), "runs": ("runs", "{}")}
columns |= {"sd": ("sd over seeds", "{:.4f}"), "apart": ("from small", "{:+.0%}")}
Markdown(evaluation.format_table(rows, columns, f"{len(val.clean):,} validation pictures"))

# %% [markdown]
# Every seed leads project W's one run and both of the U-Net. So the headline is: 3,345 numbers lead 3,284,993 and 1,095,313, with six tenths of their multiplications.

# %%
if {"clutter_small", "clutter_project_w", "clutter_big"} <= set(each):
    ours, unet = each["clutter_small"], each["clutter_big"]
    large = each["clutter_project_w"][0]
    here = f"seeds {min(ours):.4f} to {max(ours):.4f}; project W {large:.4f}"
    lessons.claim("every seed leads project W's run", max(ours) < large, here, profile)
    here = f"U-Net {min(unet):.4f} to {max(unet):.4f}"
    lessons.claim("every seed leads both U-Nets", max(ours) < min(unet), here, profile)

# %% [markdown]
# > **Correction.** An earlier edition had `signs` ahead of project W, at rate .006; at .018 not.
#
# `five` takes a row of five, 18 filters, 16 steps: all of the cap. `long` is `five`, trained twice as long.
#
# **Predict:** `five`, and the U-Net, with twice as many pictures?

# %%
rows = []
for name in [f"clutter_{one}" for one in ("five", "long", "big_long", "big_long_soap")]:
    done = lessons.find_runs(name, profile)
    row = {"name": name.removeprefix("clutter_"), "runs": len(done)}
    seen = [len(run.history) * run.settings["data"]["images"]["train"] for run in done]
    left = [run.scores["excess"] for run in done] or [np.nan]
    rows.append(row | {"seen": max(seen, default=0), "excess": np.mean(left), "worst": max(left)})
columns = {"name": ("model", "{}"), "runs": ("runs", "{}"), "seen": ("pictures seen", "{:,}")}
columns |= {"excess": ("excess", "{:.4f}"), "worst": ("highest", "{:.4f}")}
if "clutter_project_w" in points:
    ours, long = rows[1]["worst"], rows[2]["excess"]
    here = f"highest {ours:.5f}, U-Net {long:.5f}"
    lessons.claim("each long seed leads the U-Net's long run", ours < long, here, profile)
Markdown(evaluation.format_table(rows, columns, "6,000 pictures to validate"))

# %% [markdown]
# Twice as many pictures help both. Each seed of `long` leads the U-Net's one run, by less than two U-Nets differ. With SOAP it leads `small` in short runs; in long ones it trails Adam (.0048).
#
# ## What the cap hides
#
# The cap counts what is stored. A tied model buys quality with arithmetic instead.

# %%
for name in ("clutter_cap_baseline", "clutter_small", "clutter_big", "clutter_project_w"):
    if name in points:
        times = points[name][1] / points[name][0] * 1e6
        print(f"{name.removeprefix('clutter_'):13} {points[name][0]:>9,} numbers,", end=" ")
        print(f"each used {times:,.0f} times a picture")

# %% [markdown]
# Each number of `small` is used 14,000 times for one picture, of the U-Net's 67 times: six tenths of its arithmetic, and slower (`reports/speed.md`). The cap measures thrift, not cost.
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
known = {"clutter_square": (2625, 29.1, 0.0092), "clutter_medium": (46849, 5.1, 0.0081)}
right = {name for name, point in known.items() if dominates(point, (5000, 40, 0.0095))}
hint = "square: 2,625 and 29.1 million, .0092; medium: 46,849 and 5.1 million, .0081"
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
twins = {"a": (1, 1), "b": (1, 1), "c": (2, 1)}  # equals do not dominate each other
lessons.check(answer_2, lambda names: sorted(names) == ["a", "b"], hint, twins)

# %% [markdown]
# ### Exercise 3 (open)
#
# How many pictures does the bootstrap need, to tell seed 0 from seed 2 of `small`? Find the smallest multiple of `step` for which the 95 % interval of the difference excludes 0, on the first so many pictures of `mixed`, a shuffled order. Answer 0 if all are too few.

# %% tags=["exercise"]
first, second = SEEDS[::2] if SEEDS[2] in errors else list(errors)[:2]
step = profile.pick(25, 5)
mixed = np.random.default_rng(2).permutation(len(val.clean))
answer_3 = ...  # how many pictures

# %% [markdown]
# Check it:


# %% tags=["check"]
def is_smallest(answer):
    """Tell whether `answer` is the smallest number, give or take the luck of the draws."""

    def tells_apart(number):
        some = (errors[first] - errors[second])[mixed[:number]]
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
# - A dominated model, as trained, is no choice.
# - The bootstrap tells the luck of the pictures, seeds that of the training. Three seeds tell far from near, no more.
# - A rival needs its own learning rate.
#
# **References**: O. Ronneberger, P. Fischer and T. Brox (2015), *U-Net: convolutional networks for biomedical image segmentation*, [arXiv:1505.04597](https://arxiv.org/abs/1505.04597). Project W: [vtortega/Denoising-autoencoder](https://github.com/vtortega/Denoising-autoencoder). Project C: [qtvo93/Machine_Learning_General](https://github.com/qtvo93/Machine_Learning_General). B. Efron (1979), *Bootstrap Methods: Another Look at the Jackknife*, [doi:10.1214/aos/1176344552](https://doi.org/10.1214/aos/1176344552).
