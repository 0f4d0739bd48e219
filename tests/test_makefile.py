"""The Makefile: a clear word where Python is wrong, and a half-made .venv that is made anew."""

import os
import shutil
import subprocess

import pytest

from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path):
    """A copy of what the Makefile reads, with a recording stand-in for Python 3.12."""
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def write_python(path, version, log):
    """Write a stand-in for an interpreter of some version, which notes how it was called."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"""#!/bin/sh
case "$1" in
  --version) echo "Python {version}";;
  -c) case "{version}" in 3.11*|3.12*|3.13*) exit 0;; *) exit 1;; esac;;
  *) echo "$@" >> {log}
     if [ "$1 $2" = "-m venv" ]; then for last in "$@"; do :; done; mkdir -p $last/bin; cp "$0" $last/bin/python; fi;;
esac
"""
    )
    path.chmod(0o755)


def make(project, *words, **environment):
    path = os.pathsep.join([str(project / "bin"), "/usr/bin", "/bin"])
    settings = {"PATH": path, "HOME": str(project)} | environment
    return subprocess.run(["make", *words], capture_output=True, text=True, cwd=project, env=settings)


def test_python_that_is_too_old_or_too_new_is_refused_with_advice(project):
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        write_python(project / "bin" / name, "3.10.4" if name == "python3" else "2.7", project / "log")
    done = make(project, "test")
    assert done.returncode != 0
    assert "Expected Python 3.11, 3.12 or 3.13, found: Python 3.10.4" in done.stderr and "PYTHON=" in done.stderr
    assert not (project / ".venv").exists()


def test_venv_is_made_once_and_again_when_the_requirements_change(project):
    write_python(project / "bin" / "python3", "3.12.1", project / "log")
    assert make(project, ".venv/installed").returncode == 0
    first = (project / "log").read_text()
    assert "-m venv --clear .venv" in first and "-m pip install -q -r requirements-dev.txt -e ." in first
    assert make(project, ".venv/installed").returncode == 0
    assert (project / "log").read_text() == first
    os.utime(project / "requirements.txt", (4e9, 4e9))
    assert make(project, ".venv/installed").returncode == 0
    assert (project / "log").read_text().count("pip install") == 2


def test_half_made_venv_is_made_anew(project):
    write_python(project / "bin" / "python3", "3.12.1", project / "log")
    write_python(project / ".venv" / "bin" / "python", "2.7", project / "log")  # fails as one without pip does
    assert make(project, ".venv/installed").returncode == 0
    assert "-m venv --clear .venv" in (project / "log").read_text()


def test_profile_comes_from_make_or_from_the_environment(project):
    for words, environment, profile in (
        ([], {}, "quick"),
        (["PROFILE=full"], {}, "full"),
        ([], {"DENOISE_PROFILE": "full"}, "full"),
        ([], {"PROFILE": "release"}, "quick"),
    ):
        done = make(project, "-n", "notebooks", *words, **environment)
        assert f"execute.py --profile {profile}" in done.stdout


def test_lab_opens_copies_and_keeps_those_with_work_in_them(project):
    write_python(project / "bin" / "python3", "3.12.1", project / "log")
    (project / "notebooks").mkdir()
    for name in ("00_first.ipynb", "01_second.ipynb", "GLOSSARY.md"):
        (project / "notebooks" / name).write_text("committed")
    assert make(project, "lab").returncode == 0
    assert (project / "log").read_text().endswith("-m jupyter lab build/lab\n")
    copies = project / "build" / "lab"
    assert {path.name for path in copies.iterdir()} == {"00_first.ipynb", "01_second.ipynb", "GLOSSARY.md"}
    (copies / "00_first.ipynb").write_text("worked on")
    (copies / "01_second.ipynb").unlink()
    assert make(project, "lab").returncode == 0
    assert (copies / "00_first.ipynb").read_text() == "worked on"
    assert (copies / "01_second.ipynb").read_text() == "committed"


def test_verify_trains_all_when_it_is_told_to(project):
    assert "--from" not in make(project, "-n", "verify").stdout
    assert "notebooks/verify.py --from nothing\n" in make(project, "-n", "verify", "FROM=nothing").stdout
