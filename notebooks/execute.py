"""Make the notebooks from notebooks/text/*.py and execute them in order, showing progress.

The profile "full" writes them to notebooks/, any other to build/PROFILE/notebooks/. At the
first error it names the cell, keeps what was executed under build/, and exits with 1.
"""

import argparse
import asyncio
import base64
import io
import os
import re
import shutil
import sys
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this project's package, whichever is installed

from denoise_utils.system import files

MOST = 490_000  # characters of a notebook; one with more is stored with the second palette
PALETTES = ((64, None), (24, 96))  # of a gray picture, and of a colour photograph (None: all its colours)
DRAWING = 64  # colours of a drawing, which are told apart by them

# What TensorFlow says on standard error while it starts, whatever its log level.
STARTUP = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]\d{4} |\d{4}-\d\d-\d\d .*tensorflow|To enable the f).*\n?", re.M
)


class ShowingClient(NotebookClient):
    """Execute a notebook and echo the progress lines of its trainings to the terminal."""

    cleanup = None  # the shutdown of the kernel, once it has begun

    @property
    def stopped(self):
        """Whether Ctrl-C, or a request to end, shut the kernel down: nbclient calls both a dead kernel."""
        return hasattr(self, "_async_cleanup_kernel_future")

    async def _async_cleanup_kernel(self):
        """Shut the kernel down once: nbclient asks for it at Ctrl-C and again at its end, and fails then."""
        if self.cleanup is None:
            self.cleanup = asyncio.ensure_future(super()._async_cleanup_kernel())
        await self.cleanup

    async def _async_check_alive(self):
        """Report a kernel that was shut down as dead: nbclient's watch over it would fail, not end."""
        if self.kc is None:
            raise DeadKernelError("The kernel was shut down")
        await super()._async_check_alive()

    def output(self, outs, msg, display_id, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream" and "\r" in content["text"]:
            sys.stdout.write("\r    " + content["text"].rsplit("\r", 1)[1].rstrip("\n"))
            sys.stdout.flush()
        return super().output(outs, msg, display_id, cell_index)


def name_of(cell):
    """Return the first line of a cell, shortened."""
    first = cell.source.strip().splitlines()[0] if cell.source.strip() else "empty"
    return first[:60]


def execute(path, position, started):
    """Execute the notebook in the text file `path`; return it and the error's text, or None."""
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    numbers = {i: n for n, i in enumerate((i for i, c in enumerate(notebook.cells) if c.cell_type == "code"), 1)}
    reached = min(numbers)

    def show(cell, cell_index):
        nonlocal reached
        reached = cell_index
        spent = time.perf_counter() - started
        where = f"{position} {path.stem}, cell {numbers[cell_index]}/{len(numbers)}"
        print(f"\n{spent:6.0f} s  {where}: {name_of(cell)}", end="", flush=True)

    client = ShowingClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(ROOT / "notebooks")}},
        on_cell_execute=show,
    )
    log = ROOT / "build" / "kernel.log"  # what TensorFlow and Jupyter say below Python
    log.parent.mkdir(exist_ok=True)
    try:
        with open(log, "ab") as file:
            client.execute(stderr=file)
    except (CellExecutionError, DeadKernelError) as error:
        if client.stopped:
            raise KeyboardInterrupt from None
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # the kernel's colours
        return notebook, f"{path.stem}, code cell {numbers[reached]} ({name_of(notebook.cells[reached])}):\n{text}"
    finally:
        tidy(notebook)
    return notebook, None


def tidy(notebook):
    """Drop TensorFlow's start-up lines, execution times and other metadata that change by themselves."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        kept = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream" and output.name == "stderr":
                output.text = STARTUP.sub("", output.text)
                if not output.text.strip():
                    continue
            if "application/vnd.jupyter.widget-view+json" not in output.get("data", {}):  # dead without its kernel
                kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    notebook.metadata = {"kernelspec": notebook.metadata["kernelspec"], "language_info": {"name": "python"}}
    for gray, photograph in PALETTES:
        shrink_figures(notebook, gray, photograph)
        if len(nbformat.writes(notebook)) <= MOST:
            break


def shrink_figures(notebook, gray, photograph):
    """Store the figures with as few grays or colours as told."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if "image/png" in output.get("data", {}):
            output.data["image/png"] = shrink(output.data["image/png"], gray, photograph)


def shrink(png, gray, photograph):
    """Return a figure (PNG as base64) with so many grays, or colours of a photograph, None for all."""
    image = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    colours, number, method = image.getcolors(5000), photograph, Image.Quantize.MEDIANCUT
    if colours and all(red == green == blue for _, (red, green, blue) in colours):
        number = gray
    elif colours:
        number, method = DRAWING, Image.Quantize.MAXCOVERAGE  # median cut loses the colours of thin lines
    if number:
        image = image.quantize(number, method, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def write(notebook, path):
    """Write the notebook to `path` in one piece; an edited one that it replaces is kept under build/."""
    if path.is_file() and path.parent == ROOT / "notebooks":
        old = nbformat.read(path, as_version=4)
        if [c.source for c in old.cells] != [c.source for c in notebook.cells]:
            kept = ROOT / "build" / "replaced" / f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}.ipynb"
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, kept)
            print(f"\n{path.name} had other cells than its text; a copy is in {kept.relative_to(ROOT)}", end="")
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # random ids would make every execution a change
    files.write_text(path, nbformat.writes(notebook) + "\n")


def main():
    """Execute all notebooks, or those whose names begin with the words given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default=os.environ.get("DENOISE_PROFILE") or "quick", help="quick or full")
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 01 05; default: all")
    arguments = parser.parse_args()
    if arguments.profile not in ("quick", "full", "tiny"):
        parser.error(f'expected the profile "quick" or "full", got "{arguments.profile}"')
    paths = sorted((ROOT / "notebooks" / "text").glob("*.py"))
    paths = [p for p in paths if not arguments.only or p.name.startswith(tuple(arguments.only))]
    if not paths:
        parser.error(f"expected the beginning of a notebook's name, got {' '.join(arguments.only)}")
    os.environ |= {"DENOISE_PROFILE": arguments.profile, "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    full = arguments.profile == "full"
    folder = ROOT / "notebooks" if full else ROOT / "build" / arguments.profile / "notebooks"
    started = time.perf_counter()
    print(f"Executing {len(paths)} notebooks, profile {arguments.profile}.", end="")
    for number, path in enumerate(paths, 1):
        notebook, error = execute(path, f"[{number}/{len(paths)}]", started)
        if error:
            kept = ROOT / "build" / "failed" / f"{path.stem}.ipynb"
            write(notebook, kept)
            print(f"\nFailed in {error}\nWhat was executed is in {kept.relative_to(ROOT)}.", flush=True)
            return 1
        write(notebook, folder / f"{path.stem}.ipynb")
    minutes = (time.perf_counter() - started) / 60
    reports = ROOT / "reports" if full else ROOT / "build" / arguments.profile / "reports"
    print(f"\nDone in {minutes:.1f} minutes: notebooks in {folder.relative_to(ROOT)}/,", end=" ")
    print(f"the budget report in {reports.relative_to(ROOT)}/budget.html")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"\nExpected to write in {ROOT}, got: {error}. Make room, or make it writable.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept: the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
