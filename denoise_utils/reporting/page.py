"""Lay the parameter-budget report out as one self-contained HTML page: tables first, then a card for each model."""

from pathlib import Path

from denoise_utils import profiles
from denoise_utils.measures import frame, table
from denoise_utils.reporting.findings import LISTED, Report, is_exempt, list_rows, title_of

TEMPLATE = Path(__file__).parent / "budget.html"
ONCE = ("clean", "noisy")  # pictures that all models of a group share
COLUMNS = {key: column for key, column in LISTED.items() if key not in ("rank", "file", "size")}


def render(report: Report) -> str:
    """Return the whole page of a report: a table for each task and noise, cards with pictures."""
    groups, number = [], 0
    for (task, noise), rows in report.groups.items():
        sheets = [report.sheets[row["file"]] for row in rows if row["file"] in report.sheets]
        models = []
        for row in list_rows(rows):
            number += 1
            sheet = report.sheets.get(row["file"], {})
            pictures = {title: frame.data_uri(images) for title, images in sheet.items() if title not in ONCE}
            models.append(row | {"anchor": f"model-{number}", "pictures": pictures})
        groups.append(
            {
                "title": title_of(task, noise),
                "anchor": f"group-{len(groups) + 1}",
                "rows": models,
                "noisy": report.noisy.get((task, noise)),
                "once": {title: frame.data_uri(sheets[0][title]) for title in ONCE} if sheets else {},
            }
        )
    return frame.render(
        TEMPLATE,
        report=report,
        groups=groups,
        columns=COLUMNS,
        usual=table.values(table.USUAL),
        is_exempt=is_exempt,
        decides=table.MEASURES[profiles.RANKED_BY],
    )
