# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 11. Weight tying: how far do 3,600 parameters go?
#
# The assignment limits what a model *stores*, not how often it is used. Here one step works twenty times.
#
# **You will learn** to call one layer many times, what that buys, what it costs, and what each step does to the picture.
#
# **You need** notebooks 03, 04 and 06.
#
# **It takes** about 4 minutes in the full profile, at most one in the quick one.

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
# The long trainings are loaded.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from keras import layers

from denoise_utils import baselines, evaluation, lessons, models, noise, plots, profiles, saving
from denoise_utils.zoo import recipes

profile, seed = lessons.begin(["digit_judge", "clutter_*", "seeds/clutter_small_*", "runs/step_*"])

# %% [markdown]
# ## The tied step
#
# A Keras layer is an object that holds its weights. Call it again, and the same weights work again. This is *weight tying*: the five lines from `shared` to `Add`. A step *adds* to the channels, so it need only say what should change. Such a sum is called *residual*.


# %%
def tied(steps, filters=12):
    """Build a denoiser that applies one convolution `steps` times."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(filters, 3, padding="same")(inputs)
    start = keras.initializers.VarianceScaling(1.2 / steps, "fan_avg", "uniform")
    shared = layers.Conv2D(filters, 3, padding="same", kernel_initializer=start)  # made once
    for _ in range(steps):
        change = layers.ReLU()(x)
        change = shared(change)  # used many times
        x = layers.Add()([x, change])
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


# %% [markdown]
# `start` draws smaller first weights where there are more steps. `count_multiplications` is that of notebook 04: a [kernel](GLOSSARY.md#kernel) works at every place, in every call.
#
# **Predict:** from 1 step to 16, what happens to the [parameters](GLOSSARY.md#parameter), to the [multiplications](GLOSSARY.md#multiplication), and to how much of the input a pixel sees?

# %%
built = {"capped baseline (notebook 06)": models.capped_autoencoder(20, 1)}
built |= {f"tied, steps: {steps}": tied(steps) for steps in (1, 4, 8, 16)}
rows = []
for name, model in built.items():
    row = {"name": name, "count": model.count_params()}
    row["work"] = models.count_multiplications(model)
    calls = sum(layer.name.startswith("add") for layer in model.layers)
    rows.append(row | {"sees": f"{2 * calls + 5} pixels" if calls else None})
columns = {"name": ("model", "{}"), "count": ("parameters", "{:,}")}
columns |= {"work": ("multiplications", "{:,}"), "sees": ("sees across", "{}")}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# The parameters stay. The work grows, and each step sees a pixel farther. So tying buys sight, for arithmetic.
#
# ## A ladder from the capped baseline
#
# Which part helps? Change one thing at a time (the sum also drops a ReLU). Train each *rung* alike under three seeds.

# %%
part = {"num_train": profile.pick(6000, 200), "num_val": profile.pick(3000, 60), "num_test": 1}
pairs = noise.load_task("clutter", **part, seed=seed)
noisy, clean, val = pairs.train.noisy, pairs.train.clean, pairs.val
judge = lessons.load_model("digit_judge", profile)
few, some = slice(profile.pick(2000, 60)), slice(profile.pick(500, 20))
floor = evaluation.bce_floor(val.clean[few]).mean()
untouched = evaluation.bce(val.noisy[few], val.clean[few]).mean() - floor
noisy_psnr = evaluation.psnr(val.noisy[some], val.clean[some]).mean()
chosen = baselines.choose(("median", "Gaussian blur"), val.noisy, val.clean)
filtered = evaluation.bce(chosen(val.noisy[few]), val.clean[few]).mean() - floor
yardsticks = [{"name": "noisy input", "mean": untouched}]
yardsticks += [{"name": f"filter: {chosen}", "mean": filtered}]
print(f"{len(clean):,} training pictures; the noisy input's excess is {untouched:.4f}")

# %% [markdown]
# The first rung has the baseline's shape, with fewer filters; `tied` is the last.


# %%
def rung(steps=1, pool=False, add=False, filters=12):
    """Build the tied denoiser without small first weights, and with or without the sum."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(filters, 3, padding="same")(inputs)
    x = layers.MaxPooling2D(2)(x) if pool else x
    shared = layers.Conv2D(filters, 3, padding="same")
    for _ in range(steps):
        change = shared(layers.ReLU()(x))
        x = layers.Add()([x, change]) if add else change
    x = x if add else layers.ReLU()(x)
    x = layers.UpSampling2D(2)(x) if pool else x
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


