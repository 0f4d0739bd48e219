"""Notebooks: committed as executed from their text, and executable from top to bottom."""

import contextlib
import csv
import itertools
import json

import jupytext
import pytest

from denoise_utils import report
from tests.conftest import ROOT
from tests.execution import execute

TEXTS = sorted((ROOT / "notebooks" / "text").glob("*.py"))
NAMES = [path.stem for path in TEXTS]
SOME = ("06",)  # where the file is made that is handed in; the others are stress


def read_committed(name):
    return json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_has_the_cells_of_its_text(name):
    text = jupytext.read(ROOT / "notebooks" / "text" / f"{name}.py")
    committed = read_committed(name)["cells"]
    assert [(c["cell_type"], "".join(c["source"])) for c in committed] == [(c.cell_type, c.source) for c in text.cells]


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebook_is_executed_clean_and_small(name):
    cells = [cell for cell in read_committed(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert (ROOT / "notebooks" / f"{name}.ipynb").stat().st_size <= 500_000
    assert "profile full" in "".join(outputs[0]["text"])


@pytest.mark.parametrize("name", NAMES)
def test_text_explains_every_code_cell(name):
    cells = jupytext.read(ROOT / "notebooks" / "text" / f"{name}.py").cells
    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown", cell.source
            assert len(cell.source.splitlines()) <= (20 if before is cells[0] else 15), cell.source
    assert cells[-1].cell_type == "markdown" and "What we learned" in cells[-1].source


def read_dates(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "chosen", [pytest.param((), marks=pytest.mark.stress, id="all"), pytest.param(SOME, id="some")]
)
def test_notebooks_run_from_top_to_bottom(project, chosen):
    """With the solutions put in, whose checks must say "right"."""
    committed = read_dates(project / "models")
    code, printed = execute(project, "--solutions", *chosen)
    assert code == 0, printed[-4000:]
    output, names = project / "build" / "tiny", [name for name in NAMES if name.startswith(chosen or "")]
    assert sorted(path.stem for path in (output / "solutions").glob("*.ipynb")) == names
    assert (output / "reports" / "budget.html").is_file() == ("14_budget_report" in names)
    assert "clutter_cap_baseline" in {path.stem for path in (output / "models").glob("*.h5")}
    left = {path.name for path in project.iterdir()} - {"__pycache__"}
    assert left == {"build", "denoise_utils", "models", "notebooks"}, "only build/ may be written"
    assert read_dates(project / "models") == committed
    for path in (output / "solutions").glob("*.ipynb"):
        streams = [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]
        assert not [o for o in streams if o.get("name") == "stderr"], path.name


@pytest.mark.stress
@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_runs_by_itself(project, name):
    """As the first that somebody opens: the course's models are there, and no results of others."""
    code, printed = execute(project, name)
    assert code == 0, printed[-4000:]


def read_number(text):
    """Return a number of a .csv, None for nothing, or the text."""
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text or None


def test_readme_is_a_landing_page_with_the_committed_results():
    readme = (ROOT / "README.md").read_text()
    with open(ROOT / "reports" / "budget.csv") as file:
        rows = [{key: read_number(value) for key, value in row.items()} for row in csv.DictReader(file)]
    table = report.landing(rows)
    assert len(table.splitlines()) == 2 + len(report.LANDING) and table in readme
    assert len(readme.splitlines()) <= 150
