"""What differs on Windows, as far as it can be seen elsewhere: names, line ends, encodings, places of programs."""

import ast
import re
import subprocess

import pytest

from denoise_utils.system import files
from tests.conftest import ROOT

FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.I)
PLACES = ("course.py", "benchmarks/environments.py")  # which know where an environment's programs lie
OF_TEXT = {"read_text": 0, "write_text": 1, "open": 2}  # calls that take an encoding, behind so many other arguments


def list_names():
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if done.returncode:
        pytest.skip("not a clone")
    return done.stdout.decode().rstrip("\0").split("\0")


def test_every_name_is_allowed_and_its_own_in_any_case():
    names = list_names()
    assert not [name for name in names if any(FORBIDDEN.search(part) for part in name.split("/"))]
    assert len({name.lower() for name in names}) == len(names) > 300
    assert max(map(len, names)) < 120  # with the folder of a user it is still below 260


def test_only_two_know_where_programs_lie():
    programs = [name for name in list_names() if name.endswith(".py") and not name.startswith("tests/")]
    place = re.compile(r"""["'/](bin|Scripts)["'/]""")
    assert {name for name in programs if place.search((ROOT / name).read_text(encoding="utf-8"))} == set(PLACES)


def test_texts_are_written_with_the_line_ends_they_have(tmp_path, monkeypatch):
    monkeypatch.setattr("os.linesep", "\r\n")
    files.write_text(tmp_path / "a.txt", "one\ntwo\n")
    assert (tmp_path / "a.txt").read_bytes() == b"one\ntwo\n"
    assert "* text=auto eol=lf" in (ROOT / ".gitattributes").read_text(encoding="utf-8")


def without_encoding(call):
    """Say whether a call reads or writes text in the code page of the system."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name not in OF_TEXT or any(key.arg in ("encoding", None) for key in call.keywords):
        return False
    if name == "open" and (isinstance(call.func, ast.Attribute) or "devnull" in ast.unparse(call)):
        return False  # of an image, an archive, a browser
    given = [*call.args, *(key.value for key in call.keywords if key.arg == "mode")]
    binary = name == "open" and any(isinstance(one, ast.Constant) and "b" in str(one.value) for one in given[1:])
    return len(call.args) <= OF_TEXT[name] and not binary


@pytest.mark.parametrize("folder", ["denoise_utils", "notebooks/making"])
def test_the_package_names_the_encoding_of_every_text(folder):
    """The course's own commands run in UTF-8 (course.py); the package also runs in a student's Jupyter."""
    paths = sorted((ROOT / folder).rglob("*.py"))
    calls = [(path, one) for path in paths for one in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    found = [f"{path.name}:{one.lineno}" for path, one in calls if isinstance(one, ast.Call) and without_encoding(one)]
    assert paths and not found
