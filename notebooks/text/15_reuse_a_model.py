# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 15. Reuse a model: what do I do with an .h5?
#
# Somebody finds your file in two years. What is in it? Does it work on a drawing, on a larger picture, in colour, on another noise? Does another Keras open it, or a program without Keras?
#
# **You will learn** to open a file safely, to bring pictures to what a model knows, to fine-tune, and to export.
#
# **You need** notebook 06, and the models of the course.
#
# **It takes** about 3 minutes in the full profile, at most one in the quick one.

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
# Five saved models are used, none of which is changed.

# %%
import subprocess
import sys

import keras
import numpy as np
from IPython.display import Markdown
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from denoise_utils import baselines, data, evaluation, lessons, noise, plots, reuse, saving
from denoise_utils.pictures import export, playground

NAMES = ["gaussian_small", "gaussian_cap_baseline", "watermark_small", "colour_small"]
NAMES += ["digit_judge"]
profile, seed = lessons.begin(NAMES)

# %% [markdown]
# ## Open it
#
# `keras.models.load_model(path, compile=False)` opens a file of your own. A stranger's file may carry code that runs when it is opened. `saving.load_model` looks first, and refuses such a file.
#
# Beside each model lies its card, a JSON file: what it was trained for, and where that ends.

# %%
paths = {name: lessons.find_model(name, profile) for name in NAMES}
known = {name: saving.load_model(path) for name, path in paths.items()}
model, judge = known["gaussian_small"], known["digit_judge"]
card = saving.read_card(paths["gaussian_small"])
for key in ("task", "noise", "input", "limits"):
    print(f"{key}: {card[key]}")
print(f"{model.count_params():,} parameters, input {model.input_shape}")

# %% [markdown]
# `None` in a shape means any size. The two sides may differ from picture to picture.
#
# ## Your own drawing
#
# Here is a three in dark ink on white paper. The model learned light digits on a dark ground.
#
# `reuse.denoise` takes one picture or many, bytes or floats, of any size, and gives them back as they came.
#
# **Predict:** turn the drawing to light ink. Will the answer be better, worse, or the same?

# %%
# Figure: a drawn three, dark on light and light on dark: clean, noisy and denoised.
paper = Image.new("L", (280, 280), "white")
pen = ImageDraw.Draw(paper)
three = [(85, 75), (195, 75), (140, 150), (190, 205), (90, 225)]
pen.line(three, fill="black", width=24, joint="curve")
dark = data.resize(np.float32(np.asarray(paper)[None, ..., None] / 255), 28)
drawings = np.concatenate([dark, 1 - dark])
noisy = noise.add_gaussian(drawings, 0.2, seed=seed)
denoised = reuse.denoise(model, noisy)
figure = plots.show_images({"clean": drawings, "noisy": noisy, "denoised": denoised}, drawings)
before, after = (evaluation.psnr(one, drawings) for one in (noisy, denoised))
read = evaluation.read_digits(judge, denoised)
for name, gain, digit in zip(("dark ink", "light ink"), after - before, read, strict=True):
    print(f"{name}: {gain:+.1f} dB, read as {digit}")

# %% [markdown]
# Dark ink comes out black all over: the model has seen light strokes on black, and nothing else. Turned round, the same drawing gains 13 dB: on it, one minus sign is worth 29.

# %%
here = f"dark ink {after[0] - before[0]:+.1f} dB, light ink {after[1] - before[1]:+.1f} dB"
holds = after[0] < before[0] and after[1] > before[1] + 6
lessons.claim("the model harms dark ink and cleans light ink", holds, here, profile)

# %% [markdown]
# ## A larger picture
#
# `gaussian_small` takes any size. `gaussian_cap_baseline` takes 28 x 28 and nothing else. For it, `reuse.denoise` cuts a larger picture into overlapping windows and blends the answers. The test is a sheet of digits that lie across the borders.
#
# **Predict:** what goes wrong where windows do not overlap?

