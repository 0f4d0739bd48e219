# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Train and save: from fit to file
#
# Now train the course's own model, with its best [epoch](GLOSSARY.md#epoch) in a file. Was it luck? Does it over- or underfit? Does the file do what the model did?
#
# **You will learn** `EarlyStopping` and `ModelCheckpoint`, to read training curves, to compare over three seeds, and to check a saved file.
#
# **You need** notebooks 03 to 05.
#
# **It takes** about 5 minutes in the full profile, at most one in the quick one.

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
# The [judge](GLOSSARY.md#judge) of notebook 03 reads digits. It was trained before. In the full profile, so were `clutter_cap_baseline` and `clutter_project_c`.

# %%
import subprocess
import sys
import tempfile

import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from keras import layers

from denoise_utils import baselines, evaluation, lessons, noise, plots, profiles, saving, training
from denoise_utils.zoo import originals

task = noise.assignment_task()
profile, seed = lessons.begin(["digit_judge"])

# %% [markdown]
# ## Data
#
# Most cells use a part of the training set, so that you need not wait.

# %%
sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": 1}
pairs = noise.load_task(task, **sizes, seed=seed)
some = slice(profile.pick(9000, None))
noisy, clean = pairs.train.noisy[some], pairs.train.clean[some]
val = pairs.val
floor = float(evaluation.bce_floor(val.clean).mean())
untouched = float(evaluation.bce(val.noisy, val.clean).mean()) - floor
print(f"{len(clean):,} of {len(pairs.train.clean):,} training pictures", end=", ")
print(f"{len(val.clean):,} to choose on")
print(f"floor {floor:.4f}; the noisy input's excess {untouched:.4f}")

# %% [markdown]
# ## The model
#
# 20 filters, one pooling, Adam at .004, batches of 32: an older search of 112 trials chose these settings for the course's *baseline*. Yours, in notebook 05, found others.


# %%
def baseline():
    """Return the course's baseline: 20 filters, one pooling; 2,101 parameters."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(20, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D(2, padding="same")(x)
    x = layers.Conv2D(10, 3, padding="same", activation="relu")(x)
    x = layers.UpSampling2D(2)(x)
    outputs = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
    return keras.Model(inputs, outputs)


print(f"{baseline().count_params():,} parameters")

# %% [markdown]
# ## Train, and keep the best
#
# Two callbacks watch the validation loss after each epoch. [EarlyStopping](GLOSSARY.md#early-stopping) ends the training after `patience` epochs without a better one, and puts the best weights back. [ModelCheckpoint](GLOSSARY.md#checkpoint) writes the model to a file whenever it is better than before. The assignment asks for `.h5`, an old format; the `with` line silences Keras's remark about that.
#
# **Predict:** will the training loss or the validation loss be lower at the end?


# %%
def fit(model, path, learning_rate, batch_size, verbose=0):
    """Train a model, keep its best epoch at `path` (.h5), and return the losses of every epoch."""
    model.compile(keras.optimizers.Adam(learning_rate), "binary_crossentropy")
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=3, restore_best_weights=True)
    checkpoint = keras.callbacks.ModelCheckpoint(path, "val_loss", save_best_only=True)
    settings = {"batch_size": batch_size, "epochs": profile.pick(12, 4), "verbose": verbose}
    settings |= {"validation_data": (val.noisy, val.clean), "validation_batch_size": 256}
    with saving.without_legacy_warning():
        return model.fit(noisy, clean, callbacks=[stopping, checkpoint], **settings).history


# %% [markdown]
# `set_random_seed` comes before the model is built: it decides the first weights and the order of the pictures.

# %% tags=["trains"]
folder = tempfile.TemporaryDirectory()
path = f"{folder.name}/baseline_0.h5"
keras.utils.set_random_seed(0)
model = baseline()
losses = fit(model, path, learning_rate=4e-3, batch_size=32, verbose=2)
best = int(np.argmin(losses["val_loss"]))
print(f"{len(losses['loss'])} epochs; the best is number {best + 1}, ", end="")
print(f"validation loss {losses['val_loss'][best]:.4f}")

# %% [markdown]
# ## Curves
#
# No model can pass the [floor](GLOSSARY.md#bce-floor): grey targets leave a loss even for a perfect answer.

# %% tags=["trains"]
# Figure: training and validation loss fall together towards a dotted floor and stay above.
figure, axes = plt.subplots(figsize=(7, 3.4))
epochs = np.arange(1, len(losses["loss"]) + 1)
for key, name, side in (("loss", "training", "top"), ("val_loss", "validation", "bottom")):
    (line,) = axes.plot(epochs, losses[key])
    end = (epochs[-1], losses[key][-1])
    axes.annotate(f" {name}", end, va=side, color=line.get_color())
axes.axhline(floor, color="0.4", linestyle=":")
axes.annotate("floor", (1.2, floor), va="bottom")
axes.plot(best + 1, losses["val_loss"][best], "ko")
axes.set(xlabel="epoch", ylabel="BCE (nats per pixel)", xlim=(1, epochs[-1] + 2))
figure.tight_layout()
last = losses["loss"][-1], losses["val_loss"][-1]
told = "training {:.4f}, validation {:.4f}".format(*last)
lessons.claim("at the end the training loss is lower", last[0] < last[1], told, profile)

# %% [markdown]
# The training loss. At first it is higher: it averages over an epoch in which weights still improve. Both still fall: nothing to stop.
#
# ## Over- or underfitting?
#
# [Overfitting](GLOSSARY.md#overfitting) is a gap: the model does better on pictures that it has seen. [Underfitting](GLOSSARY.md#underfitting) is an error that stays high even on those. So measure the model on both sets.
#
# **Predict:** on which is the [excess](GLOSSARY.md#excess) larger?


# %% tags=["trains"]
def excess(model, noisy, clean):
    """Return a model's mean loss above the floor."""
    output = evaluation.predict(model, noisy)
    return float(np.mean(evaluation.bce(output, clean) - evaluation.bce_floor(clean)))


