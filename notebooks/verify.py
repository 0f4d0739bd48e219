"""Execute the course once more, in a copy of the project, and name the committed outputs that come out otherwise.

The copy is build/verify/, the profile the full one. Nothing outside the copy is written; stopped, it goes on where it
was. With --from nothing, finished runs and saved models do not count: what a notebook trains is trained, which takes
a day. Only the claims are compared then. Exit code: 0, 1 if a notebook fails or differs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from making import comparing

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "verify"
COPIED = ("denoise_utils", "notebooks", "models", "reports")


def copy_project(from_nothing):
    """Make the copy anew, but for the runs in it that a stopped verification has finished."""
    for name in COPIED:
        shutil.rmtree(COPY / name, ignore_errors=True)
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.ipynb")
            shutil.copytree(ROOT / name, COPY / name, ignore=ignored)
    if (ROOT / "README.md").is_file():
        shutil.copy2(ROOT / "README.md", COPY)  # notebook 14 writes its table into it
    if from_nothing:
        shutil.rmtree(COPY / "models" / "runs", ignore_errors=True)
        for path in sorted((COPY / "models").rglob("*.json")):
            path.write_text(json.dumps(without_training(json.loads(path.read_text()))))


def without_training(card):
    """Return a card that is no longer that of any training, so that its model counts for none."""
    return card | {"settings": {key: value for key, value in card.get("settings", {}).items() if key != "architecture"}}


def execute(only):
    """Execute the notebooks of the copy in the full profile; return the exit code."""
    paths = [str(COPY), os.environ.get("PYTHONPATH")]  # an export needs packages that not everybody has
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    if (ROOT / "data").is_dir():
        environment.setdefault("DENOISE_DATA_DIR", str(ROOT / "data"))
    program = [sys.executable, COPY / "notebooks" / "execute.py", "--profile", "full", *only]
    return subprocess.run(program, env=environment, cwd=COPY).returncode


def compare(claims_only):
    """Return a line for each difference between committed notebooks and those of the copy, and the number of these."""
    executed, lines = sorted((COPY / "notebooks").glob("*.ipynb")), []
    for path in executed:
        committed = ROOT / "notebooks" / path.name
        if not committed.is_file():
            lines.append(f"{path.stem}: not committed yet")
            continue
        old, new = (nbformat.read(one, as_version=4) for one in (committed, path))
        lines += [f"{path.stem}, {line}" for line in comparing.find_differences(old, new, claims_only)]
    return lines, len(executed)


def main():
    """Copy, execute, compare; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--from", dest="source", choices=["runs", "nothing"], default="runs", help="what counts (default: runs)"
    )
    parser.add_argument("only", nargs="*", help="beginnings of names, such as 01 05; default: all")
    arguments = parser.parse_args()
    copy_project(arguments.source == "nothing")
    code = execute(arguments.only)
    if code == 130:
        return code
    lines, number = compare(arguments.source == "nothing")
    print(*lines, f"{number} notebooks executed in {COPY.relative_to(ROOT)}/, {len(lines)} differences.", sep="\n")
    if not code:
        shutil.rmtree(COPY / "build", ignore_errors=True)  # the next one begins anew
    return int(bool(code or lines))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, ValueError) as error:
        print(f"Expected to execute a copy of the project in {COPY}, got: {error}.", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # a second line after that of execute.py would say the same
        sys.exit(130)
