# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. Load data: what do we have, and can we trust it?

# %%
import pickle
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import Markdown

from denoise_utils import data, evaluation, plots, profiles
from denoise_utils.datasets import sources

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# Every result of this course rests on three sets of pictures: one to learn from (**train**), one to choose
# with (**val**), one to be judged by, once, at the end (**test**). Before any model is built we ask of them what an
# accountant would ask: how many are there, what values do they hold, do the sets overlap?
#
# - **Consumes**: `mnist.npz` and its siblings in the folder that `DENOISE_DATA_DIR` names, or in `data/`; else the
#   copies of `keras.datasets`; else, in the quick profile, pictures that ship with scikit-learn.
# - **Produces**: nothing on disk. Later notebooks call the same `load_splits`.

# %% [markdown]
# ## Several datasets, one shape
#
# `load_splits` always returns float32 in [0, 1] with axes (image, row, column, channel). The test set is the dataset's
# own; val is a seeded tenth of its training set. CIFAR-10 joins them where its file is at hand.

# %%
sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": profile.num_test}
names = ["mnist", "fashion_mnist", "digits"] + (["cifar10"] if sources.find_npz("cifar10") else [])
splits = {name: data.load_splits(name, **sizes, seed=seed) for name in names}
columns = {"name": ("dataset", "{}"), "label": ("called", "{}"), "source": ("read from", "{}")}
columns |= {part: (part, "{:,}") for part in ("train", "val", "test")} | {"shape": ("image", "{}")}
rows = []
for name, split in splits.items():
    counts = {part: len(getattr(split, part).images) for part in ("train", "val", "test")}
    rows.append(
        {"name": name, "label": split.label, "source": split.source, "shape": split.train.images.shape[1:]} | counts
    )
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# A copy of a dataset may be partial, so the counts are read from the arrays and never assumed. The sets that the
# assignment needs are the digits and the garments that will be laid over them:

# %%
digits, garments = splits["mnist"], splits["fashion_mnist"]
counts = [len(part.images) for part in (digits.train, digits.val, digits.test)]
Markdown(
    f"**{digits.label}**: {counts[0]:,} digits to learn from, {counts[1]:,} to choose with, {counts[2]:,} to be judged by."
)

# %% [markdown]
# ## Look at them
#
# One digit of each class, the first that the test set holds, and ten garments: these are the two layers of the
# cluttered pictures to come.

# %%
first = [int(np.flatnonzero(digits.test.labels == digit)[0]) for digit in range(10)]
label = digits.label if digits.label == garments.label else f"{digits.label}, {garments.label}"
figure = plots.show_images(
    {"digits": digits.test.images[first], "garments": garments.test.images[:10]},
    titles=[f"label {digit}" for digit in range(10)],
    label=label,
)

# %% [markdown]
# ## What values do they hold?
#
# A pixel that is exactly 0 or 1 can be predicted perfectly; a grey one cannot, when the loss is binary cross-entropy.
# How many are grey decides how low that loss can go at all: its **floor** (notebook 3 measures it).

# %%
rows = []
for split in (digits, garments):
    pixels = split.train.images
    shares = {"black": np.mean(pixels == 0), "white": np.mean(pixels == 1), "mean": pixels.mean()}
    rows.append({"name": split.name} | shares | {"grey": 1 - shares["black"] - shares["white"]})
columns = {key: (key, "{:.1%}") for key in ("black", "grey", "white")} | {"mean": ("mean value", "{:.3f}")}
Markdown(evaluation.format_table(rows, {"name": ("dataset", "{}")} | columns, label))

# %% [markdown]
# What an answer that is black everywhere would get right:

# %%
digit_row, garment_row = rows
Markdown(
    f"{digit_row['black']:.0%} of a digit's pixels are black and {digit_row['grey']:.0%} grey; of a garment's, "
    f"{garment_row['grey']:.0%} are grey. An all-black answer is useless and yet exactly right on "
    f"{digit_row['black']:.0%} of the pixels: whatever we measure must not reward that."
)

# %% [markdown]
# ## Are the classes balanced, and do the sets overlap?
#
# A picture that stands in train *and* in test would be a leak: the model would be judged on what it has learned by heart.
# We compare the pictures' bytes.


# %%
def fingerprints(split):
    """Return the set of the images' bytes."""
    return {image.tobytes() for image in split.images}


train, val, test = (fingerprints(part) for part in (digits.train, digits.val, digits.test))
shared = {"train and val": len(train & val), "train and test": len(train & test), "val and test": len(val & test)}
share = np.bincount(digits.train.labels, minlength=10) / len(digits.train.labels)
print(f"{digits.label}: pictures in two sets: {shared}")
print(f"share of a class in train: {share.min():.1%} to {share.max():.1%}")

# %% [markdown]
# ## When the data is wrong
#
# Most failed projects fail here, silently: values up to 255 where 1 was expected, a missing axis, a NaN. The loader refuses each of
# them and says what to do.

# %%
sample = digits.test.images[:5]
wrong = {
    "0 to 255": sample * 255,
    "bytes": np.uint8(sample * 255),
    "no channel axis": sample[..., 0],
    "a NaN": np.where(sample > 0.9, np.nan, sample),
    "no image": sample[:0],
}
for name, images in wrong.items():
    try:
        data.check_images(images)
    except (ValueError, TypeError) as error:
        print(f"{name}: {error}")

# %% [markdown]
# ## Your own pairs, from pickles
#
# The original assignment came as two pickle files, noisy and clean. `load_pairs` reads such a pair: it maps noisy images that go
# beyond [0, 1] into it, all by the same line, and checks both. Set `DENOISE_PAIRS="X.pkl,Y.pkl"` and notebooks 5 and 6 train on it.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "X.pkl").write_bytes(pickle.dumps(sample[..., 0] + sample[::-1, ..., 0]))
(folder / "Y.pkl").write_bytes(pickle.dumps(sample[..., 0]))
noisy, clean = data.load_pairs(folder / "X.pkl", folder / "Y.pkl")
print(f"noisy {noisy.shape}, {noisy.min():.1f} to {noisy.max():.1f}; clean {clean.shape}")

# %% [markdown]
# A pickle can also carry a program, which Python's own `pickle.load` would run. Ours admits numpy arrays and nothing else; here is one
# that asks to write a file, and what becomes of it.


# %%
class Hostile:
    """Pickles into an order to write a file."""

    def __reduce__(self):
        return (Path.write_text, (folder / "marker.txt", "I ran"))


(folder / "X.pkl").write_bytes(pickle.dumps(Hostile()))
try:
    data.load_pairs(folder / "X.pkl", folder / "Y.pkl")
except ValueError as error:
    print(str(error).replace(str(folder), "..."))
print("did it run?", (folder / "marker.txt").exists())

# %% [markdown]
# ## What we learned
#
# - All data comes as float32 in [0, 1] with one shape, in three sets; those of the digits share no picture (see above). The test set is touched once, at the end.
# - Black is cheap and grey has a price: neither "mostly right" nor a low loss alone says much.
# - Files from elsewhere are checked before they are believed. Notebook 3 damages these pictures and measures by how much.