on_train, on_val = excess(model, noisy, clean), excess(model, val.noisy, val.clean)
told = f"excess {on_train:.4f} on training pictures, {on_val:.4f} on validation pictures"
lessons.claim("it does not overfit", on_val - on_train < 0.1 * on_val, told, profile)
lessons.claim("it underfits", on_train > 0.1 * untouched, told, profile)

# %% [markdown]
# The gap is small: 2,101 [parameters](GLOSSARY.md#parameter) cannot learn 9,000 pictures by heart. But a large error is left even on pictures that it has seen. That is underfitting: too few epochs, too few parameters, or both. A long training follows.
#
# ## Is the file the model?
#
# Another Python process gets only the file. **Predict:** how far apart are the answers?

# %% tags=["trains"]
probe = f"{folder.name}/probe.npy"
np.save(probe, val.noisy[:50])
program = (
    "import sys, keras, numpy as np\n"
    "model = keras.models.load_model(sys.argv[1], compile=False)\n"
    "np.save(sys.argv[2], model.predict_on_batch(np.load(sys.argv[2])))"
)
subprocess.run([sys.executable, "-c", program, path, probe], check=True, capture_output=True)
apart = float(np.abs(np.load(probe) - model.predict_on_batch(val.noisy[:50])).max())
told = f"largest difference {apart:.1e}"
lessons.claim("the file gives the model's pictures", apart < 1e-6, told, profile)

# %% [markdown]
# `compile=False` loads a model for use, not for training. The sums of another process may round differently, in the seventh digit.
#
# ## Was it luck?
#
# Another [seed](GLOSSARY.md#seed) gives other first weights, and another result. So train each recipe under three seeds. The rival is project C, with its own settings.
#
# **Predict:** which is larger, the difference between recipes or between seeds?

# %% tags=["trains"]
recipes = {
    "baseline": (baseline, {"learning_rate": 4e-3, "batch_size": 32}),
    "project C": (originals.project_c_pooling, {"learning_rate": 1e-3, "batch_size": 128}),
}
found = {"baseline": [on_val], "project C": []}
for name, (build, settings) in recipes.items():
    for run_seed in range(len(found[name]), len(profile.seeds)):
        print(f"\r{name}, seed {run_seed} ...   ", end="", flush=True)
        keras.utils.set_random_seed(run_seed)
        model_of_seed = build()
        fit(model_of_seed, f"{folder.name}/{name}_{run_seed}.h5", **settings)
        found[name].append(excess(model_of_seed, val.noisy, val.clean))

# %% [markdown]
# The last column is the [spread](GLOSSARY.md#spread), the standard deviation over seeds. A filter, tuned on these pictures, has none.

