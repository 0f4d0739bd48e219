# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 8. Occlusion: what does a model that never saw noise make of it?

# %%
import joblib
import keras
import numpy as np
from IPython.display import Markdown
from skimage import restoration
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

from denoise_utils import baselines, evaluation, models, noise, plots, profiles, saving, training
from denoise_utils.zoo import originals

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project O* trained a dense autoencoder on clean digits only and then showed it digits with a line drawn across. Its idea: whatever does not look like a digit
# cannot pass through a code of 50 numbers. It printed pictures and no figure. We measure: what is such a code, does it remove the line, and what does training
# without noise cost, in decibels and in digits read?
#
# - **Consumes**: the occlusion task (a white line, one pixel thick, over row or column 10 to 20) and the judge of notebook 3.
# - **Produces**: `models/occlusion_cap_baseline.h5` (capped), and as references `occlusion_big.h5` and `occlusion_project_o.h5`.

# %%
sizes = {"num_train": profile.pick(20000, profile.num_train), "num_val": profile.num_val, "num_test": profile.num_test}
pairs = noise.load_task("occlusion", **sizes, seed=seed)
thick = noise.load_task("occlusion", **sizes, seed=seed, thickness=3)  # the bands of the project's own figure
judge = evaluation.load_judge(profile.models)
print(f"{pairs.label}: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(pairs.test.clean):,} test")

# %% [markdown]
# ## The original
#
# 784 > 128 > 50 > 128 > 784, all dense. Project O took the first 20,000 training images; so do we, of our train split.

# %%
figure = plots.draw_model(originals.project_o_dense())
if originals.project_o_dense().count_params() != 214594:
    raise ValueError("Expected 214,594 parameters, as project O has.")

# %% [markdown]
# Its settings: mean squared error, Adam at .001, batches of 32, five epochs. We train it two ways under these settings: clean to clean as project O did, and occluded to
# clean. The third model is of a size that the assignment allows, convolutional with added skips, and has a recipe of its own: 20 epochs, lines drawn afresh in every one.


# %%
def fresh_lines(clean, rng):
    """Draw other lines over the clean images: an `augment` of one epoch."""
    return noise.add_occlusion(clean, 1, seed=rng)


# %% [markdown]
# The small one is trained from clean images, since its lines are the `augment`'s. Its loss is cross-entropy: under squared error, a model whose sigmoid answers 0 everywhere stops learning (the slope of the sigmoid is 0 there, too), and most pixels ask for 0.

# %%
small = {"loss": "binary_crossentropy", "epochs": profile.pick(20, 3), "batch_size": 32}
small |= {"learning_rate": 4e-3, "schedule": "cosine", "augment": fresh_lines}
dense = {"loss": "mean_squared_error", "batch_size": 32, "epochs": profile.pick(5, 2)}
recipes = {
    "project O, trained on clean": ("occlusion_project_o", originals.project_o_dense, "clean", dense),
    "project O, trained on occluded": ("occlusion_big", originals.project_o_dense, "noisy", dense),
    "small, trained on occluded": ("occlusion_small", models.skip_autoencoder, "clean", small),
}

# %% [markdown]
# "Trained on clean beats trained on noise", or the reverse, is a claim of "better": three seeds each in the full profile. Every model is chosen on *occluded* validation images,
# the task that it will be judged by.

# %%
val = (pairs.val.noisy, pairs.val.clean)
runs = {}
for title, (name, build, inputs, settings) in recipes.items():
    data, record = (getattr(pairs.train, inputs), pairs.train.clean), pairs.record | {"input": inputs}
    common = {"name": name, "runs": profile.runs, "record": record}
    for run_seed in profile.seeds:
        runs[title, run_seed] = training.train(build, data, val, seed=run_seed, **common, **settings)

# %% [markdown]
# The curves of the dense models' first seed. The loss on *occluded* validation images is the solid line: for the model trained on clean images it is another task than the dashed one.

# %%
first = {title: runs[title, profile.seeds[0]] for title in recipes}
curves = {title: run for title, run in first.items() if title.startswith("project O")}
figure = plots.show_curves(curves, label=pairs.label, loss="MSE")

# %% [markdown]
# ## Ten digits
#
# Project O's own impression was that the line mostly goes and that digits blur.

# %%
outputs = {title: evaluation.clip(evaluation.predict(run.model, pairs.test.noisy)) for title, run in first.items()}
short = {"project O, trained on clean": "O, clean", "project O, trained on occluded": "O, occluded"}
rows = {"clean": pairs.test.clean[:10], "occluded": pairs.test.noisy[:10]}
rows |= {short.get(title, "small"): images[:10] for title, images in outputs.items()}
figure = plots.show_images(rows, pairs.test.clean[:10], pairs.label)
ten = {name: evaluation.psnr(images, pairs.test.clean[:10]) for name, images in rows.items() if name != "clean"}
Markdown(
    f"Mean of the ten: {', '.join(f'{name} {found.mean():.1f} dB' for name, found in ten.items())}. Look for what is left of the line and for strokes that it took along."
)

