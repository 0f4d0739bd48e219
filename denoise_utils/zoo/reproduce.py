"""Train a saved model again from its card, and say how far the new one is from the file."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from denoise_utils import evaluation, noise, saving
from denoise_utils.measures.table import MEASURES
from denoise_utils.profiles import Profile
from denoise_utils.running.run_folder import Places
from denoise_utils.running.settings import OF_ITS_DATA, Settings, fingerprint
from denoise_utils.saved import cards
from denoise_utils.zoo import recipes


def reproduce(path: Path, profile: Profile) -> dict:
    """Retrain the model at `path` from the settings of its card; return what differs, as a dict.

    The training is a run of its own: killed, it goes on; once compared, it is removed, so that it is
    trained anew the next time. `settings` names those that are not the card's (data, architecture); without any,
    the same versions, machine and number of threads give the same bits (after a kill, but for dropout:
    see `training.train`). Raises ValueError for a model that has no recipe.
    """
    card = saving.read_card(path)
    old = card.get("settings", {})
    name = old.get("name")  # the file may be called by its seed
    if name not in recipes.ALL:
        raise ValueError(
            f"Expected a model that recipes.py can train ({', '.join(recipes.ALL)}), got {path.name} of {name}: "
            "its notebook trains it."
        )
    recipe = recipes.ALL[name]
    if old.get("architecture") != fingerprint(recipes.builder(recipe, profile)()):
        raise ValueError(_say_why_another(path, old, recipes.settings_of(name, profile)))
    changes = {key: value for key, value in vars(Settings.read(old)).items() if key not in ("name", *OF_ITS_DATA)}
    run = recipes.train(name, profile, **changes | {"keep": ()}, places=Places(profile.runs.parent / "reproduced"))
    new, model = run.settings.as_json(), saving.load_model(path)
    found = {"name": name, "settings": sorted(k for k in old.keys() | new.keys() if old.get(k) != new.get(k))}
    found["versions"] = {p: v for p, v in card.get("versions", {}).items() if v != cards.find_version(p)}
    found["machines"] = [card.get("machine"), saving.machine()]
    found |= _compare(model, run.model, recipe, profile)
    shutil.rmtree(run.folder.path)
    return found


def _say_why_another(path, old, ours):
    """Say why the model at `path`, of the card's settings `old`, is not of the recipe with the Settings `ours`.

    Seed and epochs do not count: a recipe is trained under several seeds, and in fewer epochs in a short profile.
    """
    if replace(ours, **{key: old.get(key) for key in ("seed", "epochs")}).trains_as(old):
        return f"Expected the architecture that recipes.py has for {ours.name}, got another: it was changed since."
    return (
        f"Expected a model that recipes.py can train, got {path.name}, whose run was called {ours.name} and trained "
        "otherwise: no recipe trains it; a notebook did, and the card has its settings."
    )


def _compare(old, new, recipe, profile):
    """Return the differences in weights and in test scores of two models of a recipe."""
    weights = zip(old.get_weights(), new.get_weights(), strict=True)
    differences = [float(np.abs(a - b).max()) if a.shape == b.shape else np.inf for a, b in weights]
    sizes = {"num_train": 1, "num_val": 1, "num_test": profile.num_test, "profile": profile}
    test = noise.load_task(recipe.task, **sizes, **recipe.strength).test
    scores = [evaluation.score_model(model, test) for model in (old, new)]
    keys = [key for key in MEASURES if scores[0][key] is not None]  # nobody is here to read digits
    return {
        "identical": max(differences) == 0,
        "weights": max(differences),
        "scores": {key: (scores[0][key], scores[1][key]) for key in keys},
    }


def describe(found):
    """Return what `reproduce` found as text."""
    lines = [f"{found['name']}: weights " + ("identical to the bit" if found["identical"] else "not identical")]
    if not found["identical"]:
        lines[0] += f", largest difference {found['weights']:.3g}"
    if found["settings"]:
        lines.append(f"settings that are not the card's: {', '.join(found['settings'])}")
    if found["versions"]:
        lines.append("versions of the card: " + ", ".join(f"{k} {v}" for k, v in found["versions"].items()))
    if len(set(found["machines"])) > 1:
        lines.append("machines: {}, now {}".format(*found["machines"]))
    lines += [f"{key:>7}: saved {a:.5f}, again {b:.5f} ({b - a:+.5f})" for key, (a, b) in found["scores"].items()]
    return "\n".join(lines)