# %%
# Figure: a corner of a sheet of digits: clean, noisy, and denoised in three ways.
digits = noise.load_task("gaussian", num_train=1, num_val=96, num_test=1, seed=seed).val.clean
padded = np.pad(digits[..., 0], ((0, 0), (6, 6), (6, 6))).reshape(8, 12, 40, 40)
sheet = padded.swapaxes(1, 2).reshape(1, 320, 480, 1)[:, :308, :476]  # 11 x 17 windows
noisy = noise.add_gaussian(sheet, 0.2, seed=seed)
fixed = known["gaussian_cap_baseline"]
cut = noisy.reshape(11, 28, 17, 28, 1).swapaxes(1, 2).reshape(-1, 28, 28, 1)
beside = evaluation.predict(fixed, cut).reshape(11, 17, 28, 28, 1)
answers = {"noisy": noisy, "side by side": beside.swapaxes(1, 2).reshape(sheet.shape)}
answers["blended"] = reuse.denoise(fixed, noisy)
answers["any size"] = reuse.denoise(model, noisy)
scores = {name: float(evaluation.psnr(one, sheet)[0]) for name, one in answers.items()}
corners = np.concatenate([one[:, :56, :56] for one in (sheet, *answers.values())])
titles = ["clean"] + [f"{name}, {value:.1f} dB" for name, value in scores.items()]
figure = plots.show_images({"": corners}, titles=titles, inches=2)

# %% [markdown]
# A window knows nothing of its neighbour, so strokes fade at its borders. On this sheet, blended windows gain 2 dB from overlap alone. The model of any size is also the better denoiser: the last column compares two models, not two ways of cutting.

# %%
apart, blended = scores["side by side"], scores["blended"]
here = f"{apart:.1f} against {blended:.1f} dB"
lessons.claim("overlap gains more than 1 dB", blended > apart + 1, here, profile)

# %% [markdown]
# ## In colour
#
# `colour_small` knows photographs of 28 x 28 pixels in three channels. The digits' model knows gray strokes. It refuses a photograph, unless you ask for each channel by itself.
#
# **Predict:** what will the digits' model make of a flower?

# %%
# Figure: a flower: clean, noisy, by the colour model, and by the digits' model per channel.
clean = np.float32(load_sample_images().images[1][None, 70:200, 190:320] / 255)
noisy = noise.add_gaussian(clean, 0.1, seed=seed)
shown = {"clean": clean, "noisy": noisy}
shown["colour_small"] = reuse.denoise(known["colour_small"], noisy)
shown["gaussian_small"] = reuse.denoise(model, noisy, per_channel=True)
values = [float(evaluation.psnr(one, clean)[0]) for one in shown.values()]
titles = [f"{name}, {value:.1f} dB" for name, value in zip(shown, values, strict=True)]
titles[0] = "clean"
figure = plots.show_images({"": np.concatenate(list(shown.values()))}, titles=titles, inches=2)

# %% [markdown]
# The colour model removes most of the grain, and has never seen a picture larger than 28 x 28. The digits' model makes each channel black with white strokes; bright red fills its channel, and comes out black.
#
# ## Fine-tune it
#
# Salt and pepper is another noise. You may start from the saved weights instead of random ones. These `.h5` files hold no optimizer: compile anew.
#
# **Predict:** after one pass over a thousand pictures, which start is ahead, and what has the fine-tuned model forgotten?

# %% tags=["trains"]
sizes = {"num_train": profile.pick(1000, 100), "num_val": profile.pick(500, 60), "num_test": 1}
new = noise.load_task("salt_pepper", **sizes, seed=seed, amount=0.2)
old = noise.load_task("gaussian", **sizes, seed=seed).val
starts = {"fine-tuned": lambda: saving.load_model(paths["gaussian_small"])}
starts["from scratch"] = lambda: keras.models.clone_model(model)  # new random weights
found = {name: [] for name in starts}
for name, start in starts.items():
    for number in profile.seeds:
        print(f"\r{name}, seed {number} ...   ", end="", flush=True)
        keras.utils.set_random_seed(number)
        tuned = start()
        tuned.compile(keras.optimizers.Adam(2e-3), "binary_crossentropy")
        tuned.fit(new.train.noisy, new.train.clean, batch_size=16, verbose=0)
        answers = [(evaluation.predict(tuned, one.noisy), one.clean) for one in (new.val, old)]
        found[name].append([evaluation.psnr(*pair).mean() for pair in answers])

