"""Say of each recipe how far its training is and how long it will take, from what lies in folders: no TensorFlow."""

from dataclasses import dataclass

from denoise_utils import noise, saving
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.saved import cards
from denoise_utils.zoo import recipes


@dataclass(frozen=True)
class Standing:
    """How far the training of a recipe with one seed is."""

    name: str
    seed: int
    epochs: int  # in all
    seconds: tuple = ()  # of each epoch so far
    finished: bool = False

    @property
    def state(self):
        """In words: finished, epoch k of n, not begun."""
        if self.finished:
            return "finished"
        return f"epoch {len(self.seconds)} of {self.epochs}" if self.seconds else "not begun"


def find_standing(name, profile, seed=0):
    """Return the Standing of the recipe `name`: of its run here or on the shelf, or of the saved model it became."""
    wanted = recipes.settings_of(name, profile, seed)
    places = recipes.places_of(name, profile, seed)
    found = [path for place in (places.runs, places.shelf) if place for path in sorted(place.glob(f"{name}-*"))]
    folders = map(RunFolder, found)
    found = [folder for folder in folders if _is_of(folder.settings, wanted, profile)]
    furthest = max(found, key=lambda folder: (folder.finished, len(folder.history)), default=None)
    if furthest and furthest.finished:
        return Standing(name, seed, wanted.epochs, _seconds(furthest.history), finished=True)
    for path in places.saved:
        if path.is_file():
            card = saving.read_card(path)
            if _is_of(card.get("settings", {}), wanted, profile):
                return Standing(name, seed, wanted.epochs, _seconds(cards.read_history(card)), finished=True)
    return Standing(name, seed, wanted.epochs, _seconds(furthest.history) if furthest else ())


def _is_of(told, wanted, profile):
    """Say whether the settings that a run or a card has are those of a recipe, as far as is known without the data."""
    images = told.get("data", {}).get("images", {}).get("train")
    return wanted.trains_as(told) and images == (profile.num_train or images)


def _seconds(history):
    return tuple(log["seconds"] for log in history)


def estimate(standings):
    """Return {(name, seed): minutes that are left, or None where nothing like it was measured}.

    An epoch takes as long as the run's own epochs did, else those of the recipe that is most like it: the same
    builder and data; the time of a weight-tied model is taken to go with its multiplications.
    """
    measured = {}
    for one in standings:
        if one.seconds:
            measured.setdefault(one.name, []).extend(one.seconds)
    measured = {name: sum(seconds) / len(seconds) for name, seconds in measured.items()}
    left = {}
    for one in standings:
        each = sum(one.seconds) / len(one.seconds) if one.seconds else _epoch(one.name, measured)
        to_go = 0 if one.finished else one.epochs - len(one.seconds)
        left[one.name, one.seed] = 0.0 if not to_go else each and to_go * each / 60
    return left


def _epoch(name, measured):
    """Return the seconds that an epoch of a recipe takes by those that were measured, or None."""
    recipe = recipes.ALL[name]
    like = {
        other: seconds * _work(recipe) / _work(recipes.ALL[other])
        for other, seconds in measured.items()
        if recipes.ALL[other].build == recipe.build and _dataset(recipes.ALL[other]) == _dataset(recipe)
    }
    nearest = min(like, key=lambda other: abs(_work(recipes.ALL[other]) - _work(recipe)), default=None)
    return measured.get(name, like.get(nearest))


def _dataset(recipe):
    return noise.TASKS[recipe.task].dataset


def _work(recipe):
    """Return about how many multiplications a pixel takes, of a weight-tied model; 1 for all others."""
    options = recipe.options
    if "steps" not in options:
        return 1
    taps, wide = options.get("turned") or (6 if options.get("separable") else 9), 2 if options.get("signs") else 1
    return options["steps"] * options["filters"] ** 2 * taps * wide
