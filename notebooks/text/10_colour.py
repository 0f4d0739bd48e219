# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 10. Colour: why did 240 epochs gain nothing?
#
# Project R denoised small colour photographs for 250 [epochs](GLOSSARY.md#epoch). Its training loss fell from .32 to .14 in ten of them, and then stood still. Was the model too small, or the training too short? Neither: you can compute .14 without any model.
#
# **You will learn** to compute the floor of a loss before you train, and to let a model correct its input.
#
# **You need** notebooks 00, 02 and 03.
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
# Two models are loaded: project R's architecture, trained on data without the fault, and a small one of this course.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from keras import layers

from denoise_utils import baselines, data, evaluation, lessons, noise, plots, profiles

profile, seed = lessons.begin(["colour_project_r", "colour_small"])
sizes = {"num_train": profile.pick(None, 400), "num_val": profile.pick(1000, 100), "num_test": 1}
pairs = noise.load_task("colour", **sizes, seed=seed)
print(f"{pairs.label} at 28 x 28: {len(pairs.train.clean):,} pictures to train on,", end=" ")
print(f"{len(pairs.val.clean):,} to measure on")

# %% [markdown]
# ## The fault
#
# Project R moved its pictures from [0, 1] to [-1, 1] and added noise. Then it clipped the noisy ones to [0, 1]. The target stayed in [-1, 1].
#
# **Predict:** what happens to a dark pixel?


# %%
# Figure: seven photographs: clean, as project R's input, and with this course's noise.
def faulty(clean, number):
    """Return project R's input and target."""
    target = 2 * clean - 1
    grain = np.random.default_rng([seed, number]).standard_normal(clean.shape, dtype="float32")
    return np.clip(target + np.float32(0.1) * grain, 0, 1), target


noisy, target = faulty(pairs.train.clean, 0)
val_noisy, val_target = faulty(pairs.val.clean, 1)
print(f"{np.mean(target < 0):.0%} of the target's values are below 0, mid-grey")
few, clean = slice(7), pairs.val.clean
shown = {"clean": clean[few], "R's input": (val_noisy[few] + 1) / 2}
figure = plots.show_images(shown | {"our noise": pairs.val.noisy[few]}, clean[few], pairs.label)

# %% [markdown]
# What was darker than mid-grey has become mid-grey. More than half of all values are lost.
#
# ## The floor
#
# The model ends in a [sigmoid](GLOSSARY.md#sigmoid), so it answers between 0 and 1. For a target $t$ of at least 0 the best answer is $t$. For a negative $t$ it is 0, which costs $t^2$.
#
# **Predict:** the mean of that, the floor of the [MSE](GLOSSARY.md#mse).

# %%
# Figure: left, how often each target occurs; right, the loss of the best answer in [0, 1].
best = np.clip(target, 0, 1)
floor = float(np.mean((best - target) ** 2))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.hist(target.ravel(), bins=50, weights=np.full(target.size, 1 / target.size))
left.set(xlabel="target t", ylabel="share of values")
t = np.linspace(-1, 1, 201)
right.plot(t, (np.clip(t, 0, 1) - t) ** 2)
right.set(xlabel="target t", ylabel="loss of the best answer")
figure.tight_layout()
before = 2 * data.load_splits("cifar10", **sizes, seed=seed).train.images - 1
whole = float(np.mean(np.minimum(before, 0) ** 2))
told = f"{floor:.4f} on training pictures; before resizing {whole:.4f}"
lessons.claim("no answer of a sigmoid has a loss below .13", 0.13 < floor < 0.135, told, profile)

# %% [markdown]
# No model, no seed and no number of epochs gets below. Resizing by averages takes contrast away. At 32 x 32 pixels, before it, the floor is .141. So project R's .14 is floor, and little else.
#
# ## The original
#
# Four [convolutions](GLOSSARY.md#convolution) of 5 x 5 and four [transposed](GLOSSARY.md#transposed-convolution) ones, each with batch normalisation. It brings a layer's sums to mean 0 and spread 1, then scales and shifts them by learned numbers.


