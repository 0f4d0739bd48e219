"""The command line: verdicts as exit codes, errors in one line, quick where no model is opened."""

import dataclasses
import subprocess
import sys

import keras
import numpy as np
import pytest
from PIL import Image

from denoise_utils import cli, models, profiles
from denoise_utils.datasets import sources
from tests.conftest import ROOT
from tests.making import save


def run_command(folder, out, *more):
    return cli.main(["report", str(folder), "--out", str(out), "--profile", "quick", *more])


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
    assert "**broken.h5** Expected an HDF5 file" in printed and "**flat.h5** could not be scored" in printed
    assert "| 1 | fits.h5 | 133 PASS |" in printed and (tmp_path / "out" / "budget.html").is_file()


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_folder_without_models_is_an_error(tmp_path, folder, capsys):
    if folder == "empty":
        (tmp_path / folder).mkdir()
    assert run_command(tmp_path / folder, tmp_path / "out") == 2
    said = "Expected .h5 files in" if folder == "empty" else "Expected a folder of .h5 files"
    assert said in capsys.readouterr().err


def test_wrong_options_are_refused_before_the_work(tmp_path, capsys):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1))
    with pytest.raises(SystemExit):
        run_command(tmp_path, tmp_path / "out", "--cap", "-5")
    assert "from 1 up, got -5" in capsys.readouterr().err
    assert run_command(tmp_path, tmp_path / "fits.h5") == 2
    assert "Expected --out to name a folder" in capsys.readouterr().err


def test_wrong_data_folder_is_an_error_and_not_an_empty_report(tmp_path, small_quick, monkeypatch, capsys):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1))
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "nowhere"))
    sources.load_arrays.cache_clear()
    assert run_command(tmp_path, tmp_path / "out") == 2
    assert "DENOISE_DATA_DIR" in capsys.readouterr().err


WORDS = {"help": ["--help"], "report's help": ["report", "--help"], "refusal": ["report", "no/such/folder"]}


@pytest.mark.parametrize("kind", WORDS)
def test_help_and_refusals_import_neither_tensorflow_nor_keras(kind):
    program = (
        "import sys; from denoise_utils import cli\n"
        f"try: code = cli.main({WORDS[kind]!r})\n"
        "except SystemExit as exit: code = exit.code\n"
        "print(code, sorted({'tensorflow', 'keras', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == f"{2 if kind == 'refusal' else 0} []", done.stderr


def test_reports_on_other_folders_do_not_go_to_the_projects_reports(tmp_path, monkeypatch, small_quick):
    tiny = dataclasses.replace(profiles.load_profile(), root=tmp_path, output=tmp_path)
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: tiny)
    save(tmp_path / "students", "fits", models.capped_autoencoder(4, 1), task="clutter")
    assert cli.main(["report", str(tmp_path / "students"), "--profile", "quick"]) == 0
    assert (tmp_path / "build" / "report" / "budget.html").is_file() and not (tmp_path / "reports").exists()
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1), task="clutter")
    assert cli.main(["report", str(tmp_path / "models"), "--profile", "quick"]) == 0
    assert (tmp_path / "reports" / "budget.html").is_file()


@pytest.mark.parametrize(
    "words", [["train", "clutter_tiny", "--seeds", "x"], ["denoise", "in", "out", "--seed", "1.5"]]
)
def test_numbers_that_are_none_are_refused_with_what_was_expected(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(words)
    said = capsys.readouterr().err
    assert words[-2] in said and f": expected a whole number from 0 up, got {words[-1]}" in said


def test_warnings_are_one_line_without_code(tmp_path):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1), task="clutter")
    card = tmp_path / "fits.json"
    card.write_text(card.read_text().replace('"sha256": "', '"sha256": "0'))
    picture = tmp_path / "x.png"
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(picture)
    words = ["denoise", picture, tmp_path / "y.png", "--model", tmp_path / "fits.h5"]
    command = [sys.executable, "-m", "denoise_utils", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("warning: Expected fits.h5 as its card describes it") and "warn(" not in line


def test_reader_that_has_enough_ends_the_command_quietly():
    words = ["show", str(ROOT / "models" / "clutter_tiny.h5")]
    command = [sys.executable, "-m", "denoise_utils", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    process.stdout.close()  # before a word was written, as by `head -n 0`
    assert process.stderr.read() == "" and process.wait() == 141
