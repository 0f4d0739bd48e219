"""course.py and the Makefile: a clear word where Python is wrong, and a half-made .venv that is made anew."""

import ast
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT

RECORDER = """#!/bin/sh
case "$1" in
  -c) case "{version}" in 3.11*|3.12*|3.13*) exit 0;; *) exit 1;; esac;;
  *) echo "$@" >> {log}
     if [ -n "$FAILING" ] && [ "$2" = "$FAILING" ]; then exit 3; fi
     if [ "$1 $2" = "-m venv" ]; then for last in "$@"; do :; done; mkdir -p $last/bin; cp "$0" $last/bin/python; fi;;
esac
"""


def load(path):
    """Import the course.py at `path`."""
    spec = importlib.util.spec_from_file_location("course", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(tmp_path):
    """A copy of what course.py reads."""
    for name in (
        "Makefile",
        "course.py",
        "ASSIGNMENT.md",
        "requirements.txt",
        "requirements-dev.txt",
        "pyproject.toml",
    ):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "notebooks" / "text").mkdir(parents=True)
    (tmp_path / "notebooks" / "text" / "05_grid_search.py").touch()
    return tmp_path


@pytest.fixture
def python(tmp_path):
    """A stand-in for Python 3.12, which notes in `log` how it was called, and makes such environments."""
    if os.name == "nt":
        pytest.skip("it is a shell script")
    return write_python(tmp_path / "python", "3.12.1", tmp_path / "log")


