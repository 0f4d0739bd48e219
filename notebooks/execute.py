"""Make the notebooks from notebooks/text/*.py and execute them in order, showing progress.

The profile "full" writes them to notebooks/, any other to build/PROFILE/notebooks/; with --solutions, which puts
notebooks/solutions/ in the cells of the exercises, any to build/PROFILE/solutions/. Two are executed side by side
where there are two cores, but one that measures time alone, at the end. At the first error it names the cell, keeps
what was executed under build/, and exits with 1. With --record it writes what each took into reports/minutes.csv
and into the lessons.
"""

import argparse
import os
import shutil
import sys
import time
from functools import partial
from pathlib import Path

import jupytext
import nbformat
from making import exercises, figures, kernel, minutes, side_by_side

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # this project's package, whichever is installed

from denoise_utils.system import files

SLOWEST = 10  # cells that are named at the end


class Failed(Exception):
    """A notebook that could not be executed to its end, or whose solutions are not right."""


async def execute(path, position, started, solved, folder):
    """Execute the notebook in the text file `path`, write it to `folder`, and return what its cells took.

    `solved` puts the solutions in. Raises Failed for a cell that fails, or a solution that is not right.
    """

    def tell(number, count, cell):
        spent = time.perf_counter() - started
        print(f"\n{spent:6.0f} s  {position} {path.stem}, cell {number}/{count}: {kernel.name_of(cell)}", end="")
        sys.stdout.flush()

    notebook, solutions = jupytext.read(path), path.parents[1] / "solutions" / path.name
    solved = solved and solutions.is_file()
    if solved:
        exercises.put_in(notebook, exercises.read_solutions(solutions), path.stem)
    log = ROOT / "build" / "kernel.log"
    error, seconds = await kernel.execute(notebook, path.stem, ROOT / "notebooks", log, tell)
    scale = figures.store(notebook)
    if scale < 1:
        print(f"\n{path.stem}: much to show; its large figures are kept at {scale:.0%} of their resolution", end="")
    wrong = exercises.find_wrong(notebook) if solved and not error else []
    if wrong:
        number, printed = wrong[0]
        error = f'{path.stem}, exercise {number}: expected its check to print "right", got: {printed}'
    if error:
        kept = ROOT / "build" / "failed" / f"{path.stem}.ipynb"
        write(notebook, kept)
        raise Failed(f"{error}\nWhat was executed is in {kept.relative_to(ROOT)}.")
    write(notebook, folder / f"{path.stem}.ipynb")
    return [minutes.Took(spent, path.stem, kernel.name_of(cell), minutes.trains(cell)) for spent, cell in seconds]


async def execute_all(paths, at_once, solved, folder):
    """Execute notebooks, `at_once` at a time, those that measure time alone and last; return what all cells took."""
    started, alone = time.perf_counter(), [path for path in paths if minutes.measures_time(path)]
    found = []
    for some, number in (([path for path in paths if path not in alone], at_once), (alone, 1)):
        positions = {path: f"[{paths.index(path) + 1}/{len(paths)}]" for path in some}
        makers = [partial(execute, path, positions[path], started, solved, folder) for path in some]
        found += await side_by_side.each(makers, number)
    return [cell for cells in found for cell in cells]


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


def parse():
    """Return the arguments, and the texts of the notebooks that they name."""
    parser, default = argparse.ArgumentParser(description=__doc__), min(2, os.cpu_count() or 1)
    parser.add_argument("--profile", default=os.environ.get("DENOISE_PROFILE") or "quick", help="quick or full")
    parser.add_argument("--solutions", action="store_true", help="with the solutions of the exercises put in")
    parser.add_argument(
        "--at-once", type=int, default=default, help="notebooks side by side (default here: %(default)s)"
    )
    parser.add_argument("--record", action="store_true", help="write reports/minutes.csv")
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 01 05; default: all")
    arguments = parser.parse_args()
    if arguments.profile not in ("quick", "full", "tiny"):
        parser.error(f'expected the profile "quick" or "full", got "{arguments.profile}"')
    if arguments.record and (arguments.solutions or arguments.profile == "tiny"):
        parser.error("expected --record in the profile quick or full, without --solutions")
    if arguments.at_once < 1:
        parser.error(f"expected one notebook at once, or more, got {arguments.at_once}")
    paths = sorted((ROOT / "notebooks" / "text").glob("*.py"))
    paths = [p for p in paths if not arguments.only or p.name.startswith(tuple(arguments.only))]
    if not paths:
        parser.error(f"expected the beginning of a notebook's name, got {' '.join(arguments.only)}")
    return arguments, paths


def main():
    """Execute all notebooks, or those whose names begin with the words given."""
    arguments, paths = parse()
    os.environ |= {"DENOISE_PROFILE": arguments.profile, "TF_CPP_MIN_LOG_LEVEL": "3"}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    at_once = min(arguments.at_once, len(paths))
    if at_once > 1:  # each its share of the cores
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    output = ROOT if arguments.profile == "full" else ROOT / "build" / arguments.profile
    folder = ROOT / "build" / arguments.profile / "solutions" if arguments.solutions else output / "notebooks"
    started = time.perf_counter()
    print(f"Executing {len(paths)} notebooks, {at_once} at once, profile {arguments.profile}.", end="")
    try:
        cells = side_by_side.run(execute_all(paths, at_once, arguments.solutions, folder))
    except Failed as error:
        print(f"\nFailed in {error}", flush=True)
        return 1
    whole = time.perf_counter() - started
    if arguments.record:
        minutes.record(ROOT, arguments.profile, cells, at_once, None if arguments.only else whole)
        minutes.tell(ROOT)
    print("\nThe slowest cells:")
    for cell in sorted(cells, reverse=True)[:SLOWEST]:
        print(f"{cell.seconds:6.0f} s  {cell.notebook}: {cell.line}")
    print(f"Done in {whole / 60:.1f} minutes: notebooks in {folder.relative_to(ROOT)}/,", end=" ")
    print(f"the budget report in {(output / 'reports').relative_to(ROOT)}/budget.html")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except OSError as error:
        print(f"\nExpected to write in {ROOT}, got: {error}. Make room, or make it writable.", file=sys.stderr)
        sys.exit(2)
    except ValueError as error:  # of solutions that do not fit their notebook
        print(f"\n{error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\nStopped. What was finished is kept: the same command goes on from there.", file=sys.stderr)
        sys.exit(130)
