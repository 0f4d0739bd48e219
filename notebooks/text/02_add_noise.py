# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Add noise: how much damage is it, and when can it no longer be read?

# %%
import time

import numpy as np
from IPython.display import Markdown

from denoise_utils import data, evaluation, models, noise, plots, profiles, saving, training

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# Five older course projects damaged pictures in four ways (marks, lines, garments, Gaussian noise), and none said by how much. We rebuild their noises, check ours against the damage that their
# recipes do, and add what none of them had: a measure of **legibility**, by a classifier that has seen clean digits only.
#
# - **Consumes**: the digits and garments of notebook 1.
# - **Produces**: `models/digit_judge.h5`, the classifier that every later notebook asks "can you read this?".

# %%
sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": profile.num_test}
digits, garments = (data.load_splits(name, **sizes, seed=seed) for name in ("mnist", "fashion_mnist"))
clean, labels = digits.test.images, digits.test.labels
label = digits.label if digits.label == garments.label else f"{digits.label} + {garments.label}"
print(f"{len(clean):,} test digits, {len(garments.test.images):,} test garments ({label})")

# %% [markdown]
# ## Six ways to spoil a picture
#
# Each function of `noise.py` takes clean images and a seed, returns new ones in [0, 1], and leaves its input alone. We call them all in
# the same way:


# %%
def spoil(kind, strength, images=clean, over=garments.test.images):
    """Return `images` damaged by one kind of noise at one strength."""
    makers = {
        "watermark": lambda: noise.add_watermark(images, strength, seed=seed),
        "occlusion": lambda: noise.add_occlusion(images, strength, seed=seed),
        "clutter": lambda: noise.add_clutter(images, over, strength, seed=seed),
        "gaussian": lambda: noise.add_gaussian(images, strength, seed=seed),
        "salt and pepper": lambda: noise.add_salt_and_pepper(images, strength, seed=seed),
        "masking": lambda: noise.add_masking(images, strength, seed=seed),
    }
    return makers[kind]()


# %% [markdown]
# Ten fixed test digits under each noise, with the PSNR of every picture over it:

# %%
shown = {"watermark": 10, "occlusion": 1, "clutter": "sum", "gaussian": 0.2, "salt and pepper": 0.5, "masking": 0.5}
rows = {"clean": clean[:10]} | {f"{kind}\n{strength}": spoil(kind, strength)[:10] for kind, strength in shown.items()}
figure = plots.show_images(rows, clean[:10], label=label)

# %% [markdown]
# Clutter is hard for a filter: the garment is as smooth and as well shaped as the digit. Whoever knows only "noise is rough, pictures are smooth" cannot tell
# them apart; something has to know what a digit looks like.

# %% [markdown]
# ## PSNR, and two ways to average it
#
# For a peak of 1, PSNR is $-10\log_{10}(\text{MSE})$ decibels: 20 dB is a mean squared error of .01, and 10 dB more is a tenth of it. Older
# projects quote the PSNR *of the mean error*; we quote the mean of every image's own PSNR, which has a spread and cannot be ruled by a few bad
# images. The table gives both, for several strengths of each noise.

# %%
strengths = {
    "watermark": [1, 5, 10, 20, 30],
    "occlusion": [1, 3, 5],
    "clutter": list(noise.MIXES),
    "gaussian": [0.05, 0.1, 0.2, 0.4, 0.8],
    "salt and pepper": [0.1, 0.3, 0.5, 0.9],
    "masking": [0.1, 0.3, 0.5, 0.9],
}
rows = []
for kind, values in strengths.items():
    for strength in values:
        noisy = spoil(kind, strength)
        errors, scores = evaluation.mse(noisy, clean), evaluation.psnr(noisy, clean)
        row = {"kind": kind, "strength": strength, "mse": errors.mean(), "pooled": -10 * np.log10(errors.mean())}
        rows.append(row | {"psnr": scores.mean(), "psnr_sd": scores.std()})

# %% [markdown]
# `strength` is marks per image, pixels of thickness, the way of mixing, sigma on the [0, 1] scale, or the fraction of pixels hit.

