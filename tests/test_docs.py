"""README and docs: no dead link, and code that runs as it is written."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import denoise_utils
from denoise_utils.grading import exam, likeness, ranking, supervise
from denoise_utils.opening import counting
from tests.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "models").glob("*.md")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DISK = ("README.md", "docs/students.md", "docs/teaching.md")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def read_prose(path):
    """Return the Markdown of a page, or of a notebook's cells, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "markdown"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return re.sub(r"```.*?```", "", text, flags=re.S)


def anchors(path):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", read_prose(path), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_no_link_is_dead(path):
    for link in LINK.findall(read_prose(path)):
        if link.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.stress
def test_code_of_the_reuse_page_runs_as_written(tmp_path):
    """In a folder with links to what it reads, so that it writes nowhere else."""
    blocks = re.findall(r"```(?:python)?\n(.*?)```", (ROOT / "docs" / "reuse.md").read_text(), flags=re.S)
    for name in ("models", "reports"):
        (tmp_path / name).symlink_to(ROOT / name)
    for code in blocks[:2]:
        command = [sys.executable, "-c", code]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "denoised.png").is_file()


CONSTANTS = [
    ("docs/grading.md", r"over ([\d,]+) draws", ranking.DRAWS),
    ("docs/grading.md", r"be 0 \((\d+)%\)", ranking.MIDDLE[1] - ranking.MIDDLE[0]),
    ("docs/grading.md", r"public seed (\d+)", exam.PUBLIC_SEED),
    ("docs/grading.md", r"a number of more than (\d+) bits", 8 * counting.BYTES),
    ("docs/grading.md", r"more than ([\d,]+) bits packed", counting.MOST_BITS),
    ("docs/grading.md", r"more than ([\d,]+) uses of layers", counting.MOST_CALLS),
    ("docs/grading.md", r"mean difference of ([\d.]+) a pixel", likeness.NEAR),
    ("docs/troubleshooting.md", r"Grading gives each model at most (\d+) GB", supervise.Limits().megabytes / 1000),
]


@pytest.mark.parametrize(("name", "told", "value"), CONSTANTS)
def test_pages_name_the_constants_of_the_code(name, told, value):
    found = re.findall(told, " ".join((ROOT / name).read_text().split()))
    assert found and {float(one.replace(",", "")) for one in found} == {value}


def test_pages_name_the_pythons_that_the_package_takes():
    taken = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    least, beyond = map(int, re.fullmatch(r">=3\.(\d+),<3\.(\d+)", taken).groups())
    minors = list(range(least, beyond))
    for name in ("README.md", "docs/students.md", "docs/troubleshooting.md"):
        told = re.search(
            r"Python ((?:3\.\d+(?:, | or | and )?)+)",
            read_prose(ROOT / name).partition("## Start")[2] or read_prose(ROOT / name),
        )
        assert [int(minor) for minor in re.findall(r"3\.(\d+)", told[1])] == minors, name


def test_citation_names_the_version_of_the_package():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == denoise_utils.__version__
    assert cited.keys() >= {"cff-version", "message", "title", "authors", "license", "repository-code", "date-released"}
    assert f"\n## {cited['version']} ({cited['date-released']})\n" in (ROOT / "CHANGELOG.md").read_text()


def test_dockerfile_passes_its_linter():
    linter = shutil.which("hadolint", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if not linter:
        pytest.skip("no hadolint: requirements-dev.txt has it for Linux on Intel and AMD")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_installation_takes_the_disk_that_the_pages_say():
    if Path(sys.prefix) != ROOT / ".venv" or not sys.platform.startswith("linux"):
        pytest.skip("the tests of `python course.py test` on Linux measure it")
    size = sum(path.stat().st_size for path in Path(sys.prefix).rglob("*") if path.is_file())
    told = {re.search(r"(\d) GB of (?:disk|packages)", (ROOT / name).read_text())[1] for name in DISK}
    assert told == {f"{size / 1e9:.0f}"}


def test_containers_start_what_is_there():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"].split()[:2] == ["python", "course.py"]
    copied = re.findall(r"-r (\S+)", (ROOT / "Dockerfile").read_text())
    assert copied and all((ROOT / name).is_file() for name in copied)
