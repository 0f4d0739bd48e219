"""Count the parameters of a stranger's .h5: those stored, those of the built model, those by another name.

A setting such as the scale of a Rescaling acts as a weight does. A model may have a few of them for nothing.
"""

import json
import math

import h5py

from denoise_utils.opening import remedies

FREE = 16  # numbers that a list in a layer's settings may hold, or all that act as weights: more are parameters
ACTING = {  # settings that act as weights, with the values that are no choice of the author's
    "scale": (1,),
    "offset": (0,),
    "negative_slope": (0, 0.3),
    "alpha": (0.3, 1),
    "threshold": (0,),
    "max_value": (1, 6),
    "min_value": (0,),
    "fill_value": (0,),
    "value": (),
}
LARGE_EPSILON = 0.01  # below, it guards a division; above, it scales
UNUSED = ("_initializer", "_regularizer", "_constraint")  # for training alone: the stored weights hold the outcome


def count_constants(config):
    """Return how many numbers in the settings of `config` (parsed JSON) are parameters by another name.

    Those of long lists, and of settings that act as weights and were chosen; 0 if they are at most FREE in all.
    """
    found, todo = 0, [("", config)]
    while todo:
        key, part = todo.pop()
        if isinstance(part, dict):
            todo += [one for one in part.items() if not one[0].endswith(UNUSED)]
        elif isinstance(part, list):
            numbers = _count_numbers(part)
            if numbers is None:  # other things than numbers are in it, which may hold lists of their own
                todo += [(key, one) for one in part]
            elif numbers > FREE or key in ACTING:
                found += numbers
        else:
            found += _is_chosen(key, part)
    return found if found > FREE else 0


def _is_chosen(key, value):
    """Say whether a single setting acts as a weight, with a value that its author chose."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if key == "epsilon":
        return value > LARGE_EPSILON
    return key in ACTING and not any(math.isclose(value, usual, rel_tol=1e-6) for usual in ACTING[key])


def _count_numbers(part):
    """Return how many numbers the nested lists hold, or None if they hold anything else."""
    found, todo = 0, [part]
    while todo:
        for item in todo.pop():
            if isinstance(item, list):
                todo.append(item)
            elif isinstance(item, int | float) or item is None:
                found += 1
            else:
                return None
    return found


def count_stored(path):
    """Return (weights stored in the .h5 at `path`, constants in its configuration) without loading anything.

    Raises ValueError for a file that is no saved Keras model.
    """
    sizes = []

    def collect(_, item):
        if isinstance(item, h5py.Dataset):
            sizes.append(item.size or 0)

    remedies.check_start(path)
    try:
        with h5py.File(path) as file:
            remedies.check_whole(file)
            config = json.loads(file.attrs["model_config"])
            file["model_weights"].visititems(collect)
        return sum(sizes), count_constants(config)
    except remedies.Refused as error:
        raise ValueError(f"Expected a saved Keras model in {path.name}, got {error}: {error.remedy}.") from None
    except Exception as error:  # a broken file may raise nearly anything
        reason = remedies.read_reason(error)
        raise ValueError(
            f"Expected a saved Keras model in {path.name}, which cannot be read: {reason}. Save or copy it again."
        ) from None


def count_built(model, stored, constants, cap):
    """Return what the built model holds, all of it counted, with a flag for whatever hides a part of it."""
    import keras

    from denoise_utils import models

    built, trainable = models.count_parameters(model)
    statistics = sum(math.prod(w.shape) for w in model.weights if w.path.rpartition("/")[2].startswith("moving_"))
    nested = sum(layer.count_params() for layer in model.layers if isinstance(layer, keras.Model))
    parameters = max(stored, built) + constants
    flags = []
    if stored != built:
        flags.append(f"the file stores {stored:,} parameters and the model has {built:,}: the larger number counts")
    if constants:
        flags.append(f"{constants:,} numbers stand as constants in the layers' settings: they count")
    if trainable <= cap < parameters and built > trainable:
        flags.append(f"{built - trainable:,} parameters are not trainable: they count")
    if parameters - statistics <= cap < parameters:
        flags.append(f"{statistics:,} parameters are statistics of batch normalisation: they count")
    if parameters - nested <= cap < parameters:
        flags.append(f"{nested:,} parameters stand in a model within the model: they count")
    counts = {"parameters": parameters, "trainable": trainable, "built": built, "statistics": statistics}
    return counts | {"flags": flags, "input": _shape(model.input_shape), "output": _shape(model.output_shape)}


def _shape(shape):
    """Return the shape of one image as "28x28x1"; "?" stands for an open side."""
    if not isinstance(shape, tuple):
        return f"{len(shape)} of them"
    return "x".join("?" if size is None else str(size) for size in shape[1:])