# %%
def project_r():
    """Return project R's model, to the parameter."""
    down = ((16, 1, "same"), (32, 2, "same"), (64, 1, "same"), (128, 1, "valid"))
    up = ((64, 1, "valid"), (32, 1, "same"), (16, 2, "same"), (3, 1, "same"))
    inputs = x = layers.Input((28, 28, 3))
    for layer, row in ((layers.Conv2D, down), (layers.Conv2DTranspose, up)):
        for filters, strides, padding in row:
            x = layer(filters, 5, strides=strides, padding=padding)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("sigmoid" if filters == 3 else "relu")(x)
    return keras.Model(inputs, x)


learned = sum(int(np.prod(one.shape)) for one in project_r().trainable_weights)
print(f"{learned:,} learned parameters, {project_r().count_params():,} with kept averages")

# %% [markdown]
# ## Train it until it creeps
#
# Project R took batches of 64 at a rate of .001. To answer 0, a sigmoid needs a very negative sum. Adam moves each parameter by about the rate at every step, so that takes thousands of steps. To be there in minutes, you take 1,600 pictures, batches of 16, and a rate of .01. The floor depends on none of these.
#
# **Predict:** where will the curve end?

# %% tags=["trains"]
some = slice(profile.pick(1600, 200))
keras.utils.set_random_seed(seed)
stuck = project_r()
stuck.compile(keras.optimizers.Adam(1e-2, weight_decay=1e-5), "mean_squared_error")
settings = {"batch_size": 16, "epochs": profile.pick(12, 4), "verbose": 0}
told = keras.callbacks.LambdaCallback(
    on_epoch_end=lambda epoch, logs: print(f"\repoch {epoch + 1}: {logs['loss']:.4f}", end="")
)
losses = stuck.fit(noisy[some], target[some], callbacks=[told], **settings).history["loss"]

# %% [markdown]
# The dotted line is the floor of the pictures that it trained on.

# %% tags=["trains"]
# Figure: the training loss falls steeply, then creeps towards a dotted floor.
its_floor = float(np.mean(np.minimum(target[some], 0) ** 2))
figure, axes = plt.subplots(figsize=(7, 3.4))
epochs = np.arange(1, len(losses) + 1)
axes.plot(epochs, losses, "o-", markersize=4)
axes.annotate(" training", (epochs[-1], losses[-1]), va="bottom")
axes.axhline(its_floor, color="0.4", linestyle=":")
axes.annotate(" floor", (epochs[-1], its_floor), va="top")
axes.set(xlabel="epoch", ylabel="MSE, targets from -1 to 1", ylim=(0, None))
axes.set_xlim(0.5, epochs[-1] + 2)
share = its_floor / losses[-1]
here = f"{its_floor:.4f} of {losses[-1]:.4f}, {share:.0%}"
print("losses:", *(f"{loss:.3f}" for loss in losses))
lessons.claim("the floor is nine tenths of the last loss", share > 0.9, here, profile)

# %% [markdown]
# In four epochs of 100 steps it falls from .32 to .16; the last three gain .001 each, or less. Of the loss at the end, .141, no training can remove .132.
#
# > **Correction.** An earlier edition drew the floor below a run that ended at .170 and still fell. That showed no training near its floor.
#
# ## The perfect answer to a wrong question
#
# Imagine a model that always gives the best answer in [0, 1]. Bring it back from [-1, 1] to the pictures' own range.
#
# **Predict:** is it better than the noisy picture of this course?

# %% tags=["trains"]
# Figure: seven photographs, the trained model's answers, the perfect ones, our noise.
as_meant = (evaluation.predict(stuck, val_noisy) + 1) / 2
perfect = (np.clip(val_target, 0, 1) + 1) / 2
shown = {"clean": clean[few], "trained": as_meant[few], "perfect": perfect[few]}
figure = plots.show_images(shown | {"our noise": pairs.val.noisy[few]}, clean[few], pairs.label)
least = float(np.mean((perfect - clean) ** 2))
untouched = float(np.mean((pairs.val.noisy - clean) ** 2))
here = f"MSE {least:.4f} and {untouched:.4f}"
worse = least > untouched
lessons.claim("the perfect answer is worse than the noisy picture", worse, here, profile)

