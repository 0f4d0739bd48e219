"""What goes wrong outside: a full disk, an output that is no folder, Ctrl-C; a clear word, and nothing lost."""

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

from denoise_utils import cli, evaluation, models, profiles, report
from denoise_utils.datasets import sources
from denoise_utils.pictures import images
from denoise_utils.system import files, stopping
from tests import processes
from tests.conftest import ROOT
from tests.making import save
from tests.trainings import SMALL, run_search

FULL = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}))\n"  # a file may not grow past it


def errors(said):
    """Return the lines that the command line itself printed."""
    return [line for line in said.splitlines() if line.startswith(("error:", "stopped:"))]


def list_files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.stress
def test_full_disk_keeps_the_saved_model_and_says_so(tmp_path):
    save(tmp_path, "kept", models.capped_autoencoder(8, 1))
    before = list_files(tmp_path)
    program = (
        "import sys\nfrom denoise_utils import models, saving\nmodel = models.capped_autoencoder(24, 2)\n"
        + FULL.format(5000)  # then HDF5 would crash the process, without a word
        + "try: saving.save_model(model, sys.argv[1], {})\n"
        "except OSError as error: print(error, file=sys.stderr); sys.exit(3)"
    )
    done = processes.run(program, tmp_path / "kept.h5")
    assert done.returncode == 3 and "Expected a folder with room for" in done.stderr
    assert "File too large" in done.stderr
    assert list_files(tmp_path) == before


def test_full_disk_keeps_the_old_report_and_prints_the_new_one(tmp_path, small_quick, capsys):
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1))
    out = tmp_path / "out"
    files.write_text(out / "budget.html", "the old one")
    with processes.full_disk(20_000):
        code = cli.main(["report", str(tmp_path / "models"), "--out", str(out), "--profile", "quick"])
    printed = capsys.readouterr()
    assert code == 2 and "| 1 | fits.h5 | 133 PASS |" in printed.out
    assert len(errors(printed.err)) == 1 and "File too large" in printed.err
    assert (out / "budget.html").read_text() == "the old one" and not list(out.glob(".*"))


def test_broken_data_of_one_task_keeps_the_rows_of_the_others(tmp_path, small_quick, monkeypatch, capsys):
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1), task="clutter", role="capped")
    save(tmp_path / "models", "colourful", models.tied_denoiser(4, 2, 3), task="colour", role="capped")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar10.npz").write_bytes(b"PK\x03\x04 cut short")
    monkeypatch.setenv("DENOISE_DATA_DIR", str(tmp_path / "data"))
    words = ["report", str(tmp_path / "models"), "--out", str(tmp_path / "out"), "--profile", "quick"]
    sources.load_arrays.cache_clear()
    assert cli.main(words) == 2
    sources.load_arrays.cache_clear()
    assert "cifar10.npz" in capsys.readouterr().err
    assert "| 1 | fits.h5 | 133 PASS |" in (tmp_path / "out" / "budget.partial.md").read_text()


def test_full_disk_keeps_the_pictures_that_were_written(tmp_path, rng, capsys):
    images.write_image(np.zeros((28, 28), np.uint8), tmp_path / "in" / "a.png")
    images.write_image(rng.integers(0, 256, (300, 300), dtype=np.uint8), tmp_path / "in" / "b.png")
    words = ["denoise", "--model", str(ROOT / "models" / "gaussian_small.h5")]
    with processes.full_disk(5000):
        code = cli.main([*words, str(tmp_path / "in"), str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert code == 2 and len(errors(said)) == 1 and "Expected to write" in said and "File too large" in said
    assert os.listdir(tmp_path / "out") == ["a.png"]
    assert images.read_image(tmp_path / "out" / "a.png").shape == (28, 28)


def test_output_below_a_file_is_refused_before_the_work(tmp_path, capsys, monkeypatch):
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1))
    (tmp_path / "file").write_text("x")
    monkeypatch.setattr(report, "make_report", lambda *about: pytest.fail("the work began"))
    assert cli.main(["report", str(tmp_path / "models"), "--out", str(tmp_path / "file" / "out")]) == 2
    printed = capsys.readouterr()
    assert "error: Expected a folder with room for" in printed.err and "Not a directory" in printed.err
    assert printed.out == ""


def test_notebooks_say_that_build_cannot_be_written(project):
    (project / "build").write_text("a file")
    command = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", "01"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "Expected to write in" in done.stderr and "build" in done.stderr


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_dropped_interrupt_is_raised_at_the_next_check():
    class Swallowing:
        def __del__(self):  # Python prints and drops what is raised here
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), stopping.noticed():
        Swallowing()
        stopping.check()
        raise AssertionError("the interrupt was lost")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    stopping.check()


def test_interrupt_that_a_library_turns_into_an_error_is_one():
    with pytest.raises(KeyboardInterrupt), stopping.noticed():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("something failed") from None
    with pytest.raises(RuntimeError), stopping.noticed():
        raise RuntimeError("something failed")


