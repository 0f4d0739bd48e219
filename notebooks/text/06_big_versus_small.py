# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 6. Big versus small: what does each tenfold of parameters buy?

# %%
import itertools
import json
import subprocess
import sys
from functools import partial

import keras
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, models, noise, originals, plots, profiles, saving, training

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project W* stamped X-shaped marks on digits and removed them with a model of 3,729 parameters and one of 3,284,993. It found that the big one is good after few epochs, that the
# small one failed at ten marks ("I didn't understand what happened here"), and promised a better small model and one of middle size. We repeat its runs, find
# the failure's cause, make both models, and put a price on parameters.
#
# - **Consumes**: the watermark task at 1 to 30 marks, the judge of notebook 2.
# - **Produces**: `models/watermark_small.h5` (capped); as references `watermark_medium.h5`, `watermark_big.h5` and `watermark_project_w.h5`.

# %%
judge = evaluation.load_judge(profile.models)
counts = profile.pick((1, 5, 10, 20, 30), (1, 10, 30))
sizes = {"num_val": profile.num_val, "num_test": profile.num_test, "seed": seed}
ALL, PART = profile.pick(None, 400), profile.pick(12000, 200)  # training images
tests = {marks: noise.load_task("watermark", num_train=1, marks=marks, **sizes).test for marks in counts}
pairs = noise.load_task("watermark", num_train=ALL, **sizes)
print(f"{pairs.label}: {len(pairs.train.clean):,} train, {len(pairs.val.clean):,} val, {len(pairs.test.clean):,} test")

# %% [markdown]
# ## The two originals
#
# Small: three poolings to a code of 4x4x8 whose activity is penalised. Big: a slope for every pixel and channel, batch norm, and the encoder's tensors *added* to the decoder's.

# %%
originals_of_w = {"small": originals.project_w_small(), "big": originals.project_w_big()}
found = [models.count_parameters(model) for model in originals_of_w.values()]
if found != [(3729, 3729), (3284993, 3282177)]:
    raise ValueError(f"Expected 3,729 and 3,284,993 (3,282,177 trainable) parameters, got {found}")
for model in originals_of_w.values():
    figure = plots.draw_model(model)

# %% [markdown]
# ## Its runs
#
# Adam with its defaults, binary cross-entropy, batches of 256; the model after the *last* epoch, as project W had no validation split. (We hold a tenth of the training images out, to draw a curve.) Two of its runs are
# moments of longer ones. Project W took 60,000 images an epoch, we take fewer; the table says how many.

# %%
plan = [  # size, marks, epochs of the full profile after which the model is kept
    ("small", 1, (15, 50)),
    ("small", 5, (50,)),
    ("small", 10, (100,)),
    ("big", 1, (2, 15)),
    ("big", 20, (5,)),
    ("big", 30, (10,)),
    ("big", 10, (5, 15)),
]
plan = profile.pick(plan, [plan[0], plan[2], plan[-1]])
builders = {"small": originals.project_w_small, "big": originals.project_w_big}

# %% [markdown]
# Each is a run of its own: killed, it goes on; finished, it is loaded.


# %%
def reproduce(size, marks, kept):
    """Train one of project W's models as it did; return {(size, epochs, marks): run} of the epochs kept."""
    task = noise.load_task("watermark", num_train=PART, marks=marks, **sizes)
    kept = profile.pick(kept, tuple(range(1, len(kept) + 1)))
    name = {"small": "watermark_project_w", "big": "watermark_big"}[size]
    data = (task.train.noisy, task.train.clean), (task.val.noisy, task.val.clean)
    settings = {"epochs": kept[-1], "keep": kept, "batch_size": 256, "seed": seed}
    run = training.train(builders[size], *data, name=name, runs=profile.runs, record=task.record, **settings)
    return {(size, epochs, marks): run.after(epochs) for epochs in kept}


reproduced = {}
for planned in plan:
    reproduced |= reproduce(*planned)
last = {size: max(key for key in reproduced if (key[0], key[2]) == (size, 10)) for size in builders}  # at ten marks

# %% [markdown]
# ## What its author saw
#
# Original, marked, denoised, for every run of its table; the PSNR of each picture stands over it.

# %%
shown = slice(0, 10)
clean = pairs.test.clean
for marks in counts:
    rows = {"original": clean[shown], f"{marks} marked": tests[marks].noisy[shown]}
    for (size, epochs, trained), run in reproduced.items():
        if trained == marks:
            rows[f"{size} {epochs}/{marks}"] = evaluation.predict(run.model, tests[marks].noisy[shown])
    figure = plots.show_images(rows, clean[shown], pairs.label)

