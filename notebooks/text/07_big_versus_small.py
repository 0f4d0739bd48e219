# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 7. Big versus small: what does each tenfold of parameters buy?

# %%
import itertools
import json
import subprocess
import sys
from functools import partial

import keras
import numpy as np
from IPython.display import Markdown

from denoise_utils import baselines, evaluation, lessons, models, noise, plots, profiles, saving, training

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# *Project W* stamped X-shaped marks on digits and removed them with a model of 3,729 parameters and one of 3,284,993. It found that the big one is good after few epochs, that the
# small one failed at ten marks ("I didn't understand what happened here"), and promised a better small model and one of middle size. We repeat its runs, find
# the failure's cause, make both models, and put a price on parameters.
#
# - **Consumes**: the watermark task at 1 to 30 marks, the judge of notebook 3.
# - **Produces**: `models/watermark_cap_baseline.h5` (capped); as references `watermark_medium.h5`, `watermark_big.h5` and `watermark_project_w.h5`.

# %%
judge = lessons.load_model("digit_judge", profile)
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
from denoise_utils.zoo import originals

originals_of_w = {"small": originals.project_w_small(), "big": originals.project_w_big()}
found = [models.count_parameters(model) for model in originals_of_w.values()]
if found != [(3729, 3729), (3284993, 3282177)]:
    raise ValueError(f"Expected 3,729 and 3,284,993 (3,282,177 trainable) parameters, got {found}")
for model in originals_of_w.values():
    figure = plots.draw_model(model)

# %% [markdown]
# ## Its runs
#
# Adam with its defaults, binary cross-entropy, batches of 256; the model after the *last* epoch, as project W had no validation split. (We hold a tenth of the training images out, to see what it could not.) Three of its runs are
# moments of longer ones. Project W took 60,000 images an epoch; we take all that validation leaves for the small model and for the longest run of the big one, and 12,000 for its others, whose epochs are long: the table says how many. (The products of the big ones' trainings were computed in bfloat16, which this processor does faster; their cards say so.) One setting cannot be the same: its penalty on the code's activity is the same line of code,
# but not the same strength any more; below we find out by how much.

# %%
plan = [  # size, training images, marks, epochs of the full profile after which the model is kept
    ("small", ALL, 1, (15, 50)),
    ("small", ALL, 5, (50,)),
    ("small", ALL, 10, (100,)),
    ("big", PART, 1, (2, 15)),
    ("big", PART, 20, (5,)),
    ("big", PART, 30, (10,)),
    ("big", ALL, 10, (5, 15)),
]
plan = profile.pick(plan, [plan[0], plan[2], plan[-1]])
builders = {"small": originals.project_w_small, "big": originals.project_w_big}

# %% [markdown]
# Each is a run of its own: killed, it goes on; finished, it is loaded.


# %%
def reproduce(size, num_train, marks, kept):
    """Train one of project W's models as it did; return {(size, epochs, marks): run} of the epochs kept."""
    task = noise.load_task("watermark", num_train=num_train, marks=marks, **sizes)
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
# The two longest at ten marks. Their losses contain the penalties. Watch the first epochs of the big one:

# %%
floor = float(evaluation.bce_floor(pairs.val.clean).mean())
curves = {f"{size} {epochs}/{marks}": reproduced[size, epochs, marks] for size, epochs, marks in last.values()}
figure = plots.show_curves(curves, floor, pairs.label)
figure.axes[0].set_yscale("log")
jumps = {name: max(log["val_loss"] / log["loss"] for log in run.history) for name, run in curves.items()}
Markdown(
    f"At worst, validation loss is {' and '.join(f'{ratio:.1f} times the training loss ({name})' for name, ratio in jumps.items())}. "
    "A model that does well on the images of the epoch and far worse on others of the same kind, and recovers after more steps: that is no overfitting. Keep it in mind."
)

# %% [markdown]
# ## The same pictures, from our runs
#
# Original, marked, denoised, for every run of its table; the PSNR of each picture stands over it. Where the big model leaves a chessboard its author saw good pictures: at 60,000 images an epoch it had taken five times as many steps as ours, and steps
# turn out to be what matters.

