# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14. The budget report: who keeps to the cap, and what is it worth?

# %%
import numpy as np
from IPython.display import Markdown

from denoise_utils import evaluation, noise, plots, profiles, report, saving

profile, seed = profiles.load_profile(), 0
print(profiles.describe(profile, seed))

# %% [markdown]
# A grader does not re-train anything. She opens the files that were handed in, counts, and looks. This notebook does that for every `.h5` in `models/`;
# `python -m denoise_utils report models/` does the same from a shell and says the verdict in its exit code.
#
# - **Consumes**: every `.h5` in `models/` (quick: `build/quick/models/`) with its card, and the test images.
# - **Produces**: `reports/budget.csv`, `budget.md`, `budget.html` and `strengths.csv`; in the full profile also the results table of the README.

# %% [markdown]
# ## Open, count, score
#
# Each file is loaded uncompiled and in safe mode. All parameters count, trainable or not. A model is *capped* unless its card gives it another role; a *reference* or
# a *judge* may be larger, and the verdict still says what its number is.

# %%
found = report.make_report(profile.models, profiles.CAP, profile)
report.write_report(found, profile.reports)
Markdown(report.markdown(found).partition("\n")[2])

# %% [markdown]
# Each denoising task begins with its yardsticks: the untouched noisy input, the classical filter with the lowest validation error, and what the judge reads on
# clean images. The second table has the models within the cap under other strengths of their noise: thirty marks, none at all, clutter's other mixes.

# %%
capped = [row for row in found.models if row["role"] == "capped"]
Markdown(
    f"{len(found.models)} files, {len(capped)} of them capped; over the cap of {found.cap:,}: "
    f"{[row['file'] for row in found.over] or 'none'}; unreadable: {[row['file'] for row in found.failed] or 'none'}. "
    f"The command's exit code would be **{found.exit_code}**."
)

# %% [markdown]
# ## What the verdict does not say
#
# Keeping to the cap is a condition, not an achievement. The gain over the untouched input is the achievement:

# %%
Markdown(report.headline(found))

# %% [markdown]
# ## Look, do not only count
#
# Ten test images of its task for every capped model; `budget.html` has them for the others too:

# %%
for row in capped:
    sheet = found.sheets.get(row["file"])
    if sheet:
        figure = plots.show_images(sheet, sheet["clean"], f"{row['file']}, {row['data']}")

# %% [markdown]
# Where a model fails is as telling as its mean. The worst of the test images, by PSNR, for the best capped model of the assignment:

# %%
scored = [row for row in capped if "excess" in row and row["task"] == noise.assignment_task()]
if not scored:
    raise ValueError(f"Expected a capped model that can be scored in {profile.models}: run notebook 06 first.")
best = min(scored, key=lambda row: row["excess"])
test = noise.load_task(best["task"], num_train=1, num_val=1, num_test=profile.num_test, seed=seed).test
output = evaluation.clip(evaluation.predict(saving.load_model(profile.models / best["file"]), test.noisy))
worst = evaluation.psnr(output, test.clean).argsort()[:10]
rows = {"clean": test.clean[worst], "noisy": test.noisy[worst], "denoised": output[worst]}
figure = plots.show_images(rows, test.clean[worst], f"{best['file']}, {best['data']}")

# %% [markdown]
# Ask of each: does the garment cover the stroke, or does it look like a stroke itself, a handle, a strap, a seam?
#
# ## What is each model *not* for?
#
# Every model on every noise, and on clean pictures, which a denoiser should leave alone: the change in PSNR, over the first test images of each task.

# %%
TOP = 50.0  # dB, for a picture without any error
few = {"num_train": 1, "num_val": 1, "num_test": profile.pick(1000, 100), "seed": seed}
grounds = {task: noise.load_task(task, **few).test for task in noise.TASKS}
grounds = {task: (pairs.noisy, pairs.clean) for task, pairs in grounds.items()}
grounds |= {"clean digits": (grounds["masking"][1],) * 2, "clean colour": (grounds["colour"][1],) * 2}
denoisers = [row["file"] for row in found.models if "psnr" in row]
start = {task: np.mean(np.minimum(evaluation.psnr(*pair), TOP)) for task, pair in grounds.items()}
gains = np.full((len(denoisers), len(grounds)), np.nan)
for line, file in enumerate(denoisers):
    model = saving.load_model(profile.models / file)
    for column, (task, (noisy, target)) in enumerate(grounds.items()):
        if model.input_shape[-1] == noisy.shape[-1]:
            output = evaluation.predict(model, noisy)
            gains[line, column] = np.mean(np.minimum(evaluation.psnr(output, target), TOP)) - start[task]

# %% [markdown]
# Blue gains, red harms; a picture without any error counts as 50 dB. An empty field is a model of the other kind of picture.

# %%
figure, axis = plots.plt.subplots(figsize=(8.5, 0.32 * len(denoisers) + 1.4))
axis.imshow(gains, cmap="RdBu", vmin=-15, vmax=15, aspect="auto")
for line, column in np.argwhere(np.isfinite(gains)):
    shade = "white" if abs(gains[line, column]) > 9 else "black"  # on dark fields
    axis.text(column, line, f"{gains[line, column]:+.1f}", color=shade, ha="center", va="center", fontsize=7)
axis.set_xticks(range(len(grounds)), [f"{task}\n{start[task]:.1f} dB" for task in grounds], fontsize=7)
axis.set_yticks(range(len(denoisers)), [file.removesuffix(".h5") for file in denoisers], fontsize=7)
axis.set(title="Change of PSNR (dB)", xlabel="noise, and the PSNR of its noisy images", ylabel="model")
figure.tight_layout()

# %% [markdown]
# In words:

# %%
tasks, at_home, away = list(grounds), [], gains.copy()
home = {row["file"]: tasks.index(row["task"]) for row in found.models if row["task"] in tasks}
for line, file in enumerate(denoisers):
    if file in home:  # a model of one's own pairs has none here
        at_home.append(gains[line, home[file]])
        away[line, home[file]] = np.nan
gentle = [file.removesuffix(".h5") for file, row in zip(denoisers, gains, strict=True) if np.nanmax(row[-2:]) > -15]
Markdown(
    f"On its own noise a model gains {np.mean(at_home or [np.nan]):+.1f} dB on average; on others {np.nanmean(away):+.1f} dB, and {np.mean(away[np.isfinite(away)] < 0):.0%} of the fields away from home are harm. "
    f"Clean pictures stay above {TOP - 15:.0f} dB with {', '.join(gentle) or 'none of them'}."
)

# %% [markdown]
# ## Into the README
#
# Only a full run on the course's own data may speak for the project:

# %%
cards = [saving.read_card(path) for path in saving.find_models(profile.models)]
spent = sum(card.get("seconds", 0) for card in cards) / 3600
print(f"the trainings of these models, by their cards: {spent:.1f} hours")
ours = profile.name == "full" and noise.assignment_task() == "clutter"
if ours:
    report.update_readme(profile.root / "README.md", found)
print("README updated" if ours else "the README stays as it is")

# %% [markdown]
# ## What we learned
#
# - A verdict is one number against another; it takes no training and no trust.
# - Beside it stand the noisy input, the classical filter, the spread and the pictures: what the parameters were worth.
# - The page to hand to somebody is `reports/budget.html`; it needs no other file.
