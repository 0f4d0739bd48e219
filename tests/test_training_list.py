"""The command that trains a list of recipes, and the list of how far each is."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from denoise_utils import cli, profiles
from denoise_utils.cli import training_list
from denoise_utils.running.run_folder import RunFolder
from denoise_utils.zoo import recipes, standing
from tests.conftest import ROOT

SHORT = ["clutter_tiny", "occlusion_small"]


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """The tests' profile with folders of its own, which commands get as well."""
    profile = replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: profile)
    return profile


def lines_of(text):
    return {tuple(line.split()[:2]): line for line in text.splitlines()}


@pytest.mark.stress
def test_list_is_trained_one_after_the_other_and_goes_on(tiny, capsys):
    assert cli.main(["train", "clutter_tiny", "--seeds", "1"]) == 0
    capsys.readouterr()
    assert cli.main(["train", *SHORT, "--seeds", "0", "1"]) == 0
    printed = capsys.readouterr().out
    table = [line.split() for line in printed.splitlines() if line.split()[:1] and line.split()[0] in SHORT]
    assert [row[:2] for row in table] == [[name, seed] for name in SHORT for seed in "01"]
    assert all(re.fullmatch(r"\d\.\d{5}", row[6]) and float(row[8]) > 4 for row in table), table
    assert "[1/4] clutter_tiny, seed 0: epoch 1/1" in printed and "all 4:" in printed
    assert "clutter_tiny, seed 1: epoch" not in printed  # it was finished
    logs = sorted(tiny.runs.glob("*/log.txt"))
    assert len(logs) == 4 and all("epoch 1/1, loss" in path.read_text() for path in logs)


def test_one_that_fails_does_not_keep_the_others(tiny, monkeypatch, capsys):
    train = recipes.train

    def failing(name, *more, **settings):
        if name == "clutter_tiny":
            raise ValueError("Expected a finite val_loss.")
        return train(name, *more, **settings)

    monkeypatch.setattr(recipes, "train", failing)
    assert cli.main(["train", *SHORT]) == 1
    printed = capsys.readouterr().out
    assert "error: clutter_tiny, seed 0: Expected a finite" in printed
    assert ("occlusion_small", "0") in lines_of(printed)


def test_unknown_name_is_refused_before_any_training(tiny, capsys):
    assert cli.main(["train", "clutter_tiny", "clutter_smal"]) == 2
    assert "did you mean clutter_small or" in capsys.readouterr().err and not tiny.runs.exists()
    assert cli.main(["train"]) == 2
    assert "train --list names all" in capsys.readouterr().err


def make_run(profile, name, epochs, seed=0, finished=False, **changes):
    """Make the folder of a run as training would, of so many epochs of thirty seconds."""
    settings = recipes.settings_of(name, profile, seed).as_json()
    settings |= {"data": {"images": {"train": profile.num_train}}} | changes
    folder = RunFolder.of(profile.runs, settings)
    folder.path.mkdir(parents=True)
    folder.write("settings", settings)
    folder.write("history", [{"loss": 1.0, "val_loss": 1.0, "seconds": 30.0, "machine": ""}] * epochs)
    if finished:
        folder.finish({"epoch": 1, "val_loss": 1.0})


@pytest.fixture
def long(tiny, monkeypatch):
    """The profile with recipes of as many epochs as in the full one."""
    monkeypatch.setattr(profiles.Profile, "pick", lambda self, full, otherwise: full)
    return tiny


def test_list_tells_states_and_minutes(long, capsys):
    make_run(long, "clutter_small", 3)
    make_run(long, "clutter_tiny", 12, finished=True)
    make_run(long, "watermark_small", 2, learning_rate=1.0)  # of another recipe
    assert cli.main(["train", "--list"]) == 0
    lines = lines_of(capsys.readouterr().out)
    assert {name for name, _ in lines} == {"model", *recipes.ALL}
    assert re.search(r"epoch 3 of 12 +2 +4$", lines["clutter_small", "0"])  # nine epochs of half a minute are left
    assert re.search(r"finished +6 +0$", lines["clutter_tiny", "0"])
    assert re.search(r"not begun +- +\d+$", lines["watermark_small", "0"])
    assert lines["clutter_big", "0"].endswith("?")  # nothing like it was measured


def test_estimate_goes_with_the_arithmetic_of_the_nearest_model(long):
    make_run(long, "clutter_signs", 12, finished=True)
    names = ("clutter_signs", "step_relu", "step_signs", "step_turned", "colour_small")
    left = standing.estimate([standing.find_standing(name, long) for name in names])
    relu, signs, turned = (recipes.ALL[f"step_{name}"] for name in ("relu", "signs", "turned"))
    assert left["clutter_signs", 0] == 0
    assert left["step_signs", 0] == pytest.approx(signs.epochs * 0.5)  # the same model
    less = relu.options["filters"] ** 2 / (2 * signs.options["filters"] ** 2)
    assert left["step_relu", 0] == pytest.approx(relu.epochs * 0.5 * less)
    more = 20 * turned.options["filters"] ** 2 / (16 * 2 * signs.options["filters"] ** 2)  # one kernel, more steps
    assert left["step_turned", 0] == pytest.approx(turned.epochs * 0.5 * more)
    assert left["colour_small", 0] is None


def test_run_of_other_images_or_options_is_not_the_recipes(long):
    make_run(long, "clutter_small", 12, finished=True, data={"images": {"train": 7}})
    make_run(long, "clutter_small", 12, finished=True, average=0.9)
    assert standing.find_standing("clutter_small", long).state == "not begun"


def test_committed_models_are_listed_as_finished():
    full = profiles.load_profile("full")
    for path in sorted(full.models.glob("*.h5")):
        settings = json.loads(path.with_suffix(".json").read_text())["settings"]
        name, seed = settings["name"], settings["seed"]
        if name == path.stem and name in recipes.ALL:
            assert standing.find_standing(name, full, seed).state == "finished", path.name


def test_list_imports_neither_tensorflow_nor_keras():
    program = (
        "import sys; from denoise_utils import cli; code = cli.main(['train', '--list'])\n"
        "print(code, sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "0 []", done.stderr


def test_columns_of_a_table_are_aligned():
    lines = training_list.lay_out(("a", "bb"), [("long", "1")]).splitlines()
    assert lines == ["a     bb", "long   1"]