# %%
shown = slice(0, 10)
clean = pairs.test.clean
for marks in counts:
    rows = {"original": clean[shown], f"marks: {marks}": tests[marks].noisy[shown]}
    for (size, epochs, trained), run in reproduced.items():
        if trained == marks:
            rows[f"{size} {epochs}/{marks}"] = evaluation.predict(run.model, tests[marks].noisy[shown])
    figure = plots.show_images(rows, clean[shown], pairs.label)

# %% [markdown]
# ## Learned, but not settled
#
# Big models of few steps look broken here. In use, batch norm does not take a batch's own mean and variance but moving averages, which begin at 0 and 1 and keep 99 % of their value at every step. Where the true
# variance is small, what is left of the 1 outweighs it. `models.settle` replaces the averages by plain ones over training images: only forward passes, **no weight is trained**.

# %%
settled, variances = {}, {}
for key in reproduced:
    if key[0] == "big":
        model = reproduced[key].after(key[1]).model  # a fresh copy
        marked = noise.add_watermark(pairs.train.clean[:7680], key[2], seed=[seed, 0])
        before = [layer.moving_variance.numpy() for layer in models.batch_norms(model)]
        settled[key] = models.settle(model, marked)
        after = [layer.moving_variance.numpy() for layer in models.batch_norms(model)]
        variances[key] = [(np.median(b), np.median(a)) for b, a in zip(before, after, strict=True)]

# %% [markdown]
# For each run: the batch norm whose moving variance was furthest from the true one, after how many steps, and what is left of the initial 1 by then.

# %%
lines = []
for (_, epochs, marks), pairs_of_variance in variances.items():
    moving, true = max(pairs_of_variance, key=lambda pair: pair[0] / pair[1])
    steps = epochs * -(-reproduced["big", epochs, marks].settings["data"]["images"]["train"] // 256)
    lines.append(
        f"- big {epochs}/{marks}, {steps:,} steps: moving variance {moving:.2g}, true {true:.2g}; {0.99**steps:.1g} of the 1 is left"
    )
Markdown("\n".join(lines))

# %% [markdown]
# What the big models make of the same pictures with their averages settled:

# %%
for marks in counts:
    rows = {"original": clean[shown], f"marks: {marks}": tests[marks].noisy[shown]}
    for (size, epochs, trained), model in settled.items():
        if trained == marks:
            rows[f"{size} {epochs}/{marks},\nsettled"] = evaluation.predict(model, tests[marks].noisy[shown])
    if len(rows) > 2:
        figure = plots.show_images(rows, clean[shown], pairs.label)

# %% [markdown]
# All runs in figures, on the whole test set. Each first row is the untouched input.

# %%
table = []
for marks in counts:
    table.append({"name": f"noisy input, marks: {marks}"} | evaluation.score(tests[marks].noisy, tests[marks], judge))
    for key, run in reproduced.items():
        if key[2] != marks:
            continue
        row = {"name": f"{key[0]} {key[1]}/{marks}", "of": run.settings["data"]["images"]["train"]}
        row |= {"loss": run.best["loss"]} | evaluation.score_model(run.model, tests[marks], judge)
        table.append(row)
        if key in settled:
            table.append(
                {"name": f"{row['name']}, settled"} | evaluation.score_model(settled[key], tests[marks], judge)
            )

# %% [markdown]
# Excess in nats per pixel:

# %%
columns = {"name": ("epochs/marks", "{}"), "of": ("training images", "{:,}"), "loss": ("training loss", "{:.4f}")}
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
    + ". Whoever trains briefly should let the averages forget faster (`momentum` in `BatchNormalization`; this course's judge has .9)."
)

# %% [markdown]
# ## One number that tells the version
#
# Project W's log of big 15/10 begins with a training loss of 24.22 and goes on with .1830. Can that be the penalty on the code's activity? Keras may divide it by the batch size or sum it over the batch; the penalty worked out by hand from the code of
# one batch tells which this one does.

