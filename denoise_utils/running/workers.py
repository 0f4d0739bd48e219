"""Search a grid with several processes or machines: Keras Tuner's chief and workers, restarted when they die.

The chief hands out trials over gRPC and keeps the ledger, workers train. Keras Tuner alone would wait for ever
for a trial whose worker died, and its grid search runs one trial at a time, however many workers ask.
"""

import json
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
import traceback

import keras_tuner

from denoise_utils.running import trials
from denoise_utils.running.trials import Plan
from denoise_utils.system import files, streams

VARIABLES = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
MAX_DEATHS = 5  # of processes, between one finished trial and the next
GRACE = 10  # seconds for workers to hear that the search is over
PATIENCE = 10  # times the slowest trial so far: a worker silent for longer is given up


class LedgerOracle(keras_tuner.Oracle):
    """Hand out the configurations that the ledger does not hold, and write to it what workers report."""

    def __init__(self, plan):
        count = len(plan.configurations)
        options = {"objective": trials.OBJECTIVE, "max_consecutive_failed_trials": count + 1}
        super().__init__(hyperparameters=plan.make_space(), **options)
        self.plan, self.slowest, self.started = plan, None, {}
        self.left = plan.configurations

    def populate_space(self, trial_id):
        """Return the next configuration that is neither finished nor somebody's."""
        self.left = [values for values in self.left if not self.plan.read_row(values)]
        taken = [trial.hyperparameters.values for trial in self.ongoing_trials.values()]
        for values in self.left:
            if values not in taken:
                self.started[trial_id] = time.monotonic()
                return {"status": "RUNNING", "values": values}
        return {"status": "IDLE" if taken else "STOPPED", "values": None}

    @keras_tuner.synchronized
    def create_trial(self, tuner_id):
        """Return the worker's trial (again, if it was restarted), taking back those of lost workers first."""
        for holder, trial in list(self.ongoing_trials.items()):
            held = time.monotonic() - self.started[trial.trial_id]
            if self.slowest is not None and held > 60 + PATIENCE * self.slowest:
                del self.ongoing_trials[holder]
                self.tuner_ids.discard(holder)
        return super().create_trial(tuner_id)

    @keras_tuner.synchronized
    def end_trial(self, trial):
        """Write the trial's row to the ledger; one without a whole row failed, and is not handed out again."""
        values = trial.hyperparameters.values
        row = json.loads(values.pop("row", "null"))
        if self.plan.is_row(row, values):
            if not self.plan.read_row(values):
                files.write_json(self.plan.path_of(values), row)
            self.slowest = max(self.slowest or 0, row["seconds"])
        else:
            self.left = [others for others in self.left if others != values]
        known = self.trials.get(trial.trial_id)
        if known and known.hyperparameters.values == values:  # else it is one of a chief that died
            super().end_trial(trial)

    def is_finished(self):
        """Say whether no trial is left or running."""
        return not self.ongoing_trials and all(self.plan.read_row(values) for values in self.left)


class Worker(trials.LedgerTuner):
    """Train what the chief hands out; the row travels with the trial, so that no folder need be shared."""

    asked = False

    def pre_create_trial(self):
        """Wait before asking again: Keras Tuner's workers ask without a pause while there is nothing to do."""
        if self.asked:
            time.sleep(0.5)
        self.asked = True

    def run_trial(self, trial, *args, **kwargs):
        """Return the trial's best validation loss and attach its row."""
        self.asked = False
        values = trial.hyperparameters.values
        print(f"\ntrial {trials.ledger_name(values)}: {values}", flush=True)
        result = super().run_trial(trial, *args, **kwargs)
        values["row"] = json.dumps(self.rows[-1])
        return result

    def on_trial_end(self, trial):
        """Report the trial; the message of one that failed goes to the log."""
        print(f"\n{trial.message or trial.status}", flush=True)
        super().on_trial_end(trial)


