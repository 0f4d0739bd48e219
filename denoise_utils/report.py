"""The parameter-budget report: open every .h5 of a folder, count, score, and lay it out for graders."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from denoise_utils import baselines, evaluation, models, noise, page, saving, stopping

NUM_SHOWN = 10  # test images on a model's sheet
ASSIGNMENT = "clutter"  # the task of a model whose card names none
EXEMPT = ("reference", "judge")  # roles that may be over the cap; any other word counts as capped

COLUMNS = {
    "file": ("file", "{}"),
    "task": ("task", "{}"),
    "role": ("role", "{}"),
    "parameters": ("parameters", "{:,}"),
    "trainable": ("trainable", "{:,}"),
    "cap": ("cap", "{:,}"),
    "verdict": ("verdict", "{}"),
    "kilobytes": ("kB", "{:,.0f}"),
    "images": ("test images", "{:,}"),
    "val_bce": ("val BCE", "{:.4f}"),
    "test_bce": ("test BCE", "{:.4f}"),
    "test_excess": ("excess", "{:.4f}"),
    "mse": ("MSE", "{:.5f}"),
    "psnr": ("PSNR (dB)", "{:.2f}"),
    "psnr_sd": ("sd", "{:.2f}"),
    "ssim": ("SSIM", "{:.3f}"),
    "ssim_sd": ("sd", "{:.3f}"),
    "legibility": ("read by the judge", "{:.1%}"),
}

STRENGTHS = {key: COLUMNS[key] for key in ("file", "task")} | {"noise": ("noise", "{}")}
STRENGTHS |= {"parameters": COLUMNS["parameters"], "excess": COLUMNS["test_excess"]}
STRENGTHS |= {key: COLUMNS[key] for key in ("psnr", "psnr_sd", "legibility")}
ELSEWHERE = "the models within the cap, on the same test images; without any error a picture counts as 100 dB"


@dataclass
class Report:
    """What the report found: a row per yardstick and per file, a sheet of images per model."""

    cap: int
    rows: list = field(default_factory=list)
    sheets: dict = field(default_factory=dict)  # file to {row title: images (10, H, W, C)}
    notes: list = field(default_factory=list)
    elsewhere: list = field(default_factory=list)  # rows of the project's own small models under other strengths

    @property
    def models(self):
        """The rows that stand for a file."""
        return [row for row in self.rows if row["role"] != "yardstick"]

    @property
    def label(self):
        """The names of the data that the scores were made on; empty if nothing was scored."""
        return "; ".join(dict.fromkeys(row["data"] for row in self.rows if "data" in row))

    @property
    def over(self):
        """The rows of capped models that are over the cap."""
        return [row for row in self.models if row["verdict"] == "OVER" and row["role"] not in EXEMPT]

    @property
    def failed(self):
        """The rows of files that could not be read, or whose model could not be scored."""
        return [row for row in self.models if "reason" in row]

    @property
    def exit_code(self):
        """2 if a file could not be read, else 1 if a capped model is over its cap, else 0."""
        return 2 if self.failed else int(bool(self.over))


def make_report(folder, cap, profile, report=None):
    """Open every .h5 in `folder` and return a Report; nothing is trained.

    Each task that a model is for begins with the untouched noisy input and the best of the
    classical filters, tuned on validation images. A file that fails gets a row with its reason.
    The project's own models within the cap are scored under their task's other strengths, too.
    A `report` that is given is filled row by row: what was scored is in it if this is stopped.
    """
    report, by_task, unreadable = report or Report(cap), {}, []
    for path in saving.find_models(folder):
        try:
            model, card = saving.load_model(path), saving.read_card(path)
            row = _count(path, model, card, cap)
        except (ValueError, OSError) as error:
            unreadable.append({"file": path.name, "role": None, "verdict": "UNREADABLE", "reason": str(error)})
            continue
        by_task.setdefault(row["task"], []).append((row, model))
    judge = _find_judge(report, folder, profile, by_task.get("digits", []))
    try:
        for task in sorted(by_task):
            entries = sorted(by_task[task], key=lambda entry: entry[0]["parameters"])
            _add_task(report, task, entries, judge, profile)
            if _is_ours(folder, profile):
                _add_other_strengths(report, task, entries, judge, profile)
    finally:
        report.rows += unreadable
    return report


def _count(path, model, card, cap):
    """Return the row of a loaded model, without scores."""
    parameters, trainable = models.count_parameters(model)
    task, role = card.get("task"), card.get("role")
    return {
        "file": path.name,
        "task": task if task in ("digits", "pairs", *noise.TASKS) else ASSIGNMENT,
        "role": role if role in EXEMPT else "capped",
        "parameters": parameters,
        "trainable": trainable,
        "cap": cap,
        "verdict": "PASS" if parameters <= cap else "OVER",
        "kilobytes": path.stat().st_size / 1000,
    }


def _is_ours(folder, profile):
    return Path(folder).resolve() == profile.models.resolve()


def _find_judge(report, folder, profile, entries):
    """Return the project's own judge; only where there is none, one from the folder."""
    try:
        return evaluation.load_judge(profile.models if _is_ours(folder, profile) else profile.root / "models")
    except FileNotFoundError:
        pass
    except ValueError as error:
        report.notes.append(str(error))
    found = [(row, model) for row, model in entries if row["role"] == "judge" and model.output_shape == (None, 10)]
    if not found:
        report.notes.append("No judge: legibility is not measured. Notebook 02_add_noise trains one.")
        return None
    report.notes.append(f"The judge of legibility comes from the folder itself: {found[0][0]['file']}.")
    return found[0][1]


