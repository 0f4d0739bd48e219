"""make handout: what students get runs, and does not hold what wins the assignment."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import handout
import jupytext
import nbformat
import pytest

from denoise_utils.opening import safe_open
from tests.conftest import ROOT
from tests.execution import execute

GIVEN = [path.stem for path in sorted((ROOT / "notebooks" / "text").glob("*.py")) if handout.is_given(path.stem)]


@pytest.fixture
def archive(project):
    """The handout of a copy of the project, whose notebooks were made but not executed."""
    for text in (project / "notebooks" / "text").glob("*.py"):
        jupytext.write(jupytext.read(text), project / "notebooks" / f"{text.stem}.ipynb")
    shutil.rmtree(project / "models")  # it has the small ones only
    for name in ("models", "docs", *handout.FILES):
        (project / name).symlink_to(ROOT / name)
    done = make(project)
    assert done.returncode == 0, done.stderr
    return project / "build" / "handout.zip"


@pytest.fixture
def unpacked(archive, tmp_path):
    zipfile.ZipFile(archive).extractall(tmp_path / "class")
    return tmp_path / "class" / handout.TOP


def make(project):
    program = [sys.executable, project / "notebooks" / "handout.py"]
    return subprocess.run(program, capture_output=True, text=True, cwd=project)


def command(folder, *words):
    """Run a command of the unpacked package."""
    program = [sys.executable, "-m", "denoise_utils", *words]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(program, capture_output=True, text=True, cwd=folder, env=environment)


def test_students_get_the_notebooks_and_neither_solutions_nor_winning_models(unpacked):
    assert sorted(path.stem for path in (unpacked / "notebooks").glob("*.ipynb")) == GIVEN
    files = {path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()}
    assert all((ROOT / name).is_file() for name in handout.WITHHELD), "what is withheld must have this name"
    assert not [name for name in files if re.search(r"solutions|recipes|step_variants|__pycache__|text/", name)]
    models = sorted((unpacked / "models").rglob("*.h5"))
    assert unpacked / "models" / "digit_judge.h5" in models
    for path in models:
        assert path.with_suffix(".json").is_file() or (path.parent / "settings.json").is_file()
        uses = [len(layer.outputs) for layer in safe_open.inspect_model(path).layers]
        assert max(uses) == 1, f"{path.name} is weight-tied"
    for page in [unpacked / "README.md", unpacked / "ASSIGNMENT.md", *(unpacked / "notebooks").glob("*.ipynb")]:
        links = re.findall(r"\]\(([^)#:\s\\]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert links and not [link for link in links if not (page.parent / link).exists()], page.name


@pytest.mark.stress
def test_the_package_of_the_handout_imports_whole_and_has_the_commands_of_students(unpacked):
    modules = [path.relative_to(unpacked).with_suffix("") for path in (unpacked / "denoise_utils").rglob("*.py")]
    names = [".".join(module.parts).removesuffix(".__init__") for module in modules if module.name != "__main__"]
    program = [sys.executable, "-c", f"import importlib\nfor name in {names}: importlib.import_module(name)"]
    done = subprocess.run(program, capture_output=True, text=True, cwd=unpacked)
    assert done.returncode == 0, done.stderr
    helped = command(unpacked, "--help").stdout
    assert "grade" in helped and "reproduce" not in helped and "train " not in helped
    shown = command(unpacked, "show", "models/digit_judge.h5")
    assert shown.returncode == 0 and "69,954 parameters" in shown.stdout


def run_notebooks(unpacked, names):
    """Execute notebooks of the handout, as they are, by the program that makes them."""
    shutil.copytree(ROOT / "notebooks" / "making", unpacked / "notebooks" / "making")
    shutil.copy(ROOT / "notebooks" / "execute.py", unpacked / "notebooks" / "execute.py")
    (unpacked / "notebooks" / "text").mkdir()
    for name in names:
        notebook = nbformat.read(unpacked / "notebooks" / f"{name}.ipynb", as_version=4)
        jupytext.write(notebook, unpacked / "notebooks" / "text" / f"{name}.py", fmt="py:percent")
    return execute(unpacked)


@pytest.mark.stress
def test_a_notebook_of_the_handout_runs(unpacked):
    code, printed = run_notebooks(unpacked, GIVEN[:1])
    assert code == 0, printed[-4000:]


@pytest.mark.stress
def test_every_notebook_of_the_handout_runs(unpacked):
    code, printed = run_notebooks(unpacked, GIVEN)
    assert code == 0, printed[-4000:]


def test_a_notebook_that_was_not_executed_is_named(archive):
    project = Path(archive).parents[1]
    (project / "notebooks" / f"{GIVEN[0]}.ipynb").unlink()
    done = make(project)
    assert done.returncode == 2 and f"found no {GIVEN[0]}.ipynb" in done.stderr and "PROFILE=full" in done.stderr
