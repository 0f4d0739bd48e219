# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Count parameters: what do 3,600 of them buy?
#
# The assignment allows 3,600 [parameters](GLOSSARY.md#parameter). You count by hand, and Keras checks your sum. But what does a parameter *cost to run*?
#
# **You will learn** to count the parameters and the multiplications of a model, and to tell before training whether it is legal.
#
# **You need** notebook 00. No data.
#
# **It takes** about 1 minute in the full profile, at most one in the quick one. Nothing is trained.

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
# In notebook 00 you listed layers. Here you *call* each on the output of the one before, and `keras.Model(inputs, x)` joins the ends: the *functional* style. `padding="same"` adds zeros around the picture, so that its size stays.

# %%
import itertools
import math

import keras
import numpy as np
from IPython.display import Markdown
from keras import layers

from denoise_utils import evaluation, lessons, models, plots, profiles
from denoise_utils.zoo import originals

profile, seed = lessons.begin()

# %% [markdown]
# ## The price of a layer
#
# A [convolution](GLOSSARY.md#convolution) has one [kernel](GLOSSARY.md#kernel) of $k \times k$ numbers for each pair of input and output channel. Each output channel, or [filter](GLOSSARY.md#filter), adds one number, its bias. A layer with 16 filters makes 16 pictures, the *channels* that the next layer reads:
#
# $$(k \cdot k \cdot \text{channels in} + 1) \cdot \text{filters}$$
#
# A dense layer has one number for each pair of input and output, and a bias per output.
#
# **Predict:** a layer turns a picture of 28x28 into another. How many times as much does a dense layer cost as a 3x3 convolution?


# %%
def conv(size, channels, filters):
    """Return the parameters of a convolution with square kernels, transposed or not."""
    return (size * size * channels + 1) * filters


def dense(inputs, outputs):
    """Return the parameters of a dense layer."""
    return (inputs + 1) * outputs


print("3x3 convolution, 1 channel to 1:  ", conv(3, 1, 1))
print("3x3 convolution, 16 channels to 8:", conv(3, 16, 8))
print(f"dense layer, 28x28 to 28x28:       {dense(784, 784):,}")

# %% [markdown]
# The dense layer costs 61,544 times as much. Its price grows with the picture. So a denoiser under a [cap](GLOSSARY.md#cap) is made mostly of convolutions.
#
# ## Layers without a price
#
# [Pooling](GLOSSARY.md#max-pooling) keeps the largest of four pixels, [upsampling](GLOSSARY.md#upsampling) repeats a pixel. Neither has anything to learn.
#
# **Predict:** what does each layer of the cell cost?

# %%
inputs = x = layers.Input((28, 28, 1))
x = layers.Conv2D(20, 3, padding="same", activation="relu")(x)
x = layers.MaxPooling2D(2)(x)
x = layers.Conv2D(10, 3, padding="same", activation="relu")(x)
x = layers.UpSampling2D(2)(x)
x = layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x)
small = keras.Model(inputs, x, name="small")
rows = models.describe_layers(small)
columns = {"layer": ("layer", "{}"), "output": ("output", "{}")}
columns["parameters"] = ("parameters", "{:,}")
Markdown(evaluation.format_table(rows, columns, f"{small.count_params():,} parameters in all"))

# %% [markdown]
# The middle layer is dear: it meets 20 channels. Its 1,960 outputs outnumber 784 pixels: no [bottleneck](GLOSSARY.md#bottleneck).
#
# ## Three answers to the assignment
#
# *Project C*, `project_c_pooling` below, is an older answer to this assignment. It pools to a [code](GLOSSARY.md#code) of 4x4x4. The second convolves by 18x18, pools to 7x7, squeezes that into 11 numbers, and draws from 14x14. The third uses [transposed convolutions](GLOSSARY.md#transposed-convolution). Count by hand and by Keras.

# %%
pooling = [(1, 16), (16, 8), (8, 4), (4, 4), (4, 8), (8, 16), (16, 1)]
transposed = [(1, 12), (12, 14), (14, 12), (12, 1)]
by_hand = {
    "project_c_pooling": [conv(3, *channels) for channels in pooling],
    "project_c_dense": [conv(18, 1, 1), dense(7 * 7, 11), dense(11, 196), conv(18, 1, 1)],
    "project_c_transposed": [conv(3, *channels) for channels in transposed],
}
answers = {name: getattr(originals, name)() for name in by_hand}
for name, terms in by_hand.items():
    print(f"{name}: {' + '.join(map(str, terms))} = {sum(terms):,}", end="; ")
    print(f"Keras: {answers[name].count_params():,}")
agree = all(sum(terms) == answers[name].count_params() for name, terms in by_hand.items())
lessons.claim("hand and Keras agree on all three", agree, f"agree: {agree}", profile)