# %% [markdown]
# The mean over seeds, and their standard deviation; validation pictures of both noises:


# %% tags=["trains"]
ways = {"noisy input": lambda x: x.noisy}
ways["median, tuned here"] = lambda x: baselines.tune("median", x.noisy, x.clean)(x.noisy)
ways["as saved"] = lambda x: evaluation.predict(model, x.noisy)
for name, way in ways.items():
    ways[name] = [[evaluation.psnr(way(x), x.clean).mean() for x in (new.val, old)]]
rows = []
for name, scores in (ways | found).items():
    row = {"name": name} | dict(zip(("salt", "gauss"), np.mean(scores, axis=0), strict=True))
    sds = np.std(scores, axis=0, ddof=1) if len(scores) > 1 else (None, None)
    rows.append(row | dict(zip(("salt_sd", "gauss_sd"), sds, strict=True)))
columns = {"name": ("model", "{}"), "salt": ("salt and pepper (dB)", "{:.2f}")}
columns |= {"salt_sd": ("sd", "{:.2f}")}
columns |= {"gauss": ("Gaussian (dB)", "{:.2f}"), "gauss_sd": ("sd", "{:.2f}")}
Markdown(evaluation.format_table(rows, columns))

# %% [markdown]
# The saved start is ahead by 3 dB on the new noise, fifteen times the spread over seeds. On its old noise it loses more than 1. Such forgetting is why you keep the first file.

# %% tags=["trains"]
mean = {row["name"]: row for row in rows}
tuned, scratch, saved = (mean[name] for name in ("fine-tuned", "from scratch", "as saved"))
spread = max(one["salt_sd"] or 0 for one in (tuned, scratch))  # of one seed: none
ahead = tuned["salt"] - scratch["salt"]
lost = min(saved["gauss"] - gauss for _, gauss in found["fine-tuned"])  # by a seed
here = f"{ahead:+.2f} dB, sd {spread:.2f}"
lessons.claim("fine-tuning is ahead", ahead > 3 * spread, here, profile)
lessons.claim("and forgets under each seed", lost > 0.5, f"at least {lost:.2f} dB", profile)

# %% [markdown]
# ## In another Keras, and without any
#
# The file says what it holds in words that older Keras versions know. The cell fetches one of them into a folder and lets it open the same file.

# %%
older, folder = "3.10.0", profile.root / "build" / "reuse" / profile.name
(folder / older).mkdir(parents=True, exist_ok=True)
np.save(folder / "some.npy", some := old.noisy[:20])
words = ["-m", "pip", "install", "-q", "--no-deps", "--target", str(folder / older)]
subprocess.run([sys.executable, *words, f"keras=={older}"], capture_output=True)
program = f"""import sys; sys.path.insert(0, {str(folder / older)!r}); import keras, numpy as np
model = keras.models.load_model({str(paths["gaussian_small"])!r}, compile=False)
assert keras.__version__ == "{older}"
np.save("{older}", model.predict_on_batch(np.load("some.npy")))"""
done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True)
if done.returncode == 0:
    apart = np.abs(np.load(folder / f"{older}.npy") - model.predict_on_batch(some)).max()
    print(f"Keras {older} and {keras.__version__} agree within {apart:.0e}")
else:
    print(f"Keras {older} is not to be had here: reports/compatibility.md says who opens what.")

# %% [markdown]
# ONNX and LiteRT are formats for phones and browsers. `pip install ".[export]"` brings the exporters. An export counts only if it gives the same pictures.

