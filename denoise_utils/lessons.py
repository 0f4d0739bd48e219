"""What a notebook of the course does besides teaching: begin, find its models, check an exercise, hold a claim."""

import functools
import os
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from denoise_utils import profiles, saving
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.system import addresses, files, streams

if TYPE_CHECKING:  # Keras takes seconds, and a notebook begins without it
    import keras

MODELS = "models/{name}.h5"  # below the repository's address, and below the project's folder
SECONDS = 30  # that a download may keep still


def start_keras() -> None:
    """Import Keras without what TensorFlow writes to standard error while it starts, whatever its log level."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with open(os.devnull, "w") as nowhere, streams.send_to(nowhere, 2):
        import keras  # noqa: F401


def begin(loads: Iterable[str] = (), seed: int = 0) -> tuple[profiles.Profile, int]:
    """Print what a notebook's numbers depend on, and which finished trainings it loads; return profile and seed.

    `loads` holds the names of saved models and finished runs, such as "digit_judge".
    """
    streams.quiet_tensorflow()
    profile = profiles.load_profile()
    print(profiles.describe(profile, seed))
    if profile.name != "full":
        print("This is a short run: your numbers will differ from those in the text, which tells of the full one.")
    if loads:
        print(f"Loaded here, trained before: {', '.join(loads)}.")
    return profile, seed


def find_model(name: str, profile: profiles.Profile) -> Path:
    """Return the path of the saved model called `name`: of this profile, else the one that the course brings.

    Where the package is installed without the course, the model is fetched from the repository that the package names.
    Raises FileNotFoundError if there is none to be had.
    """
    own, committed = (root / MODELS.format(name=name) for root in (profile.output, profile.root))
    if own.is_file():
        return own
    if not committed.is_file():
        _fetch(name, committed)
    _say_brought(name, committed)
    return committed


@functools.cache  # once
def _say_brought(name: str, path: Path) -> None:
    print(f"{name}: the model that the course brings.")


def load_model(name: str, profile: profiles.Profile) -> "keras.Model":
    """Return the saved model called `name`; see find_model."""
    return saving.load_model(find_model(name, profile))


def load_rivals(names: Iterable[str], profile: profiles.Profile) -> "dict[str, keras.Model]":
    """Return {name: model} of the saved models called `names`, without those that are not to be had.

    A class's handout lacks the models of the course's best recipe: it says so, and the lesson goes on without them.
    """
    found = {}
    for name in names:
        try:
            found[name] = load_model(name, profile)
        except FileNotFoundError:
            print(f"{name}: not part of this handout. What the text says of it holds in the whole course.")
    return found


def find_runs(name: str, profile: profiles.Profile) -> list[RunFolder]:
    """Return the finished runs of the recipe `name` that came with the course, one for each seed, in their order.

    Each has `settings`, `history` (a dict an epoch: loss, val_loss) and `scores` on the validation images. Raises
    ValueError where one seed has two, of which one must be of other settings.
    """
    shelf = profile.root / "models" / "runs"
    found = [RunFolder(path) for path in shelf.glob(f"{name}-*") if path.name.rpartition("-")[0] == name]
    by_seed = {}
    for run in (run for run in found if run.finished):
        other = by_seed.setdefault(run.settings["seed"], run)
        if other is not run:
            paths = f"{other.path} and {run.path}"
            raise ValueError(f"Expected one run of {name} for each seed, got {paths}: move the older one away.")
    return [by_seed[seed] for seed in sorted(by_seed)]


def repository() -> str:
    """Return the address of the repository that the installed package names, such as https://github.com/OWNER/NAME."""
    return addresses.read_addresses().get("Repository", "")


def _fetch(name: str, path: Path) -> None:
    """Download the model called `name` to `path`; raise FileNotFoundError with what to do instead."""
    address = repository().replace("https://github.com", "https://raw.githubusercontent.com")
    address += "/main/" + MODELS.format(name=name)
    do = f"Put {name}.h5 of the course's models/ at {path}, or run this notebook in a clone of the course."
    if "raw.githubusercontent.com" not in address or "/OWNER/" in address:
        raise FileNotFoundError(f"Expected the model {name} at {path}, found none, and no repository is named. {do}")
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read()
    except OSError as error:
        raise FileNotFoundError(f"Expected the model {name} at {address}, got: {error}. {do}") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(path) as temporary:
        temporary.write_bytes(content)


def claim(sentence: str, holds: bool, here: str, profile: profiles.Profile) -> None:
    """Hold a sentence of the text to the numbers: full runs must bear it out, of others it is said how they are.

    `holds` is whether the numbers bear the `sentence` out; `here` tells the numbers of this run.
    Raises ValueError with the sentence in the full profile, if they do not.
    """
    if holds:
        print(f"holds: {sentence} ({here})")
    elif profile.name == "full":
        raise ValueError(
            f'Expected the numbers to bear out "{sentence}", got: {here}. Change the text, or find out why.'
        )
    else:
        print(f"here: {here}. The text's full run says: {sentence}")


def check(answer: Any, right: Any, hint: str, *arguments: Any) -> None:
    """Print "right", the `hint`, or "not answered yet" for the `answer` of an exercise; never raise.

    `answer` is a value, or a function that returns one when it is called with the `arguments`.
    It is not answered while it is `...` or None. `right` is the value expected (fractions to 1 in 1,000),
    or a function of the answer that returns whether it is right.
    """
    raised = "your answer"
    try:
        value = answer(*arguments) if callable(answer) else answer
        if value is None or value is ...:
            print("not answered yet")
            return
        raised = "its check"
        good = right(value) if callable(right) else _equal(value, right)
        print("right" if good else f"not yet: {hint}")
    except Exception as error:  # whatever an answer does, the notebook goes on
        print(f"not yet: {hint} ({raised} raised {type(error).__name__}: {error})")


def _equal(value: Any, right: Any) -> bool:
    """Tell whether two values are equal, arrays in shape too, whole numbers exactly, others to 1 in 1,000."""
    if isinstance(right, str | bool):
        return value == right
    if np.asarray(right).dtype.kind in "iu":
        return np.array_equal(value, right)
    return np.shape(value) == np.shape(right) and bool(np.allclose(value, right, rtol=1e-3))
