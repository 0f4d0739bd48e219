"""Programs that a test runs in processes of their own. No test goes by the clock: it waits for what a program did."""

import contextlib
import random
import subprocess
import sys
import time

from tests.conftest import ROOT


def run(program, *words, **more):
    """Run a Python program from the project's root to its end; return the finished process, with what it said."""
    command = [sys.executable, "-c", program, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, **{"cwd": ROOT} | more)


def start(program, *words, **more):
    """Start a Python program at the project's root and return its process."""
    return subprocess.Popen([sys.executable, "-c", program, *map(str, words)], cwd=ROOT, **more)


def wait_for(condition, process):
    """Return what `condition()` gives as soon as that is true; a process that ends before is an error."""
    while not (found := condition()):
        assert process.poll() is None, "it ended before what was waited for came"
        time.sleep(0.01)
    return found


def kill_within(condition, seconds, program, *words):
    """Start a program and kill it at some moment of so many seconds after `condition()` is true."""
    process = start(program, *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(condition, process)
        time.sleep(random.uniform(0, seconds))
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def full_disk(num_bytes):
    """Let no file of this process grow past `num_bytes`."""
    import resource  # not on Windows

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
