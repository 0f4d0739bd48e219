"""Frame a self-contained HTML page, images included: what the report's and the grader's share."""

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


def data_uri(images: np.ndarray) -> str:
    """Return images (N, H, W, C) in [0, 1] side by side as one PNG, as a data URI."""
    import matplotlib.pyplot as plt

    strip = np.concatenate(list(np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=1)), axis=1)
    buffer = io.BytesIO()
    plt.imsave(buffer, np.squeeze(strip), cmap="gray", vmin=0, vmax=1, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def document(title: str, lead: str, body: str, style: str = "") -> str:
    """Return a whole page: its title, a paragraph under it, then `body`; `lead` and `body` are HTML."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{style}</style></head><body>'
        f'<h1>{html(title)}</h1><p class="lead">{lead}</p>{body}</body></html>\n'
    )
