# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 3. Measure quality: how good is good?
#
# Every measure can be fooled. Before you train for a number, find out what it rewards.
#
# **You will learn** what MSE, PSNR, legibility, SSIM and binary cross-entropy are, where each misleads, and why this course trains with the last.
#
# **You need** notebooks 01 and 02.
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
import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown
from scipy.ndimage import gaussian_filter

from denoise_utils import evaluation, lessons, noise, plots, saving
from denoise_utils.zoo import judges

profile, seed = lessons.begin(["digit_judge"])

# %% [markdown]
# ## MSE and PSNR
#
# The [MSE](GLOSSARY.md#mse) averages the squared difference over the pixels. [PSNR](GLOSSARY.md#psnr) is $-10 \log_{10}(\text{MSE})$, in decibels: a tenth of the error is 10 dB more.
#
# **Predict:** is the mean of all PSNRs the PSNR of the mean error?

# %%
sizes = {"num_train": 1, "num_val": profile.num_val, "num_test": 1, "seed": seed}
pairs = noise.load_task("clutter", **sizes)
clean, noisy, labels = pairs.val.clean, pairs.val.noisy, pairs.val.labels
errors = np.mean((noisy - clean) ** 2, axis=(1, 2, 3))
decibels = -10 * np.log10(errors)
print("same as the helper:", np.allclose(decibels, evaluation.psnr(noisy, clean)))
print(f"mean of the PSNRs {decibels.mean():.2f} dB, standard deviation {decibels.std():.2f}")
print(f"PSNR of the mean error {-10 * np.log10(errors.mean()):.2f} dB")

# %% [markdown]
# No: good pictures lift the mean of the PSNRs. This course quotes that mean, with its standard deviation over the pictures.
#
# **Where it misleads.** Five spoiled pictures have the same MSE.
#
# **Predict:** which can you read?

# %%
# Figure: an eight, and five spoiled pictures of it.
eight = clean[labels == 8][profile.pick(9, 0)]
cut = eight.copy()
cut[:, :12] = 0
target = np.mean((cut - eight) ** 2)
grain = np.random.default_rng(seed).random(eight.shape, dtype="float32")
ways = {"cut": cut, "veiled": np.ones_like(eight), "grainy": grain}
ways |= {"moved": np.roll(eight, 2, axis=1), "dimmed": 0 * eight}
shown = {"clean": eight}
for name, end in ways.items():  # go so far towards `end` that the error is the target
    step = np.sqrt(target / np.mean((end - eight) ** 2))
    shown[name] = eight + np.float32(step) * (end - eight)
titles = [f"{name}\n{np.mean((one - eight) ** 2):.4f}" for name, one in shown.items()]
figure = plots.show_images({"": np.stack(list(shown.values()))}, titles=titles)

# %% [markdown]
# To MSE and PSNR the five are equal. To you, one has become a three, and the others are still an eight.
#
# ## Legibility
#
# The assignment asks for digits that can be *read*. In place of a person stands the [judge](GLOSSARY.md#judge), a small network that learned clean digits only. [Legibility](GLOSSARY.md#legibility) is the share of digits that it reads right. Where the course's judge is missing, the cell trains one.
#
# **Predict:** how many clean digits does it read?

# %%
try:
    judge = lessons.load_model("digit_judge", profile)
except FileNotFoundError:
    path, _ = judges.train(profile, seed, "digit_judge", profile.models)
    judge = saving.load_model(path)
read = np.mean(judge.predict(clean, verbose=0).argmax(axis=1) == labels)
print(f"{judge.count_params():,} parameters; it reads {read:.2%} of {len(clean):,} clean digits")
print(f"and {evaluation.legibility(judge, noisy, labels):.1%} of the cluttered ones")
lessons.claim("the judge reads 99 % of clean digits", read > 0.99, f"{read:.2%}", profile)

# %% [markdown]
# **Predict:** at equal PSNR, does the judge read equal shares?

# %%
# Figure: PSNR against the share that the judge reads, a line for each noise.
some = clean[: profile.pick(1000, 100)]
kinds = {"marks": (noise.add_watermark, (30, 20, 10, 5, 2))}
kinds["a line"] = (noise.add_occlusion, (5, 3, 1))
kinds["Gaussian"] = (noise.add_gaussian, (0.8, 0.4, 0.2, 0.1))
kinds["masking"] = (noise.add_masking, (0.9, 0.5, 0.3))
figure, axes = plt.subplots(figsize=(7, 3.8))
for name, (add, strengths) in kinds.items():
    spoiled = [add(some, strength, seed=seed) for strength in strengths]
    x = [evaluation.psnr(one, some).mean() for one in spoiled]
    y = [evaluation.legibility(judge, one, labels[: len(some)]) for one in spoiled]
    (line,) = axes.plot(x, y, "o-", markersize=4)
    axes.text(x[-1] + 0.2, y[-1] - 0.02 + 0.04 * (name == "masking"), name, color=line.get_color())