def write_python(path, version, log):
    """Write a stand-in for an interpreter of some version; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(RECORDER.format(version=version, log=log))
    path.chmod(0o755)
    return str(path)


def course(project, *words, **environment):
    return subprocess.run(
        [sys.executable, "course.py", *words], capture_output=True, text=True, cwd=project, env=os.environ | environment
    )


def test_python_that_is_too_old_or_too_new_is_refused_with_advice(project, tmp_path):
    old = write_python(tmp_path / "old", "3.10.4", tmp_path / "log")
    done = course(project, "test", "--python", old)
    assert done.returncode == 1
    assert "Expected Python 3.11, 3.12 or 3.13, found:" in done.stderr and "--python" in done.stderr
    assert not (project / ".venv").exists()


def test_syntax_is_read_by_pythons_that_are_too_old():
    """So that they get the advice: nothing newer than Python 3.6, which has no walrus and no match."""
    ast.parse((ROOT / "course.py").read_text(), feature_version=(3, 6))


def test_another_python_of_the_system_is_found(monkeypatch, tmp_path):
    module = load(ROOT / "course.py")
    write_python(tmp_path / "python3.12", "3.12.1", tmp_path / "log")
    monkeypatch.setattr(sys, "executable", write_python(tmp_path / "python3", "3.10.4", tmp_path / "log"))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert module.find_python() in (["python3.12"], ["python3.13"])  # 3.13 where the system has one


def test_paths_and_launchers_of_windows(tmp_path):
    module = load(ROOT / "course.py")
    assert module.inside("venv", "nt") == os.path.join("venv", "Scripts", "python.exe")
    assert module.inside("venv", "posix") == os.path.join("venv", "bin", "python")
    assert ["py", "-3.13"] in module.candidates(None, "nt") and ["python3.11"] in module.candidates(None, "posix")


def test_venv_is_made_once_and_again_when_the_requirements_change(project, python):
    assert course(project, "lab", "--python", python).returncode == 0
    first = (project / "log").read_text()
    assert f"-m venv --clear {project / '.venv'}" in first
    assert "-m pip install -q -r requirements-dev.txt -e ." in first and "-m jupyter lab" in first
    assert course(project, "lab").returncode == 0
    assert (project / "log").read_text().count("pip install") == 1
    os.utime(project / "requirements.txt", (4e9, 4e9))
    assert course(project, "lab").returncode == 0
    assert (project / "log").read_text().count("pip install") == 2


def test_half_made_venv_is_made_anew(project, python):
    write_python(project / ".venv" / "bin" / "python", "2.7", project / "log")  # fails as one without pip does
    assert course(project, "lab", "--python", python).returncode == 0
    assert "-m venv --clear" in (project / "log").read_text()


def test_a_step_that_fails_ends_the_command_with_its_status(project, python):
    assert course(project, "test", "--python", python, FAILING="ruff").returncode == 3
    steps = (project / "log").read_text()
    assert "-m ruff check" in steps and "-m pytest" not in steps
    assert course(project, "test").returncode == 0
    assert "-m pytest" in (project / "log").read_text()


def test_profile_comes_from_the_words_or_from_the_environment(project, python):
    for words, environment, profile in (
        ([], {}, "quick"),
        (["--profile", "full"], {}, "full"),
        ([], {"DENOISE_PROFILE": "full"}, "full"),
    ):
        environment = {"DENOISE_PROFILE": ""} | environment
        assert course(project, "notebooks", "--python", python, *words, "05", **environment).returncode == 0
        assert (project / "log").read_text().splitlines()[-1] == f"notebooks/execute.py --profile {profile} 05"
    assert course(project, "report", "--python", python, DENOISE_PROFILE="").returncode == 0
    assert (project / "log").read_text().splitlines()[-1].endswith("report models/ --profile full")
    refused = course(project, "test", "--profile", "full")
    assert refused.returncode == 2 and "--profile is for notebooks and report, not for test" in refused.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["notebooks", "--profile", "fulll"], 'quick or full, got "fulll"'),
        (["notebooks", "05", "99"], 'names (05), got "99"'),
        (["notebooks", "--at-once", "0"], 'a number of notebooks after --at-once, got "0"'),
        (["verify", "99"], 'names (05), got "99"'),
        (["verify", "--from", "x"], 'runs or nothing after --from, got "x"'),
        (["links", "--repo", "owner"], "links --repo owner/name, got --repo owner"),
        (["site", "x"], "no words after site, got x"),
        (["tests"], "verify, links, handout, site, report, bench, compat, clean), got tests"),
        ([], "clean), got none"),
    ],
)
def test_wrong_words_are_refused_before_anything_is_installed(project, words, told):
    done = course(project, *words)
    assert done.returncode == 2 and told in done.stderr
    assert not (project / ".venv").exists()


def test_numbers_of_options_and_other_options_go_on(project, python):
    words = ("--at-once", "1", "--solutions", "05")
    assert course(project, "notebooks", "--python", python, *words, DENOISE_PROFILE="").returncode == 0
    assert (project / "log").read_text().splitlines()[-1].endswith("--profile quick --at-once 1 --solutions 05")


def test_an_installation_that_fails_says_where_help_is(project, python):
    done = course(project, "lab", "--python", python, FAILING="pip")
    assert done.returncode == 1 and "ended with 3" in done.stderr and "docs/troubleshooting.md" in done.stderr


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_calls_course_for_every_command(project, python):
    commands = set(load(ROOT / "course.py").COMMANDS)
    makefile = (ROOT / "Makefile").read_text()
    assert set(makefile.split("COMMANDS = ")[1].splitlines()[0].split()) == commands
    settings = os.environ | {"DENOISE_PROFILE": "", "PROFILE": "release"}  # a name that others use, too
    for words, profile in ((["PROFILE=full"], " --profile full"), ([], "")):
        command = ["make", "-n", "notebooks", *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=project, env=settings)
        assert f"course.py notebooks{profile}" in done.stdout and ("--profile" in done.stdout) == bool(profile)


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_verify_trains_all_when_it_is_told_to(project, python):
    for words, told in (([], ""), (["FROM=nothing"], " --from nothing")):
        make = ["make", "verify", f"PYTHON={python}", f"START={sys.executable}", *words]
        subprocess.run(make, cwd=project, check=True, capture_output=True)
        assert (project / "log").read_text().splitlines()[-1] == f"notebooks/verify.py{told}"


def test_lab_opens_copies_and_keeps_those_with_work_in_them(project, python):
    for name in ("00_first.ipynb", "01_second.ipynb", "GLOSSARY.md"):
        (project / "notebooks" / name).write_text("committed")
    assert course(project, "lab", "--python", python).returncode == 0
    assert (project / "log").read_text().endswith("-m jupyter lab build/lab\n")
    copies = project / "build" / "lab"
    assert {path.name for path in copies.iterdir()} == {"00_first.ipynb", "01_second.ipynb", "GLOSSARY.md"}
    (copies / "00_first.ipynb").write_text("worked on")
    (copies / "01_second.ipynb").unlink()
    assert course(project, "lab").returncode == 0
    assert (copies / "00_first.ipynb").read_text() == "worked on"
    assert (copies / "01_second.ipynb").read_text() == "committed"


def test_clean_removes_the_caches_of_every_room(project):
    code = [path for folder in ("denoise_utils", "notebooks", "tests") for path in (ROOT / folder).rglob("*.py")]
    rooms = {path.parent.relative_to(ROOT) for path in code}
    for room in rooms:
        (project / room / "__pycache__").mkdir(parents=True)
    assert max(len(room.parts) for room in rooms) == 3
    assert course(project, "clean").returncode == 0
    assert all((project / room).is_dir() for room in rooms) and not list(project.rglob("__pycache__"))


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_reaches_the_command_which_ends_in_its_own_way(project, tmp_path, number):
    """The command, which marks that it was asked to end and takes its time, is waited for, not killed."""
    program = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n    time.sleep(1); pathlib.Path('ended').touch(); sys.exit(7)\n"
        "signal.signal(signal.SIGINT, end); signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path('started').touch()\n"
        "while True: time.sleep(0.1)\n"
    )
    code = f"import course; course.ROOT = '.'; raise SystemExit(course.run([{sys.executable!r}, '-c', {program!r}]))"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=project, start_new_session=True)
    while not (project / "started").exists():
        assert process.poll() is None
        time.sleep(0.05)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    assert process.wait() == 7 and (project / "ended").exists()