def _add_task(report, task, entries, judge, profile):
    """Add the rows of one task: its noisy input, its best filter, its models by parameters."""
    sizes = _sizes(profile)
    try:
        if task == "pairs" and noise.assignment_task() != "pairs":
            raise FileNotFoundError("Expected DENOISE_PAIRS to name the pickles that it was trained on.")
        pairs = noise.load_task("masking" if task == "digits" else task, **sizes)  # of digits alone
    except FileNotFoundError as error:
        report.notes.append(f"The task {task} could not be scored. {error}")
        report.rows += [row for row, _ in entries]
        return
    if task != "digits":
        report.rows += _yardsticks(task, pairs, judge)
    for row, model in entries:
        stopping.check()
        try:
            output = _predict(model, pairs.test.clean if task == "digits" else pairs.test.noisy)
            if task == "digits":
                scores = _score_judge(output, pairs)
            else:
                scores = _all_scores(output, _predict(model, pairs.val.noisy), pairs, judge)
            row |= scores | {"data": pairs.label}
        except ValueError as error:
            row["reason"] = f"could not be scored: {error}"
        else:
            if task != "digits":
                shown = {"clean": pairs.test.clean, "noisy": pairs.test.noisy, "denoised": evaluation.clip(output)}
                report.sheets[row["file"]] = {title: images[:NUM_SHOWN] for title, images in shown.items()}
        report.rows.append(row)


def _sizes(profile):
    return {"num_train": 1, "num_val": profile.num_val, "num_test": profile.num_test, "profile": profile.name}


def _add_other_strengths(report, task, entries, judge, profile):
    """Add how the models within the cap that could be scored do under the task's other strengths, and their input."""
    small = [(row, model) for row, model in entries if row["verdict"] == "PASS" and "psnr" in row]
    for strength in noise.TASKS[task].others if small and task in noise.TASKS else ():
        test = noise.load_task(task, **_sizes(profile) | {"num_val": 1}, **strength).test
        about = {"task": task, "noise": ", ".join(f"{key} {value}" for key, value in strength.items())}
        scores = evaluation.score(test.noisy, test, judge)
        report.elsewhere.append({"file": "noisy input", "role": "yardstick"} | about | scores)
        for row, model in small:
            stopping.check()
            about |= {key: row[key] for key in ("file", "role", "parameters")}
            report.elsewhere.append(about | evaluation.score(_predict(model, test.noisy), test, judge))


def _predict(model, images):
    """Return the model's output, or raise ValueError if it does not take such images."""
    try:
        output = evaluation.predict(model, images)
    except Exception as error:  # a stranger's model may fail in any way
        stopping.check()
        line = str(error).strip().partition("\n")[0]
        raise ValueError(f"expected a model of images {images.shape[1:]}, got {model.input_shape}: {line}") from None
    if not isinstance(output, np.ndarray):
        raise ValueError(f"expected one output, got a {type(output).__name__} of {len(output)}")
    return output


def _score_judge(output, pairs):
    if output.shape != (len(pairs.test.labels), 10):
        raise ValueError(f"expected ten probabilities per image, got {output.shape}")
    return {"legibility": float(np.mean(output.argmax(axis=1) == pairs.test.labels)), "images": len(output)}