# %% tags=["trains"]
chosen = baselines.choose(("median", "Gaussian blur"), val.noisy, val.clean)
filtered = float(evaluation.bce(chosen(val.noisy), val.clean).mean()) - floor
rows = [{"name": "noisy input", "mean": untouched}]
rows += [{"name": f"filter: {chosen}", "mean": filtered}]
for name, values in found.items():
    row = {"name": name, "lowest": min(values), "mean": np.mean(values), "highest": max(values)}
    rows.append(row | {"sd": np.std(values, ddof=1) if len(values) > 1 else None})
columns = {"name": ("recipe", "{}")}
columns |= {key: (key, "{:.4f}") for key in ("lowest", "mean", "highest", "sd")}
told = f"worst {max(found['baseline']):.4f}, project C's best {min(found['project C']):.4f}"
better = max(found["baseline"]) < min(found["project C"])
lessons.claim("the baseline is better under every seed", better, told, profile)
Markdown(evaluation.format_table(rows, columns, "excess on validation pictures"))

# %% [markdown]
# Recipes differ more than seeds. Is that fair? Project C's larger batches mean fewer steps. So train both for long.
#
# ## The same, but it survives a kill
#
# A stopped `fit` cannot go on; its best epoch remains. `training.train` uses the same two callbacks and saves its state after every epoch. Stopped, it continues there. What is finished is loaded. Here it trains on all pictures, for up to 100 epochs. The seed with the lowest validation loss of three was kept.
#
# `save_run` puts a *card* beside the model, a .json file that tells how it was made. Notebook 14 adds its test scores.

# %%
data = (pairs.train.noisy, pairs.train.clean), (val.noisy, val.clean)
common = {"runs": profile.runs, "record": pairs.record, "epochs": profile.epochs, "patience": 5}
told = f"28x28 {pairs.label}, noise {', '.join(map(str, pairs.record['noise'].values()))}"
limits = f"Trained on {told}; not meant for other mixes, sizes or pictures."
about = {"limits": limits, "task": task}
roles = {"baseline": ("capped", "cap_baseline", 0), "project C": ("reference", "project_c", 2)}
runs = {}
for title, (role, ending, run_seed) in roles.items():
    (build, settings), kept = recipes[title], profile.models / f"{task}_{ending}.h5"
    named = {"name": kept.stem, "seed": run_seed, "saved": [kept]}
    run = runs[title] = training.train(build, *data, **named, **common, **settings)
    saving.save_run(run, profile.models, role=role, scores={}, noisy_scores={}, **about)
    print(f"{title}: {len(run.history)} epochs, best {run.best['epoch']}", end=", ")
    print(f"excess {run.best['val_loss'] - floor:.4f}")

# %% [markdown]
# ## Against simple rivals
#
# The baseline stopped five epochs after its best; project C's last was its best. The filter was fitted to 200 of these pictures. Here *sd* is over pictures.
#
# **Predict:** which share of the digits does the judge read before denoising, and after?

# %%
shown, judge = val, lessons.load_model("digit_judge", profile)
table = evaluation.yardsticks(shown, {f"filter: {chosen}": chosen(shown.noisy)}, judge)
for title in ("project C", "baseline"):
    row = {"name": f"{title}, long", "parameters": runs[title].model.count_params()}
    table.append(row | evaluation.score_model(runs[title].model, shown, judge))
keys = ("name", "parameters", "excess", "psnr", "psnr_sd", "ssim", "legibility")
columns = {key: evaluation.COLUMNS[key] for key in keys}
filtered, older, newer = (row["excess"] for row in table[-3:])
told = f"excess {filtered:.4f}, {older:.4f}, {newer:.4f}"
better = filtered > older > newer
lessons.claim("filter, project C, baseline: each is better", better, told, profile)
Markdown(evaluation.format_table(table, columns, f"{len(shown.clean):,} validation pictures"))

# %% [markdown]
# The filter removes a tenth of the excess, by darkening alone: blur removes no garment. One seed each, the best of three. The judge reads 46.9 % of the noisy digits, 61.5 % after the filter, 87.5 % of project C's, 98.5 % of the baseline's.

# %%
# Figure: ten digits in five rows: clean, noisy, filtered, project C's answer, the baseline's.
few = slice(10)
rows = {"clean": val.clean[few], "noisy": val.noisy[few], "filter": chosen(val.noisy[few])}
for title in ("project C", "baseline"):
    rows[title] = evaluation.predict(runs[title].model, val.noisy[few])
figure = plots.show_images(rows, val.clean[few], pairs.label)

