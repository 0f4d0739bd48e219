"""Lay grades out: a CSV for the records, a sortable page with pictures, a few lines for a student.

Names and reasons come from strangers: nothing in them may act as HTML, as a formula or as a control character.
"""

from pathlib import Path

from denoise_utils import profiles
from denoise_utils.measures import frame, table
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.system import escaping, files
from denoise_utils.system.escaping import html, plain

DECIDES = table.MEASURES[profiles.RANKED_BY]
COLUMNS = {
    "rank": ("rank", "{}"),
    "submission": ("submission", "{}"),
    "verdict": ("verdict", "{}"),
    "parameters": table.PARAMETERS,
    profiles.RANKED_BY: DECIDES.column,
    **table.columns(table.USUAL),
    "milliseconds": ("ms per image", "{:.2f}"),
    "input": ("input", "{}"),
    "output": ("output", "{}"),
}
# What the CSV has beside them.
MORE = ["flags", "reason", "trainable", "stored", "built", "constants", "statistics", "images"]
MORE += [key for key in table.columns(table.FULL) if key not in COLUMNS]
MORE += ["seconds", "megabytes", "task", "seed", "cap", "data"]
LONGEST_NAME = 60  # characters shown; the rest stands in the tooltip and in the CSV
ADVICE = {
    Verdict.PASS: "Hand it in.",
    Verdict.OVER: "Take parameters out: fewer filters, smaller kernels, or one layer used twice.",
    Verdict.TIMEOUT: "Make the model faster; on a slow machine, allow more with --timeout.",
    Verdict.MEMORY: "Make the model's intermediate images fewer or smaller.",
    Verdict.REFUSED: "Change what the reason names, and save it with model.save: the layers that are admitted stand in "
    "ASSIGNMENT.md.",
    Verdict.BROKEN: "Mend what the reason says, then check it again.",
}
STYLE = """
body { max-width: none; } thead th { position: sticky; top: 0; z-index: 1; } .scroll { overflow: visible; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; }
th[aria-sort=ascending] button::after { content: " ▲"; } th[aria-sort=descending] button::after { content: " ▼"; }
td { vertical-align: top; } td.name { min-width: 9rem; max-width: 14rem; white-space: normal; overflow-wrap: anywhere; }
td.why { min-width: 15rem; max-width: 24rem; white-space: normal; overflow-wrap: anywhere; }
td.why, th.why { text-align: left; }
td img { width: 19rem; display: block; } .TIMEOUT, .MEMORY, .REFUSED, .BROKEN { background: var(--bad); }
.flag { color: #8a5a00; } td:nth-child(1) { text-align: right; }
"""
SCRIPT = """
const body = document.querySelector("tbody.ranked");
document.querySelectorAll("th button").forEach((button, column) => button.onclick = () => {
  const head = button.parentElement, down = head.getAttribute("aria-sort") === "ascending";
  document.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const value = row => row.cells[column].dataset.value;
  const compare = (a, b) => isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
  const rows = [...body.rows].sort((a, b) => {
    if (!value(a) || !value(b)) return !value(a) - !value(b); // what has no value stays last
    return compare(value(a), value(b)) * (down ? -1 : 1);
  });
  body.append(...rows);
});
"""


def describe(row):
    """Return a graded row in one line: its verdict, its figures or its reason, its flags."""
    words = [row["verdict"] or "scored"]
    if "parameters" in row:
        words.append(f"{row['parameters']:,} parameters")
    found = {key: row.get(key) for key in table.select(table.BRIEF)}
    words += [", ".join(table.MEASURES[key].say(value) for key, value in found.items() if value is not None)]
    words += [row["reason"]] if row.get("reason") else []
    return plain("; ".join(filter(None, words + row.get("flags", []))))


def exit_code(row):
    """Return a self-check's exit code: 0 for a clean pass, 1 if over the cap or flagged, 2 if it was not scored."""
    if row["verdict"] not in (Verdict.PASS, Verdict.OVER):
        return 2
    return int(row["verdict"] == Verdict.OVER or bool(row["flags"]))