# %% [markdown]
# **Predict:** which of the four changes helps most? Does one make it worse?

# %% tags=["trains"]
ladder = {"pool and upsample": lambda: rung(pool=True), "no pooling": rung}
ladder |= {"applied 8 times": lambda: rung(8), "as a sum, no last ReLU": lambda: rung(8, add=True)}
ladder["small first weights"] = lambda: tied(8)
found = {name: [] for name in ladder}
for run_seed in profile.seeds:
    for name, build in ladder.items():
        print(f"\r{name}, seed {run_seed} ...            ", end="", flush=True)
        keras.utils.set_random_seed(run_seed)
        model = build()
        rate = keras.optimizers.schedules.CosineDecay(4e-3, len(clean) // 16)  # falls to 0
        model.compile(keras.optimizers.Adam(rate), "binary_crossentropy")
        model.fit(noisy, clean, batch_size=16, verbose=0)
        loss = evaluation.bce(evaluation.predict(model, val.noisy[few]), val.clean[few]).mean()
        found[name].append(float(loss - floor))

# %% [markdown]
# The [excess](GLOSSARY.md#excess), with its [spread](GLOSSARY.md#spread) `sd` over seeds; multiplications in millions.

# %% tags=["trains"]
rows, before = [*yardsticks], None
for name, values in found.items():
    row = {"name": name, "work": models.count_multiplications(ladder[name]()) / 1e6}
    row |= {"lowest": min(values), "mean": np.mean(values), "highest": max(values)}
    row["sd"] = np.std(values, ddof=1) if len(values) > 1 else None
    row["change"] = row["mean"] / before - 1 if before else None
    before = row["mean"]
    rows.append(row)
columns = {"name": ("rung", "{}"), "work": ("multiplications", "{:.1f}")}
columns |= {key: (key, "{:.4f}") for key in ("lowest", "mean", "highest", "sd")}
columns["change"] = ("change of the mean", "{:+.0%}")
clear = max(found["applied 8 times"]) < min(found["no pooling"])
clear &= max(found["small first weights"]) < min(found["as a sum, no last ReLU"])
lessons.claim("eight calls and small weights gain under every seed", clear, "below", profile)
Markdown(evaluation.format_table(rows, columns, f"excess; {len(clean):,} pictures, once each"))

# %% [markdown]
# No mean rises. Eight calls, for seven times the work, and small first weights gain under every seed. The others may be luck.
#
# **What in the step does it?** A step is now a column of three pixels, then a row. It or the optimizer differ, and the width, to fit the cap. *Mirrored* puts $\max(0, -x)$ beside ReLU. The [optimizers](GLOSSARY.md#optimizer) SOAP and Muon treat a kernel's numbers together; Adam takes each alone.
#
# **Predict:** what counts: the mirror or the optimizer?

# %%
titles = {"relu_muon": "ReLU, 22 filters, Muon", "relu": "ReLU, 22 filters"}
titles |= {"prelu": "learned slope, 22", "signs_muon": "mirrored, 16, Muon"}
titles |= {"signs_row": "mirrored for the row only, 18", "signs_column": "for the column only, 18"}
titles |= {"beside": "x and ReLU, 16", "signs": "mirrored, 16", "turned": "turned, 22, 20 steps"}
rows, ends = [], {}
for name, title in titles.items():
    runs = lessons.find_runs(f"step_{name}", profile)
    ends[name] = [one.scores["excess"] for one in runs] or [np.nan]
    row = {"name": title, "mean": np.mean(ends[name]), "runs": len(runs)}
    rows.append(row | {"lowest": min(ends[name]), "highest": max(ends[name])})
columns = {"name": ("step", "{}"), "runs": ("runs", "{}")}
columns |= {key: (key, "{:.4f}") for key in ("lowest", "mean", "highest")}
mirrors = max(ends["signs"] + ends["beside"]) < min(ends["relu"])
lessons.claim("under SOAP, both signs beat each run of ReLU", mirrors, "below", profile)
Markdown(evaluation.format_table(rows, columns, "excess after 108,000 pictures; SOAP unless said"))

# %% [markdown]
# Under SOAP, passing both signs (*mirrored*, *x and ReLU*) gains 10 to 13 % on ReLU. Before one convolution alone, or with a learned slope, all stays inside ReLU's range. Under Muon mirrors gain 3 %, with ReLU SOAP 3 %: inside the range. Together: 16 %. Turning (below) gains 8 %: ranges touch.
#
# ## The long run
#
# `clutter_signs` saw 54,000 digits twelve times, each time under a fresh garment. Each of its 16 steps mirrors 16 channels, passes the column, mirrors, and passes the row, under SOAP. `clutter_relu` has 22 filters, and Muon (each the best of three). `clutter_small` has the row alone. Every other of its 20 steps *turns* the picture first, then back: there the row is a column. One [kernel](GLOSSARY.md#kernel) fewer pays for 22 filters.


# %%
def load(name):
    """Load a model of the course; where there is none, train it briefly."""
    try:
        return lessons.load_model(name, profile)
    except FileNotFoundError:
        kind, run_seed = (name[6:-2], int(name[-1])) if name.startswith("seeds/") else (name, 0)
        run = recipes.train(kind, profile, seed=run_seed)
        path = profile.models / f"{name}.h5"
        about = {"task": "clutter", "role": "reference", "limits": "Hardly trained."}
        saving.save_run(run, path.parent, name=path.stem, scores={}, noisy_scores={}, **about)
        return run.model


# %% [markdown]
# **Predict:** which have less excess than the three seeds of `clutter_small`? Project W has 982 times the parameters.

# %%
names = ["relu", "signs", "medium", "big"]
names = ["cap_baseline", "tiny", *profile.pick(names, []), "project_w"]
names = [f"clutter_{name}" for name in names]
names[2:2] = seeds = [f"seeds/clutter_small_{number}" for number in profile.seeds]
rows = [{"name": "noisy input"} | evaluation.score(val.noisy, val, judge)]
rows += [{"name": f"filter: {chosen}"} | evaluation.score(chosen(val.noisy), val, judge)]
for name in names:
    print(f"\r{name} ...              ", end="", flush=True)
    model, card = load(name), saving.read_card(lessons.find_model(name, profile))
    seen = card["epochs_run"] * card["settings"]["data"]["images"]["train"]
    row = {"name": name.rpartition("/")[2], "parameters": model.count_params(), "seen": seen}
    row |= {"work": models.count_multiplications(model) / 1e6}
    rows.append(row | evaluation.score_model(model, val, judge))

# %% [markdown]
# `seen` counts repetitions:

# %%
columns = {"name": ("model", "{}"), "parameters": ("parameters", "{:,}")}
columns |= {"work": ("multiplications, M", "{:.1f}"), "seen": ("seen", "{:,}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("excess", "psnr", "legibility")}
by_name = {row["name"]: row["excess"] for row in rows}
ours = [by_name[name.rpartition("/")[2]] for name in seeds]
baseline, large = by_name["clutter_cap_baseline"], by_name["clutter_project_w"]
sharp = {row["name"]: row["psnr"] for row in rows}
told = f"seeds {min(ours):.4f} to {max(ours):.4f}; {baseline:.4f}; project W {large:.4f}"
lessons.claim("every seed beats the baseline", max(ours) < baseline, told, profile)
least = min(value for name, value in by_name.items() if "_small_" not in name)
dull = max(value for name, value in sharp.items() if "_small_" not in name)
leads = max(ours) < least and min(sharp[name.rpartition("/")[2]] for name in seeds) > dull
lessons.claim("every seed leads all others, in PSNR too", leads, told, profile)
rows.sort(key=lambda row: -row["excess"])
Markdown(evaluation.format_table(rows, columns, f"{len(val.clean):,} validation pictures"))

# %% [markdown]
# In excess and PSNR every seed leads all others: the U-Net (`clutter_big`) and project W, too. Optimizers differed, so only the ladder tests tying. The work: `clutter_small` needs 45.8 million multiplications, 81 times the baseline's, and six tenths of the rivals'. It is small, not fast.
#
# > **Correction.** An earlier edition had project W behind `clutter_signs`, by a poor learning rate.
#
# ## The picture after each step
#
# The last convolution, the *readout*, turns channels into a picture. It was trained for the last step only. Put it after every step all the same.
#
# **Predict:** does the picture improve with each step?


# %%
# Figure: five digits, noisy, after steps 1, 5, 8, 10, 15 and 20, and clean; sharp by step 15.
def after_each(model, steps):
    """Return a model that gives the picture after each of `steps` steps of clutter_small."""
    longer = models.tied_denoiser(22, steps, turned=3, signs=True)
    longer.set_weights(model.get_weights())
    added = [layer.output for layer in longer.layers if isinstance(layer, layers.Add)]
    return keras.Model(longer.input, [longer.get_layer("readout")(x) for x in added])


small = load("clutter_small")
usual = sum(isinstance(layer, layers.Add) for layer in small.layers)  # 20 steps
pictures = after_each(small, usual).predict(val.noisy[:5], verbose=0)
shown = {"noisy": val.noisy[:5]}
shown |= {f"step {n}": pictures[n - 1] for n in (1, 5, 8, 10, 15, 20) if n <= usual}
figure = plots.show_images(shown | {"clean": val.clean[:5]}, val.clean[:5], pairs.label)

# %% [markdown]
# Not at first: no loss ever asked for a picture there. Later it improves in pairs: a row alone sets it back (next figure). By step 15 four of five are clean.
#
# **Predict:** trained for 20 steps, what do the three seeds do with 40?

# %%
# Figure: PSNR by number of steps, a line for each seed: a peak at step 20, then three ways down.
figure, axes = plt.subplots(figsize=(7, 3.4))
ends, at = [], iter(["top", "bottom", "center"])
for name in seeds:
    pictures = after_each(load(name), 2 * usual).predict(val.noisy[some], 50, verbose=0)
    curve = [evaluation.psnr(one, val.clean[some]).mean() for one in pictures]
    ends.append((int(np.argmax(curve)) + 1, float(round(curve[usual - 1] - curve[-1], 1))))
    axes.plot(range(1, 2 * usual + 1), curve)
    axes.annotate(f" seed {name[-1]}: {curve[-1]:.1f} dB", (2 * usual, curve[-1]), va=next(at))
axes.axvline(usual, color="0.4", linestyle=":")
axes.annotate(f"{usual}: as trained ", (usual, curve[0]), ha="right")
axes.set(xlabel="steps", ylabel="mean PSNR (dB)", xlim=(1, 2.7 * usual))
stops = all(peak == usual and lost > 5 for peak, lost in ends)
told = f"(best, lost): {ends}"
lessons.claim("each is best at 20, and loses over 5 dB by 40", stops, told, profile)

# %% [markdown]
# All are best at step 20, where training stopped. With 40, seeds differ by 8 dB: nothing held them.
#
# > **Correction.** An earlier edition said that twice as many steps "cost everything". It had looked at one seed.
#
# ## Exercises
#
# ### Exercise 1 (easy): how wide?
#
# What is the largest number of filters with which `tied(8, filters)` keeps to the cap of 3,600? And `tied(100, filters)`? Write the number of parameters as a formula of `filters` first.

# %% tags=["exercise"]
answer_1 = ...  # (filters for 8 steps, filters for 100 steps)

# %% [markdown]
# The check builds them, with fewer steps than 100:

# %% tags=["check"]
counts = {number: tied(2, number).count_params() for number in range(8, 26)}
widest = max(number for number in counts if counts[number] <= profiles.CAP)
hint = "Three convolutions: 1 to F channels, F to F, F to 1. Do the steps count?"
lessons.check(answer_1, (widest, widest), hint)

# %% [markdown]
# ### Exercise 2 (medium): rows that become columns
#
# Write the model of the long run: `tied` with another step. Mirror, convolve with a row of 1x3 pixels, add. To *mirror* is to put the ReLU of $x$ beside the ReLU of $-x$: twice as many channels. The second, the fourth, each even step turns what goes into the row, and turns back what comes out: `layers.Permute((2, 1, 3))` does both. The row is tied. If yours is right, it takes the weights of `clutter_small`, and denoises as it does.


# %% tags=["exercise"]
def turning(steps, filters=22):
    return ...


# %% [markdown]
# Check it:


# %% tags=["check"]
def is_clutter_small(model):
    """Say whether a model with the weights of clutter_small gives its pictures."""
    model.set_weights(small.get_weights())
    noisy_few = val.noisy[:20]
    wanted = evaluation.predict(small, noisy_few)
    return np.allclose(evaluation.predict(model, noisy_few), wanted, atol=1e-4)


hint = "Make the row before the loop. layers.Concatenate mirrors, the ReLU of x first; "
hint += "layers.Rescaling(-1.0) turns the sign. Does the first step turn the picture?"
lessons.check(lambda: turning(usual), is_clutter_small, hint)

# %% [markdown]
# ### Exercise 3 (open): a model that can stop
#
# `clutter_small` falls apart beyond its 20 steps. Train a tied model that does not: after 16 steps it is at most 1 dB worse than after 8. After 8 it is at least 3 dB better than the noisy input (in a short run: at most 3 dB worse). Keep to the cap. Your function builds it for a number of steps; all calls share the trained layers. Think: where could the loss look?


# %% tags=["exercise"]
def build_for(steps):
    return ...  # a keras.Model on trained layers that you made outside of this function


# %% [markdown]
# Check it:


# %% tags=["check"]
def can_stop(once):
    """Say whether models of 8 and of 16 steps are one, legal, good, and alike."""
    twice = build_for(16)
    tied_ones = once.count_params() == twice.count_params() <= profiles.CAP
    works = models.count_multiplications(twice) > 1.5 * models.count_multiplications(once)
    answers = [evaluation.predict(model, val.noisy[some]) for model in (once, twice)]
    before, after = (evaluation.psnr(answer, val.clean[some]).mean() for answer in answers)
    return tied_ones and works and before > noisy_psnr + profile.pick(3, -3) and after > before - 1


hint = "Put the readout after steps 8, 12 and 16, and let the loss see all three pictures."
lessons.check(lambda: build_for(8), can_stop, hint)

# %% [markdown]
# ## What we learned
#
# - A layer called many times costs its parameters once, and its multiplications each time.
# - Two changes helped beyond the spread: more calls, and small first weights.
# - Compare with seeds: a small lead may be luck.
# - More calls helped at equal training. 3,345 parameters lead a U-Net's million and project W's 3.28 million.
# - The model stops well only where it was trained to stop.
#
# **References**
#
# - J. Kim, J. K. Lee and K. M. Lee (2016), *Deeply-recursive convolutional network for image super-resolution*, [arXiv:1511.04491](https://arxiv.org/abs/1511.04491).
# - Y. Tai, J. Yang and X. Liu (2017), *Image super-resolution via deep recursive residual network*, [doi:10.1109/CVPR.2017.298](https://doi.org/10.1109/CVPR.2017.298).
# - K. He, X. Zhang, S. Ren and J. Sun (2016), *Identity mappings in deep residual networks*, [arXiv:1603.05027](https://arxiv.org/abs/1603.05027).
# - W. Shang, K. Sohn, D. Almeida and H. Lee (2016), *Understanding and improving convolutional neural networks via concatenated rectified linear units*, [arXiv:1603.05201](https://arxiv.org/abs/1603.05201).
# - A. Mordvintsev, E. Randazzo, E. Niklasson and M. Levin (2020), *Growing neural cellular automata*, [doi:10.23915/distill.00023](https://doi.org/10.23915/distill.00023).
# - K. Jordan et al. (2024), *Muon: an optimizer for hidden layers in neural networks*, [kellerjordan.github.io/posts/muon](https://kellerjordan.github.io/posts/muon/). N. Vyas et al. (2024), *SOAP: improving and stabilizing Shampoo using Adam*, [arXiv:2409.11321](https://arxiv.org/abs/2409.11321).
