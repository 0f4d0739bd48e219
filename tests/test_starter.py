"""Hand-ins' processes are forked from one that has Keras: each alone, each with its own end."""

import json
import os
import signal
import sys
from types import SimpleNamespace

import psutil
import pytest

from denoise_utils.grading import starter, supervise

linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a fork is not safe, and none is made")


@pytest.fixture(scope="module")
def start():
    """A Starter that is ready."""
    with starter.ready() as one:
        yield one


def run(start, folder, commands, **limits):
    given = {"seconds": 60, "megabytes": 3000} | limits
    return dict(supervise.run_all(commands, 2, supervise.Limits(**given), start))


def no_exam(folder, name):
    """Return words that one.main fails with: it finds no exam."""
    return [str(folder / f"no exam {name}"), str(folder / "result.json")]


@linux
def test_children_end_by_themselves_with_what_they_said_and_the_forker_stays(start, tmp_path):
    endings = run(start, tmp_path, {name: no_exam(tmp_path, name) for name in "abc"})
    assert {one.code for one in endings.values()} == {1} and {one.cause for one in endings.values()} == {None}
    assert all("no exam" in one.said for one in endings.values())
    assert start.process.poll() is None and psutil.Process(start.process.pid).num_threads() == 1
    assert all(one.seconds < 3 for one in endings.values()), "none of them imports Keras"


@linux
def test_a_child_is_killed_alone(start, tmp_path):
    with open(tmp_path / "log", "wb") as log:
        child = start(["--", "never read"], log)
        assert os.getpgid(child.pid) == child.pid
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() in (-signal.SIGKILL, 1) and start.process.poll() is None


@pytest.mark.stress
@linux
def test_when_the_forker_is_killed_its_children_count_as_killed_and_another_begins(tmp_path):
    with starter.ready() as one, open(tmp_path / "log", "wb") as log:
        child = one(no_exam(tmp_path, "x"), log)
        first = one.process.pid
        one.process.kill()
        assert child.wait() in (-signal.SIGKILL, 1)
        again = one(no_exam(tmp_path, "y"), log)
        assert again.wait() == 1 and one.process.pid != first
    assert not psutil.pid_exists(first)


def test_where_nothing_can_be_forked_a_process_begins_by_itself(tmp_path, monkeypatch):
    one = starter.Starter()
    one.can_fork = False
    with open(tmp_path / "log", "w+b") as log:
        child = one(no_exam(tmp_path, "z"), log)
        assert child.wait() == 1 and one.process is None
        log.seek(0)
        assert b"no exam z" in log.read()


@linux
def test_a_process_with_threads_does_not_fork(monkeypatch):
    sent = []
    monkeypatch.setattr(starter.Path, "iterdir", lambda self: iter(["one", "two"]))
    starter.serve(SimpleNamespace(send=lambda text: sent.append(json.loads(text))))
    assert sent == [{"state": starter.UNSAFE}]
