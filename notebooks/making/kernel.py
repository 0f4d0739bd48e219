"""Execute the cells of a notebook in a kernel, showing how far it is, and tidy what they printed."""

import re
import time

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

WIDTH = 76  # characters of a progress line
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}

# What TensorFlow says on standard error while it starts, whatever its log level.
STARTUP = re.compile(
    r"^(WARNING: All log messages before absl|[IWE]\d{4} |\d{4}-\d\d-\d\d .*tensorflow|To enable the f).*\n?", re.M
)


# A last line that was meant to be printed over.
PROGRESS = re.compile(r"[^\n]*(\.\.\.|to go) *\Z")
DROPPED = {"stderr": STARTUP, "stdout": PROGRESS}


class ShowingClient(NotebookClient):
    """Execute a notebook and echo the progress lines of its trainings to the terminal."""

    mark = ""  # before each progress line

    def output(self, outs, msg, display_id, cell_index):
        content = msg["content"]
        if msg["msg_type"] == "stream" and "\r" in content["text"]:
            line = self.mark + content["text"].rsplit("\r", 1)[1].rstrip("\n")
            print(f"\r    {line:<{WIDTH}}", end="", flush=True)  # over the last one, perhaps another notebook's
        return super().output(outs, msg, display_id, cell_index)


def name_of(cell):
    """Return the first line of a cell, shortened."""
    first = cell.source.strip().splitlines()[0] if cell.source.strip() else "empty"
    return first[:60]


async def execute(notebook, name, folder, log, tell):
    """Execute `notebook`, called `name`, in `folder`; return (error or None, seconds of each cell as (seconds, cell)).

    `tell(number, count, cell)` is called before each code cell. What TensorFlow and Jupyter say below Python is
    added to the file `log`. Cancelled, it shuts the kernel down; after an error the notebook keeps what was executed.
    """
    notebook.metadata["kernelspec"] = KERNEL
    numbers = number_cells(notebook)
    reached, begun, seconds = min(numbers, default=0), 0.0, []

    def begin(cell, cell_index):
        nonlocal reached, begun
        reached, begun = cell_index, time.perf_counter()
        tell(numbers[cell_index], len(numbers), cell)

    def end(cell, **_):
        seconds.append((time.perf_counter() - begun, cell))

    client = ShowingClient(
        notebook,
        timeout=None,
        kernel_name="python3",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
        on_cell_execute=begin,
        on_cell_executed=end,
    )
    client.mark = f"{name[:2]} "
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(log, "ab") as file:
            await client.async_execute(stderr=file)
    except (CellExecutionError, DeadKernelError) as error:
        text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # the kernel's colours
        return f"{name}, code cell {numbers[reached]} ({name_of(notebook.cells[reached])}):\n{text}", seconds
    finally:
        tidy(notebook)
    return None, seconds


def number_cells(notebook):
    """Return {index of a code cell: its number, from 1}."""
    code = (index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code")
    return {index: number for number, index in enumerate(code, 1)}


def tidy(notebook):
    """Drop TensorFlow's start-up lines, execution times and other metadata that change by themselves."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        kept = []
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = DROPPED[output.name].sub("", output.text)
                if not output.text.strip():
                    continue
            if "application/vnd.jupyter.widget-view+json" not in output.get("data", {}):  # dead without its kernel
                kept.append(output)
        if cell.cell_type == "code":
            cell.outputs = kept
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
