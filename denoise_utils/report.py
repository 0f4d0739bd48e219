"""The parameter-budget report: open every .h5 of a folder, count, score, and lay it out for graders."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from denoise_utils import baselines, evaluation, models, noise, page, saving

SHOWN = list(range(10))  # test images on a model's sheet
ASSIGNMENT = "clutter"  # the task of a model without a card

COLUMNS = {
    "file": ("file", "{}"),
    "task": ("task", "{}"),
    "role": ("role", "{}"),
    "parameters": ("parameters", "{:,}"),
    "trainable": ("trainable", "{:,}"),
    "cap": ("cap", "{:,}"),
    "verdict": ("verdict", "{}"),
    "kilobytes": ("kB", "{:.0f}"),
    "val_bce": ("val BCE", "{:.4f}"),
    "test_bce": ("test BCE", "{:.4f}"),
    "test_excess": ("excess", "{:.4f}"),
    "psnr": ("PSNR (dB)", "{:.2f}"),
    "psnr_sd": ("sd", "{:.2f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "ssim_sd": ("sd", "{:.3f}"),
    "legibility": ("read by the judge", "{:.1%}"),
}


@dataclass
class Report:
    """What the report found: a row per file and per yardstick, a sheet of images per model."""

    cap: int
    label: str = ""
    rows: list = field(default_factory=list)
    sheets: dict = field(default_factory=dict)  # file to {row title: images (10, H, W, C)}
    notes: list = field(default_factory=list)

    @property
    def models(self):
        """The rows that stand for a file."""
        return [row for row in self.rows if row["verdict"] is not None]

    @property
    def exit_code(self):
        """2 if a file could not be read, else 1 if a capped model is over its cap, else 0."""
        if any(row["verdict"] == "UNREADABLE" for row in self.models):
            return 2
        return int(any(row["verdict"] == "OVER" and row["role"] == "capped" for row in self.models))


def make_report(folder, cap, profile, filters=("median", "Gaussian blur")):
    """Open every .h5 in `folder` and return a Report; nothing is trained.

    Each task that a model is for begins with the untouched noisy input and the best of the
    classical `filters`, tuned on validation images.
    """
    paths = saving.find_models(folder)
    report, judge, loaded = Report(cap), None, []
    for path in paths:
        try:
            card, model = saving.read_card(path), saving.load_model(path)
        except (ValueError, OSError) as error:
            report.rows.append(_unreadable(path, error))
            continue
        role = card.get("role", "capped")
        loaded.append((path, card.get("task", ASSIGNMENT), role, model))
        if role == "judge":
            judge = model
    by_task = {}
    for path, task, role, model in loaded:
        by_task.setdefault(task, []).append((path, role, model))
    for task in sorted(by_task):
        _add_task(report, task, by_task[task], judge, profile, filters)
    return report


def _unreadable(path, error):
    row = {"file": path.name, "task": None, "role": None, "verdict": "UNREADABLE"}
    return row | {"reason": str(error)}


def _add_task(report, task, entries, judge, profile, filters):
    """Add the rows of one task: its noisy input, its best filter, its models by parameters."""
    sizes = {"num_train": 1, "num_val": profile.num_val, "num_test": profile.num_test}
    try:
        pairs = noise.load_task("clutter" if task == "digits" else task, **sizes)
    except (ValueError, FileNotFoundError) as error:
        report.notes.append(f"Task {task} could not be scored: {error}")
        pairs = None
    if task == "digits":
        _add_judges(report, entries, pairs)
        return
    if pairs is not None:
        report.label = pairs.label
        _add_yardsticks(report, task, pairs, judge, filters)
    for path, role, model in entries:
        row = _count(path, task, role, model, report.cap)
        if pairs is not None:
            try:
                row |= _score(model, pairs, judge)
                report.sheets[path.name] = _sheet(model, pairs)
            except Exception as error:  # a stranger's model may fail in any way on our images
                row |= {"verdict": "UNREADABLE", "reason": f"does not denoise {pairs.test.noisy.shape}: {error}"}
        report.rows.append(row)


def _count(path, task, role, model, cap):
    parameters, trainable = models.count_parameters(model)
    return {
        "file": path.name,
        "task": task,
        "role": role,
        "parameters": parameters,
        "trainable": trainable,
        "cap": cap,
        "verdict": "PASS" if parameters <= cap else "OVER",
        "kilobytes": path.stat().st_size / 1000,
    }


def _rename(scores):
    kept = {key: scores[key] for key in ("psnr", "psnr_sd", "ssim", "ssim_sd", "legibility")}
    return kept | {"test_bce": scores["bce"], "test_excess": scores["excess"], "images": scores["images"]}


def _score(model, pairs, judge):
    shape = (None, *pairs.test.clean.shape[1:])
    if model.input_shape != shape and model.input_shape != (None, None, None, shape[-1]):
        raise ValueError(f"Expected an input of {shape}, got {model.input_shape}.")
    scores = _rename(evaluation.score_model(model, pairs.test, judge))
    val_output = evaluation.predict(model, pairs.val.noisy)
    return scores | {"val_bce": float(evaluation.bce(val_output, pairs.val.clean).mean())}


def _sheet(model, pairs):
    noisy, clean = pairs.test.noisy[SHOWN], pairs.test.clean[SHOWN]
    return {"noisy": noisy, "denoised": evaluation.clip(evaluation.predict(model, noisy)), "clean": clean}


def _add_yardsticks(report, task, pairs, judge, filters):
    tuned = [baselines.tune(name, pairs.val.noisy, pairs.val.clean) for name in filters]
    errors = [np.mean(evaluation.mse(one(pairs.val.noisy[:500]), pairs.val.clean[:500])) for one in tuned]
    best = tuned[int(np.argmin(errors))]
    for name, make in (("noisy input", lambda noisy: noisy), (f"filter: {best}", best)):
        row = {"file": name, "task": task, "role": "yardstick", "verdict": None}
        row |= _rename(evaluation.score(make(pairs.test.noisy), pairs.test, judge))
        val_bce = float(evaluation.bce(make(pairs.val.noisy), pairs.val.clean).mean())
        report.rows.append(row | {"val_bce": val_bce})


def _add_judges(report, entries, pairs):
    for path, role, model in entries:
        row = _count(path, "digits", role, model, report.cap)
        if pairs is not None and pairs.test.labels is not None:
            row["legibility"] = evaluation.legibility(model, pairs.test.clean, pairs.test.labels)
            report.notes.append(f"{path.name} reads {row['legibility']:.2%} of the clean test digits.")
        report.rows.append(row)


def markdown(report):
    """Return the report as Markdown."""
    images = max((row.get("images", 0) for row in report.rows), default=0)
    caption = f"{report.label}, {images:,} test images; sd over images; noise of the test set seeded."
    unreadable = [f"- **{row['file']}** could not be read: {row['reason']}" for row in report.rows if "reason" in row]
    notes = [f"- {note}" for note in report.notes]
    table = evaluation.format_table(report.rows, COLUMNS, caption)
    return "\n".join(["# Parameter budget", "", table, "", *unreadable, *notes]).rstrip() + "\n"


def write_report(report, folder):
    """Write budget.csv, budget.md and budget.html to `folder`."""
    folder = Path(folder)
    saving.write_csv(folder / "budget.csv", report.rows, [*COLUMNS, "images", "reason"])
    saving.write_text(folder / "budget.md", markdown(report))
    saving.write_text(folder / "budget.html", page.render(report, COLUMNS))


def update_readme(path, report, hours):
    """Replace what stands between the README's two marks by the report's table and the hours of training."""
    path = Path(path)
    before, begin, rest = path.read_text(encoding="utf-8").partition("<!-- results: begin -->\n")
    _, end, after = rest.partition("<!-- results: end -->")
    if not (begin and end):
        raise ValueError(f"Expected the marks <!-- results: begin --> and <!-- results: end --> in {path}.")
    table = markdown(report).removeprefix("# Parameter budget\n")
    spent = f"All trainings behind these figures took {hours:.1f} hours on {saving.machine()}."
    saving.write_text(path, f"{before}{begin}{table}\n{spent}\n\n{end}{after}")
