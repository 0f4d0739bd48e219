# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 2. Add noise: how much damage is it?
#
# A denoiser learns from pairs: a clean picture and a spoiled one. You spoil it yourself, so you must know exactly what you do. Six kinds of noise follow, each a formula and a few lines of NumPy.
#
# **You will learn** each noise as its formula, what a seed is good for, and how to measure damage.
#
# **You need** notebook 01 and its data sets.
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
# The second cell loads the libraries and tells how large this run is.

# %%
import numpy as np
from IPython.display import Markdown

from denoise_utils import data, evaluation, lessons, noise, plots

profile, seed = lessons.begin()

# %% [markdown]
# ## Where these noises come from
#
# Five older course projects, here named by letters, each had a noise of its own. Later notebooks rebuild them.
#
# | | project | noise | where |
# | --- | --- | --- | --- |
# | W | digits under marks | marks | [vtortega/Denoising-autoencoder](https://github.com/vtortega/Denoising-autoencoder) |
# | O | digits under a line | a line | [acadena-repo/DENOISING-IMAGES-USING-AUTOENCODERS](https://github.com/acadena-repo/DENOISING-IMAGES-USING-AUTOENCODERS) |
# | C | digits under garments: **the assignment** | clutter | [qtvo93/Machine_Learning_General](https://github.com/qtvo93/Machine_Learning_General/tree/master/Auto_encoder) |
# | G | digits in Gaussian noise | Gaussian | described in notebook 09 |
# | R | colour photographs in Gaussian noise | Gaussian | described in notebook 10 |
#
# All figures here are of validation pictures.

# %%
sizes = {"num_train": 1, "num_val": profile.num_val, "num_test": 1}
splits = {name: data.load_splits(name, **sizes, seed=seed) for name in ("mnist", "fashion_mnist")}
clean, garments = (split.val.images for split in splits.values())
label = " + ".join(dict.fromkeys(split.label for split in splits.values()))
print(f"{len(clean):,} digits, {len(garments):,} garments ({label})")

# %% [markdown]
# ## Clutter: the assignment's own noise
#
# [Clutter](GLOSSARY.md#clutter): lay a random garment over each digit and halve the sum, so that it stays in the range from 0 to 1:
#
# $$\text{noisy} = \frac{\text{clean} + \text{garment}}{2}$$
#
# `default_rng(seed)` starts a random generator. The same [seed](GLOSSARY.md#seed) gives the same numbers again, so this cell and the helper `noise.add_clutter` must agree to the bit.

# %%
rng = np.random.default_rng(seed)
chosen = garments[rng.integers(0, len(garments), len(clean))]
cluttered = (clean + chosen) / 2
helper = noise.add_clutter(clean, garments, seed=seed)
print("same as the helper:", np.array_equal(cluttered, helper))

# %% [markdown]
# How the original assignment mixed its pictures was never published; its values beyond 1 suggest a sum. Compare $\max(\text{clean}, \text{garment})$ and $\min(\text{clean} + \text{garment}, 1)$.
#
# **Predict:** from which of the three could you restore the digit exactly, if you knew the garment?

# %%
# Figure: ten digits clean and in three kinds of clutter, in which garments hide the strokes.
mixes = {
    "sum / 2": cluttered,
    "maximum": np.maximum(clean, chosen),
    "clipped sum": np.minimum(clean + chosen, 1),
}
rows = {"clean": clean[:10]} | {name: mixed[:10] for name, mixed in mixes.items()}
figure = plots.show_images(rows, clean[:10], label=label)

# %% [markdown]
# Only from the first: it loses nothing but half the brightness. In the others, a stroke on bright cloth is gone, white on white. A model for clutter must tell strokes from cloth, because garments are as smooth as digits.
#
# ## Marks
#
# Project W stamps crosses of 5 x 5 pixels at random places. `np.maximum` keeps what is brighter: $\max(\text{clean}, \text{cross})$.

# %%
rng = np.random.default_rng(seed)
cross = np.maximum(np.eye(5), np.eye(5)[::-1])[..., None]  # two diagonals
marked = clean.copy()
for _ in range(10):
    tops, lefts = rng.integers(0, 24, len(clean)), rng.integers(0, 24, len(clean))
    for image, top, left in zip(marked, tops, lefts, strict=True):
        corner = image[top : top + 5, left : left + 5]
        np.maximum(corner, cross, out=corner)
print("same as the helper:", np.array_equal(marked, noise.add_watermark(clean, 10, seed=seed)))

# %% [markdown]
# ## A line
#
# Project O draws a white row over every even picture, and a white column over every odd one. They lie near the middle: $\text{noisy}_{rc} = 1\ \forall c$, or $\forall r$.

# %%
rng = np.random.default_rng(seed)
lined = clean.copy()
even, odd = lined[::2], lined[1::2]  # views: what changes in them changes in `lined`
for image, row in zip(even, rng.integers(10, 21, len(even)), strict=True):
    image[row] = 1
