# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 1. Load data: what do we have, and can we trust it?
#
# Every result here rests on three sets of pictures. You learn from **train**, and choose with **val**, for [validation](GLOSSARY.md#validation-set). You are judged by **test**, at the very end. Many projects fail here, without an error. Ask as an accountant: how many are there? What values do they hold? Do the sets overlap?
#
# **You will learn** to check shapes, ranges and splits before you train, and never to open a pickle from a stranger.
#
# **You need** notebook 00. The pictures come from `mnist.npz` and its siblings, in the folder that `DENOISE_DATA_DIR` names or in `data/`, else from `keras.datasets`. Failing that, a short run takes pictures of scikit-learn.
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
# The second cell tells how large this run is.

# %%
import pickle
import tempfile
from pathlib import Path

import numpy as np
from IPython.display import Markdown
from sklearn.model_selection import train_test_split

from denoise_utils import data, evaluation, lessons, plots
from denoise_utils.datasets import sources

profile, seed = lessons.begin()

# %% [markdown]
# ## Several data sets, one shape
#
# `load_splits` returns float32 numbers from 0 to 1 in an array of four axes: picture, row, column, channel. The test set is the data set's own (of scikit-learn's digits: a fifth). The validation set is a random tenth of its training set. A fixed [seed](GLOSSARY.md#seed) gives you and your neighbour the same tenth.
#
# **Predict:** MNIST has 60,000 pictures to learn from. How many are left in `train`?

# %%
sizes = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": profile.num_test}
names = ["mnist", "fashion_mnist", "digits"]
names += ["cifar10"] if sources.find_npz("cifar10") else []
splits = {name: data.load_splits(name, **sizes, seed=seed) for name in names}
rows = []
for split in splits.values():
    counts = {part: len(getattr(split, part).images) for part in ("train", "val", "test")}
    image = {"shape": split.train.images.shape[1:], "source": split.source}
    rows.append({"label": split.label} | counts | image)
columns = {"label": ("data set", "{}")} | {part: (part, "{:,}") for part in counts}
columns |= {"shape": ("picture", "{}"), "source": ("read from", "{}")}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# Two of these sets make the assignment: the digits of MNIST, and the garments of Fashion-MNIST that notebook 02 lays over them. The digits of scikit-learn are a stand-in. CIFAR-10 has three channels, red, green and blue, and waits for notebook 10. (Here it is cut to its first 20,000 and 1,000 pictures.)
#
# By hand: read, divide, add an axis, set a tenth aside.

# %%
path = sources.find_npz("mnist")  # keras.datasets.mnist.load_data() downloads the same
if path:
    with np.load(path) as file:
        pixels = file["x_train"]  # bytes, (60000, 28, 28)
    images = np.float32(pixels)[..., None] / 255  # 0 to 1, with an axis for the channel
    train, val = train_test_split(np.arange(len(images)), test_size=0.1, random_state=seed)
    kept = splits["mnist"].train.images
    same = np.array_equal(images[train[: len(kept)]], kept)
    lessons.claim("by hand come the same pictures", same, f"{images.shape}", profile)
else:
    print("MNIST has no file here.")

# %% [markdown]
# ## Look at them
#
# Here are the first digit of each class in `train`, and ten garments. Do not look at test pictures: you would begin to tune for them.

# %%
# Figure: a row of handwritten digits 0 to 9, and a row of ten garments, white on black.
digits, garments = splits["mnist"], splits["fashion_mnist"]
first = [int(np.flatnonzero(digits.train.labels == digit)[0]) for digit in range(10)]
rows = {"digits": digits.train.images[first], "garments": garments.train.images[:10]}
label = digits.label if digits.label == garments.label else f"{digits.label}, {garments.label}"
figure = plots.show_images(rows, titles=[f"label {digit}" for digit in range(10)], label=label)

# %% [markdown]
# Strokes are thin and bright, most garments broad and grey. Both are smooth: no filter against roughness tells one from the other.
#
# ## What values do they hold?
#
# Count the pixels that are exactly black (0), exactly white (1), or between.
#
# **Predict:** if you answer "black" for every pixel of every digit, how often are you right?

# %%
rows = []
for split in (digits, garments):
    pixels = split.train.images
    row = {"name": split.label, "black": np.mean(pixels == 0), "white": np.mean(pixels == 1)}
    rows.append(row | {"grey": 1 - row["black"] - row["white"], "mean": pixels.mean()})
columns = {"name": ("data set", "{}"), "mean": ("mean value", "{:.3f}")}
columns |= {key: (key, "{:.1%}") for key in ("black", "grey", "white")}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# An all-black answer is useless, and yet right on four pixels of five. So the share of right pixels is no measure. Grey pixels matter in another way: they decide how low the loss of notebook 03 can go at all.

# %%
black, cloth = rows[0]["black"], rows[1]["black"]
here = f"{black:.1%} of a digit's pixels are black, {cloth:.1%} of a garment's"
lessons.claim("four pixels of five of a digit are black", abs(black - 0.8) < 0.02, here, profile)

# %% [markdown]
# ## Are the classes balanced?
#
# **Predict:** what share has the rarest digit?
#
# If nine pictures of ten were ones, a model that knows ones would look good.

# %%
counts = np.bincount(digits.train.labels, minlength=10)
for digit, count in enumerate(counts):
    print(f"{digit}: {count:6,}  {'#' * round(200 * count / counts.sum())}")
least, most = counts.min() / counts.sum(), counts.max() / counts.sum()
even = least >= 0.09 and most <= 0.113
lessons.claim("each class has 9 to 11.3 %", even, f"{least:.2%} to {most:.2%}", profile)

