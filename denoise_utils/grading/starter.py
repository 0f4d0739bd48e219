"""Start processes that have Keras already: one process imports it once, and forks a child for each hand-in.

A child is as alone as a process that starts from nothing: no hand-in is opened in the process that forks, so that none
finds a trace of another, and each is limited and killed by itself. Only on Linux, and only while that process has a
single thread, is a fork safe; anywhere else each hand-in's process starts from nothing, which takes seconds.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

from denoise_utils.grading import supervise
from denoise_utils.grading.exam import PACKAGE

MODULE = "denoise_utils.grading.starter"
LARGEST = 65_536  # bytes of one message
TICK = 0.02  # seconds between two looks for children that ended
READY, UNSAFE = "ready", "unsafe"


def _make_environment():
    """Return the environment of a submission's process: on the CPU, on one thread, with this very package."""
    paths = [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "MPLBACKEND": "Agg"}
    threads = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    return os.environ | quiet | {"PYTHONPATH": os.pathsep.join(filter(None, paths))} | dict.fromkeys(threads, "1")


class _Lost(Exception):
    """The process that forks has gone, or cannot fork."""


class Forked:
    """A child of the process that forks: what supervise needs of subprocess.Popen."""

    def __init__(self, starter, pid):
        self.starter, self.pid = starter, pid

    def poll(self):
        """Return the exit code, or None while the child runs."""
        return self.starter.code_of(self.pid)

    def wait(self):
        """Wait for the child's end and return the exit code."""
        while (code := self.starter.code_of(self.pid, patience=1)) is None:
            pass
        return code

    def kill(self):
        """Kill the child."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


class Starter:
    """Runs `python -m denoise_utils.grading.one` with words, on one thread of the CPU; begins when first asked."""

    def __init__(self, fork=True):
        self.environment, self.process, self.socket, self.codes = _make_environment(), None, None, {}
        self.can_fork = fork and sys.platform == "linux"

    def __call__(self, words, log):
        """Start a process with `words`, whose output goes to the file `log`; it leads a process group of its own."""
        if self.can_fork:
            try:
                return self._fork(words, log)
            except _Lost:
                self.close()
        program = [sys.executable, "-P", "-m", "denoise_utils.grading.one", *words]
        return supervise.start(program, log, self.environment)

    def _fork(self, words, log):
        if self.process is None:
            self._begin()
        try:
            socket.send_fds(self.socket, [json.dumps(words).encode("utf-8", "surrogatepass")], [log.fileno()])
        except OSError:
            raise _Lost from None
        while True:
            told = self._read(None)
            if "pid" in told:
                self.codes[told["pid"]] = None  # until it ends
                return Forked(self, told["pid"])

    def _begin(self):
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", MODULE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=self.environment,
                start_new_session=True,
            )
        if self._read(None) != {"state": READY}:
            self.can_fork = False
            raise _Lost

    def _read(self, patience):
        """Return the next message within `patience` seconds, {} if there is none; note the codes of what ended."""
        if not select.select([self.socket], [], [], patience)[0]:
            return {}
        message = self.socket.recv(LARGEST)
        if not message:
            raise _Lost
        told = json.loads(message)
        if "ended" in told:
            self.codes[told["ended"]] = told["code"]
        return told

    def code_of(self, pid, patience=0):
        """Return the exit code of a child, None while it runs; that of a kill where nobody is left to tell."""
        try:
            while self.codes[pid] is None and self._read(patience):
                pass
        except (_Lost, OSError):
            self.close()
        return self.codes[pid]

    def close(self):
        """End the process that forks; children that still run end with it."""
        if self.process is not None:
            self.socket.close()
            self.process.kill()
            self.process.wait()
        self.process = self.socket = None
        self.codes |= {pid: -signal.SIGKILL for pid, code in self.codes.items() if code is None}


@contextlib.contextmanager
def ready(fork=True):
    """Yield a Starter, and close it in the end."""
    starter = Starter(fork)
    try:
        yield starter
    finally:
        starter.close()


def _become(words, log):
    """Be the child: grade what the words name, and never return."""
    from denoise_utils.grading import one

    code = 1
    try:
        for stream in (1, 2):
            os.dup2(log, stream)
        os.setpgid(0, 0)
        one.main(words)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _reap(connection):
    """Tell of each child that ended."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            connection.send(json.dumps({"ended": ended[0], "code": os.waitstatus_to_exitcode(ended[1])}).encode())


def serve(connection):
    """Fork a child for each message, tell its number and how it ended, until the other side is gone."""
    import keras  # noqa: F401  what takes seconds, and what children then have

    from denoise_utils.grading import one  # noqa: F401

    is_safe = len(list(Path("/proc/self/task").iterdir())) == 1
    connection.send(json.dumps({"state": READY if is_safe else UNSAFE}).encode())
    while is_safe:
        _reap(connection)
        if not select.select([connection], [], [], TICK)[0]:
            continue
        message, handles, _, _ = socket.recv_fds(connection, LARGEST, 1)
        if not message:
            return
        pid = os.fork()
        if not pid:
            connection.close()
            _become(json.loads(message.decode("utf-8", "surrogatepass")), handles[0])
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)  # by both, so that it is so whoever comes first
        os.close(handles[0])
        connection.send(json.dumps({"pid": pid}).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as ours, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        serve(ours)