for image, column in zip(odd, rng.integers(10, 21, len(odd)), strict=True):
    image[:, column] = 1
print("same as the helper:", np.array_equal(lined, noise.add_occlusion(clean, 1, seed=seed)))

# %% [markdown]
# ## Gaussian noise
#
# Add to each pixel a random number of mean 0 and standard deviation $\sigma$, then cut off what leaves the range:
#
# $$\text{noisy} = \min(\max(\text{clean} + \sigma n,\ 0),\ 1), \qquad n \sim \mathcal N(0, 1)$$
#
# **Predict:** most pixels are 0. What becomes of negative noise there?

# %%
rng = np.random.default_rng(seed)
sigma = 0.2
grainy = np.clip(clean + sigma * rng.standard_normal(clean.shape, dtype="float32"), 0, 1)
print("same as the helper:", np.array_equal(grainy, noise.add_gaussian(clean, sigma, seed=seed)))
dark = grainy[clean == 0]
print(f"of the black pixels {np.mean(dark == 0):.0%} still are; their mean is {dark.mean():.3f}")

# %% [markdown]
# Half of the black pixels stay black, and the others become brighter. So clipped noise has no mean of 0 any more: the average of many noisy copies would have a grey veil.
#
# ## Salt and pepper, and masking
#
# Hit a fraction of the pixels: half of them turn black, half white. Masking only blackens. One random $u$ for each pixel decides: $u < a/2$ black, $u > 1 - a/2$ white; $u < a$ masked.

# %%
amount = 0.5
draw = np.random.default_rng(seed).random(clean.shape, dtype="float32")
peppered, masked = clean.copy(), clean.copy()
peppered[draw < amount / 2] = 0
peppered[draw > 1 - amount / 2] = 1
masked[draw < amount] = 0
print("same as the helpers:", end=" ")
print(np.array_equal(peppered, noise.add_salt_and_pepper(clean, amount, seed=seed)), end=" ")
print(np.array_equal(masked, noise.add_masking(clean, amount, seed=seed)))

# %% [markdown]
# ## Side by side
#
# Here are all six at their usual strength.
#
# **Predict:** which did the most damage, by mean squared error? Which can you read worst?

# %%
# Figure: ten digits: clean, in clutter, marks, a line, Gaussian noise, salt and pepper, masked.
spoiled = {"clutter": cluttered, "10 marks": marked, "a line": lined, "Gaussian 0.2": grainy}
spoiled |= {"salt, pepper .5": peppered, "masking .5": masked}
rows = {"clean": clean[:10]} | {name: noisy[:10] for name, noisy in spoiled.items()}
figure = plots.show_images(rows, clean[:10], label=label)

# %% [markdown]
# The number over a picture is its [PSNR](GLOSSARY.md#psnr): the higher, the less damage. Salt and pepper does by far the most. Whether you can read a digit is another matter: a line hits few pixels, and may turn a 1 into a cross.
#
# ## Measure the damage
#
# The plainest measure is the mean squared error ([MSE](GLOSSARY.md#mse)), the average of $(\text{noisy} - \text{clean})^2$ over all pixels. PSNR puts it on another scale; notebook 03 defines it. The last column counts the pixels that changed at all.

# %%
more = {"2 marks": noise.add_watermark(clean, 2, seed=seed)}
more |= {f"Gaussian {one}": noise.add_gaussian(clean, one, seed=seed) for one in (0.1, 0.4)}
more |= {f"clutter, {name}": mixes[name] for name in ("maximum", "clipped sum")}
rows = []
for name, noisy in (spoiled | more).items():
    error = np.mean((noisy - clean) ** 2)
    row = {"name": name, "mse": error, "psnr": evaluation.psnr(noisy, clean).mean()}
    rows.append(row | {"changed": np.mean(noisy != clean)})
rows.sort(key=lambda row: row["mse"])
columns = {"name": ("noise", "{}"), "mse": ("MSE", "{:.4f}"), "psnr": ("mean PSNR (dB)", "{:.1f}")}
columns["changed"] = ("pixels changed", "{:.0%}")
Markdown(evaluation.format_table(rows, columns, f"{label}, {len(clean):,} validation pictures"))

# %% [markdown]
# Salt and pepper does more than ten times the damage of Gaussian noise of .2. Masking hits half of the pixels and changes 10 %: most were black. Clutter by maximum or clipping does three times that of halving. And compare the line with Gaussian noise of .2. The line hits fewer than 4 % of the pixels, yet it does more damage. One error of 1 weighs as much as a hundred of .1.

