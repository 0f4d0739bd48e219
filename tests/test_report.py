"""The budget report and its command: verdicts by the number, every file named, exit codes."""

import csv
import re
import subprocess
import sys
import time

import keras
import pytest

from denoise_utils import cli, models, page, profiles, report, saving
from tests.conftest import ROOT


def save(folder, name, model, **card):
    saving.save_model(model, folder / f"{name}.h5", card)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a capped model, one without a card, a judge and a large reference."""
    folder = tmp_path_factory.mktemp("models")
    save(folder, "fits", models.capped_autoencoder(8, 1), task="clutter", role="capped")
    save(folder, "no_card", models.capped_autoencoder(4, 1))
    (folder / "no_card.json").unlink()
    save(folder, "judge", models.digit_judge(), task="digits", role="judge")
    save(folder, "big", models.capped_autoencoder(40, 2), task="clutter", role="reference")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return report.make_report(folder, profiles.CAP, profiles.load_profile("tiny"))


def by_file(found):
    return {row["file"]: row for row in found.rows}


def test_verdict_is_the_number_alone_and_only_capped_models_fail(found):
    rows = by_file(found)
    assert {name: rows[name]["verdict"] for name in ("fits.h5", "no_card.h5", "big.h5")} == {
        "fits.h5": "PASS",
        "no_card.h5": "PASS",
        "big.h5": "OVER",
    }
    assert rows["no_card.h5"]["role"] == "capped" and rows["no_card.h5"]["task"] == "clutter"
    assert found.exit_code == 0


def test_counts_and_scores_are_there(found):
    row, noisy = by_file(found)["fits.h5"], by_file(found)["noisy input"]
    assert row["parameters"] == row["trainable"] == models.capped_autoencoder(8, 1).count_params()
    for key in ("val_bce", "test_bce", "test_excess", "psnr", "psnr_sd", "ssim", "ssim_sd", "legibility"):
        assert row[key] is not None and noisy[key] is not None
    assert noisy["psnr"] > 5 and by_file(found)["judge.h5"]["legibility"] is not None


def test_yardsticks_come_first_and_the_filter_gains(found):
    assert found.rows[0]["file"] == "noisy input" and found.rows[1]["file"].startswith("filter: ")
    assert found.rows[1]["psnr"] > found.rows[0]["psnr"]


def test_files_are_written_and_the_page_is_self_contained(found, tmp_path):
    report.write_report(found, tmp_path)
    with open(tmp_path / "budget.csv") as file:
        assert [row["file"] for row in csv.DictReader(file)] == [row["file"] for row in found.rows]
    assert "| fits.h5 | clutter | capped |" in (tmp_path / "budget.md").read_text()
    html = (tmp_path / "budget.html").read_text()
    assert html.count("data:image/png;base64,") == 3 * 3  # three denoisers: noisy, denoised, clean
    assert not re.search(r'(src|href)="(?!data:)', html)


def test_names_cannot_inject_into_the_page(found):
    row = by_file(found)["fits.h5"] | {"file": "<script>alert(1)</script>.h5"}
    html = page.render(report.Report(cap=3600, rows=[row]), report.COLUMNS)
    assert "<script>" not in html and "&lt;script&gt;" in html


def run_command(folder, out, *more):
    return cli.main(["report", str(folder), "--out", str(out), "--profile", "quick", *more])


@pytest.fixture
def small_quick(monkeypatch):
    """Let the command's quick profile be as small as the tests'."""
    tiny = profiles.load_profile("tiny")
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: tiny)


def test_exit_code_1_if_a_capped_model_is_over(tmp_path, small_quick, capsys):
    save(tmp_path, "over", models.capped_autoencoder(40, 2), task="clutter", role="capped")
    assert run_command(tmp_path, tmp_path / "out") == 1
    assert "OVER" in capsys.readouterr().out


def test_parameters_that_are_not_trainable_count(tmp_path, small_quick):
    model = models.capped_autoencoder(24, 1)
    model.trainable = False
    save(tmp_path, "frozen", model)
    assert run_command(tmp_path, tmp_path / "out", "--cap", "2000") == 1


def test_exit_code_2_names_the_unreadable_and_reports_the_rest(tmp_path, small_quick, capsys):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1), task="clutter", role="capped")
    (tmp_path / "broken.h5").write_bytes(b"no model")
    inputs = keras.layers.Input((784,))
    save(tmp_path, "flat", keras.Model(inputs, keras.layers.Dense(2)(inputs)), task="clutter")
    assert run_command(tmp_path, tmp_path / "out") == 2
    printed = capsys.readouterr().out
    assert "**broken.h5** could not be read" in printed and "**flat.h5** could not be read" in printed
    assert "| fits.h5 | clutter | capped |" in printed and (tmp_path / "out" / "budget.html").is_file()


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_folder_without_models_is_an_error(tmp_path, folder, capsys):
    if folder == "empty":
        (tmp_path / folder).mkdir()
    assert run_command(tmp_path / folder, tmp_path / "out") == 2
    assert "Expected .h5 files in" in capsys.readouterr().err


def test_help_and_refusals_need_no_tensorflow(tmp_path):
    for words in (["--help"], ["report", "--help"], ["report", tmp_path]):
        started = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "denoise_utils", *words], capture_output=True, cwd=ROOT)
        assert time.perf_counter() - started < 1
        assert done.returncode == (2 if words == ["report", tmp_path] else 0)


def test_readme_is_updated_between_its_marks_only(found, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n")
    report.update_readme(path, found, 1.25)
    text = path.read_text()
    assert text.startswith("before\n<!-- results: begin -->\n") and text.endswith("<!-- results: end -->\nafter\n")
    assert "| fits.h5 |" in text and "old" not in text and "took 1.2 hours" in text
    path.write_text("no marks")
    with pytest.raises(ValueError, match="results: begin"):
        report.update_readme(path, found, 1)
