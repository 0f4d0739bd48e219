"""Count the multiplications that a model needs for one picture, from its config alone."""

import math

from denoise_utils.opening import graph
from denoise_utils.opening.layers import TABLE, entry


def count_multiplications(config: dict, shape: tuple) -> int:
    """Return the multiplications by kernels that an admitted model needs for one picture of `shape` (H, W, C).

    A kernel works at every place of its output, or of its input where it is transposed; a layer that is called again
    works again. Other layers have hardly any. Raises ValueError with the layer's name for settings that do not fit.
    """
    walk = graph.Graph(graph.MAX_NUMBERS)
    start = walk.add_tensor("input", shape)
    walk.follow(config, [start])
    shapes, total = {start.number: shape}, 0
    for call in walk.made:
        if not all(number in shapes for number in call.inputs):  # of a model inside, on an input of its own
            continue
        inputs, rules = [shapes[number] for number in call.inputs], TABLE[call.kind]
        with graph.explained(call.config["name"]):
            shapes[call.output], weights = rules.shape(call.config, *inputs)
        places = inputs[0] if rules.at_input else shapes[call.output]
        sides = places[1:] if entry.is_channels_first(call.config) else places[:-1]
        total += sum(map(math.prod, weights[: rules.kernels])) * math.prod(sides)
    return total
