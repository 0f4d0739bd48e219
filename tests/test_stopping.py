"""Ctrl-C at every moment of a command: it ends with 130 and one line, whatever is pressed after that."""

import json
import signal
import subprocess
import sys

import pytest

from denoise_utils import cli
from denoise_utils.cli import commands
from denoise_utils.system import stopping
from tests.conftest import ROOT

PRESSED = """
import atexit, contextlib, json, os, runpy, signal, sys
from pathlib import Path
from denoise_utils import cli
from denoise_utils.cli import commands
from denoise_utils.system import stopping

FOLDER = Path(commands.__file__).parents[1]
OURS = ("__main__.py", "cli/arguments.py", "system/stopping.py")
TRACED = {str(FOLDER / name) for name in OURS} | {contextlib.__file__, "<string>"}
presses = 0

def press():
    global presses
    presses += 1
    signal.raise_signal(signal.SIGINT)

def work(arguments):
    try:
        return 0
    finally:
        print("kept", flush=True)

def press_at_each_call(frame, event, argument):
    if event in ("call", "c_call"):
        press()

def press_at(moment):
    passed = set()

    def trace(frame, event, argument):
        code, where = frame.f_code, (frame.f_code, frame.f_lineno)
        if code.co_filename not in TRACED or code.co_name == "make_parser" or code.co_name.startswith("_add_"):
            return None
        is_heard = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        if event == "line" and is_heard and where not in passed:
            passed.add(where)
            if len(passed) == moment:
                sys.setprofile(press_at_each_call)
                press()  # Python takes a trace that raises away
        return trace

    return trace

class Last:
    def __del__(self, press=signal.raise_signal, number=signal.SIGINT):
        press(number)  # when the interpreter has taken its handlers down

def report(path):
    path.write_text(f"{presses} {sys.getprofile() is press_at_each_call}")

def command(moment, folder):
    os.dup2(os.open(folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    atexit.register(report, folder / "presses")
    sys.last_of_all = Last()
    sys.argv = ["denoise_utils", "show", "any.h5"]
    sys.settrace(press_at(moment))
    runpy.run_module("denoise_utils", run_name="__main__", alter_sys=True)

commands.show = work
found, folder = [], Path(sys.argv[1])
while True:
    if not (child := os.fork()):
        command(len(found) + 1, folder)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    number, still = (folder / "presses").read_text().split()
    if number == "0":
        break
    found.append((code, (folder / "said").read_text(), int(number), still == "True"))
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_ctrl_c_at_any_line_of_a_command_and_at_every_call_after_it(tmp_path):
    done = subprocess.run([sys.executable, "-c", PRESSED, tmp_path], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    codes = [code for code, *_ in found]
    stopped = codes.count(130)
    assert stopped > 30 and codes == [130] * stopped + [0] * (len(codes) - stopped), codes  # 0: all was done before
    for code, said, presses, still_pressing in found:
        told = [line for line in said.splitlines() if line.startswith("stopped: ")]
        assert len(told) == bool(code) and said.splitlines()[-1:] == told
        if "Exception ignored" in said:  # a generator was just begun: Python drops what comes while it takes it away
            assert presses >= 2  # how many were heard before the drop depends on when Python collects its garbage
        else:
            assert presses > 0 and still_pressing and len(said.splitlines()) == len(told)  # all others were not heard
    assert found[0][1] == "stopped: nothing was begun\n"
    assert found[stopped - 1][1] == "stopped: what was finished is kept\n"


def test_caller_gets_its_handler_back(monkeypatch, capsys):
    kept = []

    def work(arguments):
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            kept.append("finished")

    monkeypatch.setattr(commands, "show", work)
    for _ in range(2):
        assert cli.main(["show", "any.h5"]) == 130
        assert capsys.readouterr().err == "stopped: what was finished is kept\n"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        stopping.check()  # it has stopped something: nothing is left to be raised
    assert kept == ["finished"] * 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_second_ctrl_c_stops_where_the_first_was_dropped():
    class Swallowing:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), stopping.heard():
        Swallowing()
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second was not heard")


def test_what_ignores_ctrl_c_goes_on_to_ignore_it():
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nfrom denoise_utils.system import stopping\n"
        "stopping.take_over()\nwith stopping.noticed(): signal.raise_signal(signal.SIGINT)\n"
        "stopping.end(); assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
