"""Lay the parameter-budget report out as one self-contained HTML page, images included."""

from denoise_utils.measures import table
from denoise_utils.measures.frame import data_uri, document
from denoise_utils.measures.verdicts import Verdict
from denoise_utils.reporting.findings import COLUMNS, EXEMPT, STRENGTHS, Report
from denoise_utils.system.escaping import html


def _badge(row, say_why=True):
    verdict = row["verdict"]
    exempt = verdict == Verdict.OVER and row["role"] in EXEMPT
    text = f"{verdict} (exempt: {row['role']})" if exempt and say_why else verdict
    return f'<span class="badge {"exempt" if exempt else verdict}">{html(text)}</span>'


def _card(row, noisy, sheet):
    """Return one model's card: verdict, figures against the noisy input's own, its ten images."""
    size = f"{row['parameters']:,} parameters, cap {row['cap']:,}" if "parameters" in row else ""
    lines = [f'<div class="card"><h3>{html(row["file"])} {_badge(row)} <span class="muted">{size}</span></h3>']
    figures = []
    for key in table.select(table.USUAL):
        if row.get(key) is None:
            continue
        title, layout = COLUMNS[key]
        spread = f" ± {layout.format(row[key + '_sd'])}" if row.get(key + "_sd") is not None else ""
        against = f" (noisy {layout.format(noisy[key])})" if noisy and noisy.get(key) is not None else ""
        value = f'{layout.format(row[key])}{spread} <span class="muted">{against}</span>'
        figures.append(f"<div><dt>{html(title)}</dt><dd>{value}</dd></div>")
    lines.append(f"<dl>{''.join(figures)}</dl>")
    if "reason" in row:
        lines.append(f'<p class="reason">{html(row["reason"])}</p>')
    if sheet:
        pictures = [f'<span>{html(t)}</span><img alt="{html(t)}" src="{data_uri(i)}">' for t, i in sheet.items()]
        lines.append(f"<figure>{''.join(pictures)}</figure>")
    return "".join(lines) + "</div>"


def _table(rows, columns):
    head = "".join(f"<th>{html(title)}</th>" for title, _ in columns.values())
    lines = []
    for row in rows:
        cells = []
        for key, (_, layout) in columns.items():
            value = row.get(key)
            text = (
                "–" if value is None else _badge(row, say_why=False) if key == "verdict" else html(layout.format(value))
            )
            cells.append(f"<td>{text}</td>")
        lines.append(f'<tr class="{html(str(row.get("role")))}">{"".join(cells)}</tr>')
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def render(report: Report) -> str:
    """Return the whole page of a report: a card per model, the table of all figures, that of other strengths."""
    failed = f" {len(report.failed)} files could not be read or scored." if report.failed else ""
    noisy = report.noisy
    models = [_card(row, noisy.get(row.get("task")), report.sheets.get(row["file"])) for row in report.models]
    lead = (
        f"{len(report.capped) - len(report.over)} of {len(report.capped)} capped models within {report.cap:,} "
        f"parameters, all of them counted, trainable or not.{failed} Data: {html(report.label or 'none')}; every model "
        f"of a task is scored under the same seeded noise. Excess is "
        f"{table.MEASURES['excess'].explain()}; ± is the standard deviation over images."
    )
    body = f'<div class="cards">{"".join(models)}</div><h2>All figures</h2>{_table(report.rows, COLUMNS)}'
    if report.elsewhere:
        body += f"<h2>Other strengths of the noise</h2>{_table(report.elsewhere, STRENGTHS)}"
    body += "".join(f"<p>{html(note)}</p>" for note in report.notes)
    return document("Parameter budget", lead, body)
