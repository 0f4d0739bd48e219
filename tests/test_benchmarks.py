"""Benchmarks: their rows, without the long measurements."""

import csv
import importlib.util
import json
import re

import numpy as np
import pytest

from denoise_utils import models, profiles, saving
from denoise_utils.system import files
from tests.conftest import ROOT


def load_script(name):
    """Return the script `name` of benchmarks/ as a module."""
    found = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture
def reproducibility():
    """The script benchmarks/reproducibility.py as a module."""
    return load_script("reproducibility")


def test_speed_has_every_denoiser_gray_or_colour_and_no_classifier(tmp_path, monkeypatch):
    speed, calls = load_script("speed"), []

    def once(call, repeat=5):
        calls.append(call())
        return 0.5

    monkeypatch.setattr(speed, "fastest", once)
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: None)  # without BM3D
    built = {"gray": models.skip_autoencoder(4, 1), "colour": models.gated_autoencoder(4, 1, 3)}
    for name, model in (built | {"judge": models.digit_judge()}).items():
        saving.save_model(model, tmp_path / f"{name}.h5", {})
    rows = {row["name"]: row for row in speed.measure_models(tmp_path, profiles.load_profile("tiny"))}
    assert set(rows) == {"gray.h5", "colour.h5", "filter: median", "filter: total variation", "filter: non-local means"}
    assert rows["colour.h5"]["batch"] == speed.BATCH / 0.5 and rows["colour.h5"]["single"] == 2
    assert {output.shape[-1] for output in calls} == {1, 3}


def test_training_is_measured_as_the_card_tells(tmp_path, monkeypatch):
    speed, batches = load_script("speed"), []
    images_of = speed.images_of

    def counted(model, number, side):
        batches.append(number)
        return images_of(model, number, side)

    monkeypatch.setattr(speed, "images_of", counted)
    monkeypatch.setattr(speed, "fastest", lambda call, repeat: float(np.isfinite(call())))
    saving.save_model(
        models.tied_denoiser(4, 1), tmp_path / "muon.h5", {"settings": {"optimizer": "muon", "batch_size": 5}}
    )
    saving.save_model(models.tied_denoiser(4, 1), tmp_path / "unknown.h5", {})
    rows = {row["name"]: row for row in speed.measure_training(tmp_path)}
    assert {name: row["way"] for name, row in rows.items()} == {"muon.h5": "muon, 5", "unknown.h5": "adam, 32"}
    assert rows["muon.h5"]["epoch"] == speed.EPOCH / 5 and sorted(batches) == [5, 32]


def test_differences_are_from_the_first_training(reproducibility, monkeypatch):
    def train(environment, settings, start):
        shift = 0.5 * bool(environment) - 2.0 * settings.get("seed", 0)
        return [np.zeros(3), np.array([1.0, 2.0 + shift])], 0.1 + shift

    monkeypatch.setattr(reproducibility, "train", train)
    cases = {"one": ({}, {}, None), "two": ({}, {}, None), "other": ({"A": "1"}, {}, None), "no": ({}, {}, "no_such")}
    rows = reproducibility.measure(cases | {"seed": ({}, {"seed": 1}, None)})
    assert [row.get("weights") for row in rows] == [0, 0, 0.5, None, 2.0]
    assert rows[2]["change"] == pytest.approx(0.5) and rows[4]["change"] == pytest.approx(-2.0)
    assert rows[3]["name"] == "no (not installed)"


@pytest.mark.stress
def test_training_of_a_case_that_fails_says_why(reproducibility, tmp_path):
    with pytest.raises(RuntimeError, match="no_such_setting"):
        reproducibility.train(
            {"TF_CPP_MIN_LOG_LEVEL": "3"}, json.loads('{"no_such_setting": 1}'), tmp_path / "start.npz"
        )


