# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4. Count parameters: what do 3,600 of them buy?

# %%
import itertools
import math

import keras
import numpy as np
from IPython.display import Markdown

from denoise_utils import evaluation, models, plots, profiles
from denoise_utils.zoo import originals

profile, seed = profiles.load_profile(), 0
keras.utils.set_random_seed(seed)
print(profiles.describe(profile, seed))

# %% [markdown]
# The assignment allows 3,600 parameters. A cap makes no sense unless everybody counts alike, so we count three answers to this
# assignment by hand, check the sums against Keras, and then ask a question that the cap leaves open: what does a parameter *cost to run*?
#
# - **Consumes**: nothing but `models.py` and `zoo/originals.py`.
# - **Produces**: nothing on disk; the table of architectures that notebook 5 will search.

# %% [markdown]
# ## The arithmetic of a layer
#
# A convolution has one $k \times k$ kernel for each pair of input and output channel, and a bias per output channel; a dense layer is one weight
# per pair of input and output, and a bias per output. Poolings, upsamplings and activations have none. How large the *image* is does not matter.


# %%
def conv(kernel, channels_in, filters):
    """Return the parameters of a convolution, transposed or not."""
    return (kernel * kernel * channels_in + 1) * filters


def dense(inputs, outputs):
    """Return the parameters of a dense layer."""
    return (inputs + 1) * outputs


print("3x3 convolution, 1 to 16 channels:", conv(3, 1, 16))
print("3x3 convolution, 16 to 8 channels:", conv(3, 16, 8))

# %% [markdown]
# ## Three answers to the assignment
#
# *Project C* is the older course project that this assignment comes from; two others answered it too. Project C pools three times down to a code of 4x4x4; a second answer squeezes the picture through 11 numbers; a third uses transposed
# convolutions. Layer by layer, by hand:

# %%
by_hand = {
    "project_c_pooling": [conv(3, *c) for c in [(1, 16), (16, 8), (8, 4), (4, 4), (4, 8), (8, 16), (16, 1)]],
    "project_c_dense": [conv(18, 1, 1), dense(7 * 7, 11), dense(11, 196), conv(18, 1, 1)],
    "project_c_transposed": [conv(3, 1, 12), conv(3, 12, 14), conv(3, 14, 12), conv(3, 12, 1)],
}
answers = {name: getattr(originals, name)() for name in by_hand}

# %% [markdown]
# And what Keras counts:

# %%
rows = [
    {"name": name, "sum": " + ".join(map(str, terms)), "hand": sum(terms), "keras": answers[name].count_params()}
    for name, terms in by_hand.items()
]
columns = {
    "name": ("model", "{}"),
    "sum": ("layer by layer", "{}"),
    "hand": ("by hand", "{:,}"),
    "keras": ("Keras", "{:,}"),
}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# Hand and Keras must agree, and all three must keep to the cap; the cell stops the notebook if they do not.

# %%
for row in rows:
    if row["hand"] != row["keras"] or row["keras"] > profiles.CAP:
        raise ValueError(f"Expected equal counts of at most {profiles.CAP}, got {row}")
spare = ", ".join(f"{row['name']} {profiles.CAP - row['keras']}" for row in rows)
Markdown(f"All three agree and keep to {profiles.CAP:,}. Parameters left unused: {spare}.")

# %% [markdown]
# ## What they look like
#
# Each box is a layer with its output shape and its parameters; read line by line.

# %%
figure = plots.draw_model(answers["project_c_pooling"])

# %% [markdown]
# The second answer spends most on two dense layers, which see the picture as a list of numbers:

# %%
figure = plots.draw_model(answers["project_c_dense"])

# %% [markdown]
# The third never goes below half resolution and has only four layers with parameters:

# %%
figure = plots.draw_model(answers["project_c_transposed"])

# %% [markdown]
# ## A parameter is not a multiplication
#
# A convolution applies its kernel at every place of its output, so one parameter at full resolution works 784 times per image, one in a code of
# 4x4 only 16 times. The cap limits the first number and says nothing of the second.


# %%
def multiplications(model):
    """Return the multiplications per image of each layer with a kernel."""
    work = {}
    for layer in model.layers:
        if layer.weights:
            kernel = math.prod(layer.weights[0].shape)
            places = layer.input.shape if isinstance(layer, keras.layers.Conv2DTranspose) else layer.output.shape
            work[layer.name] = kernel * math.prod(places[1:-1]) if len(places) == 4 else kernel
    return work


