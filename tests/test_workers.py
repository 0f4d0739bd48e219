"""The search by chief and workers: complete, ranked as in one process, finished although workers are killed."""

import json
import multiprocessing
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from dataclasses import replace
from multiprocessing.context import SpawnContext, SpawnProcess

import keras
import pytest

from denoise_utils import cli, profiles, search
from denoise_utils.running import trials, workers
from denoise_utils.system import files
from tests import processes
from tests.trainings import SMALL, run_search

PROGRAM = """
import signal, sys
from denoise_utils import noise
from denoise_utils.running import workers
from tests.trainings import SMALL
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
if __name__ == "__main__":
    pairs = noise.load_task("clutter", num_train=200, num_val=60, num_test=60)
    try: search.search(SMALL, 3600, pairs, runs=sys.argv[1], num_workers=2)
    except KeyboardInterrupt: sys.exit(130)
"""


@pytest.fixture(scope="module")
def alone(clutter, tmp_path_factory):
    """The search in one process."""
    return run_search(clutter, tmp_path_factory.mktemp("alone"), SMALL)


@pytest.fixture
def plan(clutter, tmp_path):
    return search.make_plan(SMALL, 3600, clutter, runs=tmp_path)


def search_parallel(clutter, runs, **options):
    return search.search(SMALL, 3600, clutter, runs=runs, num_workers=2, **options)


