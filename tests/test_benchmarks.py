"""Benchmarks: their rows, without the long measurements."""

import importlib.util
import json

import numpy as np
import pytest

from tests.conftest import ROOT


@pytest.fixture
def reproducibility():
    """The script benchmarks/reproducibility.py as a module."""
    found = importlib.util.spec_from_file_location("reproducibility", ROOT / "benchmarks" / "reproducibility.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


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


def test_training_of_a_case_that_fails_says_why(reproducibility, tmp_path):
    with pytest.raises(RuntimeError, match="no_such_setting"):
        reproducibility.train(
            {"TF_CPP_MIN_LOG_LEVEL": "3"}, json.loads('{"no_such_setting": 1}'), tmp_path / "start.npz"
        )
