"""Lay the parameter-budget report out as one self-contained HTML page, images included."""

import base64
import io

import numpy as np

from denoise_utils.system.escaping import html

STYLE = """
:root { color-scheme: light; --ink: #1c2430; --soft: #5d6b7c; --line: #dfe5ec; --good: #14794a; --bad: #b3261e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 86rem; padding: 2.2rem 1.4rem 4rem; color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; background: #f6f8fa; }
h1 { font-size: 1.9rem; margin: 0; } h2 { margin: 2.6rem 0 .8rem; font-size: 1.25rem; }
p.lead { color: var(--soft); margin: .3rem 0 1.4rem; max-width: 60rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(35rem, 100%), 1fr)); gap: 1.1rem;
  align-items: start; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1rem 1.2rem; }
.card h3 { margin: 0 0 .5rem; font-size: 1.02rem; display: flex; gap: .6rem; align-items: center; flex-wrap: wrap; }
.badge { font-size: .74rem; font-weight: 700; padding: .12rem .55rem; border-radius: 1rem; color: #fff; }
.PASS { background: var(--good); } .OVER, .UNREADABLE { background: var(--bad); }
.exempt { background: #76808d; } .muted { color: var(--soft); font-weight: 400; font-size: .85rem; }
dl { display: flex; flex-wrap: wrap; gap: .3rem 1.6rem; margin: .2rem 0 .7rem; }
dt { color: var(--soft); font-size: .78rem; } dd { margin: 0; font-variant-numeric: tabular-nums; font-weight: 600; }
p.reason { color: var(--bad); margin: .2rem 0; font-size: .88rem; }
figure { margin: 0; display: grid; grid-template-columns: 4.6rem 1fr; gap: .25rem .5rem; align-items: center; }
figure span { color: var(--soft); font-size: .78rem; text-align: right; }
img { width: 100%; image-rendering: pixelated; border-radius: 3px; }
.scroll { overflow-x: auto; background: #fff; border: 1px solid var(--line); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-size: .78rem; font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .42rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; background: #fbfcfd; }
td:nth-child(-n+3), th:nth-child(-n+3) { text-align: left; }
tr.yardstick td { color: var(--soft); font-style: italic; }
"""


def data_uri(images):
    """Return images (N, H, W, C) in [0, 1] side by side as one PNG, as a data URI."""
    import matplotlib.pyplot as plt

    strip = np.concatenate(list(np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)), axis=1)
    buffer = io.BytesIO()
    plt.imsave(buffer, np.squeeze(strip), cmap="gray", vmin=0, vmax=1, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def document(title, lead, body, style=""):
    """Return a whole page: its title, a paragraph under it, then `body`; `lead` and `body` are HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{style}</style></head><body>'
        f'<h1>{html(title)}</h1><p class="lead">{lead}</p>{body}</body></html>\n'
    )


def _badge(row, say_why=True):
    verdict = row["verdict"]
    exempt = verdict == "OVER" and row["role"] != "capped"  # a reference or a judge
    text = f"{verdict} (exempt: {row['role']})" if exempt and say_why else verdict
    return f'<span class="badge {"exempt" if exempt else verdict}">{html(text)}</span>'


def _card(row, noisy, columns, sheet):
    """Return one model's card: verdict, figures against the noisy input's own, its ten images."""
    size = f"{row['parameters']:,} parameters, cap {row['cap']:,}" if "parameters" in row else ""
    lines = [f'<div class="card"><h3>{html(row["file"])} {_badge(row)} <span class="muted">{size}</span></h3>']
    figures = []
    for key in ("test_bce", "test_excess", "psnr", "ssim", "legibility"):
        if row.get(key) is None:
            continue
        title, layout = columns[key]
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


def render(report, columns, strengths=None):
    """Return the whole page for a report.Report; `columns` are those of its table, `strengths` of that of others."""
    capped = [row for row in report.models if row["role"] == "capped"]
    failed = f" {len(report.failed)} files could not be read or scored." if report.failed else ""
    noisy = {row["task"]: row for row in report.rows if row["file"] == "noisy input"}
    models = [_card(row, noisy.get(row.get("task")), columns, report.sheets.get(row["file"])) for row in report.models]
    lead = (
        f"{len(capped) - len(report.over)} of {len(capped)} capped models within {report.cap:,} parameters, "
        f"all of them counted, trainable or not.{failed} Data: {html(report.label or 'none')}; every model of a "
        "task is scored under the same seeded noise. Excess is the binary cross-entropy above the floor "
        "that grey targets impose, in nats per pixel; ± is the standard deviation over images."
    )
    notes = "".join(f"<p>{html(note)}</p>" for note in report.notes)
    body = f'<div class="cards">{"".join(models)}</div><h2>All figures</h2>{_table(report.rows, columns)}'
    if report.elsewhere:
        body += f"<h2>Other strengths of the noise</h2>{_table(report.elsewhere, strengths)}"
    body += notes
    return document("Parameter budget", lead, body)
