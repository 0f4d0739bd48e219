# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 0. The first autoencoder: what is it, and how does it clean a picture?
#
# You can describe a digit in a few words: a seven, slanted, with a bar. A person can draw it from that. A network can learn such a description by itself, and noise does not fit in.
#
# **You will learn** what encoder, code and decoder are, and eleven calls of Keras that make, train, save and load them.
#
# **You need** Python and NumPy, and no Keras. The digits are MNIST, or small ones of scikit-learn where it is missing.
#
# **It takes** about 1 minute in the full profile, at most one in the quick one.

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
# The second cell loads the libraries and tells the *profile*: full (all pictures) or quick (few). `profile.pick(a, b)` is `a` in the full one, else `b`.

# %%
import tempfile
from pathlib import Path

import keras
import numpy as np
from keras import layers

from denoise_utils import data, evaluation, lessons, plots, saving

profile, seed = lessons.begin()

# %% [markdown]
# ## The pictures
#
# A picture has 28 x 28 pixels and one channel, from 0 (black) to 1 (white). The network learns from `train`. On `val`, the [validation set](GLOSSARY.md#validation-set), you watch its progress.

# %%
sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": 1}
digits = data.load_splits("mnist", **sizes, seed=seed)
train, val = digits.train.images, digits.val.images
print(f"{digits.label}: train {train.shape}, val {val.shape}, {train.dtype}")

# %% [markdown]
# ## Encoder, code, decoder
#
# An [autoencoder](GLOSSARY.md#autoencoder) is two networks in a row:
#
# ```
#   picture           encoder            code           decoder           picture
# 28 x 28 = 784  ──▶  784 ▶ 128  ──▶  32 numbers  ──▶  128 ▶ 784  ──▶  28 x 28 = 784
# ┌───────────┐       ╲       ╱           ┌─┐          ╱       ╲       ┌───────────┐
# │     7     │        ╲     ╱            │ │         ╱         ╲      │     7     │
# └───────────┘         ╲   ╱             └─┘        ╱           ╲     └───────────┘
# ```
#
# The [encoder](GLOSSARY.md#encoder) turns a picture into a few numbers, the [code](GLOSSARY.md#code). The [decoder](GLOSSARY.md#decoder) draws a picture from the code. The code is a [bottleneck](GLOSSARY.md#bottleneck): 784 pixels must pass through 32 numbers.
#
# A `Dense` layer computes for each output one weighted sum of *all* its inputs. [`relu`](GLOSSARY.md#relu), its [activation](GLOSSARY.md#activation), replaces what is negative by 0; without one, two layers could do no more than one. `Flatten` lays the pixels in one row; `Reshape` undoes it. [`sigmoid`](GLOSSARY.md#sigmoid) squeezes each pixel of the answer between 0 and 1.


# %%
def build_autoencoder(code_size=32):
    """Return the encoder, the decoder, and both in a row."""
    keras.utils.set_random_seed(seed)  # the same start each time
    encoder = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten()], name="encoder")
    encoder.add(layers.Dense(128, activation="relu"))
    encoder.add(layers.Dense(code_size, name="code"))
    decoder = keras.Sequential([keras.Input((code_size,))], name="decoder")
    decoder.add(layers.Dense(128, activation="relu"))
    decoder.add(layers.Dense(784, activation="sigmoid"))
    decoder.add(layers.Reshape((28, 28, 1)))
    both = keras.Sequential([keras.Input((28, 28, 1)), encoder, decoder], name="autoencoder")
    return encoder, decoder, both


# %% [markdown]
# Now count its [parameters](GLOSSARY.md#parameter), the numbers that training may change.
#
# **Predict:** the first `Dense` layer joins 784 pixels to 128 outputs. How many parameters: 1,000, 10,000 or 100,000?

# %%
encoder, decoder, autoencoder = build_autoencoder()
print([encoder.output_shape, decoder.output_shape, autoencoder.output_shape])
print(f"first layer {encoder.layers[1].count_params():,}, all {autoencoder.count_params():,}")