# %% [markdown]
# ## What does the code of 50 keep?
#
# We cut the trained original at its code and ask four things. How many of the 50 numbers are ever used? How much of a *clean* digit comes back, against the best
# *linear* code of 50 (principal components)? Can a digit be read from the code by a linear classifier as well as from the pixels? And how far does a line move the code?

# %%
original = first["project O, trained on clean"].model
encoder = keras.Model(original.input, original.get_layer("code").output)
parts = {"train": pairs.train.clean[:5000], "clean": pairs.test.clean, "occluded": pairs.test.noisy}
codes = {part: evaluation.predict(encoder, images) for part, images in parts.items()}
flat = {part: images.reshape(len(images), -1) for part, images in parts.items()}
linear = PCA(50, random_state=seed).fit(pairs.train.clean.reshape(len(pairs.train.clean), -1))
components = linear.inverse_transform(linear.transform(flat["clean"])).reshape(pairs.test.clean.shape)
kept = {"autoencoder": evaluation.predict(original, pairs.test.clean), "principal components": components}
rows = [{"name": name} | evaluation.score(images, pairs.test, judge) for name, images in kept.items()]
columns = {key: evaluation.COLUMNS[key] for key in ("name", "psnr", "psnr_sd", "ssim", "legibility")}
Markdown(
    evaluation.format_table(rows, columns | {"name": ("clean digits through a code of 50", "{}")}, pairs.label)
    + f"\n\nThe dense code keeps {rows[0]['psnr'] - rows[1]['psnr']:+.1f} dB against the linear one, and {rows[0]['legibility'] - rows[1]['legibility']:+.1%} of the digits."
)

# %% [markdown]
# Read linearly, from the pixels and from the code, and the way that a line moves a code, in units of the distance between the codes of two different digits:

# %%
labels = pairs.train.labels[:5000], pairs.test.labels
read = {}
for name, space in (("pixels", flat), ("code", codes)):
    scale = space["train"].std() or 1
    classifier = LogisticRegression(C=0.1, max_iter=2000).fit(space["train"] / scale, labels[0])
    read[name] = {part: classifier.score(space[part] / scale, labels[1]) for part in ("clean", "occluded")}
used = int(np.sum(codes["clean"].std(axis=0) > 1e-3))
moved = np.linalg.norm(codes["occluded"] - codes["clean"], axis=1)
apart = np.linalg.norm(codes["clean"] - np.roll(codes["clean"], 1, axis=0), axis=1)
shift = float(np.mean(moved) / np.mean(apart))
own = np.mean((outputs["project O, trained on clean"] - kept["autoencoder"]) ** 2)

# %% [markdown]
# In words:

# %%
Markdown(
    f"{used} of the 50 code numbers vary over the test digits. A linear classifier reads {read['pixels']['clean']:.1%} of clean digits from the pixels and "
    f"{read['code']['clean']:.1%} from the code; with a line across, {read['pixels']['occluded']:.1%} and {read['code']['occluded']:.1%}. "
    f"A line moves the code by {shift:.0%} of the distance between two digits' codes, and the output by an MSE of {own:.4f}: "
    "the code does **not** ignore what is not a digit; it explains it with the nearest thing that it knows."
)

# %% [markdown]
# ## An oracle: inpainting with the true mask
#
# If somebody told us *where* the line is, no learning would be needed: biharmonic inpainting (Damelin and Hoang 2018) fills the hole from its rim. No model here is told, so this
# is an **oracle**, not a rival; it is slow, and filled in on the first test images only.


# %%
def inpaint(noisy, clean):
    """Fill every pixel that differs from the clean image."""
    return restoration.inpaint_biharmonic(noisy[..., 0], (noisy != clean)[..., 0])[..., None]


num_oracle = profile.pick(1000, 30)
some = zip(pairs.test.noisy[:num_oracle], pairs.test.clean[:num_oracle], strict=True)
filled = np.float32(joblib.Parallel(n_jobs=-1)(joblib.delayed(inpaint)(*pair) for pair in some))
oracle = {f"oracle: inpainting, first {num_oracle}": evaluation.clip(filled)}

# %% [markdown]
# ## The test, once
#
# The untouched input first; then the filters, tuned on validation images; the oracle; and each model's first seed.

# %%
filtered = baselines.filter_all(pairs, profile.pick(100, 2), profile.runs / "bm3d") | oracle
noisy_scores = evaluation.score(pairs.test.noisy, pairs.test, judge)
table = evaluation.yardsticks(pairs.test, filtered, judge)
scores = {key: evaluation.score_model(run.model, pairs.test, judge) for key, run in runs.items()}
for title, run in first.items():
    table.append({"name": title, "parameters": run.model.count_params()} | scores[title, profile.seeds[0]])
