# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Gaussian noise: does a denoiser hurt a picture that has no noise?

# %%
import itertools
from functools import partial

import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, models, noise, originals, plots, profiles, saving, training

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project G* put batch norm and leaky ReLU into nine layers at full resolution, trained them for 50 epochs on Gaussian noise of one strength, and called that
# noise salt and pepper. Its author noticed that the result is "worse when the noise is low". Are batch norm and leaky ReLU worth it? Is the
# weakness real? Can 3,600 parameters mend it?
#
# - **Consumes**: the Gaussian task (sigma .2) and the judge of notebook 2.
# - **Produces**: `models/gaussian_small.h5` (capped) and, as a reference, `gaussian_medium.h5`, the nine layers.

# %%
sizes = {"num_train": profile.pick(48000, 1000), "num_val": profile.num_val, "num_test": profile.num_test}
pairs = noise.load_task("gaussian", **sizes, seed=seed)
judge = evaluation.load_judge(profile.models)
clean, labels = pairs.test.clean, pairs.test.labels
print(f"{pairs.label}: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(clean):,} test")

# %% [markdown]
# ## It was not salt and pepper
#
# Salt and pepper sets some pixels to 0 or 1 and leaves the others alone; Gaussian noise moves every pixel (half of the black ones below 0, where clipping puts them back). Project G's
# ancestor used true salt and pepper, of an amount drawn from 0 to 1 for each image.

# %%
amounts = np.random.default_rng(seed).random(len(clean), dtype=np.float32)
kinds = {
    "Gaussian, sigma .2": pairs.test.noisy,
    "salt and pepper, .1": noise.add_salt_and_pepper(clean, 0.1, seed=seed),
    "salt and pepper, 0 to 1": noise.add_salt_and_pepper(clean, amounts, seed=seed),
}
figure = plots.show_images(
    {"clean": clean[:10]} | {k.replace(", ", "\n"): v[:10] for k, v in kinds.items()}, clean[:10], pairs.label
)

# %% [markdown]
# What sets them apart is not their PSNR but how many pixels they leave alone:

# %%
rows = [
    {"name": kind, "alone": np.mean(noisy == clean), "ink": np.mean(noisy[clean > 0.5] == clean[clean > 0.5])}
    | evaluation.score(noisy, pairs.test, judge)
    for kind, noisy in kinds.items()
]
columns = {"name": ("noise", "{}"), "alone": ("pixels left alone", "{:.0%}"), "ink": ("of the ink", "{:.0%}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("psnr", "psnr_sd", "legibility")}
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images"))

# %% [markdown]
# ## The original: nine layers
#
# No pooling at all: every layer works on 28x28 pixels, which makes 51,057 parameters as slow as millions elsewhere.

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
    f"{'batch norm' if bn else 'none'}, {'leaky ReLU' if leaky else 'ReLU'}": (bn, leaky)
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
figure, axes = plots.plt.subplots(figsize=(7, 3.6))
for title, found in ablation.items():
    losses = np.array([[log["val_loss"] for log in run.history] for run in found])
    steps = np.arange(1, losses.shape[1] + 1)
    axes.plot(steps, losses.mean(axis=0), "o-", label=title)
    axes.fill_between(steps, losses.min(axis=0), losses.max(axis=0), alpha=0.2)
axes.axhline(floor, color="0.4", linestyle=":", label=f"floor {floor:.4f}")
axes.set(xlabel="epoch", ylabel="validation BCE (nats per pixel)", xticks=steps, yscale="log")
axes.legend(fontsize=8)
figure.text(0.99, 0, pairs.label, ha="right", fontsize=7, color="0.45")

# %% [markdown]
# In figures, at the last epoch:

# %%
rows = []
for title, found in ablation.items():
    ends = np.array([run.history[-1]["val_loss"] for run in found])
    spread = ends.std(ddof=1) if len(ends) > 1 else None
    rows.append({"name": title, "bce": ends.mean(), "sd": spread, "seconds": np.mean([run.seconds for run in found])})
columns = {"name": ("cell", "{}"), "bce": ("validation BCE", "{:.4f}"), "sd": ("sd over seeds", "{:.4f}")}
Markdown(evaluation.format_table(rows, columns | {"seconds": ("seconds", "{:.0f}")}, f"{part.label}, {few}"))

# %% [markdown]
# Whether an effect is larger than the seeds' spread:

# %%
ends = {title: np.array([run.history[-1]["val_loss"] for run in found]) for title, found in ablation.items()}
spread = np.sqrt(np.mean([found.var() for found in ends.values()]))
bn_off = np.mean([v.mean() for k, v in ends.items() if k.startswith("none")])
bn_on = np.mean([v.mean() for k, v in ends.items() if k.startswith("batch")])
leaky_on = np.mean([v.mean() for k, v in ends.items() if "leaky" in k])
leaky_off = np.mean([v.mean() for k, v in ends.items() if "leaky" not in k])
Markdown(
    f"Batch norm changes the validation loss by {bn_on - bn_off:+.4f}, leaky ReLU by {leaky_on - leaky_off:+.4f}; seeds of one cell differ by {spread:.4f} (sd). "
    f"An effect counts when it is more than twice that: batch norm {'does' if abs(bn_on - bn_off) > 2 * spread else 'does not'}, "
    f"leaky ReLU {'does' if abs(leaky_on - leaky_off) > 2 * spread else 'does not'}."
)

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
# All see the same noisy test images. The classical filter is, at every sigma, the best of five *tuned for that very sigma*: it is told what the models must find out.

# %%
sigmas = (0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
methods = {
    "noisy input": lambda noisy: noisy,
    "nine layers (sigma .2)": lambda noisy: evaluation.predict(nine.model, noisy),
}
methods |= {"small (any sigma)": lambda noisy: evaluation.predict(chosen.model, noisy)}
sweep, tests = [], {}
for sigma in sigmas:
    test = tests[sigma] = noise.add_gaussian(clean, sigma, seed=[seed, 2])
    noisy_val = noise.add_gaussian(pairs.val.clean, sigma, seed=[seed, 1])
    tuned = [baselines.tune(name, noisy_val, pairs.val.clean) for name in baselines.FILTERS]
    best = min(tuned, key=lambda one: one.val_mse)
    for name, method in (methods | {"best filter": best}).items():
        row = {"name": name, "sigma": sigma, "filter": str(best)}
        sweep.append(row | evaluation.score(method(test), pairs.test, judge))

# %% [markdown]
# Mean PSNR in dB; an image without any error counts as 100.

# %%
psnr = {(row["name"], row["sigma"]): row["psnr"] for row in sweep}
names = [*methods, "best filter"]
rows = [{"name": name} | {str(sigma): psnr[name, sigma] for sigma in sigmas} for name in names]
columns = {"name": ("PSNR (dB) at sigma", "{}")} | {str(sigma): (str(sigma), "{:.1f}") for sigma in sigmas}
told = ", ".join(dict.fromkeys(f"{row['sigma']}: {row['filter']}" for row in sweep))
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images. Best filter at {told}"))

# %% [markdown]
# The same as a figure, with legibility beside it:

# %%
figure, axes = plots.plt.subplots(1, 2, figsize=(9.5, 3.6))
for name in names:
    found = [row for row in sweep if row["name"] == name]
    axes[0].plot(sigmas, [min(row["psnr"], 45) for row in found], "o-", markersize=4, label=name)
    axes[1].plot(sigmas, [row["legibility"] for row in found], "o-", markersize=4)
axes[0].set(xlabel="sigma", ylabel="PSNR (dB; 45 and above drawn at 45)")
axes[1].set(xlabel="sigma", ylabel="share read by the judge")
axes[0].legend(fontsize=8)
figure.text(0.99, 0, pairs.label, ha="right", fontsize=7, color="0.45")
figure.tight_layout()

# %% [markdown]
# ## The weakness: confirmed or refuted?
#
# "Worse when the noise is low" can mean two things: a lower PSNR than under strong noise, or a smaller *gain* over the input, down to harm.


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
Markdown(
    f"Nine layers: {psnr['nine layers (sigma .2)', 0]:.1f} dB on clean images, {lowest:.1f} dB at sigma .05, {strongest:.1f} dB at .8. So its output is "
    f"{'**not** worse, in dB, when the noise is lower' if lowest > strongest else 'worse when the noise is lower'}; but its gain is {old[0.05]:+.1f} dB at .05 against {old[0.2]:+.1f} dB at .2, "
    f"and it harms its input at {harmed or 'no sigma above 0'}: the weakness is {'**confirmed** as harm to nearly clean images' if harmed else '**refuted**'}. "
    f"The small model: {psnr['small (any sigma)', 0]:.1f} dB on clean images, {new[0.05]:+.1f} dB at .05, {new[0.2]:+.1f} dB at .2. "
    f"Goal, above its input at every sigma from .05 up: {'met' if met[0] else 'missed'}; clean input above 35 dB: {'met' if met[1] else 'missed'}."
)

# %% [markdown]
# Look at both ends: one digit in each pair of columns, from no noise to the strongest.

# %%
picks = [0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8]
stack = {name: np.stack([method(tests[s][:1])[0] for s in picks]) for name, method in methods.items()}
titles = [f"sigma {s}" for s in picks]
figure = plots.show_images(
    {"clean": np.repeat(clean[:1], len(picks), axis=0)} | stack, label=pairs.label, titles=titles
)

# %% [markdown]
# ## And true salt and pepper?
#
# None of these models was trained on it. A median filter, which throws outliers away, is what it is made for.

# %%
tuned = baselines.tune("median", noise.add_salt_and_pepper(pairs.val.clean, 0.1, seed=seed), pairs.val.clean)
everyone = methods | {f"filter: {tuned}": tuned}
rows = [
    {"name": name, "kind": kind} | evaluation.score(method(noisy), pairs.test, judge)
    for kind, noisy in kinds.items()
    for name, method in everyone.items()
]
columns = {"kind": ("noise", "{}")} | {key: evaluation.COLUMNS[key] for key in ("name", "psnr", "ssim", "legibility")}
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images"))

# %% [markdown]
# ## The test at sigma .2
#
# The strength that project G trained on, all filters tuned for it.

# %%
filtered = baselines.filter_all(pairs, profile.pick(100, 2), profile.runs / "bm3d")
noisy_scores = evaluation.score(pairs.test.noisy, pairs.test, judge)
table = [{"name": "noisy input"} | noisy_scores]
table.append({"name": "clean images", "legibility": evaluation.legibility(judge, clean, labels)})
table += evaluation.score_filters(pairs.test, filtered, judge)
finals = {"gaussian_medium": (nine, "reference"), "gaussian_small": (chosen, "capped")}
scores = {name: evaluation.score_model(run.model, pairs.test, judge) for name, (run, _) in finals.items()}
titles = {"gaussian_medium": "project G, nine layers", "gaussian_small": "small, any sigma"}
for name, (run, _) in finals.items():
    table.append({"name": titles[name], "parameters": run.model.count_params()} | scores[name])
Markdown(evaluation.format_table(table, caption=f"{pairs.label}, {len(clean):,} test images; sd over images"))

# %% [markdown]
# The small model's spread over seeds at sigma .2, and the two models saved with their cards:

# %%
spread = [evaluation.psnr(evaluation.predict(run.model, pairs.test.noisy), clean).mean() for run in small]
print(f"small, {len(spread)} seed(s): {np.mean(spread):.2f} dB, {min(spread):.2f} to {max(spread):.2f}")
limits = {
    "gaussian_medium": "Trained at sigma .2 alone: harms nearly clean images.",
    "gaussian_small": "Sigma 0 to .8.",
}
for name, (run, role) in finals.items():
    told = f"Gaussian noise on 28x28 {pairs.label}. {limits[name]}"
    card = saving.make_card(
        run, task="gaussian", role=role, scores=scores[name], noisy_scores=noisy_scores, limits=told
    )
    saving.save_model(run.model, profile.models / f"{name}.h5", card)
    print(f"{name}.h5: {card['parameters']:,} parameters, {role}, seed {run.settings['seed']}")

# %% [markdown]
# ## What we learned
#
# - A denoiser trained at one strength removes that much, needed or not. Train over the range of strengths, fresh in every epoch, and let the model do nothing easily.
# - An ablation without seeds shows an effect and cannot say whether it is one; the band can.
# - The name of a noise is a claim that can be checked. Notebook 9 finds a worse slip: data and output on different ranges.