# %% [markdown]
# $784 \cdot 128 + 128 = 100{,}480$. The [assignment](../ASSIGNMENT.md), the course's goal, allows 3,600; notebook 04 begins there. (`None` stands for any number of pictures.)
#
# ## Clean in, clean out
#
# `compile` says how to learn. The [optimizer](GLOSSARY.md#optimizer) `adam` changes the parameters; the [loss](GLOSSARY.md#loss), here [binary cross-entropy](GLOSSARY.md#bce), says how wrong an answer is. `fit` shows the pictures 128 at a time, a [batch](GLOSSARY.md#batch), and changes the parameters after each: a *step*. Once through all is an [epoch](GLOSSARY.md#epoch). Input and target are the *same* picture: that is the "auto".
#
# **Predict:** does the loss go to 0?

# %% tags=["trains"]
epochs = profile.pick(8, 15)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
history = autoencoder.fit(
    train,
    train,
    validation_data=(val, val),
    epochs=epochs,
    batch_size=128,
    verbose=2,
)

# %% [markdown]
# The loss falls quickly, then slowly, and cannot reach 0: a grey pixel costs something even when the answer is perfect (notebook 03). `val_loss` stays close to `loss`, so the network has not learned its pictures by heart.
#
# ## Look at the code
#
# A model is a function: the encoder gives codes, the decoder draws from them.
#
# **Predict:** what does it draw for a code *halfway* between two digits?

# %% tags=["trains"]
# Figure: nine digits, below them what the decoder draws from their codes, and a blend of two.
codes = np.asarray(encoder(val[:9]))
halfway = (codes[:1] + codes[1:2]) / 2
drawn = np.asarray(decoder(np.concatenate([codes, halfway])))
print("the first code:", codes[0].round(1))
figure = plots.show_images({"picture": val[:9], "from its code": drawn}, label=digits.label)

# %% [markdown]
# Most digits survive, softer; the thin 2 loses its foot. The last picture lies halfway between the 3 and the 6: a blur of both, and no digit.
#
# ## Noisy in, clean out
#
# Now spoil the pictures: add random numbers, then cut off what leaves the range from 0 to 1.

# %%
rng = np.random.default_rng(seed)


def add_noise(clean):
    noise = rng.normal(0, 0.4, clean.shape)  # mean 0, standard deviation 0.4
    return np.clip(clean + noise, 0, 1).astype("float32")


noisy_train, noisy_val = add_noise(train), add_noise(val)

# %% [markdown]
# A *denoising* autoencoder has the same layers, but its input is noisy and its target clean. Two helpers, *callbacks*, watch the training. [`EarlyStopping`](GLOSSARY.md#early-stopping) ends it when `val_loss` has not improved for two epochs. [`ModelCheckpoint`](GLOSSARY.md#checkpoint) saves the model whenever `val_loss` is the best so far. The assignment asks for the older format `.h5`; `without_legacy_warning` silences Keras's remark on it.

# %% tags=["trains"]
path = Path(tempfile.mkdtemp()) / "denoiser.h5"
stop = keras.callbacks.EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
keep = keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True)
denoiser = build_autoencoder()[2]
denoiser.compile(optimizer="adam", loss="binary_crossentropy")
with saving.without_legacy_warning():
    history = denoiser.fit(
        noisy_train,
        train,
        validation_data=(noisy_val, val),
        epochs=epochs,
        batch_size=128,
        callbacks=[stop, keep],
        verbose=2,
    )

# %% [markdown]
# ## Save and load
#
# Every epoch was better than the last, so the training ran on. The file holds the best epoch. `compile=False`: you want to use the model, not to train it.

# %% tags=["trains"]
loaded = keras.models.load_model(path, compile=False)
cleaned = loaded.predict(noisy_val, verbose=0)
same = np.array_equal(cleaned, denoiser.predict(noisy_val, verbose=0))
print(f"{path.name}: {path.stat().st_size:,} bytes, same answers: {same}")

# %% [markdown]
# ## Did it help?
#
# Compare the mean squared errors ([MSE](GLOSSARY.md#mse)): of the noisy pictures, of the network that learned clean ones only, and of the denoiser.
#
# **Predict:** the first network was never shown noise. Does it remove any? In which order do the three come?
#
# `lessons.claim` holds a sentence of this text to your numbers.

