# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Big versus small: what does a tenfold of parameters buy?
#
# *Project W* stamped crosses on digits, and removed them with a model of 3,729 parameters and one of 3,284,993. Is big, for few epochs, worth its cost? Its author asked, and promised a better small model and one between. Make both.
#
# **You will learn** to compare models of unlike size: parameters, multiplications, pictures seen, and seeds.
#
# **You need** notebooks 03, 04 and 06.
#
# **It takes** about 2 minutes in the full profile, at most one in the quick one.

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
# `runs/project_w_*` are folders of finished trainings. Of a large model, scores and ten pictures are there.

# %%
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, plots, saving, training
from denoise_utils.zoo import originals

loaded = ["digit_judge", "watermark_project_w", "watermark_big", "watermark_small"]
profile, seed = lessons.begin([*loaded, "runs/project_w_*"])

# %% [markdown]
# ## The marks
#
# A mark is a cross of nine white pixels at a random place. Each number of marks has its own validation pictures, the same for all.
#
# **Predict:** do 30 marks do 30 times the damage of one?

# %%
judge = lessons.load_model("digit_judge", profile)
sizes = {"num_val": profile.pick(2000, profile.num_val), "num_test": 1, "seed": seed}


def marked(marks, num_train=1):
    """Load digits with so many marks each."""
    return noise.load_task("watermark", num_train=num_train, marks=marks, **sizes)


vals = {marks: marked(marks).val for marks in (1, 5, 10, 20, 30)}
clean, few = vals[10].clean, slice(10)
chosen = baselines.tune("median", vals[10].noisy, clean)
for marks, val in vals.items():
    decibels = evaluation.psnr(val.noisy, clean).mean()
    print(f"{marks:2} marks: MSE {evaluation.mse(val.noisy, clean).mean():.4f}, {decibels:.1f} dB")

# %% [markdown]
# No, about 25 times: crosses fall on crosses.
#
# ## Ten runs
#
# Both models pool three times. The big one adds the encoder's channels on the way back, and has batch norm and, for each pixel, a learned slope below 0. Project W took Adam, batches of 256, the model after the last epoch, and 60,000 pictures. Ours see 6,000 an epoch, the longest of each model 54,000.
#
# In use, batch norm replaces a batch's mean and variance by averages kept from training. After few steps these are not yet right. `models.settle` computes them anew. So each short run of the big model is judged twice.


# %%
def judged(model, val):
    """Score a model's answers; keep ten of them as text for a .json file."""
    answers = evaluation.predict(model, val.noisy)
    pictures = np.rint(255 * answers[few]).astype("uint8")
    return evaluation.score(answers, val, judge) | {"pictures": pictures.tobytes().hex()}


def look(model, task):
    """Judge a model as it is and, if it has batch norm, settled."""
    found = {"as it is": judged(model, task.val)}
    if models.batch_norms(model):
        found["settled"] = judged(models.settle(model, task.train.noisy[:7680]), task.val)
    return found


# %% [markdown]
# Finished runs are read; a missing one is trained. `keep` asks for the model of the last epoch, not of the best.

# %%
# Today's Keras divides project W's penalty on the code by 256, the batch: see A1.
builders = {"small": originals.project_w_small, "big": originals.project_w_big}
plan = [("small", 15, 1), ("small", 50, 1), ("small", 50, 5)]  # size, epochs, marks
plan += [("big", 2, 1), ("big", 15, 1), ("big", 5, 10), ("big", 5, 20), ("big", 10, 30)]
images = profile.pick({"small": 6_000, "big": 6_000}, {"small": 200, "big": 100})
found = {}
for size, epochs, marks in profile.pick(plan, [plan[0], plan[3]]):
    task, last = marked(marks, images[size]), profile.pick(epochs, 1)
    data = (task.train.noisy, task.train.clean), (task.val.noisy, task.val.clean)
    kept = {"runs": profile.runs, "shelf": profile.shelf, "record": task.record}
    kept |= {"keep": (last,), "score": partial(look, task=task)}
    name = f"project_w_{size}_{epochs}_{marks}"
    settings = {"epochs": last, "batch_size": 256, "seed": seed}
    run = training.train(builders[size], *data, name=name, **kept, **settings)
    found[size, epochs, marks] = {"seen": last * len(task.train.clean)} | run.scores

# %% [markdown]
# The two longest runs are models of the course; the big one is settled. `seen` counts pictures, with repetitions.

# %%
course = {"small": "watermark_project_w", "big": "watermark_big"}


def load(name):
    """Return a model of the course and how many pictures it has seen; None if there is none."""
    for model in lessons.load_rivals([name], profile).values():
        card = saving.read_card(lessons.find_model(name, profile))
        return model, card["epochs_run"] * card["settings"]["data"]["images"]["train"]


