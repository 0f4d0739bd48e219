"""Notebooks: committed as executed from their text, and executable from top to bottom."""

import itertools
import json
import os
import subprocess
import sys

import jupytext
import pytest

from tests.conftest import ROOT
from tests.execution import execute

TEXTS = sorted((ROOT / "notebooks" / "text").glob("*.py"))
NAMES = [path.stem for path in TEXTS]
MODELS = [
    "clutter_cap_baseline",
    "clutter_clipped_sum",
    "clutter_maximum",
    "clutter_medium",
    "clutter_project_c",
    "clutter_small",
    "clutter_tiny",
    "colour_cap_baseline",
    "colour_medium",
    "colour_project_r",
    "colour_small",
    "digit_judge",
    "gaussian_big",
    "gaussian_cap_baseline",
    "gaussian_medium",
    "gaussian_small",
    "occlusion_big",
    "occlusion_cap_baseline",
    "occlusion_project_o",
    "occlusion_small",
    "salt_pepper_small",
    "watermark_big",
    "watermark_cap_baseline",
    "watermark_medium",
    "watermark_project_w",
    "watermark_small",
]


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


def test_every_notebook_runs_from_top_to_bottom(project):
    """With the solutions put in, whose checks must say "right"."""
    code, printed = execute(project, "--solutions")
    assert code == 0, printed[-4000:]
    output = project / "build" / "tiny"
    assert sorted(path.stem for path in (output / "solutions").glob("*.ipynb")) == NAMES
    assert (output / "reports" / "budget.html").is_file()
    assert sorted(path.stem for path in (output / "models").glob("*.h5")) == MODELS
    left = {path.name for path in project.iterdir()} - {"__pycache__"}
    assert left == {"build", "denoise_utils", "notebooks"}, "only build/ may be written"
    for path in (output / "solutions").glob("*.ipynb"):
        streams = [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]
        assert not [o for o in streams if o.get("name") == "stderr"], path.name


def test_readme_shows_the_committed_report():
    readme = (ROOT / "README.md").read_text()
    table = (ROOT / "reports" / "budget.md").read_text().removeprefix("# Parameter budget\n")
    assert "| clutter_cap_baseline.h5 | clutter | capped |" in table and table in readme


def test_readmes_reuse_section_runs_as_written(tmp_path):
    """In a folder with links to what it reads, so that it writes nowhere else."""
    section = (ROOT / "README.md").read_text().split("\n## Reuse a model\n")[1].split("\n## ")[0]
    code = section.split("```python\n")[1].split("```")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 6
    for name in ("models", "reports", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