def _run_role(name, plan, arguments, keywords):
    """Be the chief or the worker `name`, until the search is over."""
    oracle = LedgerOracle(plan)
    tuner = Worker(plan, oracle, f"tuner-{name}")
    if "chief" not in name:  # as Keras Tuner decides it
        tuner.search(*arguments, **keywords)
        return
    server = threading.Thread(target=tuner.search, kwargs={"verbose": 0}, daemon=True)
    server.start()  # it polls for its end every 20 s: we look ourselves
    while not oracle.is_finished():
        if not server.is_alive():
            raise ConnectionError(f"Expected to listen at {os.environ[VARIABLES[1]]}:{os.environ[VARIABLES[2]]}.")
        time.sleep(0.2)
    until = time.monotonic() + GRACE
    while oracle.tuner_ids and time.monotonic() < until:
        time.sleep(0.2)
    time.sleep(1)  # for the last answer to leave


def _be(name, address, plan, fit_data):
    """Be `name` in a process of its own: log to what is standard error here, end with the process that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the starting process's business
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # the log
    streams.accept_every_character()
    os.environ |= dict(zip(VARIABLES, (name, *address), strict=True))
    code = 1
    try:
        _run_role(name, plan, *fit_data)
        code = 0
    except Exception:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # gRPC's threads would hold it back


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def find_address() -> tuple[str, ...] | None:
    """Return this process's id, IP and port from Keras Tuner's environment variables, or None without them."""
    found = [os.environ.get(name) for name in VARIABLES]
    if not any(found):
        return None
    if not all(found) or not found[2].isdecimal():
        raise ValueError(f"Expected {', '.join(VARIABLES)} all set, the port a number, got {found}: set or unset them.")
    return tuple(found)


def work(plan: Plan, fit_data: tuple, num_workers: int, address: tuple | None, deadline: int) -> bool:
    """Have the trials of `plan` trained by `num_workers` processes; say whether the chief was here, who knows them all.

    `fit_data` is that of `trials.fit_data`; `address` that of `find_address`, without one chief and workers are all
    started here. Raises TimeoutError after `deadline` seconds without a newly finished trial, ChildProcessError if
    processes keep dying.
    """
    if address is None:
        names, place = ["chief", *(f"worker{n}" for n in range(1, num_workers + 1))], ("127.0.0.1", _free_port())
    else:
        name, *place = address
        names = [name] if "chief" in name else [f"{name}-{n}" for n in range(1, num_workers + 1)]
    if len(plan.read_rows()) < len(plan.configurations) or "chief" not in names[0]:
        (plan.folder / "logs").mkdir(exist_ok=True)
        _supervise(plan, names, lambda name: _start(name, place, plan, fit_data), deadline)
    return "chief" in names[0]


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _start(name, address, plan, fit_data):
    arguments = name, address, plan, ((), {}) if "chief" in name else fit_data
    process = multiprocessing.get_context("spawn").Process(target=_be, args=arguments, name=name)
    with open(plan.folder / "logs" / f"{name}.log", "a", encoding="utf-8") as log, streams.send_to(log, 2):
        process.start()  # TensorFlow's first words there go to the log
    return process


def _supervise(plan, names, start, deadline):
    """Keep the processes alive until the chief (or, without one here, every worker) ends by itself."""
    processes, finished, deaths, since = {}, -1, 0, time.monotonic()
    try:
        for name in names:
            processes[name] = start(name)
        while any(processes[name].exitcode != 0 for name in names[: 1 if "chief" in names[0] else None]):
            time.sleep(0.2)
            if (now := len(plan.read_rows())) > finished:
                finished, deaths, since = now, 0, time.monotonic()
                print(f"\rtrial {now}/{len(plan.configurations)}, processes: {', '.join(names)}  ", end="", flush=True)
            for name in (name for name, process in processes.items() if process.exitcode not in (None, 0)):
                if (deaths := deaths + 1) > MAX_DEATHS:
                    raise ChildProcessError(
                        f"Expected {name} to run, got {deaths} deaths in a row: see {plan.folder / 'logs'}."
                    )
                processes[name] = start(name)
            if time.monotonic() - since > deadline:
                raise TimeoutError(f"Expected a trial every {deadline} s, got none: see {plan.folder / 'logs'}.")
        for process in processes.values():  # workers hear it within a second
            process.join(GRACE)
        print()
    finally:
        for process in processes.values():
            process.kill()  # the ledger is written atomically
            process.join()