for size, epochs, way in (("small", 100, "as it is"), ("big", 15, "settled")):
    if loaded := load(course[size]):
        found[size, epochs, 10] = {"seen": loaded[1], way: judged(loaded[0], vals[10])}

# %% [markdown]
# `big 5/20` means: the big model, 5 epochs, 20 marks.
#
# **Predict:** two epochs of the big model, or fifty of the small one: which pictures do you prefer?

# %%
# Figure: ten digits, marked and denoised by each of project W's ten runs.
for size in builders:
    rows, own = {"clean": clean[few]}, [key for key in found if key[0] == size]
    for _, epochs, marks in sorted(own, key=lambda key: (key[2], key[1])):
        rows[f"marks: {marks}"] = vals[marks].noisy[few]
        for way in ("as it is", "settled"):
            if told := found[size, epochs, marks].get(way):
                pixels = np.frombuffer(bytes.fromhex(told["pictures"]), "uint8")
                title = f"{size} {epochs}/{marks}" + "\nsettled" * (way == "settled")
                rows[title] = pixels.reshape(-1, 28, 28, 1) / np.float32(255)
    figure = plots.show_images(rows, clean[few], inches=0.75)

# %% [markdown]
# As it is, each short run of the big model answers with a grid; settled, it draws the digit. The small one blurs; project W's failed at 100/10. [A1](A1_broken_looking_models.ipynb) asks why.

# %%
rows = []
for size, epochs, marks in sorted(found, key=lambda key: (key[2], key[0] == "big", key[1])):
    told = found[size, epochs, marks]
    row = {"name": f"{size} {epochs}/{marks}", "seen": told["seen"]}
    row["noisy"] = evaluation.psnr(vals[marks].noisy, clean).mean()
    row |= {way: told[way]["psnr"] for way in ("as it is", "settled") if way in told}
    last = told.get("settled", told.get("as it is"))
    rows.append(row | {"excess": last["excess"], "read": last["legibility"]})
columns = {"name": ("run", "{}"), "seen": ("pictures seen", "{:,}")}
columns |= {key: (f"{key} (dB)", "{:.1f}") for key in ("noisy", "as it is", "settled")}
columns |= {"excess": ("excess", "{:.4f}"), "read": ("read", "{:.1%}")}
Markdown(evaluation.format_table(rows, columns, f"{len(clean):,} validation pictures; one seed"))

# %% [markdown]
# The last two columns are of the settled model, where there is one. At one mark, both small runs stay below the noisy input; two epochs of the big model, settled, do not. One seed each: read large differences.
#
# ## The models that were promised
#
# A better small model, and one between. Ours add the encoder's channels, too, at no parameter. Each [epoch](GLOSSARY.md#epoch) stamps fresh marks, 0 to 30 of them; the [learning rate](GLOSSARY.md#learning-rate) falls to 0. They differ in their [filters](GLOSSARY.md#filter) alone, 8 and 32.


# %%
def mixed_marks(clean, rng):
    """Stamp 0 to 30 fresh marks on each picture: what an epoch trains on."""
    return noise.add_watermark(clean, rng.integers(0, 31, len(clean)), seed=rng)


part = {"num_train": profile.num_train, "num_val": profile.num_val, "num_test": 1}
pairs = noise.load_task("watermark", **part, seed=seed, noisy=("val",))
train, val = pairs.train.clean, pairs.val.clean
data = (train, train), (mixed_marks(val, np.random.default_rng(seed)), val)
recipe = {"batch_size": 64, "learning_rate": 4e-3, "schedule": "cosine"}
recipe |= {"augment": mixed_marks, "epochs": profile.pick(8, 1), "runs": profile.runs}
recipe |= {"record": pairs.record | {"noise": {"marks": "0 to 30, fresh in every epoch"}}}

# %% [markdown]
# The small one has three [seeds](GLOSSARY.md#seed), the medium one has one. A third is like notebook 11's: one step, used sixteen times. Its parameters are *shared*.

# %%
rivals = {f"project W, {size}": [load(name)] for size, name in course.items()}
rivals = {title: trained for title, trained in rivals.items() if all(trained)}
better = {"better small": ("watermark_small", 8, profile.seeds, "watermark_cap_baseline")}
better["medium"] = ("watermark_medium", 32, (0,), "watermark_medium")
for title, (name, filters, seeds, saved) in better.items():
    build = partial(models.skip_autoencoder, filters, 3)
    saved = [saved, *(f"seeds/{saved}_{s}" for s in seeds)]  # where they may lie, finished
    kept = {"name": name, "saved": [profile.models / f"{one}.h5" for one in saved]}
    runs = [training.train(build, *data, seed=s, **kept, **recipe) for s in seeds]
    rivals[title] = [(run.model, len(run.history) * len(train)) for run in runs]
