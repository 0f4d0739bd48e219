# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. Colour: why did 240 epochs gain nothing?

# %%
from functools import partial

import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, models, noise, originals, plots, profiles, saving, training

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project R* denoised small colour photographs. Its training loss fell to .14 within ten epochs and stayed there for 240 more. It normalised its
# pictures to [-1, 1], clipped the noisy ones to [0, 1], and ended in a sigmoid, which cannot say anything below 0. We reproduce the fault, compute the floor that it sets,
# mend it, and ask how much of the work 3,600 parameters can do.
#
# - **Consumes**: the colour task: CIFAR-10 at 28x28 (anti-aliased), Gaussian noise of sigma .1 on the [0, 1] scale.
# - **Produces**: `models/colour_small.h5` (capped), and as references `colour_medium.h5` and `colour_big.h5`, project R's architecture with the fault mended.

# %%
sizes = {"num_train": profile.pick(None, 400), "num_val": profile.pick(None, 100), "num_test": profile.num_test}
pairs = noise.load_task("colour", **sizes, seed=seed)
clean = pairs.test.clean
print(f"{pairs.label} at 28x28: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(clean):,} test")

# %% [markdown]
# ## The original
#
# An encoder of four 5x5 convolutions to a code of 10x10x128 and a decoder that mirrors it. Its text says 7x7; the arithmetic says 10x10. PyTorch counts only what is trained: 541,065.

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


half = len(pairs.train.clean) // 2  # a floor does not depend on the number of images
parts = pairs.train.clean[:half], pairs.val.clean, clean
train, val, test = (faulty(part, [seed, number]) for number, part in enumerate(parts))
floors = [float(np.mean(np.minimum(target, 0) ** 2)) for _, target in (train, val, test)]
Markdown(
    f"{np.mean(train[1] < 0):.0%} of the training values lie below mid-grey, and the input has lost them all. An output in [0, 1] is at best 0 there: whatever it does, "
    f"its mean squared error stays above **{floors[0]:.4f}** on train, {floors[1]:.4f} on val, {floors[2]:.4f} on test."
)

# %% [markdown]
# What such an input looks like, beside the same noise done properly:

# %%
picked = slice(0, 10)
rows = {"clean": clean[picked], "R's input": (test[0][picked] + 1) / 2, "sigma .1 on\n[0, 1]": pairs.test.noisy[picked]}
figure = plots.show_images(rows, clean[picked], pairs.label)

# %% [markdown]
# ## Train it: with the fault, and without
#
# The settings are project R's (mean squared error, Adam at .001, batches of 64, weight decay 1e-5, the decoupled kind that Keras has), for 20 of its 250 epochs. The correction changes the data alone: target and sigmoid on [0, 1],
# clipping on [0, 1]; ten epochs are enough for it. The faulty one gets half of the images.

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
kept = {"name": "colour_big", "record": pairs.record, "epochs": profile.pick(10, 2)}
mended = training.train(build, *right, **kept, **settings, **common)

# %% [markdown]
# The loss curve with its floor, computed above:

# %%
figure = plots.show_curves({"project R, as it was": fault}, floors[0], pairs.label, loss="MSE on the [-1, 1] scale")
late, last = fault.history[len(fault.history) // 2]["loss"], fault.history[-1]["loss"]
Markdown(
    f"Training loss: {fault.history[0]['loss']:.4f} after the first epoch, {late:.4f} half way, {last:.4f} at the end, of which {floors[0]:.4f} is the floor: "
    f"{floors[0] / last:.0%} of the loss could not be learned away. What 240 more epochs worked on is the other {last - floors[0]:.4f}."
)

# %% [markdown]
# ## Its score, over whole sets
#
# Project R printed "mean L2 per image row": train 1.154, validation 1.757. A row here is 28 pixels of 3 channels. Over whole sets:


# %%
def row_score(model, inputs, target):
    """Return the mean over images and rows of the L2 distance between output and target."""
    rows = (evaluation.predict(model, inputs) - target).reshape(*target.shape[:2], -1)
    return float(np.mean(np.linalg.norm(rows, axis=-1)))


limit = float(np.mean(np.linalg.norm(np.minimum(test[1], 0).reshape(len(test[1]), 28, -1), axis=-1)))
found = {name: row_score(fault.model, *part) for name, part in (("train", train), ("val", val), ("test", test))}
Markdown(
    f"{', '.join(f'{name} {value:.3f}' for name, value in found.items())}; the floor's own score on test is {limit:.3f}. "
    f"Train and test differ by {abs(found['train'] - found['test']) / found['test']:.1%}: the wide gap between its two figures is not overfitting; they were not taken over whole sets."
)

# %% [markdown]
# ## A capped model, and one of middle size
#
# Both predict the noise and subtract it, gated by how strong it is, and see fresh noise in every epoch. At this noise nearby pixels say most: the capped one pools once.


# %%
def fresh_noise(clean, rng):
    """Return the clean images under new Gaussian noise: an `augment` of one epoch."""
    return noise.add_gaussian(clean, 0.1, seed=rng)


sizes = {"colour_small": (16, 1), "colour_medium": (48, 2)}
settings = {"epochs": profile.pick(15, 2), "learning_rate": 4e-3, "schedule": "cosine", "augment": fresh_noise}
data = (pairs.train.clean, pairs.train.clean), right[1]
runs = {}
for name, shape in sizes.items():
    shaped = partial(models.gated_autoencoder, *shape, channels=3)
    seeds = profile.seeds if name == "colour_small" else profile.seeds[:1]
    kept = {"name": name, "record": pairs.record, "batch_size": 32} | settings | common
    runs[name] = [training.train(shaped, *data, seed=s, **kept) for s in seeds]
best = {name: min(found, key=lambda run: run.best["val_loss"]) for name, found in runs.items()}

# %% [markdown]
# All three on the [0, 1] scale, and now the loss goes where it should:

# %%
curves = {"project R, mended": mended, "small": best["colour_small"], "medium": best["colour_medium"]}
figure = plots.show_curves(curves, label=pairs.label, loss="MSE on the [0, 1] scale")
figure.axes[0].set_yscale("log")

# %% [markdown]
# ## The test, once
#
# PSNR and SSIM over all channels. The faulty model's output is shown as it is meant, brought back from [-1, 1] to [0, 1]; its input is its own.

# %%
as_meant = (evaluation.predict(fault.model, test[0]) + 1) / 2
noisy_scores = evaluation.score(pairs.test.noisy, pairs.test)
table = [{"name": "noisy input"} | noisy_scores]
filtered = baselines.filter_all(pairs, profile.pick(100, 1), profile.runs / "bm3d")
table += evaluation.score_filters(pairs.test, filtered)
table.append({"name": "project R's noisy input"} | evaluation.score(test[0] / 2 + 0.5, pairs.test))
row = {"name": "project R, as it was", "parameters": fault.model.count_params()}
table.append(row | evaluation.score(as_meant, pairs.test))
finals = {"colour_big": mended, "colour_medium": best["colour_medium"], "colour_small": best["colour_small"]}
titles = {"colour_big": "project R, mended", "colour_medium": "medium", "colour_small": "small"}
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
# The goal, a mean squared error of at most .0020 on test, and what the small model's seeds say:

# %%
errors = [evaluation.mse(evaluation.predict(run.model, pairs.test.noisy), clean).mean() for run in runs["colour_small"]]
winner = min(scores, key=lambda name: scores[name]["mse"])
reached = scores[winner]["mse"] <= 0.002
Markdown(
    f"The best is **{titles[winner]}** with an MSE of {scores[winner]['mse']:.5f}: the goal is {'met' if reached else 'missed'}. "
    f"The small one, {finals['colour_small'].model.count_params():,} parameters, has {np.mean(errors):.5f} over {len(errors)} seed(s) ({min(errors):.5f} to {max(errors):.5f}); "
    f"project R's {mended.model.count_params():,}, mended, {scores['colour_big']['mse']:.5f}: a code of 10x10 must redraw every picture, a residual only corrects it."
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
    saving.save_model(mended.model.get_layer(part), folder / f"colour_{part}.h5", {"part of": "colour_big"})
encoder, decoder = (saving.load_model(folder / f"colour_{part}.h5") for part in ("encoder", "decoder"))
code = encoder.predict_on_batch(probe)
again = decoder.predict_on_batch(code)
if not np.array_equal(again, mended.model.predict_on_batch(probe)):
    raise ValueError("Expected the reloaded encoder and decoder to give the model's outputs; they give others.")
print(f"code {code.shape[1:]}, {code[0].size:,} numbers for {probe[0].size:,}: reloaded halves agree to the bit")

# %% [markdown]
# The code has more numbers than the picture: it is no bottleneck, and what it loses it loses to striding and blurring.

# %% [markdown]
# ## Save

# %%
for name, run in finals.items():
    role = "capped" if name == "colour_small" else "reference"
    limits = f"Gaussian noise of sigma .1 on {pairs.label} at 28x28."
    card = saving.make_card(
        run, task="colour", role=role, scores=scores[name], noisy_scores=noisy_scores, limits=limits
    )
    saving.save_model(run.model, profile.models / f"{name}.h5", card)
    print(f"{name}.h5: {card['parameters']:,} parameters, {role}, seed {run.settings['seed']}")

# %% [markdown]
# ## What we learned
#
# - Before training longer, compute what the loss *can* reach: a floor that is drawn on the curve saves 240 epochs.
# - Data, noise and output must share one range; a function that refuses others (`noise.add_gaussian` does) finds this slip in the first minute.
# - Mild noise is a local matter: a few thousand parameters that correct the picture beat half a million that redraw it. Notebook 11 puts all of this into one report.