# %%
keras.utils.set_random_seed(seed)
untrained, batch = originals.project_w_big(), pairs.train.noisy[:256]
(penalised,) = [layer for layer in untrained.layers if getattr(layer, "activity_regularizer", None)]
output, code = keras.Model(untrained.input, [untrained.output, penalised.output])(batch, training=True)
first_bce = float(evaluation.bce(np.asarray(output), pairs.train.clean[:256]).mean())
summed = float(penalised.activity_regularizer(code))
untrained(batch, training=True)
charged = float(sum(untrained.losses))
losses = [log["loss"] for log in reproduced[last["big"]].history]
Markdown(
    f"Before any training the cross-entropy is {first_bce:.2f}. Summed over the {len(batch)} images the penalty is {summed:.0f}; this Keras charges {charged:.2f}, which is the sum divided by {summed / charged:.0f}. "
    f"A mean of 24.22 over the first epoch is out of reach of the divided penalty, which starts at {first_bce + charged:.2f} and falls, and well within reach of the summed one. "
    f"Ours: {losses[0]:.3f} in the first epoch, {losses[-1]:.4f} after {len(losses)} (project W: .0687 after 15)."
)

# %% [markdown]
# So the same line of code most likely penalised 256 times as strongly in the Keras of its time, in the small model too.

# %% [markdown]
# ## Why did small 100/10 collapse?
#
# The experiment: the small model at ten marks without a penalty, with today's, and with the penalty as strong as it was then; the last also at one and five marks, where project W's small runs did work. Each under every seed of the profile, and
# taken after its last epoch, as project W did.

# %%
cases = {("none", 10): 0, ("per image, as today", 10): 1e-4}
cases |= {("summed, as then", marks): 256e-4 for marks in (1, 5, 10) if marks in counts}
study = profile.pick(20000, 300)
last_epoch = profile.pick(8, 1)
common = {"runs": profile.runs, "batch_size": 256, "epochs": last_epoch, "keep": (last_epoch,)}
collapse = {}
for ((title, marks), penalty), s in itertools.product(cases.items(), profile.seeds):
    task = noise.load_task("watermark", num_train=study, marks=marks, **sizes)
    both = (task.train.noisy, task.train.clean), (task.val.noisy, task.val.clean)
    kept = {"name": "watermark_collapse", "record": task.record, "seed": s} | common
    run = training.train(partial(originals.project_w_small, penalty), *both, **kept)
    collapse[title, marks, s] = run.after(last_epoch)

# %% [markdown]
# What to measure: how many filters of each ReLU layer are **dead** (0 everywhere, on every one of up to 500 test images); how much is left in the code, which the penalty is on (the standard deviation of its numbers over images); and how much the
# output still depends on the input (its variance over images, relative to that of the clean ones).


# %%
def autopsy(model, marks, images=500):
    """Return the dead filters and all filters of each ReLU layer, the code's sd and the output's relative variance."""
    noisy, target = tests[marks].noisy[:images], clean[:images]
    relus = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)][:-1]
    outputs = keras.Model(model.input, [layer.output for layer in relus] + [model.output]).predict_on_batch(noisy)
    dead = [int(np.sum(output.max(axis=(0, 1, 2)) <= 0)) for output in outputs[:-1]]
    variance = float(outputs[-1].var(axis=0).mean() / target.var(axis=0).mean())
    return dead, [output.shape[-1] for output in outputs[:-1]], float(outputs[2].std(axis=0).mean()), variance


# %% [markdown]
# One row per run; the code is the third layer.

# %%
rows = []
for (title, marks, s), run in (collapse | {("the run above", 10, seed): reproduced[last["small"]]}).items():
    dead, widths, code, variance = autopsy(run.model, marks)
    row = {"name": title, "marks": marks, "seed": s, "dead": dead, "code": code, "variance": variance}
    row["counts"] = " ".join(f"{d}/{f}" for d, f in zip(dead, widths, strict=True))
    rows.append(row | evaluation.score_model(run.model, tests[marks], judge))
