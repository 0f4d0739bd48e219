"""Profiles: sizes, folders, and the promise that only "full" writes where results are kept."""

import os

import pytest

from denoise_utils import profiles


def test_only_full_writes_to_models_and_reports():
    full = profiles.load_profile("full")
    assert full.models == full.root / "models" and full.reports == full.root / "reports"
    for name in ("quick", "tiny"):
        profile = profiles.load_profile(name)
        for folder in (profile.models, profile.reports, profile.runs):
            assert folder.is_relative_to(profile.root / "build" / name)


def test_profile_comes_from_the_environment_and_defaults_to_quick(monkeypatch):
    monkeypatch.setenv("DENOISE_PROFILE", "full")
    assert profiles.load_profile().name == "full"
    monkeypatch.delenv("DENOISE_PROFILE")
    assert profiles.load_profile().name == "quick"


def test_unknown_profile_is_an_error_that_names_the_choices():
    with pytest.raises(ValueError, match='"quick" or "full", got "fast"'):
        profiles.load_profile("fast")


def test_root_is_the_project_above_the_working_folder(tmp_path, monkeypatch):
    for folder in ("notebooks", "denoise_utils", "notebooks/text"):
        os.makedirs(tmp_path / folder, exist_ok=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "text")
    assert profiles.project_root() == tmp_path


def test_full_grid_has_about_a_hundred_legal_trials():
    from denoise_utils import search
    from denoise_utils.running import trials

    legal, over = search.split_by_cap(profiles.FULL_GRID, profiles.CAP)
    settings = 1
    for axis, values in profiles.FULL_GRID.items():
        settings *= 1 if axis in trials.MODEL_AXES else len(values)
    assert 90 <= len(legal) * settings <= 130
    assert len(over) > 0
