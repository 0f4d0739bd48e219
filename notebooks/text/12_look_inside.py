# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 12. Look inside: what did it learn?
#
# A score says how good a model is, not what it does.
#
# **You will learn** to take a Keras model apart, to ask for gradients, and to foretell an answer from the loss.
#
# **You need** notebooks 00, 03 and 11.
#
# **It takes** about 4 minutes in the full profile, one in the quick one.

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
# TensorFlow gives gradients; Pillow draws letters.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf
from IPython.display import Markdown
from keras import layers
from matplotlib import colors, font_manager
from PIL import Image, ImageDraw, ImageFont

from denoise_utils import baselines, evaluation, lessons, models, noise, plots, reuse
from denoise_utils.zoo import recipes

profile, seed = lessons.begin(["clutter_small", "digit_judge"])

# %% [markdown]
# `clutter_small` lifts digits out of [clutter](GLOSSARY.md#clutter), (digit + garment) / 2. All pictures shown are [validation](GLOSSARY.md#validation-set) pictures.

# %%
sizes = {"num_train": profile.pick(6000, 400), "num_val": profile.pick(2000, 60), "num_test": 1}
pairs = noise.load_task("clutter", **sizes, seed=seed)
train, val = pairs.train, pairs.val
garment = 2 * val.noisy - val.clean
judge = lessons.load_model("digit_judge", profile)
try:
    small = lessons.load_model("clutter_small", profile)
except FileNotFoundError:  # a copy without the course's models trains one
    small = recipes.train("clutter_small", profile).model
font = ImageFont.truetype(font_manager.findfont("DejaVu Sans:bold"), 22)
weights = [layer.get_weights() for layer in small.layers if layer.weights]
scaled = [(kernel / kernel.std(), bias[None] / kernel.std()) for kernel, bias in weights]
(first, a), (row, b), (last, c) = scaled  # kernels and biases
shades = ["#b9f3ff", "#2f9be0", "#15406b", "#161d33", "#6b2f1a", "#f07a28", "#ffe9b0"]
fire = colors.LinearSegmentedColormap.from_list("fire", shades, N=41)

# %% [markdown]
# ## Every number
#
# A first [convolution](GLOSSARY.md#convolution) makes 22 *channels*. Each of 20 equal *steps* mirrors and changes them by a row of three pixels, every other one turned (notebook 11). A last one draws.
#
# The poster shows every [parameter](GLOSSARY.md#parameter): black 0, orange positive, blue negative, each layer on its own scale. Small squares are [filters](GLOSSARY.md#filter), dots and strips biases. Each large tile is one pixel of the row: 44 incoming channels down, the mirrored half below, 22 outgoing ones across.
#
# **Predict:** which layer has the most numbers?

# %%
# Figure: all weights as a dark poster: 22 first filters, three large tiles, 22 last filters.
tiles = [(b, 54, 64.5, 2), (c, 151, 85.5, 2)]
for n in range(first.shape[-1]):
    tiles += [(first[..., 0, n], 7 * n, 0, 2), (last[..., n, 0], 7 * n, 78, 2)]
    tiles += [(a[:, n : n + 1], 7 * n + 2, 6.5, 2)]
for n in range(3):
    tiles += [(row[0, n], 54 * n, 19, (1, 2))]  # as high as 44 channels, twice as wide as 22
figure, poster = plt.subplots(figsize=(10, 6.2), facecolor="#04060d")
for values, x, y, size in tiles:
    high, wide = np.multiply(values.shape, size)
    poster.imshow(values, fire, vmin=-3, vmax=3, extent=(x, x + wide, y + high, y))
at = {"first": (0, -2), "row": (0, 17), "last": (0, 76)}
for (name, place), (kernel, bias) in zip(at.items(), weights, strict=True):
    poster.text(*place, f"{name}: {kernel.size + bias.size:,} numbers", color="w", fontsize=13)
_ = poster.axis([-2, 156, 90, -8]), poster.axis("off")