columns = {"name": ("penalty", "{}"), "marks": ("marks", "{}"), "seed": ("seed", "{}")}
columns |= {"counts": ("dead filters by layer", "{}"), "code": ("sd of the code", "{:.1e}")}
columns |= {"variance": ("output variance / clean", "{:.3f}")}
columns |= {key: evaluation.COLUMNS[key] for key in ("excess", "psnr", "legibility")}
Markdown(evaluation.format_table(rows, columns, f"{pairs.label}, {len(clean):,} test images"))

# %% [markdown]
# A collapse is an output that hardly varies with its input: less than a hundredth of the clean images' variance. Case by case:


# %%
def summary(title, marks):
    """Return one sentence about the runs of one case."""
    found = [row for row in rows if (row["name"], row["marks"]) == (title, marks)]
    gone = [row["seed"] for row in found if row["variance"] < 0.01]
    code, read = (np.mean([row[key] for row in found]) for key in ("code", "legibility"))
    which = f" (seed {', '.join(map(str, gone))})" if gone else ""
    return f"- penalty {title}, marks {marks}: {len(gone)} of {len(found)} collapse{which}; the code varies by {code:.1e}, {read:.0%} of the digits are read."


Markdown("\n".join(summary(*case) for case in cases))

# %% [markdown]
# What tells a collapsed run from another one *under the same penalty*: dead filters in the code, dead filters anywhere, or a code that no longer varies?


# %%
def spans(found):
    """Return the lowest and highest of three measures over runs, in words."""
    if not found:
        return "none"
    code, all_dead = [row["dead"][2] for row in found], [sum(row["dead"]) for row in found]
    sds = [row["code"] for row in found]
    return f"{min(code)} to {max(code)} dead filters in the code, {min(all_dead)} to {max(all_dead)} in all, a code that varies by {min(sds):.1e} to {max(sds):.1e}"


summed_runs = [row for row in rows if row["name"] == "summed, as then"]
Markdown(
    f"- collapsed: {spans([row for row in summed_runs if row['variance'] < 0.01])}\n"
    f"- not collapsed: {spans([row for row in summed_runs if row['variance'] >= 0.01])}\n"
    f"- no penalty, or today's: {spans([row for row in rows if row not in summed_runs])}"
)

# %% [markdown]
# So dead filters are a symptom, and the code's own numbers tell: the penalty presses them towards 0 under every seed and at every number of marks, and where nothing of them is left the decoder has nothing to go by and answers with the mean of all pictures. Ten marks are not the cause; which
# run is lost is the seed's decision. (These are short trainings, on 20,000 images in the full profile; project W's long run at ten marks ended in that state.)

# %% [markdown]
# ## The model of middle size, and the better small one
#
# Both promised, never made. Ours differ from project W's small one in several things at once: encoder tensors are added to the decoder (no parameters), every epoch stamps **fresh** marks, their number is drawn from
# 0 to 30 for each image, the learning rate falls to 0. Small and medium share this recipe to the letter and differ in their filters alone.


# %%
def mixed_marks(clean, rng):
    """Stamp 0 to 30 new marks on each clean image: an `augment` of one epoch."""
    return noise.add_watermark(clean, rng.integers(0, 31, len(clean)), seed=rng)


recipe = {"runs": profile.runs, "epochs": profile.pick(8, 1), "batch_size": 64}
recipe |= {"learning_rate": 4e-3, "schedule": "cosine", "augment": mixed_marks}
recipe["record"] = pairs.record | {"noise": {"marks": "0 to 30, fresh in every epoch"}}

# %% [markdown]
# Validation images are marked once, in the same mixture, so that epochs can be compared. The small one is trained under every seed of the profile.