names = ["watermark_small", "seeds/watermark_small_0", "seeds/watermark_small_1"]
if shared := lessons.load_rivals(names[: len(profile.seeds)], profile):
    rivals["shared"] = [load(name) for name in shared]

# %% [markdown]
# ## Cost beside quality
#
# **Predict:** at ten marks, order them: 3,073, 46,849, 3,409 (shared) and 3,284,993 parameters.

# %%
scores, rows = {}, evaluation.yardsticks(vals[10], {"median": chosen(vals[10].noisy)}, judge)
for title, trained in rivals.items():
    print(f"\r{title} ...          ", end="", flush=True)
    scores[title] = [evaluation.score_model(model, vals[10], judge) for model, _ in trained]
    row = {"name": f"{title} ({len(trained)})", "parameters": trained[0][0].count_params()}
    row |= {"seen": trained[0][1], "work": models.count_multiplications(trained[0][0]) / 1e6}
    decibels = [one["psnr"] for one in scores[title]]
    row["legibility"] = np.mean([one["legibility"] for one in scores[title]])
    sd = np.std(decibels, ddof=1) if len(trained) > 1 else None
    rows.append(row | {"psnr": np.mean(decibels), "sd": sd})
columns = {"name": ("model (seeds)", "{}"), "parameters": ("parameters", "{:,}")}
columns |= {"work": ("multiplications, M", "{:.1f}"), "seen": ("pictures seen", "{:,}")}
columns |= {"psnr": ("mean PSNR", "{:.2f}"), "sd": ("sd of seeds", "{:.2f}")}
columns["legibility"] = ("read", "{:.1%}")
Markdown(evaluation.format_table(rows, columns, f"10 marks, {len(clean):,} validation pictures"))

# %% [markdown]
# Read from left to right: cost, then quality.

# %%
if {"shared", "project W, big"} <= set(scores):
    decibels = {title: [one["psnr"] for one in of_seeds] for title, of_seeds in scores.items()}
    big, own = decibels["project W, big"][0], decibels["shared"]
    told = f"seeds {min(own):.2f} to {max(own):.2f} dB, project W's big one {big:.2f}"
    lessons.claim("every seed of 3,409 parameters beats 3,284,993", min(own) > big, told, profile)
    small, own = decibels["project W, small"][0], decibels["better small"]
    told = f"seeds {min(own):.2f} to {max(own):.2f} dB, project W's small one {small:.2f}"
    holds = min(own) > small
    lessons.claim("every seed of the better small beats project W's", holds, told, profile)

# %% [markdown]
# Of these, 3,073 come last; then 46,849 and 3,284,993, one run each; shared leads. On validation pictures the worst of three seeds with 3,409 shared parameters has 35.86 dB, project W's big model 29.2. Ours saw 1.6 times the pictures, and does half of the multiplications. Why, the table does not tell: fresh marks, another [optimizer](GLOSSARY.md#optimizer), no pooling, or project W's learning rate (notebook 13)?
#
# And a tenfold? From better small to medium, 15 times the parameters bring 2.8 dB; seeds spread by .3. Two points make no rule. Between project W's two, 881 times the parameters are 137 times the work. So look at the work:

# %%
# Figure: multiplications against PSNR; the big model is to the right of the shared one and below.
figure, axes = plt.subplots(figsize=(7, 3.8))
for title, trained in rivals.items():
    x, y = models.count_multiplications(trained[0][0]), [one["psnr"] for one in scores[title]]
    (dots,) = axes.plot([x] * len(y), y, "o", alpha=0.7)
    label = f"{title}\n{trained[0][0].count_params():,} parameters"
    side = {"xytext": (8, 0), "ha": "left"} if x < 1e6 else {"xytext": (-8, 0), "ha": "right"}
    side |= {"textcoords": "offset points", "va": "center", "color": dots.get_color()}
    axes.annotate(label, (x, np.mean(y)), **side)
axes.set(xscale="log", xlabel="multiplications a picture", ylabel="PSNR at 10 marks (dB)")
axes.margins(x=0.1, y=0.15)

# %% [markdown]
# Among our three, more work is better (`shared` also saw more). Project W's small model does more than `better small`, and is worse.
#
# **Predict:** project W's two saw ten marks only. Who is ahead at 1 mark, and at 30?

# %%
# Figure: PSNR against the number of marks, a line for each model and one for the noisy input.
figure, axes = plt.subplots(figsize=(7, 4.6))
ends = {}
for title, trained in rivals.items():
    print(f"\r{title} ...          ", end="", flush=True)
    answers = [evaluation.predict(trained[0][0], val.noisy) for val in vals.values()]
    ends[title] = [evaluation.psnr(answer, clean).mean() for answer in answers]