# %% [markdown]
# The first:

# %%
# Figure: project C's layers as boxes: three convolutions and poolings, then the way back.
figure = plots.draw_model(answers["project_c_pooling"])

# %% [markdown]
# It shrinks to 4x4 and grows again; box 12 has no padding.
#
# ## A parameter is not a multiplication
#
# A kernel works at *every* place of its output. A weight at 28x28 is used 784 times, one at 4x4 only 16 times. Each use is a [multiplication](GLOSSARY.md#multiplication).


# %%
def multiplications(model):
    """Return the multiplications that a functional model needs for one picture."""
    # how often each layer is called
    calls = {one["name"]: len(one["inbound_nodes"]) for one in model.get_config()["layers"]}
    total = 0
    for layer in (layer for layer in model.layers if layer.weights):
        weights = math.prod(layer.weights[0].shape)  # without the bias, which is added
        spread_out = isinstance(layer, layers.Conv2DTranspose)  # works at places of its input
        places = (layer.input if spread_out else layer.output).shape[1:-1]
        total += weights * math.prod(places) * calls[layer.name]
    return total


print(f"by hand, first convolution: {3 * 3 * 1 * 16 * 28 * 28:,}")
print(f"project C, all layers:      {multiplications(answers['project_c_pooling']):,}")

# %% [markdown]
# **Predict:** project C has 3,369 parameters, the answer with 11 numbers 3,552. Which needs more multiplications?

# %%
shown = answers | {"small, from above": small, "U-Net (notebook 07)": models.unet()}
rows = []
for name, model in shown.items():
    count, work = model.count_params(), multiplications(model)
    row = {"name": name, "count": count, "left": profiles.CAP - count, "work": work}
    rows.append(row | {"each": work / count})
columns = {"name": ("model", "{}"), "count": ("parameters", "{:,}")}
columns |= {"left": ("left of the cap", "{:,}"), "work": ("multiplications", "{:,}")}
columns["each"] = ("per parameter", "{:.0f}")
factor = rows[0]["work"] / rows[1]["work"]
here = f"factor {factor:.1f}"
lessons.claim("fewer parameters, twice the work", 2 < factor < 3, here, profile)
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# Project C needs twice the work with fewer parameters. The U-Net uses each weight least often: most stand where the picture is small.
#
# ## Paying once, using often
#
# A Keras layer is an object. You can call it again, on its own output.
#
# **Predict:** one convolution is called 1, 4 and 16 times. What happens to parameters and multiplications?