# %%
mixed = (mixed_marks(pairs.val.clean, np.random.default_rng(seed)), pairs.val.clean)
everything = (pairs.train.clean, pairs.train.clean)
filters = {"watermark_small": 8, "watermark_medium": 32}
ours, candidates = {}, {}
for name, seeds in {"watermark_small": profile.seeds, "watermark_medium": profile.seeds[:1]}.items():
    build = partial(models.skip_autoencoder, filters[name], 3)
    candidates[name] = [training.train(build, everything, mixed, name=name, seed=s, **recipe) for s in seeds]
    ours[name] = min(candidates[name], key=lambda run: run.best["val_loss"])
    print(f"{name}: {build().count_params():,} parameters, seed {ours[name].settings['seed']} is the best on val")

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
# One training on the mixture and one per count, each under every seed, on a part of the images:

# %%
part = (pairs.train.clean[: PART // 2],) * 2
specialists = {}
for marks, s in itertools.product((None, *counts), profile.seeds):
    stamp = fixed_marks(marks) if marks else mixed_marks
    record = recipe["record"] | {"part": len(part[0]), "noise": {"marks": marks or "0 to 30", "fresh": True}}
    marked = (stamp(pairs.val.clean, np.random.default_rng(seed)), pairs.val.clean)
    kept = recipe | {"name": "watermark_counts", "augment": stamp, "record": record, "seed": s}
    specialists[marks, s] = training.train(partial(models.skip_autoencoder, 8, 3), part, marked, **kept)

# %% [markdown]
# Mean PSNR over seeds; a row is a training, a column a test.

# %%
at_count = {
    (marks, s, test): evaluation.psnr(evaluation.predict(run.model, tests[test].noisy), clean).mean()
    for (marks, s), run in specialists.items()
    for test in counts
}
rows = [{"name": "noisy input"} | {str(t): evaluation.psnr(tests[t].noisy, clean).mean() for t in counts}]
for marks in (None, *counts):
    title = f"trained at {marks}" if marks else "trained on 0 to 30, mixed"
    rows.append({"name": title} | {str(t): np.mean([at_count[marks, s, t] for s in profile.seeds]) for t in counts})
columns = {"name": ("PSNR (dB) at marks", "{}")} | {str(t): (str(t), "{:.2f}") for t in counts}
caption = f"{pairs.label}, {len(clean):,} test images; {len(profile.seeds)} seed(s); {len(part[0]):,} training images"
Markdown(evaluation.format_table(rows, columns, caption))

# %% [markdown]
# What a specialist is worth on its own count, and on the others:


# %%
def gain(marks, test):
    """Return by how many dB those trained at `marks` are better on `test` marks than the mixed, over the seeds."""
    return np.mean([at_count[marks, s, test] - at_count[None, s, test] for s in profile.seeds])


home = {t: gain(t, t) for t in counts}
away = [gain(m, t) for m, t in itertools.permutations(counts, 2)]
spread = np.nan
if len(profile.seeds) > 1:
    spread = np.mean([np.std([at_count[None, s, t] for s in profile.seeds], ddof=1) for t in counts])
gains = ", ".join(f"{better:+.2f} dB at {t}" for t, better in home.items())
Markdown(
    f"Against the mixed model a specialist has {gains} on its own count, and {np.mean(away):+.2f} dB on average on the others, where it is still ahead in {sum(np.array(away) > 0)} of {len(away)} fields "
    f"(sd of the mixed model over seeds: {spread:.2f} dB). Who knows the count takes the specialist; the mixed model never loses more than {max(home.values()):.2f} dB at home, and a specialist up to {-min(away):.2f} dB away."
)

# %% [markdown]
# ## The price of a parameter
#
# Project W's conclusion asks whether big and few epochs is worth it. Each model is measured by a process of its own on this machine: the memory that training adds, seconds of
# training and milliseconds per image of use, both in batches of 256, with nothing else running.

# %%
program = """
import json, sys, threading, time, timeit
import keras, numpy as np, psutil
seen = []
def watch():
    while not time.sleep(0.005):
        seen.append(psutil.Process().memory_info().rss / 1e6)
threading.Thread(target=watch, daemon=True).start()
model = keras.models.load_model(sys.argv[1], compile=False)
images, before = np.random.default_rng(0).random((256, 28, 28, 1), dtype=np.float32), seen[-1]
used = min(timeit.repeat(lambda: model.predict_on_batch(images), number=1, repeat=6))
model.compile("adam", "binary_crossentropy")
step = min(timeit.repeat(lambda: model.train_on_batch(images, images), number=1, repeat=5))
print(json.dumps({"ms": 1000 * used / 256, "step": step, "memory": max(seen) - before}))
"""

# %% [markdown]
# The models: project W's small 100/10 and big 15/10, the latter with the averages, moving or settled, that are better on validation images, and our two.

# %%
big = reproduced[last["big"]]
val_bce = [
    float(evaluation.bce(evaluation.predict(model, pairs.val.noisy), pairs.val.clean).mean())
    for model in (big.model, settled[last["big"]])
]
averages = "settled" if val_bce[1] < val_bce[0] else "as trained"
if averages == "settled":
    big = big.with_model(settled[last["big"]])
finals = {"watermark_project_w": reproduced[last["small"]], "watermark_big": big} | ours
titles = {"watermark_project_w": f"project W, small {last['small'][1]}/10", "watermark_small": "ours, small"}
titles |= {"watermark_medium": "ours, medium", "watermark_big": f"project W, big {last['big'][1]}/10"}
print(f"big: validation BCE {val_bce[0]:.5f} as trained, {val_bce[1]:.5f} settled; taken {averages}")

# %% [markdown]
# Measured:

# %%
costs = {}
for name in titles:
    path = profile.runs.parent / "price" / f"{name}.h5"
    saving.save_model(finals[name].model, path, {})
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"Expected the price of {name}, got: {done.stderr[-500:]}")
    costs[name] = json.loads(done.stdout.splitlines()[-1]) | {"kilobytes": path.stat().st_size / 1000}
    costs[name] |= {"parameters": finals[name].model.count_params()}

# %% [markdown]
# An epoch is of 60,000 images, from the fastest of five steps; the first, which builds the graph, cannot be it.

# %%
rows = [{"name": titles[name], "epoch": cost["step"] * 60000 / 256} | cost for name, cost in costs.items()]
columns = {"name": ("model", "{}"), "parameters": ("parameters", "{:,}"), "epoch": ("seconds per epoch", "{:.0f}")}
columns |= {
    "memory": ("peak memory of training (MB)", "{:,.0f}"),
    "kilobytes": ("file (kB)", "{:,.0f}"),
    "ms": ("ms per image", "{:.2f}"),
}
Markdown(evaluation.format_table(rows, columns, saving.machine()))

# %% [markdown]
# And what it buys, at every count. Project W's two were trained at ten marks, ours on all counts.

# %%
at = {("noisy input", marks): evaluation.score(tests[marks].noisy, tests[marks], judge) for marks in counts}
for name, run in finals.items():
    at |= {(name, marks): evaluation.score_model(run.model, tests[marks], judge) for marks in counts}

# %% [markdown]
# Three measures, one column per count:

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
# In short:

# %%
ahead = {marks: max(titles, key=lambda name: at[name, marks]["psnr"]) for marks in counts}
below = [
    f"{titles[name]} at {marks}"
    for name, marks in itertools.product(titles, counts)
    if at[name, marks]["psnr"] < at["noisy input", marks]["psnr"]
]
Markdown(
    f"The highest PSNR: {', '.join(f'{titles[name]} at {marks}' for marks, name in ahead.items())}. "
    f"Worse than the untouched input: {', '.join(below) or 'none'}."
)

# %% [markdown]
# ## The test at ten marks
#
# The untouched input, the classical filters tuned on validation images, the reproduced models and ours.

# %%
filtered = baselines.filter_all(pairs, profile.pick(100, 2), profile.runs / "bm3d")
table = evaluation.yardsticks(pairs.test, filtered, judge)
table += [{"name": titles[name], "parameters": costs[name]["parameters"]} | at[name, 10] for name in titles]
Markdown(evaluation.format_table(table, caption=f"{pairs.label}, {len(clean):,} test images; sd over images"))

# %% [markdown]
# ## Verdict: what does each tenfold of parameters buy?
#
# Two ladders. Ours has one recipe for both rungs, with one seed of the upper one. Project W's two saw equal images and marks, but its big one is another design (skips, slopes, batch norm) and had fewer epochs: its tenfold buys all of that.


# %%
def rung(low, high):
    """Say what a tenfold of parameters buys between two models."""
    tens = np.log10(costs[high]["parameters"] / costs[low]["parameters"])
    gain = {key: (at[high, 10][key] - at[low, 10][key]) / tens for key in ("psnr", "legibility")}
    time = (costs[high]["step"] / costs[low]["step"]) ** (1 / tens)
    counted = f"{costs[low]['parameters']:,} to {costs[high]['parameters']:,} parameters"
    return f"{counted}: {gain['psnr']:+.2f} dB and {gain['legibility']:+.2%} of the digits per tenfold, for {time:.1f} times the time of a training step"


def against(one, other):
    """Say how one model compares with another at ten marks."""
    ratio = costs[other]["parameters"] / costs[one]["parameters"]
    return f"{titles[one]} against {titles[other]}, which has {ratio:,.1f} times its parameters: **{at[one, 10]['psnr'] - at[other, 10]['psnr']:+.2f} dB**"


# %% [markdown]
# Rung by rung, and across the ladders, where more than the size differs:

# %%
small, medium, big = "watermark_small", "watermark_medium", "watermark_big"
seeds_db = [evaluation.psnr(evaluation.predict(run.model, tests[10].noisy), clean).mean() for run in candidates[small]]
best = max((row for row in table if row["name"].startswith("filter")), key=lambda row: row["psnr"])
Markdown(
    f"- Project W, {rung('watermark_project_w', big)}.\n- Ours, {rung(small, medium)}.\n"
    f"- {against(small, 'watermark_project_w')}, for design, fresh noise and mixed counts together.\n"
    f"- {against(small, big)} (seeds of ours: {min(seeds_db):.2f} to {max(seeds_db):.2f} dB), at {costs[small]['step'] / costs[big]['step']:.1%} of the time per step. Both saw {pairs.record['images']['train']:,} images, ours with 0 to 30 marks and the big one always ten.\n"
    f"- {against(medium, big)}.\n"
    f"- The best filter, {best['name'].removeprefix('filter: ')}, is {at[small, 10]['psnr'] - best['psnr']:.2f} dB below our small one."
)

# %% [markdown]
# ## Save

# %%
if costs[small]["parameters"] > profiles.CAP or not 20000 <= costs["watermark_medium"]["parameters"] <= 60000:
    raise ValueError(f"Expected at most {profiles.CAP} and 20,000 to 60,000 parameters, got {costs}")
saved = {"watermark_small": "watermark_cap_baseline"}  # notebook 11 makes the `_small` of this task
for name, run in finals.items():
    seen = run.settings["data"]["images"]["train"]
    limits = f"X-shaped marks of 5x5 pixels on 28x28 {pairs.label}; {titles[name]}, trained on {seen:,} images."
    if name == "watermark_big" and averages == "settled":
        limits += " Batch norm's averages were settled after training: the validation loss is of before."
    kept = {"scores": at[name, 10], "noisy_scores": at["noisy input", 10], "limits": limits}
    role = "capped" if name == small else "reference"
    saving.save_run(run, profile.models, name=saved.get(name, name), task="watermark", role=role, **kept)

# %% [markdown]
# ## What we learned
#
# - What a tenfold of parameters buys has a figure, and so has what a better recipe buys at the same size: compare the two before paying.
# - A model can be right and its moving averages wrong; a collapse can be measured where it happens; and one line of code can mean 256 times as much in another version.
# - Mixed strengths in training make one model for all; a specialist is worth its training where the strength is known. Notebook 8 asks what happens if the model is trained on no noise at all.