# %% tags=["trains"]
# Figure: ten digits clean, noisy, by the first network, and by the denoiser.
only_clean = autoencoder.predict(noisy_val, verbose=0)
rows = {"clean": val, "noisy": noisy_val, "learned clean": only_clean, "denoiser": cleaned}
errors = {name: round(float(np.mean((row - val) ** 2)), 4) for name, row in rows.items()}
noisy_error, first, second = list(errors.values())[1:]
figure = plots.show_images({name: row[:10] for name, row in rows.items()}, val[:10], digits.label)
falls = np.diff(history.history["val_loss"])
here = f"changes of val_loss {falls.round(4)}"
lessons.claim("each epoch of the denoiser was better", max(falls) < 0, here, profile)
quarter = abs(first / noisy_error - 0.75) < 0.05
lessons.claim("the first network removes about a quarter", quarter, str(errors), profile)
fifth = second < 0.22 * noisy_error
lessons.claim("the denoiser leaves about a fifth, or less", fifth, str(errors), profile)

# %% [markdown]
# The first network removes about a quarter of the error: grain misleads it, and it draws wrong strokes. The denoiser was shown what to remove, and leaves about a fifth. The number over a picture is its [PSNR](GLOSSARY.md#psnr); higher is better. Can you *read* the digits? Notebook 03 asks.
#
# ## Exercises
#
# Fill a cell, run it, then run its check.
#
# ### Exercise 1 (easy): count before you build
#
# How many parameters would this autoencoder have with a code of 2 numbers? A `Dense` layer has one parameter for each pair of input and output, and one more for each output. Work it out by hand.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# The check builds the network and counts.

# %% tags=["check"]
hint = "784 to 128, 128 to 2, 2 to 128, 128 to 784: each inputs x outputs + outputs"
lessons.check(answer_1, build_autoencoder(2)[2].count_params(), hint)

# %% [markdown]
# ### Exercise 2 (medium): mend a decoder
#
# This function should draw pictures from codes of 8 numbers. It runs, but its pictures have the wrong shape, and some pixels are below 0. Mend both.


# %% tags=["exercise"]
def build_decoder():
    decoder = keras.Sequential([keras.Input((8,))])
    decoder.add(layers.Dense(128, activation="relu"))
    decoder.add(layers.Dense(784))
    return decoder


answer_2 = ...  # build_decoder, once you have mended it


# %% [markdown]
# The check draws from random codes.

# %% tags=["check"]
eight = 9 * np.random.default_rng(seed).normal(size=(50, 8)).astype("float32")
hint = "which activation squeezes into 0 to 1, and which layer makes (28, 28, 1) of 784?"


def is_a_picture(drawn):
    in_range = drawn.min() >= 0 and drawn.max() <= 1
    return drawn.shape == (50, 28, 28, 1) and in_range and drawn.std() > 0.01


lessons.check(answer_2, lambda decoder: is_a_picture(np.asarray(decoder(eight))), hint)

# %% [markdown]
# ### Exercise 3 (open): a smaller bottleneck, a better denoiser?
#
# Write `train_denoiser()`: build a denoising autoencoder with a code of at most 8 numbers, train it on `noisy_train`, and return it. It must leave less than half of the noisy pictures' error on `noisy_val` (in a short run: less than all of it). Then try codes of 2, 32 and 128 numbers: is a bigger code always better?


# %% tags=["exercise"]
def train_denoiser():
    return ...


# %% [markdown]
# The check looks for the code, the narrowest layer, and measures the error.


# %% tags=["check"]
def denoises(model):
    inner = [one for part in model.layers for one in getattr(part, "layers", [part])]
    narrowest = min(one.units for one in inner if isinstance(one, layers.Dense))
    output = evaluation.predict(model, noisy_val)
    enough = profile.pick(0.5, 1) * noisy_error
    return narrowest <= 8 and np.mean((output - val) ** 2) < enough


hint = "at most 8 numbers in the code? from noisy_train to train? does its loss still fall?"
lessons.check(train_denoiser, denoises, hint)

# %% [markdown]
# ## What we learned
#
# - An autoencoder is an encoder, a code that is smaller than the picture, and a decoder.
# - Eleven calls do it: `Input`, `Flatten`, `Dense`, `Reshape`, `Sequential`, `compile`, `fit`, `EarlyStopping`, `ModelCheckpoint`, `load_model`, `predict`.
# - Trained clean to clean, it learns digits. Trained noisy to clean, it removes noise.
# - The saved file gives the same answers.
#
# **References**
#
# - G. E. Hinton and R. R. Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*, [doi:10.1126/science.1127647](https://doi.org/10.1126/science.1127647).
# - P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol (2008), *Extracting and composing robust features with denoising autoencoders*, [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - D. P. Kingma and J. Ba (2015), *Adam: a method for stochastic optimization*, [arXiv:1412.6980](https://arxiv.org/abs/1412.6980).
