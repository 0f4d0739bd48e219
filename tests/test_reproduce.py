"""The same settings give the same bits; reproduce says so, and says what differs where they do not."""

import subprocess
import sys
from dataclasses import replace

import pytest

from denoise_utils import profiles, saving
from denoise_utils.system import files
from denoise_utils.zoo import recipes, reproduce
from tests.conftest import ABOUT, ROOT


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """The tiny profile, with its runs in a folder of their own."""
    return replace(profiles.load_profile("tiny"), root=tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def saved(profile):
    """A model of two epochs, saved with its card."""
    run = recipes.train("clutter_tiny", profile, epochs=2, seed=3)
    saving.save_run(run, profile.root, **ABOUT)
    return profile.root / "clutter_tiny.h5"


@pytest.mark.stress
def test_two_epochs_give_the_same_bits_twice(profile, saved):
    found = reproduce.reproduce(saved, profile)
    assert found["identical"] and found["weights"] == 0 and not found["settings"] and not found["versions"]
    assert all(old == new for old, new in found["scores"].values())
    assert "identical to the bit" in reproduce.describe(found)
    assert not list((profile.runs.parent / "reproduced").iterdir())  # nothing that a second call could load


PROGRAM = """
import sys
from dataclasses import replace
from pathlib import Path
from denoise_utils import profiles
from denoise_utils.zoo import recipes
recipes.train("clutter_tiny", replace(profiles.load_profile("tiny"), root=Path(sys.argv[1])), epochs=2, seed=3)
"""


@pytest.mark.stress
def test_another_process_gives_the_same_bytes(saved, tmp_path):
    subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], check=True, cwd=ROOT, capture_output=True)
    again = saving.load_model(next(tmp_path.rglob("best.h5")))
    pairs = zip(saving.load_model(saved).get_weights(), again.get_weights(), strict=True)
    assert all(one.tobytes() == other.tobytes() for one, other in pairs)


def test_the_card_sets_the_training_not_the_recipe(profile, saved):
    card = saving.read_card(saved)
    card["settings"] |= {"learning_rate": 1e-3, "batch_size": 64}
    files.write_json(saved.with_name("slow.json"), card | {"machine": "a mainframe"})
    saved.with_name("slow.h5").write_bytes(saved.read_bytes())
    found = reproduce.reproduce(saved.with_name("slow.h5"), profile)
    assert not found["settings"] and not found["identical"]
    assert "machines: a mainframe, now" in reproduce.describe(found)


def test_another_seed_is_told_apart(profile, saved):
    card = saving.read_card(saved)
    card["settings"]["seed"] = 4
    files.write_json(saved.with_name("other.json"), card)
    saved.with_name("other.h5").write_bytes(saved.read_bytes())
    found = reproduce.reproduce(saved.with_name("other.h5"), profile)
    assert not found["identical"] and found["weights"] > 0
    assert "largest difference" in reproduce.describe(found)


def test_model_without_a_recipe_is_refused(profile, saved):
    card = saving.read_card(saved)
    card["settings"]["name"] = "somebody's"
    files.write_json(saved.with_name("stranger.json"), card)
    saved.with_name("stranger.h5").write_bytes(saved.read_bytes())
    with pytest.raises(ValueError, match="can train"):
        reproduce.reproduce(saved.with_name("stranger.h5"), profile)
    card["settings"] |= {"name": "clutter_tiny", "architecture": "another"}
    files.write_json(saved.with_name("stranger.json"), card)
    with pytest.raises(ValueError, match="it was changed since"):
        reproduce.reproduce(saved.with_name("stranger.h5"), profile)


@pytest.mark.parametrize("task", ["colour", "gaussian", "occlusion", "watermark"])
def test_model_of_a_notebook_that_shares_its_name_with_a_recipe_is_refused(profile, task):
    path = ROOT / "models" / f"{task}_cap_baseline.h5"
    assert saving.read_card(path)["settings"]["name"] == f"{task}_small" in recipes.ALL
    with pytest.raises(ValueError, match=f"got {path.name}.*no recipe trains it; a notebook did") as refused:
        reproduce.reproduce(path, profile)
    assert "\n" not in str(refused.value)