# %%
for ending in (".onnx", ".tflite"):
    target, lacking = folder / f"gaussian_small{ending}", export.missing(ending)
    if lacking:
        print(f"{ending}: {', '.join(lacking)} not installed")
        continue
    export.export_model(model, target)
    apart = np.abs(export.run_exported(target, some) - model.predict_on_batch(some)).max()
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB, the same within {apart:.0e}")

# %% [markdown]
# ## Play
#
# `playground.make_controls(digits, models, judge)` shows buttons in a live notebook. The function behind them works alone. Here is a digit under ten marks, cleaned by the model that knows marks:

# %%
# Figure: a digit clean, under ten marks, denoised by the model of marks, and the difference.
marks = {"noise": "watermark", "share": 1 / 3, "model": known["watermark_small"]}
figure, measured = playground.try_out(digits[0], **marks, judge=judge, seed=seed)
print(f"{measured['noisy']:.1f} to {measured['denoised']:.1f} dB, read as {measured['read'][2]}")

# %% [markdown]
# In a browser, without installing anything: `reports/playground.html`.
#
# ## Exercises
#
# Replace each `...`, run the cell, then the check below it.
#
# ### Exercise 1 (easy)
#
# A model of 28 x 28 pixels is to clean a picture of 100 x 100. Windows overlap by half: their corners lie 14 pixels apart, and the last window ends at the border. How many windows does each side need?

# %% tags=["exercise"]
answer_1 = ...

# %% [markdown]
# Check it:

# %% tags=["check"]
corners = {*range(0, 100 - 28, 14), 100 - 28}
lessons.check(answer_1, len(corners), "corners at 0, 14, 28, ... and the last at 100 - 28")

# %% [markdown]
# ### Exercise 2 (medium)
#
# Scans are often dark ink on white paper in bytes from 0 to 255. Write the function that brings such pictures (N, H, W) to what the model knows. It lets it clean them, and gives them back as they came: bytes, dark on white.


# %% tags=["exercise"]
def answer_2(scans):
    """Return the cleaned scans, uint8 (N, H, W), dark ink on white paper."""
    return ...


# %% [markdown]
# Check it:

# %% tags=["check"]
scans = np.uint8(np.round(255 * (1 - old.noisy[:10, ..., 0])))
light = 1 - scans[..., None] / np.float32(255)
wanted = 255 * (1 - evaluation.clip(model.predict_on_batch(light)))[..., 0]


def fits(cleaned):
    """Tell whether bytes came back that are the model's answers, turned round."""
    same_kind = cleaned.dtype == np.uint8 and cleaned.shape == scans.shape
    return same_kind and np.abs(cleaned - wanted).max() < 2


hint = "divide by 255, turn round, add the channel, predict; then all of it backwards"
lessons.check(answer_2, fits, hint, scans)

# %% [markdown]
# ### Exercise 3 (open)
#
# Find a strength of Gaussian noise at which `gaussian_small` does harm: on `old.clean`, the PSNR after must be lower than before. Answer with the noisy pictures.

# %% tags=["exercise"]
answer_3 = ...

# %% [markdown]
# Check it:


# %% tags=["check"]
def harms(damaged):
    """Tell whether the model's answer is farther from the clean pictures than its input."""
    answers = evaluation.predict(model, damaged)
    before = evaluation.psnr(damaged, old.clean).mean()
    return before < 50 and evaluation.psnr(answers, old.clean).mean() < before


hint = "how good is its answer to a clean picture? how weak must noise be to beat that?"
lessons.check(answer_3, harms, hint)

# %% [markdown]
# ## What we learned
#
# - A saved model is a file and a card. Look before you open a stranger's.
# - Bring a picture to what the model knows: size, range, light on dark.
# - Fine-tuning is a few lines. It learns the new and forgets the old.
# - The same `.h5` serves older versions of Keras, and an export serves programs without it, if you check that the answers agree.
#
# **References**: R. M. French (1999), *Catastrophic forgetting in connectionist networks*, [doi:10.1016/S1364-6613(99)01294-2](https://doi.org/10.1016/S1364-6613(99)01294-2).