_ = axes.set(xlabel="mean PSNR (dB)", ylabel="share read by the judge", xlim=(5, 26))

# %% [markdown]
# No. Near 11 dB it reads more than half of the digits under a thick line, few under marks, and hardly any in Gaussian noise.
#
# **Where it misleads.** Here is Gaussian noise of .4 with the judge's readings.
#
# **Predict:** which will you read?

# %%
# Figure: ten digits in Gaussian noise of .4, titled with the judge's readings.
strong, lined = noise.add_gaussian(some, 0.4, seed=seed), noise.add_occlusion(some, 3, seed=seed)
heard = evaluation.read_digits(judge, strong)
grainy, thick = (evaluation.legibility(judge, one, labels[: len(some)]) for one in (strong, lined))
here = f"Gaussian .4 {grainy:.0%}, a line of 3 pixels {thick:.0%}"
most = thick > 0.5 and grainy < 0.1
lessons.claim("at 11 dB it reads most under a line, hardly any in grain", most, here, profile)
figure = plots.show_images({"": strong[:10]}, titles=[f"judge: {digit}" for digit in heard[:10]])

# %% [markdown]
# You read most. The judge never saw grain, and calls all ten an eight. Trust it on smooth pictures only, such as a denoiser's answers.
#
# ## SSIM
#
# [SSIM](GLOSSARY.md#ssim) compares small windows of two pictures $a$ and $b$: their means $\mu$, variances $\sigma^2$, and covariance $\sigma_{ab}$, large where both vary together. 1 is equal. $C_1 = .01^2$ and $C_2 = .03^2$ prevent a division by 0.
#
# $$\text{SSIM} = \frac{2\mu_a\mu_b + C_1}{\mu_a^2 + \mu_b^2 + C_1} \cdot \frac{2\sigma_{ab} + C_2}{\sigma_a^2 + \sigma_b^2 + C_2}$$


# %%
def blur(image):
    """Return the weighted mean of each window of 11 x 11 pixels that lies inside the image."""
    return gaussian_filter(image.astype(float), 1.5, truncate=3.5)[5:-5, 5:-5]


def ssim(a, b):
    mean_a, mean_b = blur(a), blur(b)
    vary_a, vary_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    together = blur(a * b) - mean_a * mean_b
    light = (2 * mean_a * mean_b + 0.01**2) / (mean_a**2 + mean_b**2 + 0.01**2)
    return np.mean(light * (2 * together + 0.03**2) / (vary_a + vary_b + 0.03**2))


mine = [ssim(a[..., 0], b[..., 0]) for a, b in zip(noisy[:50], clean[:50], strict=True)]
print("same as the helper:", np.allclose(mine, evaluation.ssim(noisy[:50], clean[:50]), atol=1e-4))

# %% [markdown]
# **Where it misleads.** Erase a small square in a hundred digits. Of those that the judge then misreads, keep the ten that SSIM rates highest: we look for its worst mistakes. Compare light grain on the same digits.
#
# **Predict:** which row does SSIM prefer?

# %%
# Figure: ten digits, the same with a square erased, the same in light grain.
few = some[:100]
erased, grainy = few.copy(), noise.add_gaussian(few, 0.1, seed=seed)
erased[:, 12:18, 8:14] = 0
seen = evaluation.read_digits(judge, erased)
best = np.argsort((seen == labels[: len(few)]) - evaluation.ssim(erased, few))[:10]
rows = {"clean": few[best], "erased": erased[best], "light grain": grainy[best]}
figure = plots.show_images(rows, titles=[f"{labels[i]}, read {seen[i]}" for i in best])
gap, light = (evaluation.ssim(one[best], few[best]).mean() for one in (erased, grainy))
here = f"erased {gap:.2f}, light grain {light:.2f}"
wrong = seen != labels[: len(few)]
all_of_them = (f"{evaluation.ssim(one[wrong], few[wrong]).mean():.2f}" for one in (erased, grainy))
print(f"all {wrong.sum()} misread: erased and light grain", *all_of_them)
lessons.claim("SSIM prefers the misread pictures to light grain", gap > light, here, profile)

