"""The parameter-budget report: open every .h5 of a folder, count, have it scored, and lay it out for graders."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from denoise_utils import evaluation, noise, profiles, saving
from denoise_utils.measures import table
from denoise_utils.measures.verdicts import Verdict, judge_size
from denoise_utils.opening import safe_open, work
from denoise_utils.reporting import page, scoring
from denoise_utils.reporting.findings import COLUMNS, EXEMPT, LISTED, STRENGTHS, Report, list_rows, title_of
from denoise_utils.reporting.scoring import DIGITS, Entry
from denoise_utils.system import escaping, failures, files

if TYPE_CHECKING:
    import keras

ELSEWHERE = "the models within the cap, on the same test images; without any error a picture counts as 100 dB"
TABLES = "Each task begins with its noisy input and the classical filter with the lowest error on validation images. "
TABLES += (
    f"Models are ranked by {table.MEASURES[profiles.RANKED_BY].name}: {table.MEASURES[profiles.RANKED_BY].explain()}. "
)
TABLES += "The same seeded noise for all models of a table. Each row is one training: another seed might change "
TABLES += "ranks that are near each other. budget.csv has more columns."


def make_report(
    folder: str | Path,
    cap: int,
    profile: profiles.Profile,
    report: Report | None = None,
    others: bool = False,
    tell: Callable[[str], None] = lambda row: None,
) -> Report:
    """Open every .h5 in `folder` and return a Report; nothing is trained.

    A model is scored under the noise that its card names, if that is one of its task's strengths, else under the
    canonical one. Each group of models begins with the untouched noisy input and the best of the classical filters,
    tuned on validation images. A file that fails gets a row with its reason. With `others`, the project's own models
    within the cap are scored under their task's other strengths, too, which takes as long again. A `report` that is
    given is filled row by row: what was scored is in it if this is stopped. `tell(row)` hears of each row, in words.
    """
    report, groups, unreadable = report or Report(cap), {}, []
    for path in saving.find_models(folder):
        try:
            contents = safe_open.inspect_model(path)
            model, card = saving.build_model(path, contents), saving.read_card(path)
            entry = _count(path, contents, model, card, cap)
        except (ValueError, OSError) as error:
            failures.note(path.name)
            unreadable.append({"file": path.name, "role": None, "verdict": Verdict.UNREADABLE, "reason": str(error)})
            continue
        groups.setdefault((entry.row["task"], bool(entry.strength), entry.row["noise"]), []).append(entry)
    judge = _find_judge(report, folder, profile, groups.get((DIGITS, False, ""), []))
    try:
        for _, entries in sorted(groups.items()):  # of a task, the canonical noise first
            entries.sort(key=lambda entry: entry.row["parameters"])
            _add_task(report, entries, judge, profile, tell)
            if others and is_ours(folder, profile):
                _add_other_strengths(report, entries, judge, profile)
    finally:
        report.rows += unreadable
    return report


def _add_task(report, entries, judge, profile, tell):
    """Add the rows and the sheets of one task and noise; where its data is not here, its models without scores."""
    about = {key: entries[0].row[key] for key in ("task", "noise")}
    task = about["task"]
    try:
        task_data = scoring.load_task(task, profile, entries[0].strength)
    except FileNotFoundError as error:
        report.notes.append(f"The task {task} could not be scored. {error}")
        report.lacking += [] if task == "pairs" else [str(error)]
        report.rows += [entry.row for entry in entries]
        return
    for found in scoring.score_task(entries, task_data, about, judge):
        report.rows.append(found.row)
        tell(f"{task}: {found.row['file']}")
        if found.sheet:
            report.sheets[found.row["file"]] = found.sheet


def _add_other_strengths(report, entries, judge, profile):
    """Add how those within the cap that could be scored do under the task's other strengths."""
    small = [one for one in entries if one.row["verdict"] == Verdict.PASS and one.row["file"] in report.sheets]
    if small:
        report.elsewhere.extend(scoring.score_other_strengths(small, profile, judge))


def _count(path, contents, model, card, cap):
    """Return the Entry of a loaded model."""
    count = contents.count
    task, role = card.get("task"), card.get("role")
    task = task if task in (DIGITS, "pairs", *noise.TASKS) else profiles.TASK
    strength = scoring.find_strength(task, card)
    row = {
        "file": path.name,
        "task": task,
        "noise": scoring.tell_noise(task, strength),
        "role": role if role in EXEMPT else "capped",
        "parameters": count.parameters,
        "trainable": count.trainable,
        "multiplications": _count_work(contents.config, model.input_shape),
        "cap": cap,
        "verdict": judge_size(count.parameters, cap),
        "kilobytes": path.stat().st_size / 1000,
    }
    return Entry(row, model, strength)


def _count_work(config, shape):
    """Return the multiplications for one picture, 28x28 where it takes any; None if it takes no pictures."""
    if not isinstance(shape, tuple) or len(shape) != 4:
        return None
    return work.count_multiplications(config, tuple(side or profiles.SIDE for side in shape[1:]))


def is_ours(folder: str | Path, profile: profiles.Profile) -> bool:
    """Return whether `folder` is the project's own models folder in this profile."""
    return Path(folder).resolve() == profile.models.resolve()


def _find_judge(report, folder, profile, entries) -> "keras.Model | None":
    """Return the project's own judge; only where there is none, one from the folder."""
    try:
        return evaluation.load_judge(profile.models if is_ours(folder, profile) else profile.root / "models")
    except FileNotFoundError:
        pass
    except ValueError as error:
        report.notes.append(str(error))
    found = [one for one in entries if one.row["role"] == "judge" and one.model.output_shape == (None, 10)]
    if not found:
        report.notes.append("No judge: legibility is not measured. Notebook 03_measure_quality trains one.")
        return None
    report.notes.append(f"The judge of legibility comes from the folder itself: {found[0].row['file']}.")
    return found[0].model