def without_seconds(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def count_starts(folder):
    """Count how often each trial was begun, by the workers' logs."""
    text = "".join(path.read_text() for path in folder.glob("logs/*.log"))
    return Counter(re.findall(r"^trial (\w+\.json):", text, re.M))


@pytest.mark.stress
def test_two_workers_find_what_one_process_finds(alone, clutter, tmp_path, capfd):
    found = search_parallel(clutter, tmp_path)
    assert found.folder.name == alone.folder.name and found.num_loaded == 0
    assert without_seconds(found.rows) == without_seconds(alone.rows)
    assert (found.over_cap, found.num_skipped) == (alone.over_cap, alone.num_skipped)
    ledger = {path.name for path in (alone.folder / "ledger").iterdir()}
    assert {path.name for path in (found.folder / "ledger").iterdir()} == ledger
    assert count_starts(found.folder) == dict.fromkeys(ledger, 1)
    assert "trial 4/4" in capfd.readouterr().out and not multiprocessing.active_children()
    again = run_search(clutter, tmp_path, SMALL)
    assert again.num_loaded == 4 and again.rows == found.rows
    assert search_parallel(clutter, tmp_path).rows == found.rows


@pytest.mark.stress
def test_damaged_trials_are_trained_again_by_workers(alone, clutter, tmp_path):
    shutil.copytree(alone.folder, tmp_path / alone.folder.name)
    empty, lacking, *whole = sorted((tmp_path / alone.folder.name / "ledger").glob("[!.]*.json"))
    empty.write_bytes(b"")
    lacking.write_text('{"val_bce": 0.0}')  # it would win
    written = [path.stat().st_mtime_ns for path in whole]
    found = search_parallel(clutter, tmp_path)
    assert found.num_loaded == len(whole) == 2 and [path.stat().st_mtime_ns for path in whole] == written
    assert without_seconds(found.rows) == without_seconds(alone.rows)
    assert count_starts(found.folder) == {empty.name: 1, lacking.name: 1}
    assert run_search(clutter, tmp_path, SMALL).num_loaded == 4


def start_instead(monkeypatch, names, make):
    """Let the first process of each name be another: `make(target, args)` returns its target and arguments."""
    waiting = set(names)

    def start(*, target, args, name):
        if name in waiting:
            waiting.remove(name)
            target, args = make(target, args)
        return SpawnProcess(target=target, args=args, name=name)

    monkeypatch.setattr(SpawnContext, "Process", staticmethod(start))


def die(*about, **options):
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_a_trial(target, *words):
    keras.Model.fit = die
    target(*words)


def die_after_a_row(target, *words):
    write = files.write_json

    def write_and_die(path, content):
        write(path, content)
        if path.parent.name == "ledger":
            die()

    files.write_json = write_and_die
    target(*words)


@pytest.mark.stress
def test_killed_workers_cost_only_their_trials(alone, clutter, tmp_path, monkeypatch):
    """Each dies in its first trial; one may find none left."""
    start_instead(monkeypatch, ["worker1", "worker2"], lambda target, words: (die_in_a_trial, (target, *words)))
    found = search_parallel(clutter, tmp_path)
    assert without_seconds(found.rows) == without_seconds(alone.rows)
    assert sorted(count_starts(found.folder).values()) in ([1, 1, 1, 2], [1, 1, 2, 2])


def start_program(tmp_path):
    program = processes.start(PROGRAM, tmp_path, stdout=subprocess.DEVNULL)
    processes.wait_for(lambda: list(tmp_path.glob("*/ledger/[!.]*.json")), program)
    return program


def processes_of(folder):
    """Return the processes that have a log of this search open."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                if str(folder) in os.readlink(f"/proc/{entry.name}/fd/1"):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.stress
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks for processes in /proc")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_search_leaves_no_process_and_goes_on(how, alone, clutter, tmp_path):
    program = start_program(tmp_path)
    program.send_signal(how)
    assert program.wait() == (130 if how == signal.SIGINT else -signal.SIGKILL)
    while processes_of(tmp_path):
        time.sleep(0.02)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/ledger/[!.]*.json")}
    found = search_parallel(clutter, tmp_path)
    assert found.num_loaded == len(written) >= 1
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())
    assert without_seconds(found.rows) == without_seconds(alone.rows)


@pytest.mark.stress
def test_killed_chief_is_replaced(alone, clutter, tmp_path, monkeypatch):
    start_instead(monkeypatch, ["chief"], lambda target, words: (die_after_a_row, (target, *words)))
    assert without_seconds(search_parallel(clutter, tmp_path).rows) == without_seconds(alone.rows)


@pytest.mark.stress
def test_machines_that_share_no_folder(alone, clutter, tmp_path):
    """A chief and a worker as two commands on two machines would be: the rows come by gRPC."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    names = ["chief", "machine2"]
    started = []
    for name in names:
        values = dict(zip(workers.VARIABLES, (name, "127.0.0.1", port), strict=True))
        options = {"env": os.environ | values, "stdout": subprocess.DEVNULL}
        started.append(processes.start(PROGRAM, tmp_path / name, **options))
    try:
        assert [process.wait() for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()
    found = run_search(clutter, tmp_path / "chief", SMALL)
    assert found.num_loaded == 4 and without_seconds(found.rows) == without_seconds(alone.rows)


def row_of(oracle, trial):
    """Return what a worker would report of a trial."""
    values = trial.hyperparameters.values
    architecture = next(one for one in oracle.plan.legal if trials.label(one) == values["architecture"])
    others = {axis: value for axis, value in values.items() if axis != "architecture"}
    return architecture | others | {"val_bce": 0.5, "seconds": 1.0, "val_history": [0.5]}


def finish(oracle, trial, **changed):
    """Report a trial as a worker would; `changed` replaces parts of its row."""
    oracle.update_trial(trial.trial_id, {"val_loss": 0.5})
    trial.hyperparameters.values["row"] = json.dumps(row_of(oracle, trial) | changed)
    trial.status = "COMPLETED"
    oracle.end_trial(trial)


def copy_of(trial):
    """Return the trial as it comes over gRPC."""
    return type(trial).from_proto(trial.to_proto())


def make_oracle(plan):
    oracle = workers.LedgerOracle(plan)
    oracle._set_project_dir(plan.folder, "tuner-chief")
    oracle.verbose = 0
    return oracle


def test_as_many_trials_run_at_once_as_workers_ask(plan):
    oracle = make_oracle(plan)
    trials = [copy_of(oracle.create_trial(f"w{n}")) for n in range(5)]
    assert [trial.status for trial in trials] == ["RUNNING"] * 4 + ["IDLE"]
    assert [trial.hyperparameters.values for trial in trials[:4]] == plan.configurations
    for trial in trials[:4]:
        finish(oracle, trial)
    assert oracle.is_finished() and oracle.create_trial("w0").status == "STOPPED"
    assert len(list(plan.ledger.iterdir())) == 4


def test_trial_of_a_lost_worker_goes_to_another_and_back_to_a_restarted_one(plan):
    oracle = make_oracle(plan)
    lost = copy_of(oracle.create_trial("lost"))
    assert oracle.create_trial("lost").trial_id == lost.trial_id
    for _ in range(3):
        finish(oracle, copy_of(oracle.create_trial("other")))
    assert oracle.create_trial("other").status == "IDLE" and not oracle.is_finished()
    oracle.started[lost.trial_id] -= 60 + workers.PATIENCE + 1
    again = copy_of(oracle.create_trial("other"))
    assert again.hyperparameters.values == lost.hyperparameters.values
    finish(oracle, again)
    written = (plan.ledger / trials.ledger_name(plan.configurations[0])).read_text()
    finish(oracle, lost, seconds=99.0)  # it was only slow
    assert (plan.ledger / trials.ledger_name(plan.configurations[0])).read_text() == written and oracle.is_finished()


def test_failed_trials_do_not_stop_the_others(plan):
    oracle = make_oracle(plan)
    for _ in range(4):
        trial = copy_of(oracle.create_trial("w"))
        trial.status = "INVALID"
        oracle.end_trial(trial)
    assert oracle.is_finished() and oracle.create_trial("w").status == "STOPPED"


def test_row_that_is_none_is_a_failed_trial(plan):
    oracle = make_oracle(plan)
    for _ in range(4):
        finish(oracle, copy_of(oracle.create_trial("w")), val_history=None)
    assert oracle.is_finished() and not plan.read_rows() and oracle.create_trial("w").status == "STOPPED"


def test_damaged_entry_is_replaced_by_what_a_worker_reports(plan):
    oracle = make_oracle(plan)
    path = plan.path_of(plan.configurations[0])
    path.parent.mkdir()
    path.write_text('{"val_bce": 0.5, "sec')
    assert not oracle.is_finished()
    finish(oracle, copy_of(oracle.create_trial("w")))
    assert json.loads(path.read_text())["val_history"] == [0.5] and len(plan.read_rows()) == 1


@pytest.mark.stress
def test_processes_that_keep_dying_and_stalls_end_the_search(clutter, tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "MAX_DEATHS", 0)
    start_instead(monkeypatch, ["chief"], lambda target, words: (os._exit, (7,)))
    with pytest.raises(ChildProcessError, match="1 deaths in a row"):
        search_parallel(clutter, tmp_path)
    start_instead(monkeypatch, ["chief"], lambda target, words: (time.sleep, (3600,)))
    with pytest.raises(TimeoutError, match=r"every 0\.5 s"):
        search_parallel(clutter, tmp_path, deadline=0.5)
    assert not multiprocessing.active_children()


def test_command_searches_and_shows_the_head(tmp_path, monkeypatch, capsys):
    tiny = replace(profiles.load_profile("tiny"), root=tmp_path)
    monkeypatch.setattr(profiles, "load_profile", lambda name=None: tiny)
    assert cli.main(["search", "--task", "clutter"]) == 0
    printed = capsys.readouterr().out
    assert "rank  val_bce  filters" in printed and f"The ledger: {tmp_path}" in printed
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    assert cli.main(["search", "--task", "clutter"]) == 2
    assert "all set, the port a number" in capsys.readouterr().err
