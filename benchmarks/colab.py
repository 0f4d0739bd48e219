"""Execute notebooks alone, as Colab does: in an empty folder, with Colab's versions, the course not yet installed.

    python benchmarks/colab.py --python /path/to/python3.13 00 01 02

A clone of this repository as committed, under another address, stands in for the one on GitHub. What the first cell
installs and says is printed; how each notebook went goes to reports/colab.md. It takes some GB and, at first, some
minutes; the environment stays in build/colab/. Exit code: 0, or 1 if one failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from environments import make_environment
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ROOT / "notebooks" / "text"
COLAB = {"tensorflow": "2.20.0", "keras": "3.13.2", "numpy": "2.1.3", "psutil": "5.9.5"}
PYTHON = "3.13"
REPO = "simulated/course"  # the address that the clone has
# What a Python in Colab finds loaded; pip, which the first cell starts, does not mind.
LOADED = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
SHOWN = "from importlib import metadata\nprint(*(metadata.version(name) for name in {}))"
COLUMNS = ("notebook", "it", "seconds", *COLAB, "denoise-utils")
HEAD = """# Notebooks alone, as on Colab

Written by `python benchmarks/colab.py`: each notebook in an empty folder, in the quick profile, with Colab's
{before}.
The versions in the table are those after its first cell had installed the course.

"""


def fill(python):
    """Make the new environment of `python` what Colab has."""
    words = [python, "-c", "import site; print(site.getsitepackages()[0])"]
    packages = Path(subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip())
    (packages / "sitecustomize.py").write_text(LOADED)
    restore(python)


def restore(python):
    """Bring the environment of `python` back to what Colab has, without the course."""
    pip = [python, "-m", "pip"]
    subprocess.run([*pip, "uninstall", "-q", "-y", "denoise-utils"], check=True, stderr=subprocess.DEVNULL)
    pins = [f"{name}=={version}" for name, version in COLAB.items()]
    subprocess.run([*pip, "install", "-q", *pins, "ipykernel"], check=True)


def clone(folder):
    """Make a clone of the repository that names the address REPO, and let git take it for that address."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", ROOT, folder], check=True)
    git = ["git", "-C", folder, "-c", "user.name=course", "-c", "user.email=course@localhost"]
    subprocess.run([sys.executable, folder / "notebooks" / "links.py", "--repo", REPO], check=True)
    subprocess.run([*git, "commit", "-q", "-a", "-m", "Under another address"], check=True)
    os.environ |= {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": f"https://github.com/{REPO}",
    }


def use_kernel(folder, python):
    """Let the kernel "python3" be that of `python`."""
    spec = folder / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True, exist_ok=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec.write_text(json.dumps({"argv": command, "display_name": "Colab", "language": "python"}))
    os.environ["JUPYTER_PATH"] = str(folder)


def execute(path, folder):
    """Execute the notebook at `path` in the empty `folder`; return what its first cell said, and an error."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    notebook, error = nbformat.read(path, as_version=4), None
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs, cell.execution_count = [], None
    try:
        NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    except CellExecutionError as failure:
        error = str(failure)
    nbformat.write(notebook, folder / path.name)
    return "".join(output.get("text", "") for output in code[0].outputs), error


def read_versions(python):
    """Return the versions of what COLUMNS ends with, in the environment of `python`."""
    words = [python, "-c", SHOWN.format([*COLAB, "denoise-utils"])]
    return subprocess.run(words, check=True, capture_output=True, text=True, cwd=python.parent).stdout.split()


def write_page(path, rows, before):
    """Write what happened: a table with `rows` under COLUMNS, and the versions that Colab had `before`."""
    # Not before: the package sets TensorFlow's variables, which the notebooks would inherit.
    from denoise_utils import evaluation
    from denoise_utils.system import files

    named = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    table = evaluation.format_table(named, {name: (name, "{}") for name in COLUMNS})
    files.write_text(path, f"{HEAD.format(before=before)}{table}\n")


def main():
    """Execute the notebooks whose names begin with the words given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=f"python{PYTHON}", help="the Python that Colab has")
    parser.add_argument("only", nargs="*", default=["00", "01", "02"], help="beginnings of names; default: 00 01 02")
    arguments = parser.parse_args()
    chosen = [path.stem for path in sorted(TEXTS.glob("*.py")) if path.name.startswith(tuple(arguments.only))]
    if not chosen:
        parser.error(f"expected beginnings of notebooks' names, got {' '.join(arguments.only)}")
    if not shutil.which(arguments.python):
        parser.error(f"expected a Python {PYTHON}, got {arguments.python}, which is not there: --python names one")
    build, rows = ROOT / "build" / "colab", []
    for name in ("PYTHONPATH", "DENOISE_PROFILE"):  # the course is not installed, and runs are short
        os.environ.pop(name, None)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    python = make_environment(build / "env", fill, arguments.python)
    clone(build / "course")
    use_kernel(build / "jupyter", python)
    for name in chosen:
        restore(python)
        begun = time.perf_counter()
        told, error = execute(build / "course" / "notebooks" / f"{name}.ipynb", build / "alone" / name)
        spent = f"{time.perf_counter() - begun:.0f}"
        print(f"{name}: {error or 'ran'}, {spent} s. Its first cell said:\n{told}", flush=True)
        rows.append((name, "failed" if error else "ran", spent, *read_versions(python)))
    before = ", ".join(f"{name} {version}" for name, version in {"Python": PYTHON, **COLAB}.items())
    write_page(ROOT / "reports" / "colab.md", rows, before)
    return int(any(row[1] == "failed" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
