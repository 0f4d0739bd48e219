"""Count the parameters of a file from its config and its stored weights: report, grader and `show` give this number.

A setting such as the scale of a Rescaling acts as a weight does, and so does a number that the model computes from
none of its input. A model may have a few of both for nothing.
"""

from dataclasses import dataclass

import h5py

from denoise_utils.opening import constants, precision, structure
from denoise_utils.opening.allow_list import MODELS, find_switches
from denoise_utils.opening.layers import TABLE, kinds

FREE = 16  # numbers that act as weights and are none: if there are more, all are parameters
BYTES = 4  # of a number that counts as one
MOST_BITS = 8000  # of the structure: honest models have up to 4,100, and each weight in disguise takes some
MOST_CALLS = 200  # of layers: more around fewer than ten parameters each are hardly a network
ACT_IN_TRAINING = {
    *MODELS,
    *(kind for kind, one in TABLE.items() if one.settings.keys() & {"rate", "stddev", "momentum"}),
}
LARGE = 50_000  # parameters: with more, nobody needs to look for further ones


@dataclass(frozen=True)
class Count:
    """The parameters of one file, counted in several ways."""

    built: int  # that its layers have
    trainable: int  # of these, those that training changes
    statistics: int  # of these, those of batch normalisation
    nested: int  # of these, those of models within the model
    stored: int  # numbers among the file's weights, whether or not a layer has them
    constants: int  # numbers in the settings that are parameters by another name
    wide: int = 0  # what stored numbers of more than 32 bits count beyond one each
    computed: int = 0  # constants that the model computes, beyond what weights and settings explain
    bits: int = 0  # that its structure and its settings take
    calls: int = 0  # of layers
    rounds: bool = False  # whether numbers made in a wide type are rounded to a narrow one
    trains: bool = False  # whether a layer is to act as in training
    searched: bool = True  # whether constants were looked for: that may take too much work

    @property
    def parameters(self):
        """The number that is held against the cap."""
        return max(self.stored, self.built) + self.wide + self.constants + self.computed


def count(config, layers, walk, modern, stored, arrays):
    """Return the Count of an admitted `config` with its `layers` (parts.Layer).

    `walk` is the graph.Graph that followed `modern`, the same config as Keras 3 writes it; `stored` is the HDF5 group
    of the weights, `arrays` those of each layer.
    """
    sizes, wide = _measure(stored)
    on = config["config"].get("trainable") is not False if isinstance(config["config"], dict) else True
    built = sum(layer.parameters for layer in layers)
    chosen = count_chosen(config)
    computed = _count_computed(walk, modern, arrays) if max(sizes, built) + wide <= LARGE else 0
    beyond = max((computed or 0) - chosen, 0)
    are_many = chosen + beyond > FREE
    return Count(
        built=built,
        trainable=sum(layer.num_trainable for layer in layers) if on else 0,
        statistics=sum(layer.statistics for layer in layers),
        nested=sum(layer.parameters for layer in layers if layer.layers is not None),
        stored=sizes,
        constants=chosen * are_many,
        wide=wide,
        computed=beyond * are_many,
        bits=structure.count_bits(walk.made),
        calls=len(walk.made),
        rounds=precision.is_rounded_inside(walk.made, walk.num_inputs),
        trains=_trains(modern),
        searched=computed is not None,
    )


def _measure(weights):
    """Return (the numbers in an HDF5 group, what those of more than 32 bits count beyond one each)."""
    found = []

    def collect(_, item):
        if isinstance(item, h5py.Dataset):
            found.append((item.size or 0, -(-item.dtype.itemsize // BYTES) - 1))

    weights.visititems(collect)
    return sum(size for size, _ in found), sum(size * more for size, more in found)


def _trains(model):
    """Say whether a call in an admitted config has its layer act as it does in training.

    Only layers that act otherwise then are asked: Keras writes it at every call of some others, such as Resizing.
    """
    return any(
        (layer["class_name"] in MODELS and _trains(layer))
        or any(switches.get("training") for node in layer.get("inbound_nodes", []) for switches in find_switches(node))
        for layer in model["config"]["layers"]
        if layer["class_name"] in ACT_IN_TRAINING
    )


def _count_computed(walk, config, arrays):
    """Return how many constants the model computes; None if that takes too much work, or does not succeed."""
    try:
        weights = constants.assign_weights(config, walk.needed, arrays)
        return constants.count_computed(walk.made, walk.shapes, walk.num_inputs, weights)
    except (ValueError, IndexError, TypeError, KeyError, ZeroDivisionError):  # of sides that fit no 32 pixels
        return None


def count_chosen(layer):
    """Return how many numbers in the settings of a layer, or of a model's layers, act as weights and were chosen."""
    config = layer["config"]
    if layer["class_name"] in MODELS:  # until Keras 2.2.2 the config of a Sequential was the list of its layers
        return sum(map(count_chosen, config if isinstance(config, list) else config["layers"]))
    settings = TABLE[layer["class_name"]].settings if layer["class_name"] in TABLE else {}
    found = sum(kinds.count_chosen(kind, config.get(key)) for key, kind in settings.items())
    activation = config.get("activation")
    return found + (count_chosen(activation) if isinstance(activation, dict) else 0)


def find_flags(found, cap):
    """Return a line for whatever hides a part of the parameters of a Count from who counts otherwise."""
    flags = []
    if found.stored != found.built:
        flags.append(
            f"the file stores {found.stored:,} parameters and the model has {found.built:,}: the larger number counts"
        )
    if found.constants:
        flags.append(f"{found.constants:,} numbers stand as constants in the layers' settings: they count")
    if found.wide:
        flags.append(f"numbers of more than 32 bits are stored: by their bits they count as {found.wide:,} more")
    if found.computed:
        flags.append(f"{found.computed:,} more numbers are computed from none of the input: they count")
    if not found.searched and found.parameters <= cap:
        flags.append("it takes too much work to look for numbers that are computed from none of the input")
    if found.rounds:
        flags.append("numbers are rounded from a wide type to a narrow one inside the model: that can unpack others")
    if found.trains:
        flags.append("a layer is called with training=True: what it makes may come from a seed, or from other images")
    if found.bits > MOST_BITS and 10 * found.bits > 8 * BYTES * found.parameters:
        flags.append(f"its structure and settings take {found.bits:,} bits{_compare(cap)}")
    if found.calls > MOST_CALLS and found.parameters < 10 * found.calls:
        about = f"{found.calls:,} uses of layers around {found.parameters:,} parameters"
        flags.append(f"{about}: their structure takes {found.bits:,} bits{_compare(cap)}")
    if found.trainable <= cap < found.parameters and found.built > found.trainable:
        flags.append(f"{found.built - found.trainable:,} parameters are not trainable: they count")
    if found.parameters - found.statistics <= cap < found.parameters:
        flags.append(f"{found.statistics:,} parameters are statistics of batch normalisation: they count")
    if found.parameters - found.nested <= cap < found.parameters:
        flags.append(f"{found.nested:,} parameters stand in a model within the model: they count")
    return flags


def _compare(cap):
    return f", and {cap:,} parameters {8 * BYTES * cap:,}: numbers may be written into it"
