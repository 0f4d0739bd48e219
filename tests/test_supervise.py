"""Processes under limits: slow and hungry ones are killed with their children, the others are left in peace."""

import contextlib
import sys
import time

import psutil

from denoise_utils.grading import supervise

HUNGRY = "import time\nheld = [bytearray(20_000_000) for _ in range(30)]\nwhile True: time.sleep(0.01)"
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {program!r}])
open({path!r}, "w").write(str(child.pid))
child.wait()
"""


def run(programs, jobs=2, seconds=20, megabytes=300):
    commands = {name: [sys.executable, "-c", text] for name, text in programs.items()}
    return dict(supervise.run_all(commands, jobs, supervise.Limits(seconds, megabytes)))


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_each_ends_as_it_should_and_none_disturbs_another():
    endings = run({"good": "print('fine')", "bad": "import sys; sys.exit('no luck')", "hungry": HUNGRY}, jobs=3)
    assert {name: one.cause for name, one in endings.items()} == {"good": None, "bad": None, "hungry": "MEMORY"}
    assert (endings["good"].code, endings["good"].said) == (0, "fine")
    assert (endings["bad"].code, endings["bad"].said) == (1, "no luck")
    assert 300 < endings["hungry"].megabytes < 1000


def test_time_is_limited_and_the_next_one_starts(monkeypatch):
    monkeypatch.setattr(supervise, "PATIENCE", 1000)  # on a crowded machine, too, it is the processor's time
    endings = run({"busy": "while True: pass", "next": "print(1)"}, jobs=1, seconds=1)
    assert [one.cause for one in endings.values()] == ["TIMEOUT", None]
    assert endings["busy"].seconds >= 1


def test_time_is_that_of_the_processor_unless_the_clock_runs_far_ahead(monkeypatch):
    monkeypatch.setattr(supervise, "PATIENCE", 0.1)
    ending = run({"sleeps": "import time; time.sleep(3600)"}, seconds=20)["sleeps"]
    assert ending.cause == "TIMEOUT" and ending.seconds < 20
    monkeypatch.setattr(supervise, "PATIENCE", 1000)
    assert run({"dozes": "import time; time.sleep(1.7)"}, seconds=1.5)["dozes"].cause is None


def test_memory_of_children_counts_and_they_are_killed_too(tmp_path):
    program = PARENT.format(program=HUNGRY, path=str(tmp_path / "pid"))
    assert run({"parent": program})["parent"].cause == "MEMORY"
    child = int((tmp_path / "pid").read_text())
    for _ in range(6000):  # it is killed, but on a crowded machine not gone at once
        if not is_alive(child):
            break
        time.sleep(0.01)
    assert not is_alive(child)


def test_reserved_addresses_are_not_memory():
    ending = run({"reserves": "import mmap, time; m = mmap.mmap(-1, 4_000_000_000); time.sleep(0.3)"})["reserves"]
    assert (ending.cause, ending.code) == (None, 0)


def test_what_runs_is_killed_when_its_reader_stops(tmp_path):
    program = f"import os, time; open(r'{tmp_path}/pid', 'w', 1).write(str(os.getpid()) + chr(10)); time.sleep(3600)"
    written = f"os.path.exists(r'{tmp_path}/pid') and os.path.getsize(r'{tmp_path}/pid')"
    wait = f"import os, time\nwhile not ({written}): time.sleep(0.01)"
    commands = {"quick": [sys.executable, "-c", wait], "slow": [sys.executable, "-c", program]}
    with contextlib.closing(supervise.run_all(commands, 2, supervise.Limits())) as endings:
        assert next(endings)[0] == "quick"
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_much_output_is_kept_in_part():
    ending = run({"loud": "print('x' * 10_000_000); print('end')"})["loud"]
    assert ending.said == "end" and ending.megabytes < 300
