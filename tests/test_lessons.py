"""Lessons: exercises that never stop a notebook, claims that do, models found or fetched."""

import dataclasses
import shutil
import types
import urllib.request

import numpy as np
import pytest

from denoise_utils import lessons, models, profiles
from denoise_utils.running.run_folder import RunFolder
from tests.conftest import ROOT
from tests.making import save


@pytest.mark.parametrize("answer", [..., None, lambda: None, lambda: ...])
def test_an_open_exercise_says_so(answer, capsys):
    lessons.check(answer, 3, "count again")
    assert capsys.readouterr().out == "not answered yet\n"


@pytest.mark.parametrize(
    "answer, right",
    [
        (3369, 3369),
        (0.0581, 0.05812),
        (np.float32(2), 2),
        ((28, 28, 1), (28, 28, 1)),
        (np.ones((2, 3)), np.ones((2, 3))),
        ("median", "median"),
        (lambda: 5, lambda value: value == 5),
    ],
)
def test_a_right_answer_is_called_right(answer, right, capsys):
    lessons.check(answer, right, "count again")
    assert capsys.readouterr().out == "right\n"


@pytest.mark.parametrize(
    "answer, right",
    [(3368, 3400), ((28, 28), (28, 28, 1)), (1.0, "one"), ("mean", "median"), (lambda: 1 / 0, 3), ("3", 3)],
)
def test_a_wrong_answer_gets_the_hint_and_never_raises(answer, right, capsys):
    lessons.check(answer, right, "count again")
    assert capsys.readouterr().out.startswith("not yet: count again")


def test_an_answer_that_is_a_function_is_called_with_what_the_check_gives(capsys):
    lessons.check(lambda one, two: one - two, 3, "count again", 5, 2)
    lessons.check(..., 3, "count again", 5, 2)
    assert capsys.readouterr().out == "right\nnot answered yet\n"


def test_a_claim_stops_the_full_profile_alone(capsys):
    full, quick = profiles.load_profile("full"), profiles.load_profile("quick")
    lessons.claim("small beats big", True, "34.7 > 29.3 dB", full)
    assert capsys.readouterr().out == "holds: small beats big (34.7 > 29.3 dB)\n"
    with pytest.raises(ValueError, match=r"small beats big.*1\.0 < 2\.0 dB"):
        lessons.claim("small beats big", False, "1.0 < 2.0 dB", full)
    lessons.claim("small beats big", False, "1.0 < 2.0 dB", quick)
    assert capsys.readouterr().out.startswith("here: 1.0 < 2.0 dB")


def test_a_profile_without_a_model_takes_the_one_that_the_course_brings(tmp_path, capsys):
    profile = dataclasses.replace(profiles.load_profile("tiny"), root=ROOT, output=tmp_path)
    assert lessons.find_model("clutter_small", profile) == ROOT / "models" / "clutter_small.h5"
    assert "that the course brings" in capsys.readouterr().out
    (tmp_path / "models").mkdir()
    shutil.copy2(ROOT / "models" / "clutter_tiny.h5", tmp_path / "models" / "clutter_small.h5")
    assert lessons.find_model("clutter_small", profile).parent == tmp_path / "models"


def test_a_model_is_fetched_from_the_repository_or_the_way_out_is_named(tmp_path, monkeypatch):
    profile = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"clutter_small.*clone of the course"):
        lessons.find_model("clutter_small", profile)
    asked = []

    def answer(address, timeout):
        asked.append(address)
        return open(ROOT / "models" / "clutter_small.h5", "rb")

    monkeypatch.setattr(lessons, "repository", lambda: "https://github.com/someone/course")
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    assert lessons.load_model("clutter_small", profile).count_params() == 3345
    assert asked == ["https://raw.githubusercontent.com/someone/course/main/models/clutter_small.h5"]


def test_begin_tells_a_short_run_that_its_numbers_differ(monkeypatch, capsys):
    monkeypatch.setenv("DENOISE_PROFILE", "quick")
    profile, seed = lessons.begin(["digit_judge"])
    printed = capsys.readouterr().out
    assert (profile.name, seed) == ("quick", 0)
    assert "profile quick" in printed and "will differ" in printed and "trained before: digit_judge" in printed


def test_rivals_that_a_handout_lacks_are_named_and_the_others_come(tmp_path, capsys):
    tiny = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path / "build" / "tiny")
    save(tmp_path / "models", "there", models.capped_autoencoder(4, 1))
    found = lessons.load_rivals(["missing", "there"], tiny)
    assert list(found) == ["there"] and "missing: not part of this handout." in capsys.readouterr().out


def make_run(shelf, name, seed, finished=True, settings="a"):
    run = RunFolder(shelf / f"{name}-{settings}{seed}")
    run.path.mkdir(parents=True)
    run.write("settings", {"name": name, "seed": seed})
    if finished:
        run.write("scores", {"excess": 0.01 * seed})
    return run


def test_finished_runs_come_by_their_seeds_and_no_others(tmp_path):
    shelf, profile = tmp_path / "models" / "runs", types.SimpleNamespace(root=tmp_path)
    assert lessons.find_runs("step", profile) == []
    expected = [make_run(shelf, "step", seed) for seed in (2, 0)][::-1]
    make_run(shelf, "step", 1, finished=False)
    make_run(shelf, "step-longer", 3)
    make_run(shelf, "step_longer", 4)
    assert lessons.find_runs("step", profile) == expected
    make_run(shelf, "step", 0, settings="b")
    with pytest.raises(ValueError, match="one run of step for each seed"):
        lessons.find_runs("step", profile)