# %%
columns = {"kind": ("noise", "{}"), "strength": ("strength", "{}"), "mse": ("MSE", "{:.4f}")}
columns |= {"pooled": ("PSNR of mean MSE", "{:.1f}"), "psnr": ("mean PSNR (dB)", "{:.1f}"), "psnr_sd": ("sd", "{:.1f}")}
Markdown(evaluation.format_table(rows, columns, f"{label}, {len(clean):,} test images"))

# %% [markdown]
# How far apart the two averages can lie:

# %%
widest = max(rows, key=lambda row: row["psnr"] - row["pooled"])
Markdown(
    f"The mean of the images' PSNR is never below the PSNR of the mean error; the widest gap, "
    f"{widest['psnr'] - widest['pooled']:.1f} dB, is at {widest['kind']} {widest['strength']}, where images differ most "
    f"(sd {widest['psnr_sd']:.1f} dB)."
)

# %% [markdown]
# ## Do we damage as the older projects did?
#
# The damage that their recipes do to the whole MNIST test set (MSE, worked out once from the recipes) beside ours. The full profile must reproduce it
# within 2 % or stop; on fewer or other images the figures differ, as they should.

# %%
recipe = {("watermark", 1): 0.0092, ("watermark", 5): 0.0445, ("watermark", 10): 0.086}
recipe |= {("watermark", 20): 0.162, ("watermark", 30): 0.229, ("occlusion", 1): 0.0263, ("gaussian", 0.2): 0.0212}
recipe |= {("BCE floor", "test"): 0.0581, ("BCE floor", "train"): 0.0584}
ours = {(row["kind"], row["strength"]): row["mse"] for row in rows}
for part in ("test", "train"):
    ours["BCE floor", part] = evaluation.bce_floor(getattr(digits, part).images).mean()
compared = [
    {"figure": f"{kind}, {strength}", "recipe": value, "ours": ours[kind, strength]}
    | {"ratio": ours[kind, strength] / value}
    for (kind, strength), value in recipe.items()
]
columns = {"figure": ("figure", "{}")} | {key: (key, "{:.4f}") for key in ("recipe", "ours", "ratio")}
Markdown(evaluation.format_table(compared, columns, label))

# %% [markdown]
# The last two rows are the **floor** of binary cross-entropy: the entropy of the grey pixels themselves. A loss can come near it and never
# below it, so from here on we quote the *excess* over the floor, which does go to 0.

# %%
worst = max(compared, key=lambda row: abs(row["ratio"] - 1))
if profile.name == "full" and abs(worst["ratio"] - 1) > 0.02:
    raise ValueError(f"Expected the damage of the older recipes within 2 %, got {worst}")
floor = evaluation.bce_floor(clean).mean()
Markdown(
    f"The furthest from its recipe's figure is {worst['figure']}, by {abs(worst['ratio'] - 1):.1%}. "
    f"A perfect model would still show a BCE of {floor:.4f} on these {len(clean):,} test images."
)

# %% [markdown]
# ## A judge of legibility
#
# "78 % of the outputs are readable" was one project's verdict, by eye. We train a small convolutional classifier on **clean** training digits, moved
# by up to two pixels so that it does not insist on a place; it never sees a noisy or a denoised one. Legibility is then the share of
# images whose digit it reads correctly.

# %%
settings = {"epochs": profile.judge_epochs, "batch_size": 64, "learning_rate": 3e-3, "schedule": "cosine", "seed": seed}
record = {"task": "digits", "datasets": {digits.name: digits.sha256}, "seed": seed, "images": len(digits.train.images)}
run = training.train(
    models.digit_judge,
    (digits.train.images, digits.train.labels),
    (digits.val.images, digits.val.labels),
    name="digit_judge",
    runs=profile.runs,
    record=record,
    loss="sparse_categorical_crossentropy",
    augment=data.shift_randomly,
    **settings,
)

# %% [markdown]
# Its score on clean test digits is the ceiling of every legibility that we will quote; it is saved with a card that says so.