caption = f"{pairs.label}, {len(pairs.test.clean):,} test images; BCE and excess in nats per pixel; sd over images"
Markdown(evaluation.format_table(table, caption=caption))

# %% [markdown]
# Over seeds, and on bands of three pixels, which no model was trained on:

# %%
rows = [{"name": "noisy input"} | noisy_scores | {"psnr_sd": None}]
rows[0] |= {f"thick_{key}": value for key, value in evaluation.score(thick.test.noisy, thick.test, judge).items()}
for title in recipes:
    found = [scores[title, s] for s in profile.seeds]
    bands = [evaluation.score_model(runs[title, s].model, thick.test, judge) for s in profile.seeds]
    row = {"name": title, "seeds": len(found), "psnr_sd": None}
    if len(found) > 1:
        row["psnr_sd"] = np.std([one["psnr"] for one in found], ddof=1)
    for key in ("psnr", "legibility"):
        row |= {key: np.mean([one[key] for one in found]), f"thick_{key}": np.mean([one[key] for one in bands])}
    rows.append(row)

# %% [markdown]
# PSNR and legibility, means over seeds:

# %%
columns = {"name": ("model", "{}"), "seeds": ("seeds", "{}"), "psnr": ("PSNR (dB)", "{:.2f}")}
columns |= {"psnr_sd": ("sd over seeds", "{:.2f}"), "legibility": ("read by the judge", "{:.1%}")}
columns |= {"thick_psnr": ("3-pixel bands: PSNR", "{:.2f}"), "thick_legibility": ("read", "{:.1%}")}
Markdown(evaluation.format_table(rows, columns, caption.partition(";")[0]))

# %% [markdown]
# What training without noise costs, in one sentence:

# %%
noisy_row, on_clean, on_noise, tiny = rows
Markdown(
    f"The same {214594:,} parameters, trained on clean digits only, give {on_clean['psnr']:.1f} dB and {on_clean['legibility']:.1%} read; trained on occluded digits "
    f"{on_noise['psnr']:.1f} dB and {on_noise['legibility']:.1%}: training without noise costs **{on_noise['psnr'] - on_clean['psnr']:.1f} dB** and "
    f"**{on_noise['legibility'] - on_clean['legibility']:.1%}** of the digits. Against its untouched input ({noisy_row['psnr']:.1f} dB, {noisy_row['legibility']:.1%}) the original "
    f"{'gains' if on_clean['psnr'] > noisy_row['psnr'] else 'loses'} {abs(on_clean['psnr'] - noisy_row['psnr']):.1f} dB and "
    f"{'gains' if on_clean['legibility'] > noisy_row['legibility'] else 'loses'} {abs(on_clean['legibility'] - noisy_row['legibility']):.1%} of the digits. "
    f"{first['small, trained on occluded'].model.count_params():,} convolutional parameters give {tiny['psnr']:.1f} dB and {tiny['legibility']:.1%}. "
    "(The last has its own recipe, so that not all of that is due to its convolutions.)"
)

# %% [markdown]
# And how much of each gain is left on bands of three pixels, those of project O's own figure:

# %%
left = [
    f"{row['name']}: {row['thick_psnr'] - noisy_row['thick_psnr']:+.1f} dB of {row['psnr'] - noisy_row['psnr']:+.1f} dB, {row['thick_legibility']:.0%} read"
    for row in (on_clean, on_noise, tiny)
]
Markdown(
    f"On bands ({noisy_row['thick_psnr']:.1f} dB, {noisy_row['thick_legibility']:.0%} read untouched) there remain: {'; '.join(left)}."
)

# %% [markdown]
# ## Save
#
# Of each recipe the seed with the lowest validation loss, with its card.

# %%
for title, (name, *_) in recipes.items():
    name = name.replace("small", "cap_baseline")
    chosen = min(profile.seeds, key=lambda s: runs[title, s].best["val_loss"])
    role = "capped" if name.endswith("cap_baseline") else "reference"
    limits = f"Lines of one pixel on 28x28 {pairs.label}; {title}."
    about = {"task": "occlusion", "role": role, "scores": scores[title, chosen], "noisy_scores": noisy_scores}
    saving.save_run(runs[title, chosen], profile.models, name=name, **about, limits=limits)

# %% [markdown]
# ## What we learned
#
# - A narrow code filters a part of what it never saw: a line moves the code, and the output with it.
# - Train on the damage that you want removed, and on all the strengths of it that you expect: on bands, which no model saw, the one that gains most on lines gains least.
# - An oracle and a median filter belong into the table: one says what is possible, the other what is cheap. Notebook 9 asks what happens when the *strength* of the noise is not known.