# %%
def sharing(times):
    """Build a denoiser that applies one and the same convolution `times` times."""
    inputs = layers.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    again = layers.Conv2D(16, 3, padding="same", activation="relu")  # made once
    for _ in range(times):
        x = again(x)  # used many times
    return keras.Model(inputs, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


for times in (1, 4, 16):
    model = sharing(times)
    print(f"{times:2} times: {model.count_params():,} parameters", end=", ")
    print(f"{multiplications(model):,} multiplications")

# %% [markdown]
# The parameters stay, the work grows: this is *sharing weights*. The cap limits what you *store*, not what you *compute*. Notebook 11 asks what the work buys.
#
# ## Two ways to count wrongly
#
# Batch normalisation keeps four numbers for each channel. A scale and a shift are trained, a mean and a variance are not. The model needs all. And a model that is not built has no weights yet.

# %%
inputs = layers.Input((28, 28, 1))
normalised = keras.Model(inputs, layers.BatchNormalization()(layers.Conv2D(8, 3)(inputs)))
everything, trainable = models.count_parameters(normalised)
print(f"with batch normalisation: {everything} parameters, {trainable} of them trainable")
unbuilt = keras.Sequential([layers.Conv2D(8, 3)])
print(f"without an input shape: {len(unbuilt.weights)} weights, built: {unbuilt.built}")

# %% [markdown]
# So **all parameters count, trainable or not, on a built model**.
#
# ## Which architectures may you train?
#
# Notebook 05 searches the family `capped_autoencoder(filters, depth)`. The first convolution has `filters` filters, later ones half as many; `depth` counts the poolings. `small` has 20 filters and depth 1.
#
# **Predict:** at 16 filters and depth 1, what costs more: four more filters or one more pooling?

# %%
filters, depths = (12, 16, 20, 24, 28), (1, 2, 3)
family = {pair: models.capped_autoencoder(*pair) for pair in itertools.product(filters, depths)}
rows = []
for number in filters:
    counts = {depth: family[number, depth].count_params() for depth in depths}
    over = {depth: " (over)" if count > profiles.CAP else "" for depth, count in counts.items()}
    cells = {depth: f"{counts[depth]:,}{over[depth]}" for depth in depths}
    rows.append({"filters": number} | cells)
columns = {"filters": ("filters", "{}")} | {depth: (f"depth {depth}", "{}") for depth in depths}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# The pooling: it brings two more convolutions. The cap cuts a corner off the table: deep and wide do not go together.
#
# ## What does depth buy?
#
# An output pixel sees only a part of the input, its *receptive field*. The cell changes one row of the input at a time. Does the middle pixel of the output change?
#
# **Predict:** how many of the 28 rows count at depth 1, 2 and 3?


# %%
def rows_seen(model):
    """Return how many rows of the input reach the middle pixel of the output."""
    base = np.random.default_rng(seed).random((1, 28, 28, 1), dtype=np.float32)
    probes = np.repeat(base, 29, axis=0)  # the last stays as it is
    probes[np.arange(28), np.arange(28)] += 1  # in picture i, row i
    middle = evaluation.predict(model, probes)[:, 14, 14, 0]
    return int(np.count_nonzero(np.abs(middle[:28] - middle[28]) > 1e-6))


keras.utils.set_random_seed(seed)
seen = {depth: rows_seen(models.capped_autoencoder(12, depth)) for depth in depths}
print("; ".join(f"depth {depth}: {number} of 28 rows" for depth, number in seen.items()))
wider = seen[1] < seen[2] < seen[3]
lessons.claim("each pooling widens the view", wider, f"rows: {seen}", profile)

# %% [markdown]
# Wide sight or many filters: notebook 05 tries both.
#
# ## Exercises
#
# ### Exercise 1 (easy): a kernel of five
#
# A convolution with 5x5 kernels takes 8 channels and has 12 filters. How many parameters does it have? Work it out on paper and write the number.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it:

# %% tags=["check"]
layer = layers.Conv2D(12, 5)
layer.build((None, 28, 28, 8))
hint = "25 weights for each pair of channels, and one bias a filter."
lessons.check(answer_1, layer.count_params(), hint)

# %% [markdown]
# ### Exercise 2 (medium): a formula for the family
#
# Write the number of parameters of `capped_autoencoder(filters, depth=1)` as a formula of `filters` alone, without Keras. Its three convolutions are those of the `small` model. Which is the largest even number of filters that keeps to the cap?


# %% tags=["exercise"]
def parameters_of(filters):
    """Return the parameters of the family's member of depth 1."""
    return ...


answer_2 = ...  # the largest even number of filters

# %% [markdown]
# Check both:

# %% tags=["check"]
built = {number: models.capped_autoencoder(number, 1).count_params() for number in range(8, 40, 2)}
hint = "The sizes are 1 to filters, filters to filters // 2, and filters // 2 to 1."
lessons.check(lambda: parameters_of(20), lambda count: count == built[20], hint)
lessons.check(lambda: parameters_of(10), lambda count: count == built[10], hint)
widest = max(number for number in built if built[number] <= profiles.CAP)
lessons.check(answer_2, widest, "Try your formula on 20, 22, 24 and so on.")

# %% [markdown]
# ### Exercise 3 (open): as much work as you can buy
#
# Build a functional model from 28x28x1 to 28x28x1. It keeps to the cap, and needs at least 2,500,000 multiplications. No layer may be called twice, and only `Conv2D` layers have parameters. Where must its layers stand? There are many answers. (Functional: `x = layers.Conv2D(...)(x)`, as in `small`.)

# %% tags=["exercise"]
answer_3 = ...  # a keras.Model

# %% [markdown]
# Check it:


# %% tags=["check"]
def is_busy(model):
    """Say whether a model is a denoiser by its shapes, legal, busy, and without a shared layer."""
    shapes = model.input_shape == model.output_shape == (None, 28, 28, 1)
    calls = [len(layer["inbound_nodes"]) for layer in model.get_config()["layers"]]
    plain = all(isinstance(layer, layers.Conv2D) for layer in model.layers if layer.weights)
    legal = plain and model.count_params() <= profiles.CAP and max(calls) == 1
    return shapes and legal and multiplications(model) >= 2_500_000


hint = "How often does one weight work at 28x28, and how often at 14x14?"
lessons.check(lambda: answer_3, is_busy, hint)

# %% [markdown]
# ## What we learned
#
# - A convolution costs its kernels and biases, whatever the picture's size. Pooling is free.
# - All parameters count, on a built model.
# - Parameters are not work: a layer that is used often is paid for once.
# - Depth buys sight and costs width.
#
# **References**
#
# - V. Dumoulin, F. Visin (2016), *A guide to convolution arithmetic for deep learning*, [arXiv:1603.07285](https://arxiv.org/abs/1603.07285).
# - S. Ioffe, C. Szegedy (2015), *Batch normalization*, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - Project C: [qtvo93/Machine_Learning_General](https://github.com/qtvo93/Machine_Learning_General).
