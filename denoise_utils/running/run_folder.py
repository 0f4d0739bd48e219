"""The folder of one training run: which files it has, what they say, where else a run may be found.

A run is named by its settings. While it is trained, its folder holds settings.json, history.json (a line per
epoch), the best model so far and the newest state, with which another process goes on. scores.json is written
last: a run that has it is finished.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from denoise_utils import saving
from denoise_utils.running.settings import Settings
from denoise_utils.saved import cards, portable
from denoise_utils.system import files

MOST = 1_000_000  # bytes of a file that travels; a larger model goes to models/ or stays behind
STATE = "epoch_{}.weights.h5"  # the model and its optimizer after an epoch; Keras goes by the ending
SENT = "epoch_{}.state"  # the same on its way, as no model


@dataclass(frozen=True)
class RunFolder:
    """The run at `path`; it need not exist yet."""

    path: Path

    @classmethod
    def of(cls, runs: Path, told: dict) -> "RunFolder":
        """Return the folder, under `runs`, of the run that is `told` so in JSON: "name", and all that decides it."""
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return cls(Path(runs) / f"{told['name']}-{digest[:10]}")

    @property
    def checkpoint(self) -> Path:
        """Path of a better model on its way to `best`: what a kill may leave is no model yet."""
        return self.path / ".checkpoint.h5"

    @property
    def best(self) -> Path:
        """Path of the model with the lowest validation loss so far."""
        return self.path / "best.h5"

    def after(self, epoch: int) -> Path:
        """Return the path of the model as it was after `epoch`, if the run was told to keep it."""
        return self.path / f"after_{epoch}.h5"

    def state(self, epoch: int) -> Path:
        """Return the path of the whole state after `epoch`: weights and optimizer."""
        return self.path / STATE.format(epoch)

    @property
    def settings(self) -> dict:
        """What decides the run, as `Settings.as_json` told it; {} before it began."""
        return self._read("settings", {})

    @property
    def history(self) -> list[dict]:
        """One dict per epoch: loss, val_loss, seconds, machine."""
        return self._read("history", [])

    @property
    def scores(self) -> dict:
        """The scores of the best model on the validation images, a dict; {} of a run that is not finished."""
        return self._read("scores", {})

    @property
    def finished(self) -> bool:
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

    def write(self, name: str, content: dict | list) -> None:
        """Write `content` to one of the .json files: "settings", "history" or "scores"."""
        files.write_json(self.path / f"{name}.json", content)

    def finish(self, scores: dict) -> None:
        """End the run: let older Keras open its best model too, keep the scores, remove the state."""
        if self.best.is_file():
            with files.atomic_path(self.best) as temporary:
                shutil.copyfile(self.best, temporary)
                portable.make_portable(temporary)
        self.write("scores", scores)
        self.checkpoint.unlink(missing_ok=True)
        for state in self.path.glob(STATE.format("*")):
            state.unlink()

    def log(self, line: str) -> None:
        """Add a line to log.txt, the run's diary; it does not travel."""
        with open(self.path / "log.txt", "a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def send(self, shelf: Path) -> None:
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

    def fetch(self, shelf: Path) -> bool:
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

    def adopt(self, saved, told: dict) -> None:
        """Make this the finished run of the first .h5 of the paths `saved` whose card has the settings `told`.

        So a fresh clone has the long trainings of the models that came with it. A run that came without its model,
        which was too large, is given that model. One that has begun here stays as it is.
        """
        if self.best.is_file() or (self.history and not self.finished):
            return
        for path in (path for path in map(Path, saved) if path.is_file()):
            card = saving.read_card(path)
            if card.get("settings") == told and saving.card_matches(path):
                if not self.finished:
                    self._adopt_logs(card)
                _copy(path, self.best)
                return

    def _adopt_logs(self, card):
        """Make what a run has besides its model, whole or not at all, should it be killed.

        The curve is in the card; of an older card only the best epoch is known, and NaN stands for the others.
        """
        unfinished = RunFolder(self.path.with_name(f".{self.path.name}-{os.getpid()}"))
        shutil.rmtree(unfinished.path, ignore_errors=True)
        unfinished.path.mkdir(parents=True)
        unfinished.write("settings", card["settings"])
        unfinished.write("history", [log | {"machine": card["machine"]} for log in cards.read_history(card)])
        unfinished.write("scores", {"epoch": card["epoch"], "val_loss": card["validation_loss"]})
        shutil.rmtree(self.path, ignore_errors=True)  # begun, without an epoch
        unfinished.path.rename(self.path)

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


@dataclass(frozen=True)
class Places:
    """Where runs are. Each has a folder under `runs`.

    `shelf` is a folder of runs that travel with the repository: a run that is further there is taken from it, and
    what is trained is put there after each epoch, if it is small. An .h5 of the paths `saved` counts as the finished
    run if its card tells of these very settings.
    """

    runs: Path
    saved: tuple[Path, ...] = ()
    shelf: Path | None = None

    def find(self, settings: Settings) -> RunFolder:
        """Return the run's folder under `runs`, with what there is of it on the shelf or as a saved model."""
        told = settings.as_json()
        folder = RunFolder.of(self.runs, told)
        if self.shelf:
            folder.fetch(self.shelf)
        if not settings.keep:
            folder.adopt(self.saved, told)
        return folder
