"""Write build/handout.zip, what students of a class get: no solutions, no recipes and models that win the assignment.

In it are notebooks 00 to 10 and the appendix A1 as committed, their glossary, the assignment, the package, and the
saved models and finished runs that these notebooks show. docs/students.md becomes its README. Exit code: 0, 2 if
something is missing.
"""

import argparse
import re
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from denoise_utils.system import files
from denoise_utils.zoo import recipes

LAST = 10  # the first notebook that the handout leaves out shows how the winning models are built
APPENDIX = "A1_"  # notebooks 07 and 09 point to it
README = "docs/students.md"
FILES = ("ASSIGNMENT.md", "LICENSE", "pyproject.toml", "requirements.txt", "constraints.txt")
# The recipes of the winning models, and what trains by them.
WITHHELD = {
    f"denoise_utils/{name}.py"
    for name in (
        "zoo/recipes",
        "zoo/step_variants",
        "zoo/standing",
        "zoo/reproduce",
        "cli/training_list",
    )
}
WINNERS = ("tied_denoiser", "step_variant")  # builders; models of theirs, of any task, would be copied
TOP = "denoising"  # the folder that the archive unpacks to


def find_notebooks(root):
    """Return the paths of the executed notebooks 00 to LAST; raise FileNotFoundError if one of their texts has none."""
    names = [path.stem for path in sorted((root / "notebooks" / "text").glob("*.py")) if is_given(path.stem)]
    paths = [root / "notebooks" / f"{name}.ipynb" for name in names]
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise FileNotFoundError(
            f"Expected the executed notebooks 00 to {LAST} in {root / 'notebooks'}, found no "
            f"{', '.join(missing) or '.py in text/'}: make notebooks PROFILE=full makes them."
        )
    return paths


def is_given(name):
    """Say whether the notebook called `name` is one that students get."""
    number = re.match(r"\d\d(?=_)", name)
    return name.startswith(APPENDIX) or (bool(number) and int(number[0]) <= LAST)


def find_models(root, notebooks):
    """Return the paths of the saved models and cards that the notebooks name, and that do not win the assignment."""
    told = "\n".join(path.read_text(encoding="utf-8") for path in notebooks)
    named = set(re.findall(r"\w+", told))
    winning = {name for name, recipe in recipes.ALL.items() if recipe.build in WINNERS}
    models = [path for path in sorted((root / "models").glob("*.h5")) if path.stem in named - winning]
    return [one for path in models for one in (path, path.with_suffix(".json")) if one.is_file()]


def find_runs(root):
    """Return the paths of the files of finished runs, but for those of the recipes, which include the winning ones."""
    runs = (root / "models" / "runs").glob("*-*/")
    given = [run for run in runs if run.name.rpartition("-")[0] not in recipes.ALL and (run / "scores.json").is_file()]
    return [path for run in sorted(given) for path in sorted(run.iterdir())]


def collect(root):
    """Return {name in the archive: path} of all that students get."""
    notebooks = find_notebooks(root)
    package = sorted((root / "denoise_utils").rglob("*"))
    package = [path for path in package if path.is_file() and "__pycache__" not in path.parts]
    glossary = [path for path in [root / "notebooks" / "GLOSSARY.md"] if path.is_file()]
    paths = [*(root / name for name in FILES), *notebooks, *glossary, *package, *find_models(root, notebooks)]
    paths += find_runs(root)
    found = {path.relative_to(root).as_posix(): path for path in paths}
    return {name: path for name, path in found.items() if name not in WITHHELD}


def main():
    """Write the archive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "handout.zip", help="default: build/handout.zip")
    out = parser.parse_args().out
    given = collect(ROOT)
    out.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(out) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in given.items():
            archive.write(path, f"{TOP}/{name}")
        page = (ROOT / README).read_text(encoding="utf-8")
        archive.writestr(f"{TOP}/README.md", page.replace("](../", "]("))  # it lies one folder higher there
    kinds = [sum(name.endswith(ending) for name in given) for ending in (".ipynb", ".h5")]
    print(f"{out}: {kinds[0]} notebooks, {kinds[1]} models, {out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
