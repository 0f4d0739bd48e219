"""What a layer computes in: float16, bfloat16, float32 or float64, and numbers rounded to it."""

import numpy as np

BITS = {"float16": 16, "bfloat16": 16, "float32": 32, "float64": 64}


def find_type(config):
    """Return the type that a layer with this config computes in."""
    found = config.get("dtype")
    found = found["config"].get("name") if isinstance(found, dict) else found
    return (found or "float32").removeprefix("mixed_")


def is_rounded_inside(made, num_inputs):
    """Say whether numbers that the model made are rounded on the way: from a wide type to a narrow one.

    A model for mixed precision rounds its input, and may end in a wide type: that is none.
    """
    types = {call.output: find_type(call.config) for call in made}
    edges = [(types.get(one), types[call.output]) for call in made for one in call.inputs if one > num_inputs]
    return any(one is not None and BITS[one] > BITS[other] for one, other in edges)


def convert(x, name):
    """Return an array rounded to a type; of bfloat16, which NumPy lacks, as float32."""
    if name != "bfloat16":
        return x.astype(name, copy=False)
    bits = x.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