# %%
judge = run.model
ceiling = evaluation.legibility(judge, clean, labels)
scores, limits = {"accuracy": ceiling, "images": len(clean)}, "Reads clean digits only; a measure, not a denoiser."
about = {"task": "digits", "role": "judge", "scores": scores, "noisy_scores": None, "limits": limits}
saving.save_run(run, profile.models, **about)
Markdown(
    f"The judge has {judge.count_params():,} parameters and reads **{ceiling:.2%}** of {len(clean):,} clean test digits "
    f"({digits.label}); it was trained for {len(run.history)} epochs."
)

# %% [markdown]
# ## When does a digit become illegible?
#
# The judge reads the noisy test digits at every strength. Strength is drawn as the noisy images' PSNR, so that six noises fit one axis.

# %%
for row in rows:
    row["legibility"] = evaluation.legibility(judge, spoil(row["kind"], row["strength"]), labels)
lines = {kind: [row for row in rows if row["kind"] == kind] for kind in strengths}
figure, axes = plots.plt.subplots(figsize=(7, 3.8))
for kind, found in lines.items():
    style = "s" if kind == "clutter" else "o-"
    axes.plot([row["psnr"] for row in found], [row["legibility"] for row in found], style, markersize=4, label=kind)
axes.axhline(ceiling, color="0.5", linestyle=":", label=f"clean: {ceiling:.1%}")
axes.set(xlabel="PSNR of the noisy images (dB)", ylabel="share read by the judge")
axes.legend(fontsize=8, ncols=2)
figure.text(0.99, 0, label, ha="right", fontsize=7, color="0.45")
figure.tight_layout()

# %% [markdown]
# PSNR and legibility part company. Of all pairs of strengths whose PSNR differs by at most half a decibel, the one whose legibility differs most:

# %%
close = [(a, b) for a in rows for b in rows if 0 <= a["psnr"] - b["psnr"] <= 0.5]
easy, hard = max(close, key=lambda pair: abs(pair[0]["legibility"] - pair[1]["legibility"]))
Markdown(
    f"{easy['kind']} {easy['strength']} at {easy['psnr']:.1f} dB leaves {easy['legibility']:.0%} of the digits readable, "
    f"{hard['kind']} {hard['strength']} at {hard['psnr']:.1f} dB {hard['legibility']:.0%}. "
    "That is why every table of this course quotes both."
)

# %% [markdown]
# ## The starting line of every task
#
# The untouched noisy input of each task at its canonical strength, scored as all models will be; the last row is what the judge reads on clean images.

# %%
one = {"num_train": 1, "num_val": 1, "num_test": profile.num_test}
tasks = {task: noise.load_task(task, **one, seed=seed) for task in noise.TASKS}
table = [
    {"name": f"{task}, {loaded.label}"} | evaluation.score(loaded.test.noisy, loaded.test, judge)
    for task, loaded in tasks.items()
]
table.append({"name": "clean images", "legibility": ceiling})
columns = {"name": ("noisy input of", "{}"), "images": ("test images", "{:,}")}
columns |= {key: value for key, value in evaluation.COLUMNS.items() if key not in ("name", "parameters")}
Markdown(evaluation.format_table(table, columns, "no model; BCE and excess in nats per pixel; sd over images"))

# %% [markdown]
# ## Fast enough to make noise afresh in every epoch
#
# Each noise damages 60,000 images at once with array operations; a Python loop over images would take minutes.

# %%
many = np.resize(clean, (60000, *clean.shape[1:])) if profile.name == "full" else clean
over = np.resize(garments.test.images, many.shape)
for kind, strength in shown.items():
    started = time.perf_counter()
    spoil(kind, strength, many, over)
    print(f"{kind:16} {len(many):,} images in {time.perf_counter() - started:.2f} s")

# %% [markdown]
# ## What we learned
#
# - We can damage images as the older projects did (how nearly, the table says), and every damage is seeded and quick.
# - BCE has a floor: quote the excess. PSNR is averaged per image and comes with its spread.
# - Legibility is measured by a judge that never saw a noisy digit. Notebook 4 asks what 3,600 parameters can buy.
