# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10. Colour: why did 240 epochs gain nothing?

# %%
from functools import partial

import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, models, noise, plots, profiles, saving, training
from denoise_utils.zoo import originals

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project R* denoised small colour photographs. Its training loss fell to .14 within ten epochs and stayed there for 240 more. It normalised its
# pictures to [-1, 1], clipped the noisy ones to [0, 1], and ended in a sigmoid, which cannot say anything below 0. We reproduce the fault, compute the floor that it sets,
# mend it, and ask how much of the work 3,600 parameters can do.
#
# - **Consumes**: the colour task: a part of CIFAR-10 (the next cell counts it) at 28x28 (anti-aliased), Gaussian noise of sigma .1 on the [0, 1] scale.
# - **Produces**: `models/colour_cap_baseline.h5` (capped), and as references `colour_medium.h5` and `colour_project_r.h5`, project R's architecture with the fault mended.

# %%
sizes = {"num_train": profile.pick(None, 400), "num_val": profile.pick(None, 100), "num_test": profile.num_test}
pairs = noise.load_task("colour", **sizes, seed=seed)
clean = pairs.test.clean
print(f"{pairs.label} at 28x28: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(clean):,} test")

# %% [markdown]
# ## The original
#
# An encoder of four 5x5 convolutions to a code of 10x10x128 and a decoder that mirrors it. Its text says 7x7; the arithmetic says 10x10. PyTorch counts only what is trained: 541,065; with the 710 statistics of batch norm
# that Keras counts too it is 541,775.

# %%
original = originals.project_r_encoder_decoder()
if models.count_parameters(original)[1] != 541065:
    raise ValueError("Expected 541,065 trainable parameters, as project R has.")
figure = plots.draw_model(original.get_layer("encoder"))
figure = plots.draw_model(original.get_layer("decoder"))

# %% [markdown]
# ## The fault, on purpose
#
# Pictures in [-1, 1]; noise of .1 on *that* scale; then everything below mid-grey cut away.


# %%
def faulty(clean, seed):
    """Return project R's (input, target): a target in [-1, 1], an input clipped to [0, 1]."""
    target = 2 * clean - 1
    draw = np.random.default_rng(seed).standard_normal(target.shape, dtype=np.float32)
    return np.clip(target + np.float32(0.1) * draw, 0, 1), target


third = len(pairs.train.clean) // 3  # enough to show a floor
parts = pairs.train.clean[:third], pairs.val.clean, clean
train, val, test = (faulty(part, [seed, number]) for number, part in enumerate(parts))

# %% [markdown]
# What no output in [0, 1] can do better than: 0 wherever the target is negative.

# %%
floors = [float(np.mean(np.minimum(target, 0) ** 2)) for _, target in (train, val, test)]
Markdown(
    f"{np.mean(train[1] < 0):.0%} of the training values lie below mid-grey, and the input has lost them all. An output in [0, 1] is at best 0 there: whatever it does, "
    f"its mean squared error stays above **{floors[0]:.4f}** on train, {floors[1]:.4f} on val, {floors[2]:.4f} on test. "
    f"Project R's curve ended at .14. (Its own range is .137 to .141, at 32x32 and on all its images: resizing takes away contrast, and with it some of the floor.)"
)

# %% [markdown]
# What such an input looks like, beside sigma .1 on [0, 1], the noise of this course's task. That is twice as strong: project R's .1 was on a scale twice as wide.

# %%
picked = slice(0, 10)
rows = {"clean": clean[picked], "R's input": (test[0][picked] + 1) / 2, "sigma .1 on\n[0, 1]": pairs.test.noisy[picked]}
figure = plots.show_images(rows, clean[picked], pairs.label)

# %% [markdown]
# ## Train it: with the fault, and without
#
# The settings are project R's (mean squared error, Adam at .001, batches of 64, weight decay 1e-5), for 20 of its 250 epochs. (Keras's Adam has the decoupled kind of decay, which at these values
# hardly shrinks the weights; PyTorch's adds it to the gradient.) The correction changes the data alone: target, sigmoid and
# clipping on [0, 1], sigma .1 there; it gets eight epochs. The faulty one gets a third of the images.

# %%
common = {"runs": profile.runs, "loss": "mean_squared_error"}
settings = {"batch_size": 64, "weight_decay": 1e-5}
build = originals.project_r_encoder_decoder
record = pairs.record | {"fault": "target in [-1, 1], input clipped to [0, 1]", "images": len(train[0])}
kept = {"name": "colour_fault", "record": record, "epochs": profile.pick(20, 2)}
fault = training.train(build, train, val, **kept, **settings, **common)

# %% [markdown]
# And mended:

# %%
right = (pairs.train.noisy, pairs.train.clean), (pairs.val.noisy, pairs.val.clean)
kept = {"name": "colour_project_r", "record": pairs.record, "epochs": profile.pick(8, 2)}
mended = training.train(build, *right, **kept, **settings, **common)

# %% [markdown]
# The loss curve with its floor, computed above for these training images. (On a third of the images 20 epochs are what 7 are on all of them: the curve is still on its way to the floor that project R's had come down to.)

# %%
figure = plots.show_curves({"project R, as it was": fault}, floors[0], pairs.label, loss="MSE on the [-1, 1] scale")
late, last = fault.history[len(fault.history) // 2]["loss"], fault.history[-1]["loss"]
Markdown(
    f"Training loss: {fault.history[0]['loss']:.4f} after the first epoch, {late:.4f} half way, {last:.4f} at the end, of which {floors[0]:.4f} is the floor: "
    f"{floors[0] / last:.0%} of the loss cannot be learned away, however many epochs follow; what can be is {last - floors[0]:.4f}."
)

# %% [markdown]
# ## Its score, over whole sets
#
# Project R printed "mean L2 per image row": train 1.154, validation 1.757. PyTorch keeps an image as channels, rows, columns, so that a row is 28 values of one channel. Over whole sets (train: the third that it saw):


# %%
def row_score(difference):
    """Return the mean L2 norm over images, channels and rows of a difference (N, H, W, C)."""
    return float(np.mean(np.linalg.norm(np.moveaxis(difference, -1, 1), axis=-1)))


sets = {"train": train, "val": val, "test": test}
limits = {name: row_score(np.minimum(target, 0)) for name, (_, target) in sets.items()}
reached = {name: row_score(evaluation.predict(fault.model, noisy) - target) for name, (noisy, target) in sets.items()}
Markdown(
    "; ".join(f"{name}: {reached[name]:.3f}, the floor's own score {limits[name]:.3f}" for name in sets)
    + f". The printed 1.154 is {'**below** what any output in [0, 1] can reach over the whole set: it cannot be the score of one' if limits['train'] > 1.154 else 'within reach'}; "
    f"and between our train and test there is no gap like its own ({abs(reached['train'] - reached['test']) / reached['test']:.1%} instead of {1.757 / 1.154 - 1:.0%})."
)

# %% [markdown]
# ## A capped model, and one of middle size
#
# Both predict the noise and subtract it, gated by how strong it is, and see fresh noise in every epoch. At this noise nearby pixels say most: the capped one pools once.


# %%
def fresh_noise(clean, rng):
    """Return the clean images under new Gaussian noise: an `augment` of one epoch."""
    return noise.add_gaussian(clean, 0.1, seed=rng)


shapes = {"colour_small": (16, 1), "colour_medium": (32, 2)}
settings = {"epochs": profile.pick(15, 2), "learning_rate": 4e-3, "schedule": "cosine", "augment": fresh_noise}
data = (pairs.train.clean, pairs.train.clean), right[1]
runs = {}
for name, shape in shapes.items():
    shaped = partial(models.gated_autoencoder, *shape, channels=3)
    seeds = profile.seeds if name == "colour_small" else profile.seeds[:1]
    kept = {"name": name, "record": pairs.record, "batch_size": 32} | settings | common
    runs[name] = [training.train(shaped, *data, seed=s, **kept) for s in seeds]
best = {name: min(found, key=lambda run: run.best["val_loss"]) for name, found in runs.items()}

# %% [markdown]
# All three on the [0, 1] scale, with what the untouched validation images have (dotted):

# %%
curves = {"project R, mended": mended, "small": best["colour_small"], "medium": best["colour_medium"]}
untouched = float(evaluation.mse(pairs.val.noisy, pairs.val.clean).mean())
figure = plots.show_curves(curves, label=pairs.label, loss="MSE on the [0, 1] scale")
figure.axes[0].axhline(untouched, color="0.4", linestyle=":")
figure.axes[0].set_yscale("log")
falls = ", ".join(f"{name} {run.best['val_loss']:.5f}" for name, run in curves.items())
Markdown(
    f"Lowest validation losses: {falls}; the noisy images themselves {untouched:.5f}. No floor holds them up any more."
)

# %% [markdown]
# ## The test, once
#
# PSNR and SSIM over all channels. The faulty model's output is shown as it is meant, brought back from [-1, 1] to [0, 1]; its input is its own.

# %%
as_meant = (evaluation.predict(fault.model, test[0]) + 1) / 2
noisy_scores = evaluation.score(pairs.test.noisy, pairs.test)
filtered = baselines.filter_all(pairs, profile.pick(100, 1), profile.runs / "bm3d")
table = evaluation.yardsticks(pairs.test, filtered)
table.append({"name": "project R's noisy input"} | evaluation.score(test[0] / 2 + 0.5, pairs.test))
row = {"name": "project R, as it was", "parameters": fault.model.count_params()}
table.append(row | evaluation.score(as_meant, pairs.test))
finals = {"colour_project_r": mended, "colour_medium": best["colour_medium"], "colour_small": best["colour_small"]}
titles = {"colour_project_r": "project R, mended", "colour_medium": "medium", "colour_small": "small"}
scores = {name: evaluation.score_model(run.model, pairs.test) for name, run in finals.items()}
for name, run in finals.items():
    table.append({"name": titles[name], "parameters": run.model.count_params()} | scores[name])

# %% [markdown]
# Every row on the same scale and the same test images:

# %%
columns = {"name": evaluation.COLUMNS["name"], "parameters": evaluation.COLUMNS["parameters"], "mse": ("MSE", "{:.5f}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("psnr", "psnr_sd", "ssim", "ssim_sd")}
Markdown(evaluation.format_table(table, columns, f"{pairs.label} at 28x28, {len(clean):,} test images; sd over images"))

# %% [markdown]
# The goal, a mean squared error of at most .0020 on test, by the model that is best on *validation* images, and what the small model's seeds say:

# %%
errors = [evaluation.mse(evaluation.predict(run.model, pairs.test.noisy), clean).mean() for run in runs["colour_small"]]
winner = min(finals, key=lambda name: finals[name].best["val_loss"])
goal = "met" if scores[winner]["mse"] <= 0.002 else "missed"
share = finals["colour_small"].model.count_params() / mended.model.count_params()
Markdown(
    f"Best on val: **{titles[winner]}**, with an MSE of {scores[winner]['mse']:.5f} on test: the goal is {goal}. "
    f"The small one, {finals['colour_small'].model.count_params():,} parameters, has {np.mean(errors):.5f} over {len(errors)} seed(s) ({min(errors):.5f} to {max(errors):.5f}); "
    f"project R's architecture, mended, {scores['colour_project_r']['mse']:.5f}. So {share:.1%} of its parameters have {np.mean(errors) / scores['colour_project_r']['mse']:.2f} times its error. "
    "Two things differ: ours corrects the picture instead of drawing it anew, and was trained longer, on fresh noise and a falling rate."
)

# %% [markdown]
# ## Look at it
#
# The same ten pictures: original, noisy, denoised.

# %%
outputs = {titles[name]: evaluation.predict(run.model, pairs.test.noisy[picked]) for name, run in finals.items()}
rows = {"original": clean[picked], "noisy": pairs.test.noisy[picked], "R, as it was": as_meant[picked]}
outputs = {name.replace("project R, ", "R, "): images for name, images in outputs.items()}
figure = plots.show_images(rows | outputs, clean[picked], pairs.label)

# %% [markdown]
# ## Save and reload encoder and decoder
#
# Project R saved both under one name, so that the decoder overwrote the encoder. Two names, and a check that the two files together are the model:

# %%
folder = profile.runs.parent / "halves"
probe = pairs.test.noisy[:20]
for part in ("encoder", "decoder"):
    saving.save_model(mended.model.get_layer(part), folder / f"colour_{part}.h5", {"part of": "colour_project_r"})
encoder, decoder = (saving.load_model(folder / f"colour_{part}.h5") for part in ("encoder", "decoder"))
code = encoder.predict_on_batch(probe)
difference = float(np.abs(decoder.predict_on_batch(code) - mended.model.predict_on_batch(probe)).max())
if difference > 1e-5:
    raise ValueError(f"Expected the reloaded halves to give the model's outputs; they differ by {difference}.")
print(f"code {code.shape[1:]}: {code[0].size:,} numbers for the {probe[0].size:,} of a picture")
print(f"largest difference between model and reloaded halves: {difference:.1g}")

# %% [markdown]
# Compare the two numbers: a code larger than the picture is no bottleneck, and what removes the noise is the training, not the narrowness.

# %% [markdown]
# ## Save

# %%
for name, run in finals.items():
    role = "capped" if name == "colour_small" else "reference"
    limits = f"Gaussian noise of sigma .1 on {pairs.label} at 28x28."
    about = {"task": "colour", "role": role, "scores": scores[name], "noisy_scores": noisy_scores}
    saving.save_run(run, profile.models, name=name.replace("small", "cap_baseline"), **about, limits=limits)

# %% [markdown]
# ## What we learned
#
# - Before training longer, compute what the loss *can* reach: a floor that is drawn on the curve saves 240 epochs.
# - Data, noise and output must share one range; a function that refuses others (`noise.add_gaussian` does) finds this slip in the first minute.
# - Let a small model correct the picture instead of drawing it anew: doing nothing is then free. Notebook 11 asks how far so few parameters go, on every task.
