"""The parameter-budget report: open every .h5 of a folder, count, have it scored, and lay it out for graders."""

from dataclasses import dataclass, field
from pathlib import Path

from denoise_utils import evaluation, models, noise, saving
from denoise_utils.measures import page
from denoise_utils.reporting import scoring
from denoise_utils.system import escaping, failures

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
    lacking: list = field(default_factory=list)  # what is said of each task whose dataset is not here
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
            failures.note(path.name)
            unreadable.append({"file": path.name, "role": None, "verdict": "UNREADABLE", "reason": str(error)})
            continue
        by_task.setdefault(row["task"], []).append((row, model))
    judge = _find_judge(report, folder, profile, by_task.get("digits", []))
    try:
        for task in sorted(by_task):
            entries = sorted(by_task[task], key=lambda entry: entry[0]["parameters"])
            scoring.add_task(report, task, entries, judge, profile)
            if is_ours(folder, profile):
                scoring.add_other_strengths(report, task, entries, judge, profile)
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


def is_ours(folder, profile):
    """Return whether `folder` is the project's own models folder in this profile."""
    return Path(folder).resolve() == profile.models.resolve()


def _find_judge(report, folder, profile, entries):
    """Return the project's own judge; only where there is none, one from the folder."""
    try:
        return evaluation.load_judge(profile.models if is_ours(folder, profile) else profile.root / "models")
    except FileNotFoundError:
        pass
    except ValueError as error:
        report.notes.append(str(error))
    found = [(row, model) for row, model in entries if row["role"] == "judge" and model.output_shape == (None, 10)]
    if not found:
        report.notes.append("No judge: legibility is not measured. Notebook 03_measure_quality trains one.")
        return None
    report.notes.append(f"The judge of legibility comes from the folder itself: {found[0][0]['file']}.")
    return found[0][1]


def markdown(report):
    """Return the report as Markdown."""
    caption = f"{report.label}; the same seeded noise for all models of a task; sd over images; "
    caption += "BCE and excess in nats per pixel; filter: the one with the lowest error on validation images"
    table = evaluation.format_table(report.rows, COLUMNS, caption if report.label else "not scored")
    if report.elsewhere:
        shown = evaluation.format_table(report.elsewhere, STRENGTHS, ELSEWHERE)
        table += f"\n\n### Other strengths\n\n{shown}"
    failed = [f"- **{escaping.markdown(row['file'])}** {escaping.markdown(row['reason'])}" for row in report.failed]
    notes = [f"- {escaping.markdown(note)}" for note in report.notes]
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
    saving.write_csv(folder / "budget.csv", map(escaping.cells, report.rows), [*COLUMNS, "data", "reason"])
    saving.write_text(folder / "budget.md", markdown(report))
    saving.write_text(folder / "budget.html", page.render(report, COLUMNS, STRENGTHS))
    if report.elsewhere:
        saving.write_csv(folder / "strengths.csv", map(escaping.cells, report.elsewhere), STRENGTHS)
    (folder / "budget.partial.md").unlink(missing_ok=True)


def headline(report):
    """Return one sentence per capped model: what it makes of its noisy input."""
    noisy = {row["task"]: row for row in report.rows if row["file"] == "noisy input"}
    lines = []
    for row in report.models:
        if row["role"] == "capped" and "psnr" in row:
            start = noisy[row["task"]]
            line = f"- **{escaping.markdown(row['file'])}**, {row['parameters']:,} parameters: PSNR "
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
