"""What nobody foresaw is one line, too: what it is, where to report it; --debug shows where it came from."""

import importlib
import os
import subprocess
import sys
import tomllib

import pytest

from denoise_utils import cli, models
from denoise_utils.cli import commands
from denoise_utils.system import failures
from tests.conftest import ROOT
from tests.making import save


def recurse():
    recurse()


def fail_in_tensorflow():
    import tensorflow as tf

    tf.reshape(tf.zeros(4), (3,))


def fail_twice():
    try:
        {}["the cause"]
    except KeyError:
        raise ValueError("Expected\x1b this,\ngot that.") from None


FAILURES = {  # what goes wrong: exit code, what the line says
    "key": (lambda: {}["x"], 70, "error: unforeseen KeyError: 'x'. "),
    "attribute": (lambda: None.x, 70, "error: unforeseen AttributeError: 'NoneType' object has no attribute 'x'. "),
    "recursion": (recurse, 70, "error: unforeseen RecursionError: maximum recursion depth exceeded"),
    "tensorflow": (fail_in_tensorflow, 70, "error: unforeseen InvalidArgumentError: "),
    "memory": (lambda: bytearray(2**62), 2, "error: Expected enough memory, got: MemoryError. Close other programs"),
    "package": (lambda: importlib.import_module("no_such"), 2, "error: Expected the package no_such, got: No module"),
    "our module": (lambda: importlib.import_module("denoise_utils.x"), 70, "error: unforeseen ModuleNotFoundError: "),
    "value": (fail_twice, 2, "error: Expected\\x1b this,\\ngot that."),
    "file": (lambda: os.listdir("no/such"), 2, "error: [Errno 2] No such file or directory: 'no/such'"),
    "type": (lambda: len(5), 2, "error: object of type 'int' has no len()"),
}


def run_failing(monkeypatch, capsys, kind, *words):
    """Run the command `show` while it fails as `kind` does; return its exit code and what it said."""
    monkeypatch.setattr(commands, "show", lambda arguments: FAILURES[kind][0]())
    code = cli.main(["show", "x.h5", *words])
    printed = capsys.readouterr()
    assert printed.out == ""
    return code, printed.err


@pytest.mark.parametrize("kind", FAILURES)
def test_any_error_is_one_line_with_its_exit_code(kind, monkeypatch, capsys):
    code, said = run_failing(monkeypatch, capsys, kind)
    _, expected, start = FAILURES[kind]
    assert code == expected and said.startswith(start) and len(said.splitlines()) == 1
    assert ("--debug" in said and failures.tracker() in said) == (code == 70)


@pytest.mark.parametrize("words", [["--debug", "show", "x.h5"], ["show", "x.h5", "--debug"]], ids=["before", "after"])
def test_debug_shows_the_traceback_wherever_it_stands(words, monkeypatch, capsys):
    monkeypatch.setattr(commands, "show", lambda arguments: {}["x"])
    assert cli.main(words) == 70
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback") and "KeyError: 'x'" in lines
    assert lines[-1].startswith("error: unforeseen KeyError")


def test_debug_shows_the_hidden_cause_and_nothing_that_a_terminal_obeys(monkeypatch, capsys):
    code, said = run_failing(monkeypatch, capsys, "value", "--debug")
    assert code == 2 and "KeyError: 'the cause'" in said and "in fail_twice" in said and "\x1b" not in said
    assert said.splitlines()[-1] == FAILURES["value"][2]


def test_debug_shows_why_a_file_of_a_report_failed(tmp_path, small_quick, capsys):
    save(tmp_path, "fits", models.capped_autoencoder(4, 1), task="clutter")
    (tmp_path / "fits.json").write_text("{ no JSON")
    words = ["report", str(tmp_path), "--out", str(tmp_path / "out"), "--profile", "quick"]
    assert cli.main([*words, "--debug"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fits.h5\nTraceback") and "JSONDecodeError" in said and "in read_card" in said
    assert cli.main(words) == 2
    assert "Traceback" not in capsys.readouterr().err


def write_package(folder, name, text):
    """Write a module that stands before the installed one of that name; return the environment that finds it."""
    (folder / f"{name}.py").write_text(text)
    return os.environ | {"PYTHONPATH": str(folder)}


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("raise ModuleNotFoundError(\"No module named 'h5py'\", name='h5py')", 2, "pip install -e ."),
        ("raise ImportError('libhdf5.so: cannot open', name='h5py._errors')", 2, "libhdf5.so: cannot open"),
        ("raise RuntimeError('built for another numpy')", 70, "unforeseen RuntimeError: built for another numpy"),
    ],
    ids=["missing", "broken", "odd"],
)
def test_package_that_cannot_be_imported_is_one_line(tmp_path, text, code, says):
    environment = write_package(tmp_path, "h5py", text)
    command = [sys.executable, "-m", "denoise_utils", "show", "x.h5"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == code and says in done.stderr and len(done.stderr.splitlines()) == 1
    done = subprocess.run([*command, "--debug"], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert done.returncode == code and done.stderr.startswith("Traceback") and "h5py.py" in done.stderr


def ask_tracker(folder, *words):
    """Ask in a folder that has the package and nothing about it: a checkout may have been installed."""
    if not (folder / "denoise_utils").exists():
        (folder / "denoise_utils").symlink_to(ROOT / "denoise_utils")
    program = "from denoise_utils.system import failures; print(failures.tracker())"
    command = [sys.executable, *words, "-c", program]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment).stdout.strip()


def test_errors_are_reported_where_the_package_says(tmp_path):
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    about = tmp_path / "denoise_utils-1.0.0.dist-info"
    about.mkdir()
    lines = [f"Project-URL: {name}, {address}\n" for name, address in urls.items()]
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: denoise-utils\nVersion: 1\n{''.join(lines)}")
    assert ask_tracker(tmp_path) == urls["Issues"]
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: denoise-utils\nVersion: 1\n")
    assert ask_tracker(tmp_path) == failures.TRACKER


def test_package_that_is_not_installed_has_the_projects_issue_tracker(tmp_path):
    assert ask_tracker(tmp_path, "-S") == "the project's issue tracker"


@pytest.mark.parametrize("words", [[], ["show"], ["denoise"], ["report"], ["grade"], ["search"], ["train"]])
def test_help_tells_the_exit_codes(words, capsys):
    with pytest.raises(SystemExit):
        cli.main([*words, "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "70: an unforeseen error" in told and "130: stopped" in told and "--debug" in told


def test_missing_package_is_found_in_the_own_python(tmp_path):
    assert "pip install -e ." in failures.advise(tmp_path)
    (tmp_path / "course.py").touch()
    assert "`python course.py notebooks 00` makes .venv" in failures.advise(tmp_path)
    (tmp_path / ".venv").mkdir()
    assert "that of .venv, has it" in failures.advise(tmp_path)