# %% [markdown]
# The erased digits; over all 31 misread, too, if barely: a gap spoils few windows, and grain all. Yet an eight with a gap is a three.
#
# ## Binary cross-entropy, its floor, the excess
#
# [BCE](GLOSSARY.md#bce) reads the answer $p$ as the probability of white; $y$ is right:
#
# $$-y \log p - (1 - y) \log(1 - p)$$
#
# The logarithm is the natural one; its unit is the *nat*.
#
# For a grey $y$ even the perfect answer $p = y$ costs something. The mean of that is the [floor](GLOSSARY.md#bce-floor), and what lies above it the [excess](GLOSSARY.md#excess). Since $\log 0$ is infinite, Keras cuts answers off at $10^{-7}$. `astype(float)` computes in float64, since float32 would round $1 - 10^{-7}$.


# %%
def bce(answer, clean, cut=1e-7):
    p = np.clip(answer.astype(float), cut, 1 - cut)
    return np.mean(-clean * np.log(p) - (1 - clean) * np.log(1 - p))


floor = bce(clean, clean)
cost = bce(noisy, clean)
print(f"clutter: BCE {cost:.4f}, floor {floor:.4f}, excess {cost - floor:.4f}")
print("same as the helper:", np.allclose(cost, evaluation.bce(noisy, clean).mean()))

# %% [markdown]
# **Predict:** which has less excess, digits under marks, or the mean of all digits as the answer for each? And if the cut moves?

# %%
mean = np.broadcast_to(clean.mean(axis=0), clean.shape)
answers = {"grey of .5": 0 * clean + 0.5, "mean of all digits": mean, "clutter, untouched": noisy}
answers["marks, untouched"] = noise.load_task("watermark", **sizes).val.noisy
cuts, rows = (1e-7, 1e-5, 1e-3), []
for name, one in answers.items():
    rows.append({"name": name} | {str(cut): bce(one, clean, cut) - floor for cut in cuts})
constant, marks = rows[1]["1e-07"], rows[3]["1e-07"]
here = f"the mean digit {constant:.3f}, marks {marks:.3f}"
lessons.claim("a constant answer beats marks by far", constant < marks / 5, here, profile)
columns = {"name": ("excess of", "{}")} | {str(cut): (f"cut at {cut}", "{:.3f}") for cut in cuts}
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, nats per pixel"))

# %% [markdown]
# In pictures:

# %%
# Figure: a digit, the mean of all digits, the digit under marks, each with its excess.
three = {"clean": clean[:1], "mean of all": mean[:1], "marks": answers["marks, untouched"][:1]}
own = bce(clean[:1], clean[:1])
titles = [f"{name}\n{bce(one, clean[:1]) - own:.2f}" for name, one in three.items()]
figure = plots.show_images({"": np.concatenate(list(three.values()))}, titles=titles)

# %% [markdown]
# **Where it misleads.** The mean digit shows nothing, and has a seventh of the excess of marks. A mark is 1 where 0 is right, and costs $-\log 10^{-7} = 16$. With the cut at $10^{-3}$ that excess is less than half, although no picture changed. A [sigmoid](GLOSSARY.md#sigmoid) hardly ever answers exactly 0 or 1. So trust the excess of *models*, and of clutter, which no cut moves.
#
# ## Why BCE, and not MSE or L1?
#
# Sometimes the input cannot tell. Say a pixel is white in 3 of 10 pictures that look alike. Left: the mean [loss](GLOSSARY.md#loss) of each answer, with a dot at the best. Right: the *pull* on a white pixel: how fast its loss falls as the sum before the sigmoid grows.
#
# **Predict:** what does L1, the mean *absolute* error, answer?

# %%
# Figure: left, the mean loss of each answer; right, the pull at a white pixel.
before = np.linspace(-7, 7, 701)
p = 1 / (1 + np.exp(-before))  # the sigmoid
losses = {"BCE": lambda y: -y * np.log(p) - (1 - y) * np.log(1 - p)}
losses |= {"MSE": lambda y: (p - y) ** 2, "L1": lambda y: abs(p - y)}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
for name, loss in losses.items():
    mean_loss, pull = 0.3 * loss(1) + 0.7 * loss(0), -np.gradient(loss(1), before)
    (line,) = left.plot(p, mean_loss, "o-", markevery=[mean_loss.argmin()])
    right.plot(before, pull)
    left.text(p[405], mean_loss[405], f"  {name}", color=line.get_color(), va="top")
    place = {"BCE": (-6.7, 1.02), "MSE": (-2.9, 0.3), "L1": (-0.4, 0.16)}[name]
    right.text(*place, name, color=line.get_color())