# %% [markdown]
# The row has seven eighths of all. Its middle pixel's diagonals pull most channels to 0.
#
# ## What passes through
#
# Let the channels' best weighted sum guess each pixel of the digit, then of the garment. Half of the pictures fit it, the others judge it: 1 is perfect, 0 as bad as the mean.
#
# **Predict:** the model must drop the garment. When does it forget it?


# %%
def explained(channels, wanted):
    """Return the share of `wanted` that the best weighted sum of the channels explains."""
    x, y = channels.reshape(-1, channels.shape[-1]), wanted.ravel()
    x, half = np.insert(x, 0, 1, axis=1), len(y) // 2
    weights = np.linalg.lstsq(x[:half], y[:half], rcond=None)[0]
    return 1 - np.mean((x[half:] @ weights - y[half:]) ** 2) / y[half:].var()


ends = [layer.output for layer in small.layers if isinstance(layer, layers.Add)]
inside = keras.Model(small.input, [small.layers[1].output, *ends])
few, every = slice(profile.pick(200, 60)), max(1, len(ends) // 4)
maps = np.stack(inside.predict(val.noisy[few], verbose=0))
targets = {"digit": val.clean[few], "garment": garment[few]}
wide = tf.constant(np.pad(val.noisy[:40], ((0, 0), (8, 9), (8, 9), (0, 0))))  # 45 x 45
known = {name: [explained(one, wanted) for one in maps] for name, wanted in targets.items()}

# %% [markdown]
# Above: four channels of one picture, on scales of their own.

# %%
# Figure: four channels of one picture after each step, and how much all know of digit and garment.
ends = maps[-1].reshape(-1, maps.shape[-1])
alike = [np.corrcoef(end, targets["digit"].ravel())[0, 1] for end in ends.T]
figure, (top, bottom) = plt.subplots(2, 1, figsize=(10, 5), height_ratios=(7, 4), sharex=True)
for line, k in enumerate(np.argsort(alike)[::-1][::7]):
    for t, picture in enumerate(maps[:, 0, ..., k]):
        box, most = (t - 0.48, t + 0.48, line + 0.48, line - 0.48), abs(picture).max() + 1e-9
        look = fire(0.5 + picture / most / 2)
        top.imshow(look, extent=box, aspect="auto", interpolation="none")
for (name, values), up in zip(known.items(), (0.03, -0.12), strict=True):
    (curve,) = bottom.plot(values, ".-")
    bottom.text(len(maps) - 1, values[-1] + up, name, ha="right", color=curve.get_color())
bottom.set(xlabel="after step", ylabel="share explained", xticks=range(len(maps)), ylim=(0, 1.15))
_ = top.axis([-0.5, len(maps) - 0.5, 3.5, -0.5]), top.set_axis_off()
figure.tight_layout()

# %% [markdown]
# Hardly: only the last steps forget a little. (Input less digit is garment.)
#
# ## How far does it see?
#
# Each row adds a pixel on each side, a turned one above and below. After $t$ steps, an answer sees $t / 2 + 2$ pixels far (rounded up), with first and last convolution. `GradientTape` tells by gradients how much each input pixel changes the answer's middle.
#
# **Predict:** does it use all that it can see?

# %%
# Figure: what the middle pixel depends on after 0, 5, 10, 15 and 20 steps, with two frames each.
stages = keras.Model(inside.input, [small.layers[-1](one) for one in inside.outputs[::every]])
with tf.GradientTape(persistent=True) as tape:
    tape.watch(wide)
    middles = [answer[:, 22, 22, 0] for answer in stages(wide)]
away, found = np.abs(np.indices((45, 45)) - 22).max(axis=0), []
figure, panels = plt.subplots(1, len(middles), figsize=(10, 2.5))
for n, (panel, middle) in enumerate(zip(panels, middles, strict=True)):
    pull = np.abs(tape.gradient(middle, wide)).mean(axis=(0, 3))
    inner = np.searchsorted([pull[away <= r].sum() for r in range(23)], 0.9 * pull.sum())
    found.append(((every * n + 5) // 2, int(away[pull > 0].max()), int(inner)))  # rows first
    for radius, colour in ((inner, "w"), (found[-1][0], "C1")):
        panel.contour(away, [radius + 0.5], colors=colour, linewidths=1)
    panel.imshow(np.log10(pull + 1e-9), "magma", interpolation="none")
    panel.set(title=f"{every * n} steps", xticks=[], yticks=[])

# %% [markdown]
# All of this influence lies in the orange frame, 90 % in the white one. The last orange one is 25 pixels wide, as computed, the white one 11.
#
# ## Between two digits
#
# An [autoencoder](GLOSSARY.md#autoencoder) like notebook 00's, with a [code](GLOSSARY.md#code) of eight numbers, lets you walk from digit to digit. Fade the picture, or move the code.
#
# **Predict:** what stands halfway?

# %% tags=["trains"]
seen = all(reach == widest for reach, widest, _ in found)
lessons.claim("it sees t / 2 + 2 pixels far", seen, f"by arithmetic, seen, 90 %: {found}", profile)
alone = explained(val.noisy[few], targets["garment"])
told = f"{known['garment'][0]:.2f}, {known['garment'][-1]:.2f}; noisy picture {alone:.2f}"
grows = known["garment"][-1] > max(known["garment"][0], alone) + 0.1
lessons.claim("the garment is known better at the end", grows, told, profile)
keras.utils.set_random_seed(seed)
encoder = keras.Sequential([layers.Flatten(), layers.Dense(256, "relu"), layers.Dense(8)])
decoder = keras.Sequential([layers.Dense(256, "relu"), layers.Dense(784, "sigmoid")])
decoder.add(layers.Reshape((28, 28, 1)))
autoencoder = keras.Sequential([keras.Input((28, 28, 1)), encoder, decoder])
autoencoder.compile("adam", "binary_crossentropy")
_ = autoencoder.fit(train.clean, train.clean, batch_size=32, epochs=profile.pick(20, 8), verbose=2)

# %% [markdown]
# Titles tell what the [judge](GLOSSARY.md#judge) reads.

# %% tags=["trains"]
# Figure: two walks from a digit to another in nine pictures: fading above, codes below.
pictures = val.clean[: profile.pick(1001, 60)]
codes = np.asarray(encoder(pictures))
for name, middles in (("fading", pictures), ("codes", codes)):
    middles = (middles[:-1] + middles[1:]) / 2
    sure = np.max(judge(decoder(middles) if name == "codes" else middles), axis=1)
    print(f"halfway by {name}: the judge is sure by {sure.mean():.2f}, sd {sure.std():.2f}")
share = np.linspace(0, 1, 9, dtype="float32").reshape(-1, 1)
path = decoder((1 - share) * codes[3] + share * codes[4])
fading = (1 - share[..., None, None]) * pictures[3] + share[..., None, None] * pictures[4]
figure, lines = plt.subplots(2, 9, figsize=(10, 2.9))
for line, walk in zip(lines, (fading, path), strict=True):
    for panel, picture, sure in zip(line, walk, np.asarray(judge(walk)), strict=True):
        panel.imshow(picture, "gray", vmin=0, vmax=1), panel.set_axis_off()
        panel.set_title(f"{sure.argmax()} ({sure.max():.0%})", fontsize=9)

# %% [markdown]
# Fading shows a 6 and a 0 at once; the code bends one into the other. Yet the judge trusts both halfway answers alike (one training).
#
# ## In doubt
#
# Lay *two* digits under one garment. The first is right in 6 of 10 cases, the other in 4. A small network learns five such pictures by heart. (No [sigmoid](GLOSSARY.md#sigmoid) under MSE and L1, which hardly pull behind it.)
#
# **Predict:** what does it draw under MSE, BCE and L1?

# %% tags=["trains"]
where = np.unique(val.labels, return_index=True)[1]  # a picture of each digit
one, other, cloth = val.clean[where[:5]], val.clean[where[-5:]], garment[where[:5]]
doubtful, epochs = (one + other + cloth) / 3, profile.pick(15, 5)  # of 100 steps
x = np.tile(doubtful, (1000, 1, 1, 1))
y = np.tile(np.concatenate([one] * 6 + [other] * 4), (100, 1, 1, 1))
losses = {"MSE": ("mean_squared_error", None), "BCE": ("binary_crossentropy", "sigmoid")}
answers, losses["L1"] = {}, ("mean_absolute_error", None)
for name, (loss, squeeze) in losses.items():
    keras.utils.set_random_seed(seed)
    net = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(64, "tanh")])
    net.add(layers.Dense(784, squeeze)), net.add(layers.Reshape((28, 28, 1)))
    rate = keras.optimizers.schedules.CosineDecay(6e-3, 100 * epochs)
    net.compile(keras.optimizers.Adam(rate), loss)
    net.fit(x, y, batch_size=50, epochs=epochs, shuffle=False, verbose=0)
    answers[name] = np.asarray(net(doubtful))

# %% [markdown]
# Right: where `clutter_small` answers about .3, how bright is the truth on average?

# %% tags=["trains"]
# Figure: five doubtful pictures, the answers under three losses; right, dots on a diagonal.
best = {"MSE": 0.6 * one + 0.4 * other, "BCE": 0.6 * one + 0.4 * other, "L1": one}
off = [np.abs(answers[name] - picture).mean() for name, picture in best.items()]
lessons.claim("they are mean and median", max(off) < 0.01, f"off by {max(off):.4f}", profile)
rows = {"input": doubtful, "6 of 10": one, "4 of 10": other} | answers
grid = [[name, "dots"] for name in rows]
figure, panels = plt.subplot_mosaic(grid, figsize=(10, 7.5), layout="tight")
for name, images in rows.items():
    panels[name].imshow(np.hstack(images), "gray", vmin=0, vmax=1), panels[name].set_axis_off()
    panels[name].set_title(f"{name}: read as {evaluation.read_digits(judge, images)}", fontsize=10)
said, truth = evaluation.predict(small, val.noisy).ravel(), val.clean.ravel()
group = (20 * said).clip(0, 19).astype(int)  # twenty shades
x, y = (np.bincount(group, z, 20) / np.bincount(group, None, 20).clip(1) for z in (said, truth))
_ = panels["dots"].plot([0, 1], [0, 1], "0.7", x, y, "o")
_ = panels["dots"].set(xlabel="answer of clutter_small", ylabel="mean truth", aspect="equal")

# %% [markdown]
# MSE and BCE draw the *mean*, both digits at once. L1 draws the *median*, the first alone. In four of five means the judge reads the bolder digit. The mean is honest: where `clutter_small` answers .3, the truth is .3.
#
# ## What it never saw
#
# **Predict:** what does it make of letters, of a garment with nothing under it, of an inverted picture?

# %%
# Figure: letters, a garment, a blank, inverted pictures and two digits at once, with the answers.
pages, psnr, many = [Image.new("L", (28, 28)) for _ in range(26)], {}, profile.pick(1040, 52)
for page, letter in zip(pages, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True):
    ImageDraw.Draw(page).text((14, 14), letter, 255, font, anchor="mm")
letters = np.tile(np.float32(pages)[..., None] / 255, (many // 26, 1, 1, 1))
covered, digits = (letters + garment[:many]) / 2, val.noisy[:many]
blank = np.zeros((1, 28, 28, 1), "float32")
two = (val.clean[10:12] + val.clean[20:22] + garment[10:12]) / 2
strange = np.concatenate([covered[[0, 6, 10, 17]], garment[4:5] / 2, blank, 1 - digits[2:4], two])
kinds = ["letter"] * 4 + ["garment", "blank"] + ["inverted"] * 2 + ["two digits"] * 2
rows = {"input": strange, "answer": evaluation.predict(small, strange)}
figure = plots.show_images(rows, titles=kinds)
for name, x, y in (("letters", covered, letters), ("digits", digits, val.clean[:many])):
    psnr[name] = [evaluation.psnr(z, y) for z in (x, evaluation.predict(small, x))]
    print(name, *(f"{scores.mean():.2f} dB, sd {scores.std():.2f};" for scores in psnr[name]))

# %% [markdown]
# Letters come out nearly as well as digits, 31.3 against 32.1 dB (one training). A bare garment turns black, a blank stays so. An inverted ground stays white: what is brighter than .5 must hold ink. Two digits it keeps.
#
# ## Without one clean picture
#
# If MSE draws the mean, *noisy* targets will do, if their noise is 0 on average: Noise2Noise. Inputs and targets have separate Gaussian grain of .4. A camera cuts off at 0 and 1.
#
# **Predict:** which targets work: clean, grain, cut off, or under a garment?


# %% tags=["trains"]
def learn(targets, loss, run_seed):
    keras.utils.set_random_seed(run_seed)
    same = {"padding": "same", "activation": "relu"}
    net = keras.Sequential([layers.Conv2D(16, 3, **same), layers.MaxPooling2D(2)])
    net.add(layers.Conv2D(16, 3, **same)), net.add(layers.UpSampling2D(2))
    net.add(layers.Conv2D(1, 3, padding="same"))
    net.compile(keras.optimizers.Adam(3e-3), loss)
    net.fit(grainy, targets, batch_size=32, epochs=profile.pick(3, 2), verbose=0)
    return evaluation.predict(net, grainy_val)


rng, pictures = np.random.default_rng(seed), (train.clean, train.clean, val.clean)
grainy, again, grainy_val = (x + rng.normal(0, 0.4, x.shape) for x in pictures)
seen = grainy_val.clip(0, 1)  # a filter takes no others
blur = baselines.tune("Gaussian blur", seen, val.clean)(seen)

# %% [markdown]
# The error is the MSE against clean pictures, *sd* its standard deviation over seeds, *haze* the mean answer where the truth is black.

# %% tags=["trains"]
# Figure: eight digits in grain, and the answers of networks that had five kinds of target.
cut, shown = again.clip(0, 1), {"noisy input": grainy_val, "Gaussian blur": blur}
rows = [{"name": n, "error": np.mean((x - val.clean) ** 2)} for n, x in shown.items()]
plans = {"clean": (train.clean, "mse"), "grain": (again, "mse"), "cut off": (cut, "mse")}
plans |= {"cut off, L1": (cut, "mae"), "garment": (train.noisy, "mse")}
for name, (targets, loss) in plans.items():
    print(f"\r{name} ...      ", end="", flush=True)
    outputs = [learn(targets, loss, run_seed) for run_seed in profile.seeds]
    errors = [float(np.mean((output - val.clean) ** 2)) for output in outputs]
    haze, shown[name] = np.mean([output[val.clean == 0].mean() for output in outputs]), outputs[0]
    rows.append({"name": name, "error": np.mean(errors), "haze": haze})
    rows[-1]["sd"] = np.std(errors, ddof=1) if len(errors) > 1 else None
figure = plots.show_images({name: images[:8] for name, images in shown.items()})
columns = {"name": ("target", "{}")} | {key: (key, "{:.4f}") for key in ("error", "sd", "haze")}
Markdown(evaluation.format_table(rows, columns, f"{len(profile.seeds)} seeds"))

# %% [markdown]
# Grain does as well as clean targets: .0121 and .0118, with a standard deviation of .0003 over three seeds. Cut-off grain fails. Where the truth is black, half of it becomes 0, and the mean is $0.4 / \sqrt{2 \pi} = 0.16$: the haze. Its median is still 0, so L1 comes back to .0133. Under a garment, the answer is half a digit and half a mean garment. So Noise2Noise needs noise of mean zero, or a loss that does not ask for the mean. Noise2Void (Krull et al. 2019) needs no second noisy picture: it predicts a pixel from its neighbours.
#
# ## Exercises
#
# ### Exercise 1 (easy): see it all
#
# How many steps would `clutter_small` need at least, so that each pixel of a 64 x 64 picture can see each other one? Its first step is a row, its second a column.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# The check builds a model with so many steps, and asks the course's table of layers how far it sees.

# %% tags=["check"]
hint = "how far apart are opposite edges? first and last layer see two pixels far; "
hint += "how many rows then, and how many columns?"


def sees_just_enough(number):
    model = models.tied_denoiser(filters=1, steps=int(number), turned=3)
    return reuse.survey(model).margin == 63 and number % 2 == 0  # as many columns as rows


lessons.check(answer_1, sees_just_enough, hint)

# %% [markdown]
# ### Exercise 2 (medium): three digits in doubt
#
# Write `best_answer(pictures, cases, loss)`. It gets `pictures` (N, 28, 28, 1), and how many `cases` each is right in, such as `[4, 3, 3]`. It returns the picture (28, 28, 1) that a perfect network draws under "MSE", "BCE" or "L1". Then look at what L1 makes of three digits in 4, 3 and 3 of 10 cases. Who drew that?


# %% tags=["exercise"]
def best_answer(pictures, cases, loss):
    return ...


# %% [markdown]
# The check knows the best answers of three digits.

# %% tags=["check"]
three = val.clean[:3]
stack = np.repeat(three, [4, 3, 3], axis=0)
wanted = np.stack([stack.mean(axis=0)] * 2 + [np.median(stack, axis=0)])
hint = "repeat each picture as often as it is right; then along which axis?"


def all_answers():
    found = [best_answer(three, [4, 3, 3], loss) for loss in ("MSE", "BCE", "L1")]
    return None if found[0] is ... else np.stack(found)


lessons.check(all_answers, lambda answer: np.allclose(answer, wanted, atol=1e-3), hint)

# %% [markdown]
# ### Exercise 3 (open): mend the garment
#
# `train.noisy` failed as a target. Mend it without looking at `train.clean`: write a function that makes targets whose noise is zero on average. `overlay` is `pairs.overlay`, the rack that all garments were taken from. Then call `learn` with these targets: how close do you come?


# %% tags=["exercise"]
def answer_3(noisy, overlay):
    """Return targets of the shape of `noisy`."""
    return ...


# %% [markdown]
# The check compares with clean pictures: is your noise zero on average at each pixel, are digits at full strength, and is it still noise?


# %% tags=["check"]
def mended(targets):
    rest = targets - train.clean
    level = np.abs(rest.mean(axis=0)).max() < 3 / np.sqrt(len(rest))
    spread = train.clean - train.clean.mean(axis=0)
    full = abs(np.mean(rest * spread)) < 0.1 * np.mean(spread**2)
    return level and full and rest.std() > 0.05


hint = "(digit + garment) / 2: how is the digit at full strength? what is left on average?"
lessons.check(answer_3, mended, hint, train.noisy, pairs.overlay)

# %% [markdown]
# ## What we learned
#
# - `keras.Model(input, layer.output)` ends a model where you like.
# - Arithmetic says how far it can see, gradients how far it looks.
# - Letters of one typeface come out nearly as well as digits.
# - In doubt, MSE and BCE draw the mean, L1 the median.
# - Noisy targets do where their mean or median is clean.
#
# **References**
#
# - A. Krull et al. (2019), *Noise2Void: learning denoising from single noisy images*, [arXiv:1811.10980](https://arxiv.org/abs/1811.10980).
# - J. Lehtinen et al. (2018), *Noise2Noise: learning image restoration without clean data*, [arXiv:1803.04189](https://arxiv.org/abs/1803.04189).
# - W. Luo, Y. Li, R. Urtasun and R. Zemel (2016), *Understanding the effective receptive field in deep convolutional neural networks*, [arXiv:1701.04128](https://arxiv.org/abs/1701.04128).
# - G. Alain and Y. Bengio (2016), *Understanding intermediate layers using linear classifier probes*, [arXiv:1610.01644](https://arxiv.org/abs/1610.01644).
