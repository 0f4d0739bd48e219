# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 15. Reuse a model: on whose images, and how far from home?

# %%
import subprocess
import sys
import time

import numpy as np
from IPython.display import Markdown
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from denoise_utils import data, evaluation, models, noise, plots, profiles, reuse, saving, training
from denoise_utils.pictures import images
from denoise_utils.zoo import recipes

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# A saved model is a file that somebody else opens: a grader, next year's course. What is in it? Does it work on a drawing, on a picture that is not 28x28, in colour?
# What does it make of a noise that it never saw, and does it get used to it? Can a program without Keras run it?
#
# - **Consumes**: `gaussian_small.h5`, `gaussian_cap_baseline.h5`, `watermark_small.h5`, `colour_small.h5` and the judge, from `models/` (quick: `build/quick/models/`).
# - **Produces**: nothing in `models/`; pictures and exported files under `build/`.

# %% [markdown]
# ## Open it and read its card
#
# `load_model` checks the file before Keras sees it and runs nothing that it carries. The card is its label: what it was trained for, how well it did, where it ends.

# %%
path = profile.models / "gaussian_small.h5"
model, card = saving.load_model(path), saving.read_card(path)
judge = evaluation.load_judge(profile.models)
folder = profile.root / "build" / "reuse" / profile.name
scores, before = card["test_scores"], card["noisy_input_scores"]
Markdown(
    f"**{path.name}**, {card['parameters']:,} parameters ({card['role']}), {path.stat().st_size / 1000:.0f} kB: {card['limits']}\n\n"
    f"Trained for {card['epochs_run']} epochs in {card['seconds']:.0f} s; on {scores['images']:,} test images "
    f"PSNR {before['psnr']:.2f} to {scores['psnr']:.2f} dB (sd {scores['psnr_sd']:.2f}), read by the judge "
    f"{before['legibility']:.1%} to {scores['legibility']:.1%}."
)

# %% [markdown]
# ## At home: test digits
#
# One line. Arrays go in as they are, (H, W), (H, W, C) or (N, H, W, C), bytes or floats, and come back in the same shape.

# %%
pairs = noise.load_task("gaussian", num_train=1, num_val=1, num_test=10, seed=seed)
denoised = reuse.denoise(model, pairs.test.noisy)
rows = {"clean": pairs.test.clean, "noisy": pairs.test.noisy, "denoised": denoised}
figure = plots.show_images(rows, pairs.test.clean, pairs.label)

# %% [markdown]
# It is the model's own output, clipped to [0, 1]; as bytes it differs by rounding alone:

# %%
as_bytes = reuse.denoise(model, np.uint8(np.round(pairs.test.noisy * 255)))
own = evaluation.clip(evaluation.predict(model, pairs.test.noisy))
print(f"largest difference from the model's own output: {np.abs(denoised - own).max():.1e}")
print(f"bytes against floats, largest difference: {np.abs(as_bytes / 255 - denoised).max():.3f}")

# %% [markdown]
# ## A drawing of one's own
#
# Dark ink on white paper, drawn here with a mouse that never slips. The model learned light digits on a dark ground, and knows nothing else.

# %%
paper = Image.new("L", (280, 280), "white")
pen = ImageDraw.Draw(paper)
pen.line([(85, 75), (195, 75), (140, 150), (190, 205), (90, 225)], fill="black", width=24, joint="curve")
images.write_image(np.asarray(paper), folder / "drawing.png")
drawing = images.read_image(folder / "drawing.png")
small = data.resize(np.float32(drawing[None, ..., None] / 255), 28)
upside = 1 - small  # light on dark, as the digits are
print(f"read from the file: {drawing.shape}, {drawing.dtype}; for the model: {upside.shape}")

# %% [markdown]
# The same noise on both, ink dark and ink light:

# %%
drawings = np.concatenate([small, upside])
noisy = noise.add_gaussian(drawings, 0.2, seed=seed)
denoised = reuse.denoise(model, noisy)
figure = plots.show_images({"clean": drawings, "noisy": noisy, "denoised": denoised}, drawings)
gained = evaluation.psnr(denoised, drawings) - evaluation.psnr(noisy, drawings)
read = evaluation.read_digits(judge, denoised)
Markdown(
    f"Dark ink: {gained[0]:+.1f} dB, read as {read[0]}. Turned to light ink: {gained[1]:+.1f} dB, read as {read[1]}. "
    f"{'Bring a picture to what the model has seen.' if gained[1] > gained[0] else 'Here the ground did not matter.'}"
)

# %% [markdown]
# ## A large picture
#
# `gaussian_small.h5` takes a picture of any size as it is. The input of `gaussian_cap_baseline.h5` is fixed to 28x28: for that one a larger picture is cut into windows of that size, each half over the next, and blended. Here is a sheet of digits that lie across the windows' borders.

