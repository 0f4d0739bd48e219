"""Notebooks: committed as executed from their text, and executable from top to bottom."""

import itertools
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time

import jupytext
import numpy as np
import pytest

from tests.conftest import ROOT

TEXTS = sorted((ROOT / "notebooks" / "text").glob("*.py"))
NAMES = [path.stem for path in TEXTS]
MODELS = [
    "clutter_cap_baseline",
    "clutter_medium",
    "clutter_project_c",
    "clutter_small",
    "clutter_tiny",
    "colour_big",
    "colour_cap_baseline",
    "colour_medium",
    "colour_small",
    "digit_judge",
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
            assert len(cell.source.splitlines()) <= 15, cell.source
    assert cells[-1].cell_type == "markdown" and "What we learned" in cells[-1].source


@pytest.fixture
def project(tmp_path):
    """A copy of the project without results, as a student would have it."""
    for folder in ("denoise_utils", "notebooks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.ipynb", "__pycache__"))
    return tmp_path


def execute(project, *words, **environment):
    program = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", *words]
    done = subprocess.run(program, capture_output=True, text=True, cwd=project, env=os.environ | environment)
    return done.returncode, done.stdout + done.stderr


def test_every_notebook_runs_from_top_to_bottom(project):
    code, printed = execute(project)
    assert code == 0, printed[-4000:]
    output = project / "build" / "tiny"
    assert sorted(path.stem for path in (output / "notebooks").glob("*.ipynb")) == NAMES
    assert (output / "reports" / "budget.html").is_file()
    assert sorted(path.stem for path in (output / "models").glob("*.h5")) == MODELS
    left = {path.name for path in project.iterdir()} - {"__pycache__"}
    assert left == {"build", "denoise_utils", "notebooks"}, "only build/ may be written"
    for path in (output / "notebooks").glob("*.ipynb"):
        streams = [o for c in json.loads(path.read_text())["cells"] for o in c.get("outputs", [])]
        assert not [o for o in streams if o.get("name") == "stderr"], path.name


def test_own_pairs_are_searched_and_trained_on(project, tmp_path):
    rng = np.random.default_rng(0)
    clean = rng.random((200, 28, 28)) > 0.8
    for name, array in (("X", clean + rng.random((200, 28, 28))), ("Y", clean * 1.0)):
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(array))
    code, printed = execute(project, "02", "04", "05", "11", DENOISE_PAIRS="X.pkl,Y.pkl")
    assert code == 0, printed[-4000:]
    assert (project / "build" / "tiny" / "models" / "pairs_cap_baseline.h5").is_file()
    assert "pairs_cap_baseline.h5" in (project / "build" / "tiny" / "reports" / "budget.md").read_text()


def test_first_error_stops_and_names_the_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_broken.py").write_text(
        "# %% [markdown]\n# # Broken\n\n# %%\nx = 1\n\n# %%\nprint('so far')\ny = x / 0\n"
    )
    code, printed = execute(project, "00", "01")
    assert code == 1
    assert "Failed in 00_broken, code cell 2 (print('so far'))" in printed and "ZeroDivisionError" in printed
    assert "01_load_data" not in printed
    kept = json.loads((project / "build" / "failed" / "00_broken.ipynb").read_text())
    assert "so far" in json.dumps(kept["cells"][2]["outputs"])
    assert not (project / "notebooks" / "00_broken.ipynb").exists()


def test_kernel_that_dies_is_named_by_its_cell(project):
    text = project / "notebooks" / "text"
    (text / "00_dying.py").write_text("# %%\nprint('one')\n\n# %%\nx = 1\n\n# %%\nimport os\nos._exit(9)\n")
    code, printed = execute(project, "00")
    assert code == 1 and "Failed in 00_dying, code cell 3 (import os)" in printed


TRAINED = """# %%
import numpy as np
from denoise_utils import models, profiles, training
images = np.random.default_rng(0).random((200, 28, 28, 1), dtype=np.float32)
data = (images, images), (images[:60], images[:60])
build, runs = (lambda: models.capped_autoencoder(8, 1)), profiles.load_profile().runs
first = training.train(build, *data, name="first", runs=runs, record={}, epochs=1)
second = training.train(build, *data, name="second", runs=runs, record={}, epochs=8, batch_size=32)
"""


def test_interrupted_execution_goes_on_where_it_was(project):
    (project / "notebooks" / "text" / "00_trained.py").write_text(TRAINED)
    program = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", "00"]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=project)
    runs = project / "build" / "tiny" / "runs"
    try:
        for _ in range(6000):
            if process.poll() is not None or list(runs.glob("second-*/history.json")):
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)  # Ctrl-C
        said = process.communicate(timeout=120)[1]
    finally:
        process.kill()
    assert process.returncode == 130 and said.endswith("the same command goes on from there.\n"), said
    assert not list(runs.glob("second-*/finished.json")), "it must have been interrupted, or this test proves nothing"
    assert not list((project / "build" / "tiny").glob("notebooks/*"))
    code, printed = execute(project, "00")
    assert code == 0, printed[-2000:]
    cell = json.loads((project / "build" / "tiny" / "notebooks" / "00_trained.ipynb").read_text())["cells"][0]
    text = "".join("".join(output["text"]) for output in cell["outputs"])
    assert "first: finished run" in text and "second: run" in text and "goes on after epoch" in text


def test_unknown_names_and_profiles_are_refused(project):
    code, printed = execute(project, "99")
    assert code == 2 and "expected the beginning of a notebook's name, got 99" in printed
    code, printed = execute(project, "--profile", "fast")
    assert code == 2 and 'expected the profile "quick" or "full", got "fast"' in printed


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