def markdown(report: Report) -> str:
    """Return the report as Markdown: a table of seven columns for each task and noise, then what could not be read."""
    parts = ["# Parameter budget", TABLES if report.label else "Nothing was scored."]
    for (task, noisy), rows in report.groups.items():
        scored = next((row for row in rows if "images" in row), {})
        caption = f"{scored['data']}, {scored['images']:,} test images" if "data" in scored else ""
        parts += [f"## {title_of(task, noisy)}", evaluation.format_table(list_rows(rows), LISTED, caption)]
    failed = [f"- **{escaping.markdown(row['file'])}** {escaping.markdown(row['reason'])}" for row in report.failed]
    notes = [f"- {escaping.markdown(note)}" for note in report.notes]
    return "\n\n".join([*parts, "\n".join([*failed, *notes])]).rstrip() + "\n"


def _strengths(report, heading):
    """Return the table of other strengths as Markdown, empty without any."""
    if not report.elsewhere:
        return ""
    return f"{heading} Other strengths\n\n{evaluation.format_table(report.elsewhere, STRENGTHS, ELSEWHERE)}\n"


def write_partial(report: Report, folder: str | Path) -> Path:
    """Write budget.partial.md, of a report that was stopped, to `folder` and return its path; a whole one stays."""
    path = Path(folder) / "budget.partial.md"
    title = "# Parameter budget, partial: stopped before every file was scored"
    files.write_text(path, markdown(report).replace("# Parameter budget", title, 1) + _strengths(report, "\n##"))
    return path


def write_report(report: Report, folder: str | Path) -> None:
    """Write budget.csv, budget.md and budget.html to `folder`; where other strengths were scored, strengths.* too.

    A partial one is removed.
    """
    folder = Path(folder)
    files.write_csv(folder / "budget.csv", map(escaping.cells, report.rows), [*COLUMNS, "data", "reason"])
    files.write_text(folder / "budget.md", markdown(report))
    files.write_text(folder / "budget.html", page.render(report))
    if report.elsewhere:
        files.write_csv(folder / "strengths.csv", map(escaping.cells, report.elsewhere), STRENGTHS)
        files.write_text(folder / "strengths.md", _strengths(report, "#"))
    (folder / "budget.partial.md").unlink(missing_ok=True)


MARKS = "<!-- results: begin -->", "<!-- results: end -->"  # of the README
LANDING = {  # the lines of the README's table: what each is made of, task by task
    table.NOISY: {"clutter": table.NOISY, "watermark": table.NOISY, "occlusion": table.NOISY},
    "best classical filter": {"clutter": table.FILTER, "watermark": table.FILTER, "occlusion": table.FILTER},
    "project C": {"clutter": "clutter_project_c.h5"},
    "project W, big": {"clutter": "clutter_project_w.h5", "watermark": "watermark_big.h5"},
    "project O": {"occlusion": "occlusion_project_o.h5"},
    "a U-Net": {"clutter": "clutter_big.h5"},
    "**ours**": {"clutter": "clutter_small.h5", "watermark": "watermark_small.h5", "occlusion": "occlusion_small.h5"},
}


def landing(rows: list[dict]) -> str:
    """Return the README's table from the report's rows: ours beside the older projects', a column for each noise."""
    costs = {"parameters": table.PARAMETERS, "multiplications": table.MULTIPLICATIONS}
    columns = {"name": ("model", "{}")} | {key: (title, "{:}") for key, (title, _) in costs.items()}  # to the right
    columns |= {task: (task, "{}") for task in LANDING[table.NOISY]}
    lines = []
    for name, names in LANDING.items():
        found = {task: _find_row(rows, task, file) for task, file in names.items()}
        found = {task: row for task, row in found.items() if row}
        if found:
            line = {"name": name} | {key: _range(found.values(), key, layout) for key, (_, layout) in costs.items()}
            lines.append(line | {task: _in_short(row) for task, row in found.items()})
    return evaluation.format_table(lines, columns)


def _range(rows, key, layout):
    """Return a cost of some models, from the lowest to the highest; None if no row has one."""
    values = sorted({row[key] for row in rows if row.get(key) is not None})
    return " to ".join(layout.format(value) for value in dict.fromkeys((values[0], values[-1]))) if values else None


def _find_row(rows, task, file):
    """Return the first scored row of a task whose file begins with `file`, None without any."""
    fits = [row for row in rows if row["task"] == task and row["file"].startswith(file) and row.get("psnr") is not None]
    return fits[0] if fits else None  # a task's first noise is the canonical one


def _in_short(row):
    """Return PSNR and legibility in a few signs."""
    shown = [f"{row['psnr']:.1f} dB"] + [f"{row['legibility']:.1%} read"] * (row["legibility"] is not None)
    return ", ".join(shown)


def update_readme(path: str | Path, report: Report) -> None:
    """Replace what stands between the README's two marks by the table of `landing`."""
    files.replace_between(path, *MARKS, landing(report.rows))


SCORED = ("images", *table.columns(table.FULL))  # what cards tell


def update_cards(folder: str | Path, report: Report) -> None:
    """Put the report's scores, and those of the untouched input, into the cards beside the denoisers of `folder`."""
    for row in report.models:
        path = Path(folder) / row["file"]
        noisy = report.noisy.get((row["task"], row["noise"]))
        if row.get("psnr") is None or noisy is None or not saving.card_matches(path):
            continue
        card = saving.read_card(path)
        for key, scores in (("test_scores", row), ("noisy_input_scores", noisy)):
            card[key] = {name: scores[name] for name in SCORED if scores.get(name) is not None}
        files.write_json(path.with_suffix(".json"), card)
