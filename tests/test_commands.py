"""The profile that a command is given is the one that it works in: full asks for the data, quick has images of its own.

The environment names a profile that there is none of, so that whoever asks it instead of the command fails.
"""

from dataclasses import replace

import pytest

from denoise_utils import cli, models, profiles
from denoise_utils.datasets import sources
from denoise_utils.running.run_folder import Places
from denoise_utils.zoo import recipes
from tests.conftest import ABOUT
from tests.making import save, write_npz

STAND_INS = "using images that ship with scikit-learn instead"
COMMANDS = {
    "grade": ["grade", "{root}/models", "--out", "{root}/out", "--images", "20", "--task", "masking"],
    "report": ["report", "{root}/models", "--out", "{root}/out"],
    "reproduce": ["reproduce", "{root}/clutter_tiny.h5"],
    "search": ["search", "--task", "clutter"],
    "train": ["train", "clutter_tiny"],
}
DONE = {
    "grade": "Written to",
    "report": "Written to",
    "reproduce": "identical to the bit",
    "search": "2 trials, 0 of them finished before",
    "train": "clutter_tiny",
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Let every profile be as small as the tests', under a folder of its own, without data.

    Its name decides where images may come from, as ever.
    """
    load = profiles.load_profile
    tiny = replace(load("tiny"), root=tmp_path, output=tmp_path)
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: replace(tiny, name=load(name).name))
    monkeypatch.setattr(profiles, "project_root", lambda: tmp_path)
    monkeypatch.setitem(recipes.ALL, "clutter_tiny", recipes.Recipe("clutter", {"filters": 4, "steps": 2}, epochs=1))
    monkeypatch.setenv("DENOISE_PROFILE", "none such")
    monkeypatch.setenv("DENOISE_OFFLINE", "1")
    monkeypatch.delenv("DENOISE_DATA_DIR", raising=False)
    sources.load_arrays.cache_clear()
    yield tmp_path
    sources.load_arrays.cache_clear()


def run(command, profile, root):
    return cli.main([*(word.format(root=root) for word in COMMANDS[command]), "--profile", profile])


def make_data(root):
    for name in ("mnist", "fashion_mnist"):
        (root / "data").mkdir(exist_ok=True)
        write_npz(root / "data" / f"{name}.npz")


def make_models(command, profile, root):
    """Write what the command is for: a model in a folder of its own, or one with a recipe, trained on the data here."""
    save(root / "models", "masked", models.capped_autoencoder(4, 1), task="masking", role="capped")
    if command == "reproduce":
        from denoise_utils import saving

        made = recipes.train("clutter_tiny", profiles.load_profile(profile), places=Places(root / "made"))
        saving.save_run(made, root, **ABOUT)


@pytest.mark.parametrize("command", COMMANDS)
def test_full_without_data_is_an_error_in_one_line(small, command, capsys):
    make_models(command, "quick", small)
    sources.load_arrays.cache_clear()
    capsys.readouterr()
    assert run(command, "full", small) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: Expected mnist.npz in DENOISE_DATA_DIR or") and said.err.count("\n") == 1
    assert STAND_INS not in said.out and sources.BUNDLED not in said.out


LONG = ("grade", "reproduce", "search")


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=[pytest.mark.stress] * (name in LONG)) for name in COMMANDS]
)
def test_quick_without_data_uses_stand_ins_and_says_so(small, command, capsys):
    make_models(command, "quick", small)
    sources.load_arrays.cache_clear()
    capsys.readouterr()
    assert run(command, "quick", small) == 0
    said = capsys.readouterr().out
    assert said.count(f"No mnist here: {STAND_INS}") == 1 and DONE[command] in said.partition(STAND_INS)[2]


SLOW = [pytest.param(command, profile, marks=pytest.mark.stress) for command in LONG for profile in ("quick", "full")]


@pytest.mark.parametrize(
    ("command", "profile"),
    [(name, profile) for name in COMMANDS if name not in LONG for profile in ("quick", "full")] + SLOW,
)
def test_data_is_used_where_it_is(small, command, profile, capsys):
    make_data(small)
    make_models(command, profile, small)
    assert run(command, profile, small) == 0
    said = capsys.readouterr().out
    assert DONE[command] in said and STAND_INS not in said
    if command in ("train", "search"):
        assert list((small / "build").glob("runs/*" if profile == "full" else "quick/runs/*"))