ends["noisy input"] = [evaluation.psnr(val.noisy, clean).mean() for val in vals.values()]
for title, curve in ends.items():
    (line,) = axes.plot(list(vals), curve, "o-", markersize=4)
    label = {"text": f"  {title} {curve[-1]:.1f}", "color": line.get_color()}
    side = {"medium": "bottom", "better small": "top"}.get(title, "center")
    axes.annotate(xy=(30, curve[-1]), va=side, **label)
axes.set(xlabel="marks", ylabel="mean PSNR (dB), first seed", xlim=(0, 45))
_ = axes.set_xticks(list(vals))

# %% [markdown]
# Shared parameters lead at every count. At one mark, project W's small model is worse than the untouched input: it blurs. Its big one leads the medium one at few marks, and falls behind at 30. (One seed each.)
#
# > **Corrections.** An earlier edition said: "Who knows the count takes the specialist", a model trained at one count. Its gains of .24 and .27 dB stood under a seed spread of .44 dB: nothing was shown. It also gave a tenfold a price from one pair of points.
#
# ## Exercises
#
# ### Exercise 1 (easy): the small code
#
# Project W's small model takes a picture of 28x28 pixels, and pools three times by 2, with padding "same". Its three convolutions before have 16, 8 and 8 filters of 3x3. How many numbers has its code? How many parameters has the third convolution?

# %% tags=["exercise"]
answer_1 = ...  # (numbers in the code, parameters of the third convolution)

# %% [markdown]
# The check counts in the model:

# %% tags=["check"]
small = originals.project_w_small()
code = next(layer for layer in reversed(small.layers) if "pooling" in layer.name).output
third = [layer for layer in small.layers if "conv2d" in layer.name][2]
hint = "28, 14, 7, and then? A filter has a weight for each pixel and channel, and a bias."
lessons.check(answer_1, (int(np.prod(code.shape[1:])), third.count_params()), hint)

# %% [markdown]
# ### Exercise 2 (medium): the bill of a training
#
# A step of training goes forward once and backward once. Backward costs about twice as many multiplications as forward. Write a function that returns all multiplications of a training, for a model, its pictures an epoch, and its epochs. Then answer: how many trainings of `shared` cost as much as project W's long run of the big model? (54,000 pictures an epoch; 24 epochs, and 15.)


# %% tags=["exercise"]
def bill(model, pictures, epochs):
    return ...


answer_2 = ...  # how many

# %% [markdown]
# Check both:


# %% tags=["check"]
def is_right(answer):
    """Say whether the function and the number are right."""
    work = {name: models.count_multiplications(build()) for name, build in builders.items()}
    ratio = 15 * work["big"] / (24 * 38_760_960)  # of `shared`: see the table
    good = all(bill(builders[name](), 7, 3) == 3 * 7 * 3 * work[name] for name in work)
    return good and abs(answer - ratio) < 0.05 * ratio


hint = "One forward, two backward; for each picture, each epoch. The tables have the work."
lessons.check(answer_2, is_right, hint)

# %% [markdown]
# ### Exercise 3 (open): a better small one, smaller still
#
# Beat project W's small 100/10 at ten marks with at most 1,000 parameters (in a short run: beat the noisy input). Train on as few of the pictures `train` as you can. `mixed_marks` is yours, or better noise for this task.

# %% tags=["exercise"]
answer_3 = ...  # your trained keras.Model

# %% [markdown]
# Check it:


# %% tags=["check"]
def beats_small(model):
    """Say whether a model of at most 1,000 parameters beats project W's small one."""
    rival = scores["project W, small"][0]["psnr"]
    wanted = profile.pick(rival, evaluation.psnr(vals[10].noisy, clean).mean())
    good = evaluation.psnr(evaluation.predict(model, vals[10].noisy), clean).mean() > wanted
    return good and model.count_params() <= 1000


hint = "A code of 4x4 places cannot hold a stroke. Which model here does without pooling?"
lessons.check(lambda: answer_3, beats_small, hint)

# %% [markdown]
# ## What we learned
#
# - Parameters, multiplications and pictures seen are three prices. They do not go together.
# - At ten marks, 3,409 shared parameters beat 3,284,993 under each of three seeds, with half of the multiplications and 1.6 times the pictures.
# - A big model after few steps may look broken when only its averages are.
# - "Better" needs seeds; a price per tenfold needs more than two points.
#
# **References**
#
# - S. Ioffe and C. Szegedy (2015), *Batch normalization: accelerating deep network training by reducing internal covariate shift*, [arXiv:1502.03167](https://arxiv.org/abs/1502.03167).
# - K. He, X. Zhang, S. Ren and J. Sun (2015), *Delving deep into rectifiers* (a slope that is learned), [arXiv:1502.01852](https://arxiv.org/abs/1502.01852).
# - Project W: [vtortega/Denoising-autoencoder](https://github.com/vtortega/Denoising-autoencoder).