# %% [markdown]
# It shows every dark place as mid-grey. Its error is three and a half times that of the noisy picture, and no faulty model has less. A bound holds for every seed.
#
# ## Mended
#
# The mend is one line: target, noise and output all in [0, 1]. The loaded model is project R's architecture so trained, on 18,000 pictures for eight epochs.
#
# Can fewer parameters do as much? Three convolutions may *draw* the picture anew. Or they say what to add to the noisy one, and so *correct* it.
#
# **Predict:** does that matter, at the same number of parameters?


# %%
def small(correct):
    """Return three convolutions that draw a picture, or correct their input."""
    inputs = layers.Input((28, 28, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(3, 3, padding="same")(x)
    return keras.Model(inputs, layers.Add()([inputs, x]) if correct else x)


print(f"{small(True).count_params():,} parameters, and {small(False).count_params():,}")

# %% [markdown]
# Both train on the same pictures, with the same settings.

# %% tags=["trains"]
several = slice(profile.pick(4000, 400))
data = pairs.train.noisy[several], pairs.train.clean[several]
found = {"small, draws": [], "small, corrects": []}
for name, models in found.items():
    for run_seed in profile.seeds:
        print(f"\r{name}, seed {run_seed} ...   ", end="", flush=True)
        keras.utils.set_random_seed(run_seed)
        model = small(name.endswith("corrects"))
        model.compile(keras.optimizers.Adam(4e-3), "mean_squared_error")
        model.fit(*data, batch_size=32, epochs=profile.pick(5, 3), verbose=0)
        models.append(model)

# %% [markdown]
# A filter is tuned on these very pictures, which flatters it. The spread is over seeds.

# %% tags=["trains"]
rivals = lessons.load_rivals(["colour_project_r", "colour_small"], profile)
names = {"colour_project_r": "R, mended"}
loaded = {names.get(name, name): [model] for name, model in rivals.items()}
best_filter = baselines.choose(("median", "Gaussian blur"), pairs.val.noisy, clean)
answers = {"noisy input": [pairs.val.noisy], "R as it was, perfect": [perfect]}
answers |= {f"filter: {best_filter}": [best_filter(pairs.val.noisy)]}
trained = loaded | found
answers |= {n: [evaluation.predict(m, pairs.val.noisy) for m in one] for n, one in trained.items()}
errors = {n: [evaluation.mse(one, clean).mean() for one in each] for n, each in answers.items()}

# %% [markdown]
# Lower is better, 0 would be perfect.

# %% tags=["trains"]
rows = []
for name, each in errors.items():
    row = {"name": name, "mse": np.mean(each)}
    if name in trained:
        row |= {"runs": len(each), "parameters": trained[name][0].count_params()}
    rows.append(row | {"sd": np.std(each, ddof=1) if len(each) > 1 else None})
columns = {"name": ("", "{}"), "parameters": ("parameters", "{:,}"), "runs": ("runs", "{}")}
columns |= {"mse": ("MSE", "{:.5f}"), "sd": ("spread", "{:.5f}")}
draws, corrects = (errors[name] for name in found)
here = f"worst {max(corrects):.5f}, best of those that draw {min(draws):.5f}"
better = max(corrects) < min(draws)
lessons.claim("to correct is better than to draw, under every seed", better, here, profile)
Markdown(evaluation.format_table(rows, columns, f"{len(clean):,} validation pictures"))

# %% [markdown]
# To correct has less error than to draw, under each of three seeds. Project R's architecture, 169 times as large, ends near them. It had one run, and more pictures, so this ranks nothing. `colour_small` (36 epochs, R eight) corrects in many steps: notebook 11 tells how.

# %% tags=["trains"]
# Figure: seven photographs: clean, noisy, from project R mended, from colour_small.
shown = {"clean": clean[few], "noisy": pairs.val.noisy[few]}
shown |= {name: answers[name][0][few] for name in loaded}
figure = plots.show_images(shown, clean[few], pairs.label)

# %% [markdown]
# Look at the cat and the last dog: project R's architecture draws them softer, and redder.
#
# ## Exercises
#
# ### Exercise 1 (easy): a floor by hand
#
# A model ends in a sigmoid. Its targets are -1, -.5, 0 and .5, each equally often. What is the least mean squared error that it can reach?

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# The check computes it as above:

# %% tags=["check"]
four = np.array([-1, -0.5, 0, 0.5])
hint = "0 where the target is negative, the target elsewhere; then the mean of four squares"
lessons.check(answer_1, np.mean((np.clip(four, 0, 1) - four) ** 2), hint)

# %% [markdown]
# ### Exercise 2 (medium): a check before you train
#
# Mend this function. It should return the least mean squared error of *any* model whose answers lie between `low` and `high`. That is (0, 1) for a sigmoid, (-1, 1) for tanh, (0, infinity) for [ReLU](GLOSSARY.md#relu).


# %% tags=["exercise"]
def least_mse(target, low, high):
    return np.mean(np.minimum(target, 0) ** 2)


answer_2 = ...  # least_mse, once you have mended it

# %% [markdown]
# The check tries four ranges, and pictures that nobody divided by 255:


# %% tags=["check"]
def holds_everywhere(function):
    """Say whether the function is right for five pairs of targets and ranges."""
    some = val_target[:20].astype(float)
    cases = [(some, 0, 1), (some, -1, 1), (some, 0, np.inf), (255 * some, 0, 1), (some, -0.5, 0.5)]
    wanted = [np.mean((np.clip(one, low, high) - one) ** 2) for one, low, high in cases]
    return np.allclose([function(*case) for case in cases], wanted)


hint = "the best answer is the target, clipped to the range: np.clip"
lessons.check(lambda: answer_2, holds_everywhere, hint)

# %% [markdown]
# ### Exercise 3 (open): below the floor
#
# Leave project R's input (`noisy`) and its target in [-1, 1] as they are. Build and train a model that gets below the floor, with at most 3,600 parameters. What has to change?

# %% tags=["exercise"]
answer_3 = ...  # your trained keras.Model

# %% [markdown]
# The check measures on validation pictures:


# %% tags=["check"]
def is_below(model):
    """Say whether a legal model has a lower error than any sigmoid could have."""
    errors = (evaluation.predict(model, val_noisy) - val_target) ** 2
    return model.count_params() <= profiles.CAP and errors.mean() < least_val


least_val = float(np.mean(np.minimum(val_target, 0) ** 2))
hint = "which activation, or none, can answer from -1 to 1? Does it train for long enough?"
lessons.check(lambda: answer_3, is_below, hint)

# %% [markdown]
# ## What we learned
#
# - Compute the least loss that your last activation allows, and draw it into the curve.
# - A loss that stands still may stand on a floor. Then neither epochs nor parameters help.
# - Data, noise and output share one range.
# - Let a small model correct its input: doing nothing is then free.
#
# **References**
#
# - Project R: a course project in PyTorch; the course describes it, and has no address of it.
# - S. Ioffe and C. Szegedy (2015), *Batch normalization: accelerating deep network training by reducing internal covariate shift*, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - K. Zhang, W. Zuo, Y. Chen, D. Meng and L. Zhang (2017), *Beyond a Gaussian denoiser: residual learning of deep CNN for image denoising*, [doi:10.1109/TIP.2017.2662206](https://doi.org/10.1109/TIP.2017.2662206).
# - A. Krizhevsky (2009), *Learning multiple layers of features from tiny images* (CIFAR-10), [technical report](https://www.cs.toronto.edu/~kriz/learning-features-2009-TR.pdf).
