"""A class's exam: the copy that was hashed is graded, a configuration is bounded, the judge is one's own."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest

from denoise_utils import cli, profiles
from denoise_utils.grading import copies, exam, one, submissions
from denoise_utils.opening import container
from denoise_utils.zoo import judges
from tests.conftest import ROOT


def copy_of(path, folder):
    (found,) = submissions.find_submissions(path)
    return copies.copy(found, folder)


def test_file_that_is_swapped_after_it_was_copied_keeps_the_grade_of_the_copy(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"first")
    copy = copy_of(tmp_path / "a.h5", tmp_path / "work")
    (tmp_path / "a.h5").write_bytes(b"second")
    assert copy.path.read_bytes() == b"first" and copy.sha256 == hashlib.sha256(b"first").hexdigest()
    assert copy.path.name == "a.h5"  # what a reason names


@pytest.mark.parametrize("change", ["gone", "link", "grown", "folder"])
def test_file_that_changes_before_it_is_copied_is_a_row(tmp_path, monkeypatch, change):
    path, work = tmp_path / "a.h5", tmp_path / "work"
    path.write_bytes(b"first")
    (found,) = submissions.find_submissions(path)
    path.unlink()
    if change == "link":
        path.symlink_to("/dev/zero")
    elif change == "grown":
        monkeypatch.setattr(copies, "MAX_FILE", 1_000_000)
        path.write_bytes(bytes(2_000_000))
    elif change == "folder":
        path.mkdir()
    copy = copies.copy(found, work)
    assert copy.path is None and copy.submission.verdict == "BROKEN" and not list(work.iterdir())
    assert copy.submission.reason.startswith("Expected a file that can be read, got: ")


@pytest.mark.parametrize("length", [container.MAX_CONFIG + 1, container.MAX_REST + 1])
def test_configuration_is_bounded_before_it_is_parsed(tmp_path, monkeypatch, length):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = '{"a": [' + "1," * (length // 2) + "1]}"
        file.create_group("model_weights")
    parse = json.loads
    monkeypatch.setattr(json, "loads", lambda text: parse(text) if len(text) < length else pytest.fail("parsed"))
    row = {}
    one.grade(tmp_path / "a.h5", {"cap": 3600, "judge": None}, None, lambda **found: row.update(found))
    assert row["verdict"] == "REFUSED" and "more than" in row["reason"] and "a.h5" in row["reason"]


def test_images_are_drawn_by_the_seed_from_all_there_are():
    pairs = exam.load_exam("clutter", seed=1).test
    drawn = [exam.load_exam("clutter", seed=seed, num_images=20).test for seed in (1, 1, 2)]
    assert np.array_equal(drawn[0].clean, drawn[1].clean) and not np.array_equal(drawn[0].clean, drawn[2].clean)
    assert not np.array_equal(drawn[0].clean, pairs.clean[:20]) and len(drawn[0].labels) == 20
    known = {image.tobytes(): number for number, image in enumerate(pairs.clean)}
    rows = [known[image.tobytes()] for image in drawn[0].clean]
    assert np.array_equal(drawn[0].noisy, pairs.noisy[rows]) and np.array_equal(drawn[0].labels, pairs.labels[rows])
    every = exam.load_exam("clutter", seed=1, num_images=len(pairs.clean)).test
    other = exam.load_exam("clutter", seed=2).test
    assert np.array_equal(every.noisy, pairs.noisy) and np.array_equal(other.clean, pairs.clean)  # in their order


@pytest.mark.stress
def test_judge_of_a_teacher_is_trained_under_a_seed_and_taken_by_the_grader(tmp_path, capsys):
    profile = replace(profiles.load_profile("tiny"), root=tmp_path, output=tmp_path)
    path, read = judges.train(profile, 5)
    assert (
        path == tmp_path / "build" / "judges" / "judge_5.h5" and 0 <= read <= 1 and not (tmp_path / "models").exists()
    )
    exam.check_judge(path)
    pairs = exam.load_exam("clutter", seed=1, num_images=4, profile=profile)
    settings = exam.write_exam(pairs, tmp_path / "exam", 3600, path)
    public = exam.write_exam(pairs, tmp_path / "other", 3600, ROOT / "models" / "digit_judge.h5")
    assert settings["judge"] == str(path) and settings["judge_sha256"] != public["judge_sha256"]
    row, denoiser = {}, ROOT / "models" / "clutter_cap_baseline.h5"
    one.grade(denoiser, *one.read_exam(tmp_path / "exam"), lambda **found: row.update(found))
    assert row["verdict"] == "PASS" and 0 <= row["legibility"] <= 1
    with pytest.raises(ValueError, match="train judge --seed S makes one"):
        exam.check_judge(denoiser)
    assert cli.main(["grade", str(path), "--judge", str(tmp_path / "none.h5"), "--out", str(tmp_path / "o")]) == 2
    assert "none.h5, found none" in capsys.readouterr().err