def explain(grades):
    """Return what a student needs to know about the only submission: verdict, figures, what to do."""
    row, noisy = grades.rows[0], grades.yardstick
    lines = [f"{plain(row['submission'])}: {row['verdict']}"]
    if "parameters" in row:
        trainable = f", {row['trainable']:,} of them trainable" if "trainable" in row else ""
        lines.append(f"  parameters: {row['parameters']:,} of {grades.cap:,} allowed{trainable}")
    for key in (*table.select(table.BRIEF), "milliseconds"):
        if row.get(key) is not None:
            title, layout = COLUMNS[key]
            beside = f" ({table.NOISY}: {layout.format(noisy[key])})" if noisy.get(key) is not None else ""
            lines.append(f"  {title}: {layout.format(row[key])}{beside}")
    lines += [f"  flagged: {plain(flag)}" for flag in row["flags"]]
    lines += [f"  reason: {plain(row['reason'])}"] if row["reason"] else []
    advice = "Mend what is flagged, or be ready to explain it." if row["flags"] else ADVICE[row["verdict"]]
    mine, untouched = (DECIDES.order(scores.get(profiles.RANKED_BY)) for scores in (row, noisy))
    if exit_code(row) == 0 and mine >= untouched:
        advice = "It does no better than leaving the image alone: train it longer, or on the right noise."
    return "\n".join([*lines, f"  {ADVICE[Verdict.OVER] if row['verdict'] == Verdict.OVER else advice}"])


def _table_row(row, columns):
    """Return one table row: its figures, what there is to say about it, its picture."""
    cells = []
    for key, (_, layout) in columns.items():
        value = row.get(key)
        text = "–" if value is None else html(layout.format(value))
        if key == "verdict" and value:
            text = f'<span class="badge {html(value)}">{text}</span>'
        attributes = f'data-value="{"" if value is None else html(value)}"'
        if key == "submission":
            name = plain(value)
            text = html(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}…")
            attributes += f' class="name" title="{html(name)}"'
        cells.append(f"<td {attributes}>{text}</td>")
    flags = "".join(f'<div class="flag">⚑ {html(flag)}</div>' for flag in row.get("flags", []))
    cells.append(f'<td class="why">{flags}{html(row.get("reason") or "")}</td>')
    picture = f'<img alt="ten images" loading="lazy" src="{html(row["sheet"])}">' if "sheet" in row else ""
    return f"<tr>{''.join(cells)}<td>{picture}</td></tr>"


def render(grades):
    """Return the page of the Grades: the clean and the noisy images first, then everybody, best first."""
    counts = {}
    for row in grades.rows:
        counts[row["verdict"]] = counts.get(row["verdict"], 0) + 1
    summary = ", ".join(f"{number} {verdict}" for verdict, number in counts.items())
    late = f" Not graded yet: {len(grades.missing)}; run the same command again." if grades.missing else ""
    late += f" Left out: {html(', '.join(grades.left_out))}." if grades.left_out else ""
    lead = (
        f"{len(grades.rows)} submissions: {summary}.{late} Task {grades.task}, noise seed {grades.seed}, data: "
        f"{html(grades.label)}; at most {grades.cap:,} parameters, all of them counted. Ranked by {DECIDES.name}: "
        f"{DECIDES.explain()}. A flag is a question to the author, not a sentence. Times are of one thread. "
        "Click a heading to sort."
    )
    heads = "".join(f"<th><button>{html(title)}</button></th>" for title, _ in COLUMNS.values())
    heads += '<th class="why">flags and reasons</th><th class="why">images</th>'
    noisy = grades.yardstick
    first = [{"submission": "clean images", "sheet": noisy["clean_sheet"]}] if "clean_sheet" in noisy else []
    first.append(noisy | {"submission": table.NOISY})
    yardsticks = "".join(_table_row(row, COLUMNS).replace("<tr>", '<tr class="yardstick">', 1) for row in first)
    ranked = "".join(_table_row(row, COLUMNS) for row in grades.rows)
    body = (
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead>'
        f'<tbody>{yardsticks}</tbody><tbody class="ranked">{ranked}</tbody></table></div><script>{SCRIPT}</script>'
    )
    return frame.document("Grades", lead, body, STYLE)


def write(grades, folder):
    """Write grades.csv and grades.html to `folder`."""
    folder = Path(folder)
    shared = {"task": grades.task, "seed": grades.seed, "cap": grades.cap, "data": grades.label}
    rows = [grades.yardstick | {"submission": table.NOISY, "verdict": None}, *grades.rows]
    written = [escaping.cells(shared | row) for row in rows]
    files.write_csv(folder / "grades.csv", written, [*COLUMNS, *MORE])
    files.write_text(folder / "grades.html", render(grades))
