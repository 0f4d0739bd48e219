"""Run processes side by side, each with a limit of processor time and of memory; kill those that pass one."""

import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

import psutil

from denoise_utils.measures.verdicts import Verdict

TICK = 0.05  # seconds between two looks at every process
NEW_CHILDREN = 1  # seconds between two looks for children of a process, a look that costs milliseconds
PATIENCE = 10  # times the limit of processor time that a process may take by the clock, sleeping or crowded out
TAIL = 2000  # bytes kept of what a process printed


@dataclass(frozen=True)
class Limits:
    """What one process may take: seconds of processor time, megabytes of resident memory.

    Processor time, because the clock would punish a submission for whatever else the machine does.
    """

    seconds: float = 120
    megabytes: float = 3000


@dataclass(frozen=True)
class Ending:
    """How a process ended: TIMEOUT, MEMORY or None (by itself), with its exit code and what it took."""

    cause: Verdict | None
    code: int
    seconds: float  # of processor time
    megabytes: float  # the most that was seen
    said: str  # the last line that it printed


class _Watched:
    """One running process, the leader of a process group of its own."""

    def __init__(self, command, limits, start):
        self.limits, self.megabytes, self.seconds, self.children, self.looked = limits, 0.0, 0.0, [], 0.0
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
        self.started = time.monotonic()
        self.process = start(command, self.log)

    def check(self):
        """Return the Ending, or None while the process runs within its limits; kill it if it does not."""
        cause, code = None, self.process.poll()
        if code is None:
            self._measure()
            clock = (time.monotonic() - self.started) / PATIENCE
            if self.megabytes > self.limits.megabytes:
                cause = Verdict.MEMORY
            elif max(self.seconds, clock) > self.limits.seconds:
                cause = Verdict.TIMEOUT
            else:
                return None
            code = self.kill()
        return Ending(cause, code, self.seconds, self.megabytes, self._last_line())

    def _measure(self):
        """Note what the process and its children took so far; addresses that are only reserved are not memory."""
        try:
            top = psutil.Process(self.process.pid)
            if time.monotonic() - self.looked > NEW_CHILDREN:
                self.children, self.looked = top.children(recursive=True), time.monotonic()
        except psutil.Error:  # it has just ended
            return
        taken = [_taken(one) for one in [top, *self.children]]
        self.seconds = max(self.seconds, sum(seconds for seconds, _ in taken))
        self.megabytes = max(self.megabytes, sum(memory for _, memory in taken) / 1e6)

    def kill(self):
        """Kill the process and its group, and return its exit code."""
        if self.process.poll() is None:
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        return self.process.wait()

    def _last_line(self):
        self.log.seek(0, os.SEEK_END)
        self.log.seek(max(0, self.log.tell() - TAIL))
        lines = self.log.read().decode("utf-8", "replace").strip().splitlines()
        self.log.close()
        return lines[-1].strip() if lines else ""


def _taken(process):
    """Return the (processor seconds, resident bytes) of one process, those of its finished children included."""
    try:
        return sum(process.cpu_times()[:4]), process.memory_info().rss
    except psutil.Error:
        return 0, 0


def start(command, log, environment=None):
    """Start `command` with its output in the file `log`, as the leader of a process group of its own.

    So a Ctrl-C is for the parent alone, and a kill for the whole group.
    """
    streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
    return subprocess.Popen(command, **streams, env=environment, start_new_session=True)


def run_all(commands, jobs, limits, start=start):
    """Run `commands` (key to list of words), `jobs` at a time, and yield (key, Ending) as each ends.

    `start` makes a process of a command and a file for its output. Close the generator to stop: what still runs is
    killed.
    """
    waiting, running = list(commands.items())[::-1], {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                key, command = waiting.pop()
                running[key] = _Watched(command, limits, start)
            time.sleep(TICK)
            for key, watched in list(running.items()):
                if ending := watched.check():
                    del running[key]
                    yield key, ending
    finally:
        for watched in running.values():
            watched.kill()