# %% [markdown]
# The bars are of nearly equal length: each class has between 9 and 11.3 % of the pictures.
#
# ## Do the sets overlap?
#
# A picture that stands in `train` *and* in `test` is a **leak**: the model is judged on what it may know by heart. You can find leaks without looking at test pictures: compare fingerprints, the bytes of each.
#
# **Predict:** how many pictures are in two sets?


# %%
def fingerprints(images):
    """Return the set of the pictures' bytes."""
    return {image.tobytes() for image in images}


prints = {part: fingerprints(getattr(digits, part).images) for part in ("train", "val", "test")}
between = [("train", "val"), ("train", "test"), ("val", "test")]
shared = {f"{one} and {two}": len(prints[one] & prints[two]) for one, two in between}
print(shared)
lessons.claim("no digit is in two sets", not any(shared.values()), str(shared), profile)

# %% [markdown]
# None. Equal bytes find exact copies only; Exercise 3 looks for near ones.
#
# ## When the data is wrong
#
# The usual mistakes make no error by themselves: values up to 255, a missing axis, a value that is no number (NaN). Training goes wrong, or only seems right. `check_images` refuses each.
#
# **Predict:** what must each message say?

# %%
sample = digits.train.images[:5]
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
# Each says what was expected, what came, and what to do.
#
# ## Your own pairs
#
# The original assignment came as two pickles, Python's files for any object. `load_pairs` reads such a pair and maps noisy values beyond 1 back into the range. Set `DENOISE_PAIRS="X.pkl,Y.pkl"`, and notebooks 05 and 06 train on yours.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "X.pkl").write_bytes(pickle.dumps(sample[..., 0] + sample[::-1, ..., 0]))
(folder / "Y.pkl").write_bytes(pickle.dumps(sample[..., 0]))
noisy, clean = data.load_pairs(folder / "X.pkl", folder / "Y.pkl")
print(f"noisy {noisy.shape}, {noisy.min():.1f} to {noisy.max():.1f}; clean {clean.shape}")

# %% [markdown]
# A pickle can carry a program as well, and Python's own `pickle.load` runs it. The next cell makes such a file, which asks to write another file.
#
# **Predict:** does it get that far?


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
# It did not run: `load_pairs` admits arrays of numbers and nothing else.
#
# ## Exercises
#
# ### Exercise 1 (easy): how much memory?
#
# How many bytes does `digits.train.images` take? A float32 takes four. Work it out from the shape, without asking the array.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# The check asks the array.

# %% tags=["check"]
lessons.check(answer_1, digits.train.images.nbytes, "pictures x rows x columns x channels x 4")

# %% [markdown]
# ### Exercise 2 (medium): mend the loader
#
# `raw` holds pictures as they come from many sources: bytes from 0 to 255, without a channel axis. The function below turns them into what this course expects, but it makes two mistakes. One of them even passes `check_images`. Mend both.


# %% tags=["exercise"]
raw = np.uint8(np.round(sample[..., 0] * 255))


def prepare(raw):
    return np.float32(raw // 255)


answer_2 = ...  # prepare, once you have mended it


# %% [markdown]
# The check compares with the pictures that `raw` was made from.

# %% tags=["check"]
hint = "what does // do to 128 / 255? and which axis is missing?"


def is_sample(images):
    same_shape = data.check_images(images).shape == sample.shape
    return same_shape and np.abs(images - sample).max() < 1e-3


lessons.check(answer_2, is_sample, hint, raw)

# %% [markdown]
# ### Exercise 3 (open): near copies
#
# `suspects` hides pictures of `library` that were made a little brighter or moved by one pixel, so their bytes differ. Write `find_copies(suspects, library)`: return a boolean array that says for each suspect whether it is such a copy. At least 18 of 20 must be right. `suspects` has shape (20, 28, 28, 1), `library` (50, 28, 28, 1). `np.roll` moves a picture; `suspects[:, None] - library` compares each with each. Print the errors before you choose a limit.


# %% tags=["exercise"]
library, others = digits.train.images[:50], digits.train.images[50:60]
moved, brighter = np.roll(library[:5], 1, axis=2), np.minimum(library[5:10] * 1.1 + 0.02, 1)
suspects, is_copy = np.concatenate([others, moved, brighter]), np.arange(20) >= 10


def find_copies(suspects, library):
    return ...


# %% [markdown]
# The check asks about other pictures, in another order.

# %% tags=["check"]
hint = "shift each suspect by -1, 0 and 1; how far is it from its nearest picture in the library?"
known, new = digits.train.images[100:150], digits.train.images[150:160]
copies = np.roll(known[:5], 1, axis=2), np.minimum(known[5:10] * 1.1 + 0.02, 1)
order = np.random.default_rng(1).permutation(20)


def finds_them(found):
    return np.shape(found) == (20,) and np.sum(np.asarray(found) == (order >= 10)) >= 18


lessons.check(find_copies, finds_them, hint, np.concatenate([new, *copies])[order], known)

# %% [markdown]
# ## What we learned
#
# - All data comes as float32 from 0 to 1, in three sets, and those of the digits share no picture.
# - You learn on train and choose on val. Test waits for the report of notebook 14.
# - Four pixels of five are black: "mostly right" says nothing.
# - Files from elsewhere are checked before they are believed, pickles above all.
#
# **References**
#
# - Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), *Gradient-based learning applied to document recognition* (MNIST), [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791).
# - H. Xiao, K. Rasul and R. Vollgraf (2017), *Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms*, [arXiv:1708.07747](https://arxiv.org/abs/1708.07747).
# - S. Kaufman, S. Rosset, C. Perlich and O. Stitelman (2012), *Leakage in data mining: formulation, detection, and avoidance*, [doi:10.1145/2382577.2382579](https://doi.org/10.1145/2382577.2382579).