# %% [markdown]
# ## Learned, but not settled
#
# Big models of few epochs look broken here, and in project W's pictures they did not. Batch norm is why: in use it does not take a batch's own statistics but moving averages, which keep 99 % of their old
# value at every step. Project W's two epochs were 470 steps, ours are fewer. We give the big models what they lack: forward passes over training images, **no weight is trained**, only the averages move.


# %%
def settle(key):
    """Return the run's model with the moving averages of its batch norms brought up to date."""
    _, epochs, marks = key
    model = reproduced[key].after(epochs).model  # a fresh copy
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.8
    for number in range(profile.pick(30, 2)):
        clean_batch = pairs.train.clean[256 * number :][:256]
        model(noise.add_watermark(clean_batch, marks, seed=[seed, number]), training=True)
    return model


settled = {key: settle(key) for key in reproduced if key[0] == "big"}

# %% [markdown]
# All runs in figures, on the whole test set. Each first row is the untouched input; *left* is the share of the initial statistics that is still in the moving averages.

# %%
table = []
for marks in counts:
    table.append({"name": f"noisy input, {marks} marks"} | evaluation.score(tests[marks].noisy, tests[marks], judge))
    for key, run in reproduced.items():
        size, epochs, trained = key
        if trained != marks:
            continue
        images = run.settings["data"]["images"]["train"]
        row = {"name": f"{size} {epochs}/{marks}", "images": images, "loss": run.best["loss"]}
        row |= {"left": 0.99 ** (epochs * -(-images // 256))} if size == "big" else {}
        table.append(row | evaluation.score_model(run.model, tests[marks], judge))
        if key in settled:
            row = {"name": f"{size} {epochs}/{marks}, settled", "images": images}
            table.append(row | evaluation.score_model(settled[key], tests[marks], judge))

# %% [markdown]
# Excess in nats per pixel:

# %%
columns = {"name": ("epochs/marks", "{}"), "images": ("training images", "{:,}"), "loss": ("training loss", "{:.4f}")}
columns |= {"left": ("left", "{:.1%}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("excess", "psnr", "psnr_sd", "ssim", "legibility")}
Markdown(evaluation.format_table(table, columns, f"{pairs.label}, {len(clean):,} test images; sd over images"))

# %% [markdown]
# How much of a short run's failure was in the averages alone:

# %%
psnr_of = {row["name"]: row["psnr"] for row in table}
gained = {name: psnr_of[f"{name}, settled"] - value for name, value in psnr_of.items() if f"{name}, settled" in psnr_of}
Markdown(
    "Settling gains "
    + ", ".join(f"{gain:+.1f} dB for {name}" for name, gain in gained.items())
    + ". A validation loss that jumps while the training loss falls is the sign; `momentum=0.9` in `BatchNormalization` the cure for short trainings (this course's judge has it)."
)

# %% [markdown]
# ## One number that tells the version
#
# Project W's log of big 15/10 begins with a training loss of 24.22 and goes on with .1830. Ours does not begin so. The penalty on the code's activity is why: today's Keras divides
# it by the batch size, older ones summed it over the batch.

# %%
published = [24.22, 0.1830, 0.1149, 0.0963, 0.0869, 0.0817, 0.0783, 0.0756, 0.0740, 0.0724, 0.0714, 0.0706, 0.0699, 0.0692, 0.0687]  # fmt: skip
keras.utils.set_random_seed(seed)
fresh = originals.project_w_big()
penalised = next(layer for layer in fresh.layers if getattr(layer, "activity_regularizer", None))
activity = np.asarray(keras.Model(fresh.input, penalised.output)(pairs.train.noisy[:256], training=True))
summed = 1e-4 * float(np.sum(activity**2))
losses = [log["loss"] for log in reproduced[last["big"]].history]
Markdown(
    f"Before any training, one batch's penalty is {summed:.1f} summed and {summed / len(activity):.3f} per image; its author's first loss was {published[0]}, ours {losses[0]:.3f}. "
    f"The code is batch-normalised afterwards, so that the penalty only scales it: after {len(losses)} epochs our training loss is {losses[-1]:.4f}, its author's was {published[len(losses) - 1]:.4f}."
)

# %% [markdown]
# The small model has no batch norm behind its code, and there the same division matters: its penalty was 256 times as strong as the same line of code gives today.

# %% [markdown]
# ## Why did small 100/10 collapse?
#
# The experiment: ten marks, the small model without a penalty, with today's, and with the penalty as strong as it was then; every one under each seed of the profile.

# %%
penalties = {"no penalty": 0, "per image (today)": 1e-4, "summed over the batch (then)": 256e-4}
study_images = profile.pick(20000, 300)
study = noise.load_task("watermark", num_train=study_images, **sizes)
data = (study.train.noisy, study.train.clean), (study.val.noisy, study.val.clean)
common = {"name": "watermark_collapse", "runs": profile.runs, "record": study.record, "batch_size": 256}
collapse = {}
for title, penalty in penalties.items():
    build = partial(originals.project_w_small, penalty)
    for s in profile.seeds:
        collapse[title, s] = training.train(build, *data, epochs=profile.pick(12, 1), seed=s, **common)

# %% [markdown]
# What to measure: how many filters of each ReLU layer are **dead** (0 everywhere, on every one of 500 test images), and how much the output still depends on the input (its variance
# over images, relative to that of the clean ones).


# %%
def autopsy(model, images=500):
    """Return the dead filters and all filters of each ReLU layer, and the output's relative variance."""
    noisy, target = tests[10].noisy[:images], clean[:images]
    relus = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][:-1]
    outputs = keras.Model(model.input, [layer.output for layer in relus] + [model.output]).predict_on_batch(noisy)
    dead = [int(np.sum(output.max(axis=(0, 1, 2)) <= 0)) for output in outputs[:-1]]
    return dead, [output.shape[-1] for output in outputs[:-1]], float(outputs[-1].var(0).mean() / target.var(0).mean())


# %% [markdown]
# One row per run; the layer with the penalty is the third.

# %%
kinds = collapse | {("100/10 itself", seed): reproduced[last["small"]]}
rows = []
for (title, s), run in kinds.items():
    dead, filters, variance = autopsy(run.model)
    row = {"name": title, "seed": s, "dead": " ".join(f"{d}/{f}" for d, f in zip(dead, filters, strict=True))}
    scores = evaluation.score_model(run.model, tests[10], judge)
    rows.append(row | {"code": dead[2] / filters[2], "variance": variance} | scores)
columns = {"name": ("penalty", "{}"), "seed": ("seed", "{}"), "dead": ("dead filters by layer", "{}")}
columns |= {"variance": ("output variance / clean", "{:.2f}"), "excess": evaluation.COLUMNS["excess"]}
columns |= {key: evaluation.COLUMNS[key] for key in ("psnr", "legibility")}
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images at 10 marks"))

# %% [markdown]
# In words:

# %%
gone = {title: [row["variance"] < 0.05 for row in rows if row["name"] == title] for title in penalties}
alive = {title: np.mean([1 - row["code"] for row in rows if row["name"] == title]) for title in penalties}
read = {title: np.mean([row["legibility"] for row in rows if row["name"] == title]) for title in penalties}
Markdown(
    "A collapse is an output that hardly varies with its input (variance below a twentieth of the clean images'). "
    + " ".join(
        f"With *{title}*: {sum(gone[title])} of {len(gone[title])} runs collapse, {alive[title]:.0%} of the code's filters are alive, {read[title]:.0%} of the digits are read."
        for title in penalties
    )
)

# %% [markdown]
# ## The model of middle size, and the better small one
#
# Both promised, never made. Ours differ in three things: encoder tensors are added to the decoder (no parameters), every epoch stamps **fresh** marks, and their number is drawn from
# 0 to 30 for each image.


# %%
def mixed_marks(clean, rng):
    """Stamp 0 to 30 new marks on each clean image: an `augment` of one epoch."""
    return noise.add_watermark(clean, rng.integers(0, 31, len(clean)), seed=rng)


mixed = (mixed_marks(pairs.val.clean, np.random.default_rng(seed)), pairs.val.clean)
fresh = {"runs": profile.runs, "learning_rate": 4e-3, "schedule": "cosine", "augment": mixed_marks}
fresh["record"] = pairs.record | {"noise": {"marks": "0 to 30, fresh in every epoch"}}

# %% [markdown]
# Validation images are marked once, in the same mixture, so that epochs can be compared.

# %%
shapes = {"watermark_small": (8, 3), "watermark_medium": (32, 3)}
lengths = {"watermark_small": profile.pick(20, 2), "watermark_medium": profile.pick(6, 1)}
ours = {}
for name, shape in shapes.items():
    settings = {"name": name, "epochs": lengths[name], "batch_size": 64} | fresh
    data = (pairs.train.clean, pairs.train.clean), mixed
    ours[name] = training.train(partial(models.skip_autoencoder, *shape), *data, **settings)
    print(f"{name}: {ours[name].model.count_params():,} parameters")

# %% [markdown]
# ## One model for all counts, or one per count?
#
# The same small architecture, the same number of images and epochs, fresh marks in both cases: once with every count mixed, once per count.


# %%
def fixed_marks(marks):
    """Return an `augment` that stamps always the same number of marks."""

    def stamp(clean, rng):
        return noise.add_watermark(clean, marks, seed=rng)

    stamp.__name__ = f"{marks}_marks"
    return stamp


# %% [markdown]
# Six trainings per seed, on a part of the images:

# %%
part = (pairs.train.clean[: PART // 2],) * 2
short = {"name": "watermark_counts", "epochs": profile.pick(8, 1), "batch_size": 64} | fresh
short["record"] = short["record"] | {"images": len(part[0])}
shape = partial(models.skip_autoencoder, *shapes["watermark_small"])
specialists = {}
for s in profile.seeds:
    for marks in (None, *counts):
        stamp = fixed_marks(marks) if marks else mixed_marks
        val = (stamp(pairs.val.clean, np.random.default_rng(seed)), pairs.val.clean)
        specialists[marks, s] = training.train(shape, part, val, **short | {"augment": stamp, "seed": s})

# %% [markdown]
# Mean PSNR over seeds; a row is a training, a column a test.

# %%
psnr = {
    (marks, s, test): evaluation.psnr(evaluation.predict(run.model, tests[test].noisy), clean).mean()
    for (marks, s), run in specialists.items()
    for test in counts
}
rows = [{"name": "noisy input"} | {str(t): evaluation.psnr(tests[t].noisy, clean).mean() for t in counts}]
for marks in (None, *counts):
    title = f"trained at {marks}" if marks else "trained on 0 to 30, mixed"
    rows.append({"name": title} | {str(t): np.mean([psnr[marks, s, t] for s in profile.seeds]) for t in counts})

# %% [markdown]
# What a specialist is worth, at home and away:

# %%
columns = {"name": ("PSNR (dB) at marks", "{}")} | {str(t): (str(t), "{:.2f}") for t in counts}
loss = [np.mean([psnr[t, s, t] - psnr[None, s, t] for s in profile.seeds]) for t in counts]
away = np.mean([psnr[m, s, t] - psnr[None, s, t] for m in counts for t in counts if t != m for s in profile.seeds])
Markdown(
    evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images; {len(profile.seeds)} seed(s)")
    + f"\n\nAt its own count a specialist is {np.mean(loss):+.2f} dB from the mixed model (from {min(loss):+.2f} to {max(loss):+.2f}); at the other counts {away:+.2f} dB."
)

# %% [markdown]
# ## The price of a parameter
#
# Project W's conclusion asks whether big and few epochs is worth it. Each model is measured by a process of its own on this machine: peak memory and seconds of
# training at batches of 256, milliseconds per image of use.

# %%
program = """
import json, resource, sys, timeit
import keras, numpy as np
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
model = keras.models.load_model(sys.argv[1], compile=False)
images, before = np.random.default_rng(0).random((256, 28, 28, 1), dtype=np.float32), peak()
def seconds(step, times):
    return min(timeit.repeat(step, number=1, repeat=times))
used = seconds(lambda: model.predict_on_batch(images), 5)
model.compile("adam", "binary_crossentropy")
trained = seconds(lambda: model.train_on_batch(images, images), 4)
print(json.dumps({"ms": 1000 * used / 256, "step": trained, "memory": peak() - before}))
"""

# %% [markdown]
# The models: project W's small 100/10 and big 15/10, and our two.

# %%
kept = {"watermark_project_w": reproduced[last["small"]], "watermark_big": reproduced[last["big"]]} | ours
titles = {"watermark_project_w": f"project W, small {last['small'][1]}/10", "watermark_small": "ours, small"}
titles |= {"watermark_medium": "ours, medium", "watermark_big": f"project W, big {last['big'][1]}/10"}
costs = {}
for name in titles:
    path = profile.runs.parent / "price" / f"{name}.h5"
    saving.save_model(kept[name].model, path, {})
    printed = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True).stdout
    costs[name] = json.loads(printed.splitlines()[-1]) | {"kilobytes": path.stat().st_size / 1000}
    costs[name] |= {"parameters": kept[name].model.count_params()}

# %% [markdown]
# An epoch is of 60,000 images, from the seconds of four steps.

# %%
rows = [{"name": titles[name], "epoch": cost["step"] * 60000 / 256} | cost for name, cost in costs.items()]
columns = {"name": ("model", "{}"), "parameters": ("parameters", "{:,}"), "epoch": ("seconds per epoch", "{:.0f}")}
columns |= {
    "memory": ("peak memory (MB)", "{:,.0f}"),
    "kilobytes": ("file (kB)", "{:,.0f}"),
    "ms": ("ms per image", "{:.2f}"),
}
Markdown(evaluation.format_table(rows, columns, saving.machine()))

# %% [markdown]
# And what is had for it, at every count. Project W's two were trained at ten marks, ours on all counts.

# %%
at = {("noisy input", marks): evaluation.score(tests[marks].noisy, tests[marks], judge) for marks in counts}
for name, run in kept.items():
    at |= {(name, marks): evaluation.score_model(run.model, tests[marks], judge) for marks in counts}

# %% [markdown]
# Three measures, five models, one column per count:

# %%
rows = []
for key in ("psnr", "ssim", "legibility"):
    for name in ("noisy input", *titles):
        row = {"measure": evaluation.COLUMNS[key][0], "name": titles.get(name, name)}
        row |= {str(marks): evaluation.COLUMNS[key][1].format(at[name, marks][key]) for marks in counts}
        rows.append(row)
columns = {key: (key, "{}") for key in ("measure", "name", *map(str, counts))}
Markdown(
    evaluation.format_table(
        rows, columns | {"name": ("model, at marks", "{}")}, f"{pairs.label}, {len(clean):,} test images"
    )
)

# %% [markdown]
# ## The test at ten marks
#
# The untouched input, the classical filters tuned on validation images, the reproduced models and ours.

# %%
filtered = baselines.filter_all(pairs, profile.pick(100, 2), profile.runs / "bm3d")
table = [{"name": "noisy input"} | at["noisy input", 10]]
table.append({"name": "clean images", "legibility": evaluation.legibility(judge, clean, pairs.test.labels)})
table += evaluation.score_filters(pairs.test, filtered, judge)
table += [{"name": titles[name], "parameters": costs[name]["parameters"]} | at[name, 10] for name in titles]
Markdown(evaluation.format_table(table, caption=f"{pairs.label}, {len(clean):,} test images; sd over images"))

# %% [markdown]
# ## Verdict: what does each tenfold of parameters buy?

# %%
ladder = ["watermark_small", "watermark_medium", "watermark_big"]
lines = []
for low, high in itertools.pairwise(ladder):
    tens = np.log10(costs[high]["parameters"] / costs[low]["parameters"])
    gain = {key: at[high, 10][key] - at[low, 10][key] for key in ("psnr", "legibility")}
    times = costs[high]["step"] / costs[low]["step"]
    lines.append(
        f"from {costs[low]['parameters']:,} to {costs[high]['parameters']:,}: {gain['psnr'] / tens:+.2f} dB and {gain['legibility'] / tens:+.2%} of the digits "
        f"per tenfold of parameters, for {times ** (1 / tens):.1f} times the time of a training step"
    )
gap = at["watermark_small", 10]["psnr"] - at["watermark_project_w", 10]["psnr"]
Markdown(
    f"At ten marks, {'; '.join(lines)}. At the *same* size, {costs['watermark_small']['parameters']:,} instead of {costs['watermark_project_w']['parameters']:,} parameters, a better design and fresh noise buy "
    f"**{gap:+.2f} dB**."
)

# %% [markdown]
# ## Save

# %%
noisy_scores = at["noisy input", 10]
for name, run in kept.items():
    role = "capped" if name == "watermark_small" else "reference"
    limits = f"X-shaped marks of 5x5 pixels on 28x28 {pairs.label}; {titles[name]}."
    card = saving.make_card(
        run, task="watermark", role=role, scores=at[name, 10], noisy_scores=noisy_scores, limits=limits
    )
    saving.save_model(run.model, profile.models / f"{name}.h5", card)
    print(f"{name}.h5: {card['parameters']:,} parameters, {role}")

# %% [markdown]
# ## What we learned
#
# - Design and fresh noise come before size: the verdict puts a figure on each.
# - A collapse has a cause that can be counted: dead filters. The same line of code meant a penalty 256 times as strong in the Keras of its time.
# - One model trained on mixed strengths replaces one per strength. Notebook 7 asks what happens if the model is trained on no noise at all.