def _all_scores(output, val_output, pairs, judge):
    """Return the report's scores of images made from the noisy test and validation images."""
    scores = evaluation.score(output, pairs.test, judge)
    kept = {key: scores[key] for key in ("mse", "psnr", "psnr_sd", "ssim", "ssim_sd", "legibility", "images")}
    val_bce = float(evaluation.bce(val_output, pairs.val.clean).mean())
    return kept | {"val_bce": val_bce, "test_bce": scores["bce"], "test_excess": scores["excess"]}


def _yardsticks(task, pairs, judge):
    """Return the rows of the untouched noisy input, of the best tuned filter and of clean images."""
    tuned = [baselines.tune(name, pairs.val.noisy, pairs.val.clean) for name in baselines.FILTERS]
    best = min(tuned, key=lambda one: one.val_mse)
    rows = []
    row = {"task": task, "role": "yardstick", "verdict": None, "data": pairs.label}
    for name, make in (("noisy input", lambda noisy: noisy), (f"filter: {best}", best)):
        scores = _all_scores(make(pairs.test.noisy), make(pairs.val.noisy), pairs, judge)
        rows.append({"file": name} | row | scores)
    ceiling = evaluation.legibility(judge, pairs.test.clean, pairs.test.labels)
    if ceiling is not None:
        rows.append({"file": "clean images"} | row | {"legibility": ceiling, "images": len(pairs.test.clean)})
    return rows


def markdown(report):
    """Return the report as Markdown."""
    caption = f"{report.label}; the same seeded noise for all models of a task; sd over images; "
    caption += "BCE and excess in nats per pixel; filter: the one with the lowest error on validation images"
    table = evaluation.format_table(report.rows, COLUMNS, caption if report.label else "not scored")
    if report.elsewhere:
        shown = evaluation.format_table(report.elsewhere, STRENGTHS, ELSEWHERE)
        table += f"\n\n### Other strengths\n\n{shown}"
    failed = [f"- **{row['file']}** {row['reason']}" for row in report.failed]
    notes = [f"- {note}" for note in report.notes]
    return "\n".join(["# Parameter budget", "", table, "", *failed, *notes]).rstrip() + "\n"


def write_partial(report, folder):
    """Write budget.partial.md, of a report that was stopped, to `folder` and return its path; a whole one stays."""
    path = Path(folder) / "budget.partial.md"
    title = "# Parameter budget, partial: stopped before every file was scored"
    saving.write_text(path, markdown(report).replace("# Parameter budget", title, 1))
    return path


def write_report(report, folder):
    """Write budget.csv, budget.md, budget.html and, of the project's own models, strengths.csv to `folder`.

    A partial one is removed.
    """
    folder = Path(folder)
    saving.write_csv(folder / "budget.csv", report.rows, [*COLUMNS, "data", "reason"])
    saving.write_text(folder / "budget.md", markdown(report))
    saving.write_text(folder / "budget.html", page.render(report, COLUMNS, STRENGTHS))
    if report.elsewhere:
        saving.write_csv(folder / "strengths.csv", report.elsewhere, STRENGTHS)
    (folder / "budget.partial.md").unlink(missing_ok=True)


def headline(report):
    """Return one sentence per capped model: what it makes of its noisy input."""
    noisy = {row["task"]: row for row in report.rows if row["file"] == "noisy input"}
    lines = []
    for row in report.models:
        if row["role"] == "capped" and "psnr" in row:
            start = noisy[row["task"]]
            line = f"- **{row['file']}**, {row['parameters']:,} parameters: PSNR "
            line += f"{start['psnr']:.1f} to {row['psnr']:.1f} dB"
            if row["legibility"] is not None:
                line += f", digits read {start['legibility']:.1%} to {row['legibility']:.1%}"
            lines.append(line + ".")
    return "\n".join(lines)


def update_readme(path, report, hours):
    """Replace what stands between the README's two marks by the report's table and the models' hours of training."""
    path = Path(path)
    before, begin, rest = path.read_text(encoding="utf-8").partition("<!-- results: begin -->\n")
    _, end, after = rest.partition("<!-- results: end -->")
    if not (begin and end):
        raise ValueError(f"Expected the marks <!-- results: begin --> and <!-- results: end --> in {path}.")
    table = markdown(report).removeprefix("# Parameter budget\n")
    spent = f"By their cards these models were trained for {hours:.1f} hours; other seeds and trials not counted."
    saving.write_text(path, f"{before}{begin}\n{headline(report)}\n{table}\n{spent}\n\n{end}{after}")