def test_goals_are_held_against_the_report(tmp_path):
    goals = load_script("goals")
    head = {"file": "ours.h5", "noise": "sum", "psnr": "30.0", "excess": "0.005"}
    for name, rows in {
        "budget.csv": [head, head | {"file": "other.h5", "psnr": "31.0"}],
        "strengths.csv": [head | {"noise": "marks 30", "psnr": "20.0"}],
    }.items():
        files.write_csv(tmp_path / name, rows, head)
    for seed, psnr in enumerate((30.0, 33.0)):
        (tmp_path / "seeds").mkdir(exist_ok=True)
        saving.save_model(
            models.tied_denoiser(4, 1), tmp_path / "seeds" / f"ours_{seed}.h5", {"test_scores": {"psnr": psnr}}
        )
    found = goals.read_report(tmp_path)

    def judge(*goal):
        return goals.judge(goal, found, tmp_path)

    row = judge("ours", "", "psnr", ">", "other")
    assert row["verdict"] == "met" and row["mean"] == "31.50" and row["seeds"] == "1 of 2"  # of its seeds' mean
    assert row["asked"] == "> 31.00 (other)" and row["value"] == "30.00"
    saving.save_model(models.tied_denoiser(4, 1), tmp_path / "ours.h5", {"settings": {"seed": 2}})  # a third one
    row = judge("ours", "", "psnr", ">", "other")
    assert row["verdict"] == "missed" and row["mean"] == "31.00" and row["seeds"] == "1 of 3"
    assert judge("ours", "marks 30", "psnr", ">=", 20.5)["verdict"] == "missed"
    assert judge("ours", "marks 1", "psnr", ">=", 0) is None and judge("ours", "", "psnr", ">", "none") is None


def test_goals_csv_is_what_the_report_gives():
    goals = load_script("goals")
    found = goals.read_report(ROOT / "reports")
    rows = [goals.judge(goal, found, ROOT / "models") for goal in goals.GOALS]
    with open(ROOT / "reports" / "goals.csv", encoding="utf-8", newline="") as file:
        kept = list(csv.DictReader(file))
    assert all(rows) and kept == [{key: row.get(key, "") for key in goals.HEAD} for row in rows]


@pytest.fixture
def steps():
    """The script benchmarks/steps.py as a module."""
    return load_script("steps")


def test_the_page_of_steps_is_what_the_finished_runs_say(steps):
    page = steps.make_page(profiles.load_profile("full"))
    assert page == (ROOT / "reports" / "steps.md").read_text(encoding="utf-8")


def test_every_step_has_a_title(steps):
    assert set(steps.TITLES) == set(steps.recipes.STEPS)


def test_steps_are_ranked_by_their_mean_and_tell_their_range(steps):
    assert steps.tell([0.01, 0.02, 0.06]) == {"excess": "0.0300", "lowest to highest": "0.0100 to 0.0600", "runs": "3"}
    assert steps.tell([0.01]) == {"excess": "0.0100", "lowest to highest": None, "runs": "1"}
    assert steps.tell([0.01, 2.05]) == {"excess": "1 of 2 diverged", "runs": "2"}
    runs = steps.read_runs(steps.recipes.STEPS, profiles.load_profile("full"))
    means = [np.mean(values) for values in runs.values()]
    assert len(means) > 10 and means == sorted(means)


@pytest.mark.parametrize("name", ["speed", "grading", "strengths", "budget"])
def test_measured_reports_are_of_the_committed_models(name):
    lines = (ROOT / "reports" / f"{name}.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    found = 0
    for row in cells:
        stems = [cell.removesuffix(".h5") for cell in row if re.fullmatch(r"\w+_\w+(\.h5)?", cell)]
        for path in [ROOT / "models" / f"{stem}.json" for stem in stems]:
            assert path.is_file(), f"{path.stem} of reports/{name}.md"
            counts = [cell.split()[0] for cell in row if re.match(r"\d[\d,]*( [A-Z]|$)", cell)]
            assert f"{json.loads(path.read_text())['parameters']:,}" in counts, (name, row)
            found += 1
    assert found > 3


def test_who_opens_what_was_tried_on_every_committed_model():
    text = (ROOT / "reports" / "compatibility.md").read_text(encoding="utf-8")
    tried = set(re.findall(r"^\| ([\w/.-]+\.h5) \|", text, re.M))
    here = {path.relative_to(ROOT / "models").as_posix() for path in (ROOT / "models").rglob("*.h5")}
    assert {name for name in here if not name.startswith("runs/")} <= tried and tried <= here
