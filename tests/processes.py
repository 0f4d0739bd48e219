"""Programs that a test runs in processes of their own. No test goes by the clock: it waits for what a program did."""

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
