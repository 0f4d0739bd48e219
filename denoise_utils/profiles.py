"""How much of everything: the profile (quick, full), its sizes and its folders."""

import contextlib
import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

# The assignment, which another year may change: ASSIGNMENT.md tells it to students, and a test compares.
CAP = 3600  # parameters that it allows, trainable or not
TASK = "clutter"  # the noise to remove, a key of noise.TASKS
RANKED_BY = "excess"  # the measure that decides, one that grading.one.MEASURED computes for each image
SIDE = 28  # pixels a side of the pictures of every task

FULL_GRID = {
    "filters": [12, 16, 20, 24],
    "depth": [1, 2, 3],
    "optimizer": ["adam", "nadam"],
    "batch_size": [32, 128],
    "learning_rate": [1e-3, 4e-3],
    "epochs": [4, 8],
}
QUICK_GRID = FULL_GRID | {
    "filters": [12, 20, 24],
    "optimizer": ["adam"],
    "batch_size": [32],
    "learning_rate": [4e-3],
    "epochs": [1, 2],
}
TINY_GRID = QUICK_GRID | {"filters": [8, 20], "depth": [2]}


@dataclass(frozen=True)
class Profile:
    """Sizes and folders of one profile; a number of images of None means all there are."""

    name: str
    num_train: int | None
    num_val: int | None
    num_test: int | None
    search_train: int  # images that one trial of the grid search trains on
    search_val: int
    grid: dict
    epochs: int  # at most; early stopping may end a training before
    judge_epochs: int
    seeds: tuple  # of the trainings that are compared
    root: Path
    output: Path

    def pick(self, full, otherwise):
        """Return `full` in the profile "full", else `otherwise`."""
        return full if self.name == "full" else otherwise

    @property
    def models(self):
        """Folder of the saved models."""
        return self.output / "models"

    @property
    def reports(self):
        """Folder of what graders read: tables, pages and figures."""
        return self.output / "reports"

    @property
    def runs(self):
        """Folder of the training runs; ignored by git."""
        return self.root / "build" / ("runs" if self.name == "full" else f"{self.name}/runs")

    @property
    def shelf(self):
        """Folder of the finished runs that travel with the repository; None but in the full profile."""
        return self.models / "runs" if self.name == "full" else None


def project_root() -> Path:
    """Return the project's folder: the nearest above the working folder, else the package's own."""
    here = Path.cwd().resolve()
    beside_package = Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents, beside_package):
        if (folder / "notebooks").is_dir() and (folder / "denoise_utils").is_dir():
            return folder
    return here


def resolve(path: str | Path) -> Path:
    """Return `path` from the working folder, else from the project's: notebooks run in a folder of their own."""
    path = Path(path)
    with contextlib.suppress(RuntimeError):  # of a user who is none
        path = path.expanduser()
    return path.resolve() if path.exists() else project_root() / path


def load_profile(name: str | None = None) -> Profile:
    """Return the profile called `name`, by default that of DENOISE_PROFILE, else "quick".

    "full" writes to models/ and reports/; the others write under build/ only.
    "tiny" exists for the tests. Raises ValueError for any other name.
    """
    name = name or os.environ.get("DENOISE_PROFILE") or "quick"
    root = project_root()
    if name == "full":
        return Profile(name, None, None, None, 6000, 2000, FULL_GRID, 100, 14, (0, 1, 2), root, root)
    output = root / "build" / name
    if name == "quick":
        return Profile(name, 1500, 100, 200, 600, 100, QUICK_GRID, 6, 4, (0,), root, output)
    if name == "tiny":
        return Profile(name, 200, 60, 100, 100, 60, TINY_GRID, 2, 1, (0,), root, output)
    raise ValueError(f'Expected the profile "quick" or "full", got "{name}": set DENOISE_PROFILE.')


def describe(profile: Profile, seed: int) -> str:
    """Return one line: the profile, the seed and the versions that a result depends on."""
    packages = ("tensorflow", "keras", "keras-tuner", "numpy", "scikit-image")
    versions = ", ".join(f"{package} {metadata.version(package)}" for package in packages)
    return f"profile {profile.name}, seed {seed}; Python {platform.python_version()}, {versions}"