left.set(xlabel="answer p", ylabel="mean loss", ylim=(-0.05, 1.2))
_ = right.set(xlabel="before the sigmoid", ylabel="pull towards white", ylim=(-0.05, 1.15))

# %% [markdown]
# BCE and MSE answer with the mean, .3, a grey that says "perhaps". L1 answers with the median, 0, and drops the stroke. Where the model is surely wrong, BCE pulls hardest, and the others hardly at all. That is why this course uses BCE. SSIM could be a loss, too. But it would forgive the gap that made another digit.
#
# ## Exercises
#
# ### Exercise 1 (easy): decibels
#
# A model lowers the MSE from .04 to .0025. By how many decibels does its PSNR rise? Work it out in your head first: half the error is about 3 dB.

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# An answer within a tenth of a decibel counts.

# %% tags=["check"]
rise = 10 * np.log10(0.04 / 0.0025)
hint = ".04 / .0025 = 16 = 2 x 2 x 2 x 2"
lessons.check(answer_1, lambda value: abs(value - rise) < 0.1, hint)

# %% [markdown]
# ### Exercise 2 (medium): mend the excess
#
# This function should return the excess of each picture, an array of shape (N,). On real pictures it answers "nan", since the logarithm of 0 is infinite, and it forgets more. Mend it.


# %% tags=["exercise"]
def mean_excess(answer, clean):
    return np.mean(-clean * np.log(answer))


answer_2 = ...  # mean_excess, once you have mended it


# %% [markdown]
# The check compares with the helper on pictures that hold exact zeros and ones.

# %% tags=["check"]
few = clean[:20]
peppered = noise.add_salt_and_pepper(few, 0.2, seed=seed)
hint = "float64 first; cut off before the logarithm; the second half; the floor; which axes?"
wanted = evaluation.bce(peppered, few) - evaluation.bce_floor(few)
with np.errstate(all="ignore"):  # the broken one divides by zero
    lessons.check(answer_2, wanted, hint, peppered, few)

# %% [markdown]
# ### Exercise 3 (open): a measure of your own
#
# A dim digit, or one behind a veil, is easy to read, and yet PSNR mostly prefers a *different* digit. Write `my_measure(images, clean)`, higher is better, shape (N,). On 95 of 100 pictures, the digit in three forms must rank above the different one: at a fifth of its brightness, behind a veil, in light grain. Leave the judge out.


# %% tags=["exercise"]
def my_measure(images, clean):
    return ...


# %% [markdown]
# The check takes for each picture the picture of another digit with the least squared error.

# %% tags=["check"]
these, pool = clean[:100], clean[: profile.pick(3000, 100)]
distance = np.array([((pool - image) ** 2).mean(axis=(1, 2, 3)) for image in these])
distance[labels[: len(these), None] == labels[None, : len(pool)]] = np.inf
different = 0.02 + 0.96 * pool[distance.argmin(axis=1)]
readable = [these / 5, 0.5 + these / 2, noise.add_gaussian(these, 0.1, seed=seed)]


def sees_through(scores):
    worse = my_measure(different, these)
    return all(np.mean(my_measure(one, these) > worse) >= 0.95 for one in readable)


hint = "what stays the same when a picture is dimmed or veiled? think of a correlation"
lessons.check(lambda: my_measure(these, these), sees_through, hint)

# %% [markdown]
# ## What we learned
#
# - MSE and PSNR ask how far each pixel is off, not where.
# - Legibility asks what you want to know, of a judge that never saw noise.
# - SSIM looks at structure, and overlooks a gap that makes another digit.
# - BCE has a floor: quote the excess, of models.
# - In doubt, BCE and MSE answer with the mean, L1 with the median. BCE corrects what is surely wrong.
#
# **References**
#
# - Z. Wang, A. C. Bovik, H. R. Sheikh and E. P. Simoncelli (2004), *Image quality assessment: from error visibility to structural similarity*, [doi:10.1109/TIP.2003.819861](https://doi.org/10.1109/TIP.2003.819861).
# - H. Zhao, O. Gallo, I. Frosio and J. Kautz (2017), *Loss functions for image restoration with neural networks*, [arXiv:1511.08861](https://arxiv.org/abs/1511.08861).
# - J. Lehtinen et al. (2018), *Noise2Noise: learning image restoration without clean data* (mean and median), [arXiv:1803.04189](https://arxiv.org/abs/1803.04189).
