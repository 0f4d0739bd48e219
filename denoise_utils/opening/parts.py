"""What a saved model is made of once it is followed: its layers, their tensors, their calls."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from denoise_utils.opening.layers import TABLE


@dataclass
class Layer:
    """One layer of a model: its class, its first output's shape, its weights' shapes, its own layers."""

    name: str
    kind: str
    outputs: list = field(default_factory=list)  # per call: a list of shapes without the batch
    weights: list = field(default_factory=list)
    layers: dict | None = None  # of a model inside the model
    trainable: bool = True  # of itself: in a model that is not, it is not either

    @property
    def all_weights(self):
        """The shapes of its weights, those of its own layers included."""
        return self.weights + [shape for layer in (self.layers or {}).values() for shape in layer.all_weights]

    @property
    def parameters(self):
        """The number of its parameters."""
        return sum(map(math.prod, self.all_weights))

    @property
    def statistics(self):
        """The number of its parameters that no step of training changes, those of its own layers included."""
        own = TABLE[self.kind].statistics if self.kind in TABLE else 0
        return sum(map(math.prod, self.weights[-own:] if own else [])) + sum(
            layer.statistics for layer in (self.layers or {}).values()
        )

    @property
    def num_trainable(self):
        """The number of its parameters that training changes, those of its own layers included."""
        if not self.trainable:
            return 0
        if self.layers is None:
            return self.parameters - self.statistics
        return sum(layer.num_trainable for layer in self.layers.values())


class Tensor(NamedTuple):
    """A tensor of one image: its number, its shape without the batch."""

    number: int
    shape: tuple


class Call(NamedTuple):
    """A call of a plain layer: its class, its config, the numbers of the tensors it takes, that of the one it makes."""

    kind: str
    config: dict
    inputs: tuple
    output: int