# %%
found = {row["name"]: row for row in rows}
line, grain = found["a line"], found["Gaussian 0.2"]
here = f"MSE {line['mse']:.4f} of {line['changed']:.0%} of the pixels"
here += f", {grain['mse']:.4f} of {grain['changed']:.0%}"
holds = line["changed"] < grain["changed"] and line["mse"] > grain["mse"]
lessons.claim("a line hits fewer pixels than Gaussian noise, but harder", holds, here, profile)
peppers = found["salt, pepper .5"]["mse"] / grain["mse"]
here = f"{peppers:.1f} times"
lessons.claim("salt and pepper does ten times as much", peppers > 10, here, profile)
maximum = found["clutter, maximum"]["mse"] / found["clutter"]["mse"]
here, holds = f"{maximum:.1f} times", 2.5 < maximum < 3.5
lessons.claim("clutter by maximum does three times that of halving", holds, here, profile)

# %% [markdown]
# ## Exercises
#
# ### Exercise 1 (easy): predict an error
#
# Masking with `amount = 0.25` blackens a quarter of the pixels at random. What mean squared error do you expect? Use the mean of the clean pixels' squares, and do not call any noise.

# %% tags=["exercise"]
mean_square = np.mean(clean**2)
answer_1 = ...

# %% [markdown]
# The check masks the pictures and measures; within 5 % is near enough.

# %% tags=["check"]
measured = np.mean((noise.add_masking(clean, 0.25, seed=seed) - clean) ** 2)
hint = "a blackened pixel has the error clean - 0; what share of the pixels is blackened?"
lessons.check(answer_1, lambda value: abs(value / measured - 1) < 0.05, hint)

# %% [markdown]
# ### Exercise 2 (medium): mend a noise
#
# This function should add Gaussian noise, afresh to each picture, and leave its input alone. It makes three mistakes. Mend them. The same seed must give the same noise.


# %% tags=["exercise"]
def add_grain(images, sigma, seed):
    rng = np.random.default_rng(seed)
    images += sigma * rng.standard_normal(images.shape[1:], dtype="float32")
    return images


answer_2 = ...  # add_grain, once you have mended it


# %% [markdown]
# The check looks at the input afterwards, at the range, and at the noise of two pictures.


# %% tags=["check"]
flat = np.full((2, 28, 28, 1), 0.1, "float32")


def is_grainy(noisy):
    untouched = bool(np.all(flat == np.float32(0.1)))
    in_range = bool(noisy.min() >= 0 and noisy.max() <= 1)
    same = np.array_equal(noisy, answer_2(flat.copy(), 0.2, seed))
    normal = abs(np.mean(noisy == 0) - 0.31) < 0.06  # what falls below 0 at sigma .2
    return untouched and in_range and same and normal and not np.array_equal(noisy[0], noisy[1])


hint = "does the input stay the same? is the range kept? does each picture get noise of its own?"
lessons.check(answer_2, is_grainy, hint, flat, 0.2, seed)

# %% [markdown]
# ### Exercise 3 (open): a noise of your own
#
# Invent a noise: rain, ink blots, a shadow, a torn corner. Write `add_mine(images, seed)`, without the functions of `noise`. Pictures stay in the range. The same seed gives the same result. Each picture is hit differently. The mean PSNR lies between 10 and 16 dB. `evaluation.psnr(noisy, clean).mean()` measures it.


# %% tags=["exercise"]
def add_mine(images, seed):
    return ...


# %% [markdown]
# The check calls it twice with one seed and once with another.


# %% tags=["check"]
def fits(noisy):
    data.check_images(noisy)
    again, other = add_mine(clean[:50].copy(), 1), add_mine(clean[:50].copy(), 2)
    same = add_mine(np.repeat(clean[:1], 50, axis=0), 1)  # one picture, fifty times
    varied = len({one.tobytes() for one in same}) > 5
    in_reach = 10 < evaluation.psnr(noisy, clean[:50]).mean() < 16
    seeded = np.array_equal(noisy, again) and not np.array_equal(noisy, other)
    seeded = seeded and "noise" not in add_mine.__code__.co_names
    return seeded and varied and in_reach


hint = "float32 from 0 to 1? a generator from the seed? stronger or weaker?"
lessons.check(lambda: add_mine(clean[:50].copy(), 1), fits, hint)

# %% [markdown]
# ## What we learned
#
# - Each noise is one formula, and with a seed everybody gets the same noisy pictures.
# - Who knows the garment can undo halving. Maximum and clipping lose strokes for good.
# - Clipping gives Gaussian noise on black pictures a mean above 0.
# - MSE does not know what you can read; notebook 03 looks for a measure that does.
#
# **References**
#
# - The five projects: see the table above; the descriptions of G and R are the course's own.
# - P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol (2008), *Extracting and composing robust features with denoising autoencoders* (masking), [doi:10.1145/1390156.1390294](https://doi.org/10.1145/1390156.1390294).
# - H. Xiao, K. Rasul and R. Vollgraf (2017), *Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms*, [arXiv:1708.07747](https://arxiv.org/abs/1708.07747).
