"""Count the parameters of a file from its config and its stored weights: report, grader and `show` give this number.

A setting such as the scale of a Rescaling acts as a weight does. A model may have a few of them for nothing.
"""

from dataclasses import dataclass

import h5py

from denoise_utils.opening.allow_list import MODELS
from denoise_utils.opening.layers import TABLE, kinds

FREE = 16  # numbers in the layers' settings that act as weights: if there are more, all are parameters


@dataclass(frozen=True)
class Count:
    """The parameters of one file, counted in several ways."""

    built: int  # that its layers have
    trainable: int  # of these, those that training changes
    statistics: int  # of these, those of batch normalisation
    nested: int  # of these, those of models within the model
    stored: int  # numbers among the file's weights, whether or not a layer has them
    constants: int  # numbers in the settings that are parameters by another name

    @property
    def parameters(self):
        """The number that is held against the cap."""
        return max(self.stored, self.built) + self.constants


def count(config, layers, weights):
    """Return the Count of an admitted `config` with its `layers` (parts.Layer), and the HDF5 group of its weights."""
    sizes = []

    def collect(_, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size or 0)

    weights.visititems(collect)
    on = config["config"].get("trainable") is not False if isinstance(config["config"], dict) else True
    return Count(
        built=sum(layer.parameters for layer in layers),
        trainable=sum(layer.num_trainable for layer in layers) if on else 0,
        statistics=sum(layer.statistics for layer in layers),
        nested=sum(layer.parameters for layer in layers if layer.layers is not None),
        stored=sum(sizes),
        constants=count_constants(config),
    )


def count_constants(config):
    """Return how many numbers in the settings of a model's `config` are parameters by another name.

    They are those that act as weights and were chosen; 0 if they are at most FREE in all.
    """
    found = _count_chosen(config)
    return found if found > FREE else 0


def _count_chosen(layer):
    """Return how many numbers in the settings of a layer, or of a model's layers, act as weights and were chosen."""
    config = layer["config"]
    if layer["class_name"] in MODELS:  # until Keras 2.2.2 the config of a Sequential was the list of its layers
        return sum(map(_count_chosen, config if isinstance(config, list) else config["layers"]))
    settings = TABLE[layer["class_name"]].settings if layer["class_name"] in TABLE else {}
    found = sum(kinds.count_chosen(kind, config.get(key)) for key, kind in settings.items())
    activation = config.get("activation")
    return found + (_count_chosen(activation) if isinstance(activation, dict) else 0)


def find_flags(found, cap):
    """Return a line for whatever hides a part of the parameters of a Count from who counts otherwise."""
    flags = []
    if found.stored != found.built:
        flags.append(
            f"the file stores {found.stored:,} parameters and the model has {found.built:,}: the larger number counts"
        )
    if found.constants:
        flags.append(f"{found.constants:,} numbers stand as constants in the layers' settings: they count")
    if found.trainable <= cap < found.parameters and found.built > found.trainable:
        flags.append(f"{found.built - found.trainable:,} parameters are not trainable: they count")
    if found.parameters - found.statistics <= cap < found.parameters:
        flags.append(f"{found.statistics:,} parameters are statistics of batch normalisation: they count")
    if found.parameters - found.nested <= cap < found.parameters:
        flags.append(f"{found.nested:,} parameters stand in a model within the model: they count")
    return flags
