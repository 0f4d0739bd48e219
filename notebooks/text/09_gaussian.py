# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 9. Gaussian noise: does a denoiser hurt a picture that has no noise?

# %%
import itertools
from functools import partial

import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, plots, profiles, saving, training
from denoise_utils.zoo import originals

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project G* put batch norm and leaky ReLU into nine layers at full resolution, trained them for 50 epochs on Gaussian noise of one strength, and called that
# noise salt and pepper. Its author noticed that the result is worse where the noise is low. Are batch norm and leaky ReLU worth it? Is the
# weakness real? Can 3,600 parameters mend it?
#
# - **Consumes**: the Gaussian task (sigma .2) and the judge of notebook 3.
# - **Produces**: `models/gaussian_cap_baseline.h5` (capped) and, as a reference, `gaussian_medium.h5`, the nine layers.

# %%
sizes = {"num_train": profile.pick(48000, 1000), "num_val": profile.num_val, "num_test": profile.num_test}
pairs = noise.load_task("gaussian", **sizes, seed=seed)
judge = lessons.load_model("digit_judge", profile)
clean = pairs.test.clean
print(f"{pairs.label}: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(clean):,} test")

# %% [markdown]
# ## It was not salt and pepper
#
# Salt and pepper sets some pixels to 0 or 1 and leaves the others alone; Gaussian noise moves every pixel (half of the black ones below 0, where clipping puts them back). Project G's
# ancestor used true salt and pepper, of an amount drawn from 0 to 1 for each image.

# %%
amounts = np.random.default_rng([seed, 3]).random(len(clean), dtype=np.float32)
kinds = {
    "Gaussian, sigma .2": pairs.test.noisy,
    "salt and pepper, .1": noise.add_salt_and_pepper(clean, 0.1, seed=[seed, 2]),
    "salt and pepper, 0 to 1": noise.add_salt_and_pepper(clean, amounts, seed=[seed, 2]),
}
figure = plots.show_images(
    {"clean": clean[:10]} | {k.replace(", ", "\n"): v[:10] for k, v in kinds.items()}, clean[:10], pairs.label
)

# %% [markdown]
# Their PSNR follows from their strengths; in kind they differ in how many pixels they leave alone:

# %%
rows = [
    {"name": kind, "alone": np.mean(noisy == clean), "ink": np.mean(noisy[clean > 0.5] == clean[clean > 0.5])}
    | evaluation.score(noisy, pairs.test, judge)
    for kind, noisy in kinds.items()
]
columns = {"name": ("noise", "{}"), "alone": ("pixels left alone", "{:.0%}"), "ink": ("of the ink", "{:.0%}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("psnr", "psnr_sd", "legibility")}
Markdown(
    evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images")
    + f"\n\nGaussian noise leaves {rows[0]['ink']:.0%} of the ink (pixels above .5) as it was, salt and pepper at .1 {rows[1]['ink']:.0%}: the one must be averaged away, the other can be looked up nearby."
)

# %% [markdown]
# ## The original: nine layers
#
# No pooling at all: every layer works on 28x28 pixels, so that each of the 51,057 parameters is used 784 times per image.

# %%
figure = plots.draw_model(originals.project_g_nine_layers())
if models.count_parameters(originals.project_g_nine_layers()) != (51057, 50705):
    raise ValueError("Expected 51,057 parameters, 50,705 of them trainable, as project G has.")

# %% [markdown]
# Its settings (Adam, binary cross-entropy, batches of 128), its 48,000 training images, and 5 of its 50 epochs: its published curve is flat after the second.

# %%
train, val = (pairs.train.noisy, pairs.train.clean), (pairs.val.noisy, pairs.val.clean)
common = {"runs": profile.runs, "record": pairs.record}
nine = training.train(
    originals.project_g_nine_layers, train, val, name="gaussian_medium", epochs=profile.pick(5, 1), **common
)

# %% [markdown]
# Beside what its author printed (crosses), and the floor:

# %%
floor = float(evaluation.bce_floor(pairs.val.clean).mean())
figure = plots.show_curves({"nine layers, here": nine}, floor, pairs.label)
published = {1: 0.1112, 2: 0.0689}
figure.axes[0].plot(published.keys(), published.values(), "kx", label="validation, published")
figure.axes[0].legend()
last = nine.history[-1]
Markdown(
    f"After {len(nine.history)} epochs: training {last['loss']:.4f}, validation {last['val_loss']:.4f}, best {nine.best['val_loss']:.4f} "
    f"(published: .0688 and .0689 after 2, .0671 and .0674 after 50). The floor is {floor:.4f}: what is left to gain is {nine.best['val_loss'] - floor:.4f}."
)

# %% [markdown]
# ## Its 2x2 ablation, with a spread
#
# Project G compared batch norm on and off and ReLU with leaky ReLU, one run each. We run each cell under several seeds (three in the full profile), on fewer images.

# %%
few = {"num_train": profile.pick(15000, 300), "num_val": profile.pick(2000, 100), "num_test": 1}
part = noise.load_task("gaussian", **few, seed=seed)
cells = {
    f"{'batch norm' if bn else 'no batch norm'}, {'leaky ReLU' if leaky else 'ReLU'}": (bn, leaky)
    for bn, leaky in itertools.product((True, False), (True, False))
}
ablation = {}
for run_seed, (title, options) in itertools.product(profile.seeds, cells.items()):
    build = partial(originals.project_g_nine_layers, *options)
    data = (part.train.noisy, part.train.clean), (part.val.noisy, part.val.clean)
    kept = {"runs": profile.runs, "record": part.record, "epochs": profile.pick(3, 1), "seed": run_seed}
    ablation.setdefault(title, []).append(training.train(build, *data, name="gaussian_ablation", **kept))

# %% [markdown]
# The line is the mean over seeds, the band reaches from the lowest to the highest.

# %%
part_floor = float(evaluation.bce_floor(part.val.clean).mean())
figure, axes = plots.plt.subplots(figsize=(7, 3.6))
for title, found in ablation.items():
    curves = np.array([[log["val_loss"] for log in run.history] for run in found])
    steps = np.arange(1, curves.shape[1] + 1)
    axes.plot(steps, curves.mean(axis=0), "o-", label=title)
    axes.fill_between(steps, curves.min(axis=0), curves.max(axis=0), alpha=0.2)
axes.axhline(part_floor, color="0.4", linestyle=":", label=f"floor {part_floor:.4f}")
axes.set(xlabel="epoch", ylabel="validation BCE (nats per pixel)", xticks=steps, yscale="log")
axes.legend(fontsize=8)
figure.text(0.99, 0, pairs.label, ha="right", fontsize=7, color="0.45")

# %% [markdown]
# The curves of batch norm begin high for the reason that notebook 7 found: the moving averages lag behind in so short a training. So the cells are compared with their averages *settled*, from forward passes over training images.

# %%
ends, rows = {}, []
for title, found in ablation.items():
    for run in found:
        output = evaluation.predict(models.settle(run.model, part.train.noisy[:2560]), part.val.noisy)
        ends.setdefault(title, []).append(float(evaluation.bce(output, part.val.clean).mean()))
    row = {"name": title, "logged": np.mean([run.best["val_loss"] for run in found]), "settled": np.mean(ends[title])}
    row["sd"] = np.std(ends[title], ddof=1) if len(found) > 1 else None
    rows.append(row | {"seconds": np.mean([run.seconds for run in found])})
columns = {"name": ("cell", "{}"), "logged": ("validation BCE as logged", "{:.4f}"), "settled": ("settled", "{:.4f}")}
columns |= {"sd": ("sd over seeds", "{:.4f}"), "seconds": ("seconds of training", "{:.0f}")}
caption = f"{part.label}, {len(part.train.clean):,} training images, {len(profile.seeds)} seed(s) per cell"
Markdown(evaluation.format_table(rows, columns, caption))

# %% [markdown]
# Is an effect larger than chance? It is the difference of two means over half of the runs each; its standard error follows from the spread within the cells.


# %%
def effect(word):
    """Return the mean difference in validation BCE between the cells with and without a word in their title."""
    return np.mean([np.mean(v) for k, v in ends.items() if word in k]) - np.mean(
        [np.mean(v) for k, v in ends.items() if word not in k]
    )


effects = {"leaving batch norm out": effect("no batch norm"), "leaky ReLU": effect("leaky")}
if len(profile.seeds) > 1:
    spread = np.sqrt(np.mean([np.var(v, ddof=1) for v in ends.values()]))
    error = spread * np.sqrt(2 / (2 * len(profile.seeds)))
    told = "; ".join(f"{k} changes it by {v:+.4f} ({abs(v) / error:.1f} standard errors)" for k, v in effects.items())
else:
    told = "; ".join(f"{k} changes it by {v:+.4f}" for k, v in effects.items()) + "; one seed, so no verdict"
Markdown(f"Validation BCE: {told}. More than two standard errors count as an effect.")

# %% [markdown]
# ## A small model for every strength
#
# The nine layers saw sigma .2 and nothing else. The small one predicts the *noise*, which is subtracted from its input, so that doing nothing is easy; a gate of a few parameters measures over the
# whole picture how strong the noise is and scales the correction. Each epoch draws a new sigma for every image, from 0 to .8, the low ones more often.


# %%
def any_sigma(clean, rng):
    """Return the clean images under Gaussian noise of a random strength each: an `augment`."""
    return noise.add_gaussian(clean, 0.8 * rng.random(len(clean), dtype=np.float32) ** 4, seed=rng)


build = partial(models.gated_autoencoder, 8, 3)
figure = plots.draw_model(build())

# %% [markdown]
# Trained from clean images (the noise is the `augment`'s), chosen on validation images with strengths drawn in the same way:

# %%
val = (any_sigma(pairs.val.clean, np.random.default_rng(seed)), pairs.val.clean)
settings = {"epochs": profile.pick(10, 3), "batch_size": 64, "learning_rate": 4e-3, "schedule": "cosine"}
settings |= {"loss": "mean_squared_error", "augment": any_sigma}
common["record"] = pairs.record | {"noise": {"sigma": "0.8 u^4, u uniform in 0 to 1, fresh in every epoch"}}
small = [
    training.train(
        build, (pairs.train.clean, pairs.train.clean), val, name="gaussian_small", seed=s, **settings, **common
    )
    for s in profile.seeds
]
chosen = min(small, key=lambda run: run.best["val_loss"])

# %% [markdown]
# ## Seven strengths
#
# All see the same noisy test images. The classical filters are tuned for every sigma anew: they are told what the models must find out.

# %%
sigmas = (0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
names = ["noisy input", *baselines.FILTERS, "nine layers (sigma .2)", "small (any sigma)"]
sweep, tests = {}, {}
for sigma in sigmas:
    test = tests[sigma] = noise.add_gaussian(clean, sigma, seed=[seed, 2])
    noisy_val = noise.add_gaussian(pairs.val.clean, sigma, seed=[seed, 1])
    tuned = {name: baselines.tune(name, noisy_val, pairs.val.clean) for name in baselines.FILTERS}
    outputs = {"noisy input": test} | {name: one(test) for name, one in tuned.items()}
    outputs["nine layers (sigma .2)"] = evaluation.predict(nine.model, test)
    outputs["small (any sigma)"] = evaluation.predict(chosen.model, test)
    sweep |= {(name, sigma): evaluation.score(images, pairs.test, judge) for name, images in outputs.items()}

# %% [markdown]
# Mean PSNR in dB; an image without any error counts as 100. Compare with the best filter of each column, too: it has been told the strength, and where there is little noise it is ahead of the small model.

# %%
psnr = {key: found["psnr"] for key, found in sweep.items()}
rows = [{"name": name} | {str(sigma): psnr[name, sigma] for sigma in sigmas} for name in names]
columns = {"name": ("PSNR (dB) at sigma", "{}")} | {str(sigma): (str(sigma), "{:.1f}") for sigma in sigmas}
best = {sigma: max(names, key=lambda name: psnr[name, sigma]) for sigma in sigmas}
Markdown(
    evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images")
    + f"\n\nThe highest at each sigma: {', '.join(f'{sigma}: {name}' for sigma, name in best.items())}."
)

# %% [markdown]
# The same as a figure, with legibility beside it:

# %%
figure, axes = plots.plt.subplots(1, 2, figsize=(9.5, 3.6))
for name in names:
    style = {"linestyle": ":" if name in baselines.FILTERS else "-", "marker": "o", "markersize": 4}
    axes[0].plot(sigmas, [min(psnr[name, sigma], 45) for sigma in sigmas], label=name, **style)
    axes[1].plot(sigmas, [sweep[name, sigma]["legibility"] for sigma in sigmas], **style)
axes[0].set(xlabel="sigma", ylabel="PSNR (dB; 45 and above drawn at 45)")
axes[1].set(xlabel="sigma", ylabel="share read by the judge")
axes[0].legend(fontsize=8)
figure.text(0.99, 0, pairs.label, ha="right", fontsize=7, color="0.45")
figure.tight_layout()

# %% [markdown]
# ## The weakness: confirmed or refuted?
#
# Worse where the noise is low: that can mean two things, a lower PSNR than under strong noise, or a smaller *gain* over the input, down to harm.


# %%
def gains(name):
    """Return the gain in dB over the noisy input by sigma."""
    return {sigma: psnr[name, sigma] - psnr["noisy input", sigma] for sigma in sigmas}


old, new = gains("nine layers (sigma .2)"), gains("small (any sigma)")
harmed = [sigma for sigma in sigmas if sigma and old[sigma] < 0]
lowest, strongest = psnr["nine layers (sigma .2)", 0.05], psnr["nine layers (sigma .2)", 0.8]
met = [all(new[sigma] > 0 for sigma in sigmas[1:]), psnr["small (any sigma)", 0] > 35]

# %% [markdown]
# In words, with the two goals of the small model:

# %%
told = f"it takes {-old[harmed[-1]]:.1f} dB away at sigma {harmed[-1]}" if harmed else "it harms at no sigma above 0"
verdict = "**confirmed** as harm to nearly clean images" if harmed else "a smaller gain, and no harm"
if not harmed and old[0.05] >= old[0.2]:
    verdict = "**refuted**"
Markdown(
    f"Nine layers: {psnr['nine layers (sigma .2)', 0]:.1f} dB on clean images, {lowest:.1f} dB at sigma .05, {strongest:.1f} dB at .8: the output is "
    f"{'not ' if lowest > strongest else ''}worse, in dB, when the noise is lower. The gain is {old[0.05]:+.1f} dB at .05 against {old[0.2]:+.1f} dB at .2, and {told}: the weakness is {verdict}.\n\n"
    f"The small model: {psnr['small (any sigma)', 0]:.1f} dB on clean images, {new[0.05]:+.1f} dB at .05, {new[0.2]:+.1f} dB at .2. "
    f"Goal, above its input at every sigma from .05 up: {'met' if met[0] else 'missed'}; clean input above 35 dB: {'met' if met[1] else 'missed'}."
)

# %% [markdown]
# One digit, from no noise to the strongest:

# %%
stack = np.stack([tests[sigma][0] for sigma in sigmas])
rows = {"clean": np.repeat(clean[:1], len(sigmas), axis=0), "noisy": stack}
rows |= {"nine layers": evaluation.predict(nine.model, stack), "small": evaluation.predict(chosen.model, stack)}
figure = plots.show_images(rows, label=pairs.label, titles=[f"sigma {sigma}" for sigma in sigmas])

# %% [markdown]
# ## And true salt and pepper?
#
# Neither model was trained on it. A median filter, which throws outliers away, is made for it; it is tuned on validation images for each of the noises.

# %%
val_amounts = np.random.default_rng([seed, 4]).random(len(pairs.val.clean), dtype=np.float32)
val_kinds = [pairs.val.noisy]
val_kinds += [noise.add_salt_and_pepper(pairs.val.clean, amount, seed=[seed, 1]) for amount in (0.1, val_amounts)]
rows = []
for (kind, noisy), noisy_val in zip(kinds.items(), val_kinds, strict=True):
    median = baselines.tune("median", noisy_val, pairs.val.clean)
    outputs = {"noisy input": noisy, f"filter: {median}": median(noisy)}
    outputs["nine layers (sigma .2)"] = evaluation.predict(nine.model, noisy)
    outputs["small (any sigma)"] = evaluation.predict(chosen.model, noisy)
    for name, images in outputs.items():
        rows.append({"name": name, "kind": kind} | evaluation.score(images, pairs.test, judge))

# %% [markdown]
# For each noise the highest PSNR is named below the table:

# %%
columns = {"kind": ("noise", "{}")} | {key: evaluation.COLUMNS[key] for key in ("name", "psnr", "ssim", "legibility")}
best = {kind: max((row for row in rows if row["kind"] == kind), key=lambda row: row["psnr"])["name"] for kind in kinds}
Markdown(
    evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images")
    + f"\n\nHighest: {'; '.join(f'{kind}: {name}' for kind, name in best.items())}."
)

# %% [markdown]
# ## The test at sigma .2
#
# The strength that project G trained on, all filters tuned for it.

# %%
filtered = baselines.filter_all(pairs, profile.pick(100, 2), profile.runs / "bm3d")
noisy_scores = evaluation.score(pairs.test.noisy, pairs.test, judge)
table = evaluation.yardsticks(pairs.test, filtered, judge)
finals = {"gaussian_medium": (nine, "reference"), "gaussian_cap_baseline": (chosen, "capped")}
scores = {name: evaluation.score_model(run.model, pairs.test, judge) for name, (run, _) in finals.items()}
titles = {"gaussian_medium": "project G, nine layers", "gaussian_cap_baseline": "small, any sigma"}
for name, (run, _) in finals.items():
    table.append({"name": titles[name], "parameters": run.model.count_params()} | scores[name])
Markdown(evaluation.format_table(table, caption=f"{pairs.label}, {len(clean):,} test images; sd over images"))

# %% [markdown]
# The small model's spread over seeds at sigma .2, and the two models saved with their cards:

# %%
found = [evaluation.psnr(evaluation.predict(run.model, pairs.test.noisy), clean).mean() for run in small]
print(f"small, {len(found)} seed(s): {np.mean(found):.2f} dB, {min(found):.2f} to {max(found):.2f}")
limits = {
    "gaussian_medium": f"Trained at sigma .2 alone; at .05 it gains {old[0.05]:+.1f} dB.",
    "gaussian_cap_baseline": "Sigma 0 to .8.",
}
for name, (run, role) in finals.items():
    told = f"Gaussian noise on 28x28 {pairs.label}. {limits[name]}"
    about = {"task": "gaussian", "role": role, "scores": scores[name], "noisy_scores": noisy_scores}
    saving.save_run(run, profile.models, name=name, **about, limits=told)

# %% [markdown]
# ## What we learned
#
# - A denoiser trained at one strength removes that much, needed or not. Train over the range of strengths, fresh in every epoch, and make it easy for the model to do nothing.
# - An ablation without seeds shows an effect and cannot say whether it is one; the spread over seeds can.
# - The name of a noise is a claim that can be checked. Notebook 10 finds a worse slip: data and output on different ranges.
