"""The folder of one training run: which files it has, what they say, and how it travels with the repository.

A run is named by its settings. While it is trained, its folder holds settings.json, history.json (a line per
epoch), the best model so far and the newest state, with which another process goes on. scores.json is written
last: a run that has it is finished.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from denoise_utils.saved import portable
from denoise_utils.system import files

MOST = 1_000_000  # bytes of a file that travels; a larger model goes to models/ or stays behind
STATE = "epoch_{}.weights.h5"  # the model and its optimizer after an epoch; Keras goes by the ending
SENT = "epoch_{}.state"  # the same on its way, as no model


@dataclass(frozen=True)
class RunFolder:
    """The run at `path`; it need not exist yet."""

    path: Path

    @classmethod
    def of(cls, runs, settings):
        """Return the folder, under `runs`, of the run with these settings."""
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return cls(Path(runs) / f"{settings['name']}-{digest[:10]}")

    @property
    def best(self):
        """Path of the model with the lowest validation loss so far."""
        return self.path / "best.h5"

    def after(self, epoch):
        """Return the path of the model as it was after `epoch`, if the run was told to keep it."""
        return self.path / f"after_{epoch}.h5"

    def state(self, epoch):
        """Return the path of the whole state after `epoch`: weights and optimizer."""
        return self.path / STATE.format(epoch)

    @property
    def settings(self):
        """What decides the run, a dict; {} before it began."""
        return self._read("settings", {})

    @property
    def history(self):
        """One dict per epoch: loss, val_loss, seconds, machine."""
        return self._read("history", [])

    @property
    def scores(self):
        """The scores of the best model on the validation images, a dict; {} of a run that is not finished."""
        return self._read("scores", {})

    @property
    def finished(self):
        """Whether nothing is left to train."""
        return (self.path / "scores.json").is_file()

    def _read(self, name, otherwise):
        path = self.path / f"{name}.json"
        if not path.is_file():
            return otherwise
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"Expected {path} as JSON, got: {error}. Move the folder away, and the run is trained anew."
            ) from None

    def write(self, name, content):
        """Write `content` to one of the .json files: "settings", "history" or "scores"."""
        files.write_json(self.path / f"{name}.json", content)

    def finish(self, scores):
        """End the run: let older Keras open its best model too, keep the scores, remove the state."""
        if self.best.is_file():
            with files.atomic_path(self.best) as temporary:
                shutil.copyfile(self.best, temporary)
                portable.make_portable(temporary)
        self.write("scores", scores)
        for state in self.path.glob(STATE.format("*")):
            state.unlink()

    def log(self, line):
        """Add a line to log.txt, the run's diary; it does not travel."""
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def send(self, shelf):
        """Copy to the folder `shelf` what may travel: all files of at most MOST bytes, and the newest state as .state.

        Of a larger model only a finished run is sent, without the model.
        """
        there = Path(shelf) / self.path.name
        if not self.finished and self._too_large():
            return
        there.mkdir(parents=True, exist_ok=True)
        newest = len(self.history)
        if not self.finished:
            _copy(self.state(newest), there / SENT.format(newest))
        self._copy_to(there)
        for state in there.glob(SENT.format("*")):
            if self.finished or state.name != SENT.format(newest):
                state.unlink()

    def fetch(self, shelf):
        """Take this run from the folder `shelf` if it is further there than here; return whether it was.

        Of a cut copy nothing counts: the history, which says how far the run is, comes after the state that it
        tells of, and the scores come last.
        """
        there = RunFolder(Path(shelf) / self.path.name)
        epochs = len(there.history)
        state = there.path / SENT.format(epochs)
        further = (there.finished, epochs) > (self.finished, len(self.history))
        if not further or not (there.finished or state.is_file()):
            return False
        self.path.mkdir(parents=True, exist_ok=True)
        if not there.finished:
            _copy(state, self.state(epochs))
        there._copy_to(self.path)
        for old in self.path.glob(STATE.format("*")):
            if there.finished or old != self.state(epochs):
                old.unlink()
        return True

    def _too_large(self):
        kept = (self.best, self.state(len(self.history)))
        return any(path.is_file() and path.stat().st_size > MOST for path in kept)

    def _copy_to(self, folder):
        """Copy settings, models, history and scores, in this order, each in one piece."""
        models = [path for path in (self.best, *sorted(self.path.glob("after_*.h5"))) if path.is_file()]
        small = [path for path in models if path.stat().st_size <= MOST]
        told = [self.path / f"{name}.json" for name in ("history", "scores")]
        for path in (self.path / "settings.json", *small, *told):
            if path.is_file():
                _copy(path, folder / path.name)


def _copy(path, target):
    with files.atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)
