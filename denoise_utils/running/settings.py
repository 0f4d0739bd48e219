"""What decides a training: its settings, by which its run is named and found again. No TensorFlow."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

UNLESS_SET = ("weight_decay", "clipnorm", "average", "keep")  # not told where they are not set: they came later
OF_ITS_DATA = ("data", "architecture", "augment")  # what is only known once images and model are there


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one training. Two with the same `as_json` are one run; the fields are in its order.

    `data` says in JSON what the images are, `architecture` is the model's fingerprint, `augment` names what makes the
    inputs of each epoch. `patience` epochs without a better val_loss end the training. `weight_decay` is decoupled
    (Loshchilov and Hutter 2019); `clipnorm` bounds the norm of each weight's gradient; `average` is the momentum of a
    moving average of the weights, which then is the model; `keep` names epochs whose models are kept.
    """

    name: str
    data: dict = field(default_factory=dict)
    architecture: str = ""
    optimizer: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    loss: str = "binary_crossentropy"
    batch_size: int = 128
    epochs: int
    patience: int | None = None
    seed: int = 0
    augment: str | None = None
    weight_decay: float | None = None
    clipnorm: float | None = None
    average: float | None = None
    keep: tuple[int, ...] = ()

    def __getitem__(self, name: str):
        """Return one setting by its name, as a card's JSON would: notebooks read both alike."""
        return getattr(self, name)

    def as_json(self) -> dict:
        """Return the settings as settings.json and cards hold them; a run's folder is named by their hash."""
        told = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        told["keep"] = sorted(self.keep)
        return {key: value for key, value in told.items() if value or key not in UNLESS_SET}

    @classmethod
    def read(cls, told: dict) -> "Settings":
        """Return the settings that settings.json or a card tells; raise ValueError where it tells of others."""
        try:
            return cls(**told)
        except TypeError:
            known = ", ".join(one.name for one in dataclasses.fields(cls))
            raise ValueError(
                f"Expected the settings of a training ({known}), got {told!r:.200}: no training of this package."
            ) from None

    def trains_as(self, told: dict) -> bool:
        """Say whether `told`, from settings.json or a card, are these settings, whatever the images and the model."""
        ours, theirs = (
            {key: value for key, value in one.items() if key not in OF_ITS_DATA} for one in (self.as_json(), told)
        )
        return ours == theirs


def identify(augment: Callable | None) -> str | None:
    """Return what settings call an `augment`: its `identity`, else the name it was defined by; None without one.

    It is part of what a run is found by: under another name the training is another one, and begins anew.
    """
    if augment is None:
        return None
    identity = getattr(augment, "identity", None) or getattr(augment, "__name__", None)
    if not isinstance(identity, str):
        raise TypeError(f"Expected an augment with a name, got {augment!r}: define it by def, or give it an identity.")
    return identity


def fingerprint(model: "keras.Model") -> str:
    """Return a hash of the model's architecture; the names that Keras numbers by session do not count."""
    names = {}

    def collect(part):
        if isinstance(part, dict):
            if "class_name" in part and isinstance(part.get("config"), dict) and "name" in part["config"]:
                names.setdefault(part["config"]["name"], f"layer {len(names)}")
            part = list(part.values())
        for inner in part if isinstance(part, list) else ():
            collect(inner)

    def rename(part):
        if isinstance(part, dict):
            return {key: rename(value) for key, value in part.items()}
        if isinstance(part, list):
            return [rename(value) for value in part]
        return names.get(part, part) if isinstance(part, str) else part

    config = json.loads(model.to_json())
    collect(config)
    return hashlib.sha256(json.dumps(rename(config), sort_keys=True).encode()).hexdigest()