@pytest.mark.stress
def test_search_interrupted_in_a_training_keeps_its_trials_and_goes_on(clutter, tmp_path, monkeypatch):
    """Keras Tuner takes any error in a training for a failed trial."""
    fit, begun = keras.Model.fit, []

    class Press(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            signal.raise_signal(signal.SIGINT)

    def fit_second_pressed(*about, **options):
        begun.append(1)
        return fit(*about, **options | ({"callbacks": [Press()]} if len(begun) == 2 else {}))

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(keras.Model, "fit", fit_second_pressed)
        run_search(clutter, tmp_path, SMALL)
    (kept,) = tmp_path.glob("*/ledger/*")
    before = kept.read_bytes()
    assert run_search(clutter, tmp_path, SMALL).num_loaded == 1 and kept.read_bytes() == before


@pytest.fixture
def small_search(tmp_path, monkeypatch):
    """Let the command search the tests' grid of two trials under `tmp_path`; the folder of its ledger."""
    tiny = dataclasses.replace(profiles.load_profile("tiny"), root=tmp_path)
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: tiny)
    return lambda: sorted(tmp_path.rglob("ledger/*"))


@pytest.mark.stress
def test_full_disk_stops_a_search_that_goes_on_where_it_was(small_search, capsys, monkeypatch):
    write = files.write_json

    def fill_up(path, content):
        if path.parent.name == "ledger" and small_search():  # the second trial's row
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        write(path, content)

    with monkeypatch.context() as patch, processes.full_disk(10**12):
        patch.setattr(files, "write_json", fill_up)
        assert cli.main(["search"]) == 2
    said = capsys.readouterr().err
    assert len(errors(said)) == 1 and "File too large" in said and "Traceback" not in said
    (kept,) = small_search()
    assert json.loads(kept.read_text())["val_bce"] > 0
    before = kept.read_bytes()
    assert cli.main(["search"]) == 0
    assert "2 trials, 1 of them finished before" in capsys.readouterr().out
    assert kept.read_bytes() == before and len(small_search()) == 2


def test_interrupted_command_search_says_so_in_one_line(small_search, capsys, monkeypatch):
    write = files.write_json

    def interrupted_write(path, content):
        write(path, content)
        if path.parent.name == "ledger":
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(files, "write_json", interrupted_write)
        assert cli.main(["search"]) == 130
    said = capsys.readouterr().err
    assert errors(said) == ["stopped: what was finished is kept"] and "Traceback" not in said
    assert len(small_search()) == 1 and cli.main(["search"]) == 0


def test_report_interrupted_before_its_first_row_keeps_what_was_there(tmp_path, capsys, monkeypatch):
    save(tmp_path / "models", "fits", models.capped_autoencoder(4, 1))
    files.write_text(tmp_path / "out" / "budget.md", "the old one")
    monkeypatch.setattr(report, "make_report", lambda *about, **more: signal.raise_signal(signal.SIGINT))
    assert cli.main(["report", str(tmp_path / "models"), "--out", str(tmp_path / "out"), "--profile", "quick"]) == 130
    assert errors(capsys.readouterr().err) == ["stopped: what was finished is kept"]
    assert os.listdir(tmp_path / "out") == ["budget.md"]


def test_interrupted_report_keeps_its_finished_rows_and_the_old_report(tmp_path, small_quick, capsys, monkeypatch):
    for name, filters in (("first", 4), ("second", 8)):
        save(tmp_path / "models", name, models.capped_autoencoder(filters, 1))
    (tmp_path / "models" / "broken.h5").write_bytes(b"no model")
    out, checked, check = tmp_path / "out", [], evaluation.check_images_model

    def interrupted_check(model):
        checked.append(model)
        if len(checked) == 2:  # before the second model is scored
            signal.raise_signal(signal.SIGINT)
        check(model)

    files.write_text(out / "budget.md", "the old one")
    words = ["report", str(tmp_path / "models"), "--out", str(out), "--profile", "quick"]
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "check_images_model", interrupted_check)
        assert cli.main(words) == 130
    assert errors(capsys.readouterr().err) == ["stopped: what was finished is kept"]
    partial = (out / "budget.partial.md").read_text()
    assert "partial: stopped before" in partial and "| 1 | first.h5 | 133 PASS |" in partial and "second" not in partial
    assert "**broken.h5** Expected" in partial and (out / "budget.md").read_text() == "the old one"
    assert cli.main(words) == 2
    assert sorted(os.listdir(out)) == ["budget.csv", "budget.html", "budget.md"]


@pytest.mark.parametrize("module", ["numpy", "tensorflow"])
def test_command_is_interrupted_in_one_line_while_it_imports(module, tmp_path):
    """A module of that name stands before the installed one, and takes its time."""
    (tmp_path / f"{module}.py").write_text(f"import time\nopen({str(tmp_path / 'begun')!r}, 'w')\ntime.sleep(3600)\n")
    command = [sys.executable, "-m", "denoise_utils", "report", "models/", "--out", tmp_path / "out"]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
    processes.wait_for((tmp_path / "begun").exists, process)
    process.send_signal(signal.SIGINT)
    said = process.communicate()[1]
    assert process.returncode == 130 and errors(said) == said.splitlines() and len(errors(said)) == 1, said
    assert not list((tmp_path / "out").glob("*"))


def test_room_is_asked_for_before_the_folder_is_used(tmp_path):
    files.check_folder(tmp_path / "new" / "one", room=10)
    assert (tmp_path / "new" / "one").is_dir() and not list((tmp_path / "new" / "one").iterdir())