# %% [markdown]
# Project C blurs the strokes, the baseline keeps them. The figure does not say why. In picture two, cloth and stroke are equally bright, and both fail.
#
# ## Exercises
#
# ### Exercise 1 (easy): when does it stop?
#
# A training has these validation losses, epoch by epoch, and `EarlyStopping(patience=3, restore_best_weights=True)`. After which epoch does it stop? Which epoch's weights does it keep? Count from 1.

# %% tags=["exercise"]
val_losses = [0.20, 0.15, 0.13, 0.14, 0.135, 0.132, 0.131, 0.125, 0.12]
answer_1 = ...  # (stops after, keeps)

# %% [markdown]
# The check asks the callback itself:


# %% tags=["check"]
def stop_by_keras(losses):
    """Return after which epoch EarlyStopping ends this training, and the best epoch."""
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=3)
    stopping.set_model(baseline())
    stopping.on_train_begin()
    for epoch, loss in enumerate(losses):
        stopping.on_epoch_end(epoch, {"val_loss": loss})
        if getattr(stopping.model, "stop_training", False):
            return epoch + 1, stopping.best_epoch + 1


hint = "Find the best epoch so far, then count those after it that are not better."
lessons.check(answer_1, stop_by_keras(val_losses), hint)

# %% [markdown]
# ### Exercise 2 (medium): on an empty cell
#
# Write a denoising autoencoder of your own, in plain Keras, without looking up, and without `baseline` and `fit` of this page. Build it, compile it, and fit it from `noisy` to `clean`. Validate on `val.noisy` and `val.clean`, stop early, and save the best epoch as `.h5`. Keep to 3,600 parameters. Choose an architecture that is neither the baseline's nor project C's. Leave less than half of the noisy input's excess (in a short run: less than all of it). The check wants the file's validation loss to be the lowest of your history.

# %% tags=["exercise"]
answer_2 = ...  # (the path of your .h5 file, what your fit returned)

# %% [markdown]
# The check opens your file with plain Keras; `python -m denoise_utils grade FILE.h5` checks the rest:


# %% tags=["check"]
def denoises(answer):
    """Say whether a file is a legal denoiser, of the best epoch, that beats the noisy input."""
    path, history = answer
    if not str(path).endswith(".h5"):
        return False
    model = keras.models.load_model(path, compile=False)
    legal = model.count_params() <= profiles.CAP and model.input_shape[1:3] in SIZES
    known = baseline().count_params(), originals.project_c_pooling().count_params()
    left = excess(model, val.noisy, val.clean)
    best = abs(min(history.history["val_loss"]) - floor - left) < 2e-4
    return legal and best and model.count_params() not in known and left < enough


SIZES, enough = ((28, 28), (None, None)), profile.pick(0.5, 1) * untouched
lessons.check(answer_2, denoises, "An .h5? Of the best epoch? Legal? Trained for long enough?")

# %% [markdown]
# ### Exercise 3 (open): less is more
#
# Leave at most twice the baseline's mean excess with at most 1,000 parameters, for pictures of 28 x 28. (In a short run: less than project C's best seed.) Architecture, [learning rate](GLOSSARY.md#learning-rate), batch size and epochs are yours.

# %% tags=["exercise"]
answer_3 = ...  # your trained keras.Model

# %% [markdown]
# Check it:


# %% tags=["check"]
def is_small_and_good(model):
    """Say whether a model of at most 1,000 parameters leaves little enough."""
    small = model.count_params() <= 1000 and model.input_shape == (None, 28, 28, 1)
    bar = profile.pick(2 * np.mean(found["baseline"]), min(found["project C"]))
    return small and excess(model, val.noisy, val.clean) < bar


hint = "Notebook 04 has a model of 829 parameters. How is it trained best?"
lessons.check(lambda: answer_3, is_small_and_good, hint)

# %% [markdown]
# ## What we learned
#
# - `EarlyStopping` restores the best weights; `ModelCheckpoint` writes them to a file.
# - Over- and underfitting are measured on both sets.
# - "Better" needs seeds: means must differ by clearly more than the spread.
# - The file is the model: another process gets the same. `model.save(path)` writes one too.
#
# **References**
#
# - L. Prechelt (1998), *Early stopping, but when?*, [doi:10.1007/3-540-49430-8_3](https://doi.org/10.1007/3-540-49430-8_3).
# - P. Vincent et al. (2008), *Extracting and composing robust features with denoising autoencoders*, [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - Project C: [qtvo93/Machine_Learning_General](https://github.com/qtvo93/Machine_Learning_General).