# %% [markdown]
# Summed over the layers of the three answers:

# %%
rows = []
for name, model in answers.items():
    work, parameters = sum(multiplications(model).values()), model.count_params()
    rows.append({"name": name, "parameters": parameters, "work": work, "each": work / parameters})
columns = {"name": ("model", "{}"), "parameters": ("parameters", "{:,}"), "work": ("multiplications per image", "{:,}")}
Markdown(evaluation.format_table(rows, columns | {"each": ("per parameter", "{:.0f}")}))

# %% [markdown]
# Nearly the same budget, very different work:

# %%
low, high = min(rows, key=lambda row: row["each"]), max(rows, key=lambda row: row["each"])
Markdown(
    f"{high['name']} uses each parameter {high['each']:.0f} times per image, {low['name']} {low['each']:.0f} times: "
    f"a factor of {high['each'] / low['each']:.1f} in work at the same price. Keep that in mind: a later notebook "
    "re-uses one small convolution again and again, and pays for it once."
)

# %% [markdown]
# ## Three ways to count wrongly
#
# Batch normalisation keeps two running statistics per channel that are not *trained*, yet are needed to run the model; a count of trainable
# parameters misses them. A model that was not built yet has none at all. And a dense layer hides its size in the size of the image.

# %%
sneaky = keras.Sequential(
    [keras.layers.Input((28, 28, 1)), keras.layers.Conv2D(8, 3), keras.layers.BatchNormalization()]
)
everything, trainable = models.count_parameters(sneaky)
unbuilt = keras.Sequential([keras.layers.Conv2D(8, 3)])
print(f"with batch normalisation: {everything} parameters, {trainable} of them trainable")
print(f"an unbuilt model: built is {unbuilt.built}, {len(unbuilt.weights)} weights")
print(f"one dense layer from image to image: {dense(784, 784):,} parameters")

# %% [markdown]
# So the rule of this course: **all parameters count, trainable or not, on a built model**.
#
# ## The family that we shall search
#
# `capped_autoencoder(filters, depth)`: a first convolution with `filters` filters, then half as many everywhere; `depth` poolings on the way down,
# as many upsamplings on the way up. Which members keep to the cap?

# %%
filters, depths = profiles.FULL_GRID["filters"], profiles.FULL_GRID["depth"]
family = {pair: models.capped_autoencoder(*pair) for pair in itertools.product(filters, depths)}
rows = []
for number in filters:
    counts = {f"depth {depth}": family[number, depth].count_params() for depth in depths}
    marked = {key: f"{count:,}" + (" (over)" if count > profiles.CAP else "") for key, count in counts.items()}
    rows.append({"filters": number} | marked)
columns = {"filters": ("filters", "{}")} | {f"depth {depth}": (f"depth {depth}", "{}") for depth in depths}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# One of them as a diagram, the widest of depth 1 in the table that fits:

# %%
fitting = {pair: model.count_params() for pair, model in family.items() if model.count_params() <= profiles.CAP}
widest = max(pair for pair in fitting if pair[1] == 1)
figure = plots.draw_model(family[widest])

# %% [markdown]
# Does it take 3x3 pixels to decide what a pixel is? How far each output pixel can *see* is the receptive field: we measure it by changing one
# row of the input at a time and looking which changes reach the output pixel in the middle.


# %%
def receptive_field(model):
    """Return the height in pixels of the input region that reaches the middle output pixel."""
    base = np.random.default_rng(seed).random((1, 28, 28, 1), dtype=np.float32)
    probes = np.repeat(base, 28, axis=0)
    probes[np.arange(28), np.arange(28)] += 1  # one whole row each
    change = evaluation.predict(model, probes)[:, 14, 14, 0] - evaluation.predict(model, base)[0, 14, 14, 0]
    return int(np.count_nonzero(np.abs(change) > 1e-7))


seen = {depth: receptive_field(family[12, depth]) for depth in depths}
Markdown(
    "Rows of the picture that reach one output pixel: " + ", ".join(f"depth {d}: {n}" for d, n in seen.items()) + "."
)

# %% [markdown]
# ## What we learned
#
# - Counting by hand and by Keras agrees for three answers; a trainable-only count can be cheated.
# - Parameters are not work: the cap leaves computation free.
# - Depth buys sight and costs width: which matters more is not for arguing but for measuring. Notebook 5 does.