# %%
sheet = noise.load_task("gaussian", num_train=1, num_val=1, num_test=96, seed=seed).test.clean[..., 0]
clean = np.zeros((8 * 40, 12 * 40), np.float32)
for number, digit in enumerate(sheet):
    top, left = 40 * (number // 12) + 6, 40 * (number % 12) + 6
    clean[top : top + 28, left : left + 28] = digit
clean = clean[None, ..., None]
noisy = noise.add_gaussian(clean, 0.2, seed=seed)
fixed, found, seconds = saving.load_model(profile.models / "gaussian_cap_baseline.h5"), {}, {}
for name, one in {"fixed, blended": fixed, "any size, as it is": model}.items():
    started = time.perf_counter()
    found[name] = reuse.denoise(one, noisy)
    seconds[name] = time.perf_counter() - started
print(f"inputs: {fixed.input_shape[1:]} and {model.input_shape[1:]}; the sheet: {clean.shape[1:]}")

# %% [markdown]
# What blending is worth: the fixed model without any overlap, windows side by side.

# %%
height, width = (size // 28 * 28 for size in clean.shape[1:3])
windows = noisy[0, :height, :width].reshape(height // 28, 28, width // 28, 28, 1).swapaxes(1, 2)
beside = evaluation.clip(evaluation.predict(fixed, windows.reshape(-1, 28, 28, 1)))
beside = beside.reshape(height // 28, width // 28, 28, 28, 1).swapaxes(1, 2).reshape(1, height, width, 1)
part = {"noisy": noisy, "fixed, side by side": beside} | found
part = {name: images[:, :height, :width] for name, images in part.items()}
table = [{"name": name, "psnr": evaluation.psnr(x, clean[:, :height, :width])[0]} for name, x in part.items()]
table = [row | {"seconds": seconds.get(row["name"])} for row in table]
columns = {key: evaluation.COLUMNS[key] for key in ("name", "psnr")} | {"seconds": ("seconds", "{:.1f}")}
Markdown(evaluation.format_table(table, columns, f"{pairs.label}, {clean.shape[1]} x {clean.shape[2]} pixels"))

# %% [markdown]
# A corner of it:

# %%
corner = {name: x[:, :120, :120] for name, x in {"clean": clean, **part}.items()}
stack = np.concatenate(list(corner.values()))
figure = plots.show_images({"": stack}, titles=list(corner))

# %% [markdown]
# ## Colour, and a photograph
#
# `colour_small.h5` takes three channels. A gray model takes colour only if it is asked to, channel by channel: these digits' model has never seen a flower.

# %%
photograph = load_sample_images().images[1][40:300, 190:450]
clean = np.float32(photograph / 255)[None]
noisy = noise.add_gaussian(clean, 0.1, seed=seed)
colour = saving.load_model(profile.models / "colour_small.h5")
try:
    reuse.denoise(model, noisy)
except ValueError as error:
    print(f"ValueError: {error}")
rows = {"clean": clean, "noisy": noisy, "colour_small": reuse.denoise(colour, noisy)}
rows["gaussian_small, per channel"] = reuse.denoise(model, noisy, per_channel=True)
figure = plots.show_images({"": np.concatenate(list(rows.values()))}, titles=list(rows))

# %% [markdown]
# PSNR of the whole photograph:

# %%
table = [{"name": name, "psnr": evaluation.psnr(x, clean)[0]} for name, x in rows.items() if name != "clean"]
best = max(table, key=lambda row: row["psnr"])["name"]
Markdown(
    evaluation.format_table(table, columns, "a photograph that ships with scikit-learn") + f"\n\nThe highest: {best}."
)

# %% [markdown]
# ## From the command line
#
# The same for files and folders; names are kept, nothing is overwritten unasked, and what cannot be read is named at the end.

# %%
images.write_image(photograph, folder / "in" / "flower.png")
saving.write_text(folder / "in" / "broken.jpg", "not a picture")
command = [sys.executable, "-m", "denoise_utils", "denoise", "--model", str(profile.models / "colour_small.h5")]
command += [str(folder / "in"), str(folder / "out"), "--noise", "gaussian", "--sigma", "0.1", "--force"]
done = subprocess.run(command, capture_output=True, text=True, cwd=profile.root)
said = [line for line in done.stderr.splitlines() if line.startswith("left out")]
print("\n".join(line.replace(str(profile.root), ".") for line in [*done.stdout.splitlines(), *said]))
print(f"exit code {done.returncode}")

# %% [markdown]
# ## Fine-tune it on another noise
#
# Salt and pepper is another noise than the one it knows. Two epochs from its weights, and, to be fair, two from none. An .h5 holds no optimizer: a fine-tuning begins with a fresh one.

# %%
sizes = {"num_train": profile.pick(12000, 400), "num_val": profile.pick(1000, 100), "num_test": profile.num_test}
other = noise.load_task("salt_pepper", **sizes, seed=seed, amount=0.2)
parts = (other.train.noisy, other.train.clean), (other.val.noisy, other.val.clean)
recipe = recipes.RECIPES["gaussian_small"]  # the same architecture and loss
starts = {
    "fine_tuned": (lambda: saving.load_model(path), saving.hash_file(path)),
    "from_scratch": (lambda: models.tied_denoiser(**recipe.options), None),
}
settings = {"epochs": 2, "batch_size": 32, "learning_rate": 2e-3, "loss": recipe.loss, "seed": seed}
runs = {}
for name, (build, sha256) in starts.items():
    record = other.record | {"starts from": sha256}
    runs[name] = training.train(build, *parts, name=name, runs=profile.runs, record=record, **settings)

# %% [markdown]
# On test images of both noises: what was learned, and what was forgotten.

# %%
home = noise.load_task("gaussian", num_train=1, num_val=1, num_test=profile.num_test, seed=seed).test
known = {"as saved": model, "fine-tuned": runs["fine_tuned"].model}
known["two epochs from scratch"] = runs["from_scratch"].model
table = []
for kind, test in (("salt and pepper .2", other.test), ("Gaussian .2", home)):
    table.append({"name": "noisy input", "kind": kind} | evaluation.score(test.noisy, test, judge))
    for name, one in known.items():
        table.append({"name": name, "kind": kind} | evaluation.score_model(one, test, judge))
columns = {"kind": ("noise", "{}")} | {
    key: evaluation.COLUMNS[key] for key in ("name", "psnr", "psnr_sd", "legibility")
}
Markdown(evaluation.format_table(table, columns, f"{other.label}, {len(home.clean):,} test images; sd over images"))

# %% [markdown]
# In words:

# %%
found = {(row["kind"], row["name"]): row["psnr"] for row in table}
new, old = "salt and pepper .2", "Gaussian .2"
Markdown(
    f"On the new noise fine-tuning gains {found[new, 'fine-tuned'] - found[new, 'as saved']:+.1f} dB over the saved model and is "
    f"{found[new, 'fine-tuned'] - found[new, 'two epochs from scratch']:+.1f} dB from a start with no knowledge; on its old noise it "
    f"changes by {found[old, 'fine-tuned'] - found[old, 'as saved']:+.1f} dB."
)

# %% [markdown]
# ## For programs without Keras
#
# ONNX and LiteRT are formats that phones and browsers run. The ONNX exporters are not among the requirements; `pip install -e ".[export]"` brings them. A file counts
# as exported when it gives the same pictures.

# %%
from denoise_utils.pictures import export

test, table = home.noisy[:64], []
for ending in (".onnx", ".tflite"):
    target, lacking = folder / f"gaussian_small{ending}", export.missing(ending)
    if lacking:
        print(f'{ending}: not exported, {", ".join(lacking)} not installed: pip install -e ".[export]"')
        continue
    export.export_model(model, target)
    difference = np.abs(export.run_exported(target, test) - model.predict_on_batch(test)).max()
    table.append({"name": target.name, "kilobytes": target.stat().st_size / 1000, "difference": difference})
columns = {"name": ("file", "{}"), "kilobytes": ("kB", "{:.0f}"), "difference": ("largest difference", "{:.1e}")}
Markdown(evaluation.format_table(table, columns, f"{path.name}: {path.stat().st_size / 1000:.0f} kB") if table else "")

# %% [markdown]
# ## A playground
#
# Pick a digit, a noise, its strength and a model. The function behind it works without any buttons: here with marks that a model of Gaussian noise has never seen, and with the model that has.

# %%
from denoise_utils.pictures import playground

denoisers = {name: saving.load_model(profile.models / f"{name}.h5") for name in ("gaussian_small", "watermark_small")}
for name, one in denoisers.items():
    figure, measured = playground.try_out(home.clean[0], "watermark", 1 / 3, one, judge, seed)
    print(
        f"{name}: {measured['strength']}, {measured['noisy']:.1f} to {measured['denoised']:.1f} dB, read as {measured['read'][2]}"
    )

# %% [markdown]
# And with buttons, where this notebook is run by hand (`make lab`):

# %%
playground.make_controls(home.clean[:50], denoisers, judge)

# %% [markdown]
# ## What we learned
#
# - A saved model is a file with a card: what it was trained for says where it may be trusted, and a drawing on white paper or a flower is not there.
# - Windows that overlap make a fixed model serve pictures of any size; fine-tuning is a few lines, and it forgets.
# - Next: hand a model to somebody, with its card, and let them run it on theirs.
