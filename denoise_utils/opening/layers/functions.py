"""The activations in NumPy, near enough to find what no input changes."""

import numpy as np


def sigmoid(x):
    """Return 1 / (1 + exp(-x))."""
    return 0.5 * (1 + np.tanh(x / 2))


def softplus(x):
    """Return log(1 + exp(x))."""
    return np.logaddexp(x, 0 * x)


def relu(x):
    """Return the larger of x and 0."""
    return np.maximum(x, 0)


def elu(x, alpha=1.0):
    """Return x where it is positive, alpha (exp(x) - 1) elsewhere."""
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def softmax(x, axis=-1):
    """Return exp(x), divided by its sum along the axis."""
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def gelu(x):
    """Return x times the normal distribution's integral, by its usual approximation."""
    return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def hard_sigmoid(x):
    """Return x / 6 + 0.5 within [0, 1], as Keras 3 has it."""
    return np.clip(x / 6 + 0.5, 0, 1)


def _sparse_plus(x):
    return np.where(x <= -1, 0, np.where(x < 1, (x + 1) ** 2 / 4, x))


WORDS = {
    "linear": lambda x: x,
    "relu": relu,
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "elu": elu,
    "selu": lambda x: 1.05070098 * elu(x, 1.67326324),
    "gelu": gelu,
    "silu": lambda x: x * sigmoid(x),
    "swish": lambda x: x * sigmoid(x),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "softmax": softmax,
    "log_softmax": lambda x: np.log(softmax(x)),
    "sigmoid": sigmoid,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": lambda x: x * hard_sigmoid(x),
    "hard_swish": lambda x: x * hard_sigmoid(x),
    "log_sigmoid": lambda x: -softplus(-x),
    "tanh": np.tanh,
    "hard_tanh": lambda x: np.clip(x, -1, 1),
    "tanh_shrink": lambda x: x - np.tanh(x),
    "exponential": np.exp,
    "mish": lambda x: x * np.tanh(softplus(x)),
    "celu": elu,
    "sparse_plus": _sparse_plus,
    "squareplus": lambda x: (x + np.sqrt(x * x + 4)) / 2,
}


def clip_relu(config, weights, x):
    """Return the rectifier of a ReLU layer, with its threshold, slope and largest value."""
    slope, threshold = config.get("negative_slope") or 0, config.get("threshold") or 0
    found = np.where(x >= threshold, x, slope * (x - threshold))
    return found if config.get("max_value") is None else np.minimum(found, config["max_value"])


def leaky_relu(config, weights, x):
    """Return x where it is positive, a part of it elsewhere."""
    slope = config.get("negative_slope", config.get("alpha", 0.3))
    return np.where(x > 0, x, slope * x)


def elu_layer(config, weights, x):
    """Return the elu of a layer's own alpha."""
    return elu(x, config.get("alpha", 1.0))


def softmax_layer(config, weights, x):
    """Return the softmax along a layer's own axis."""
    axis = config.get("axis", -1)
    return softmax(x, axis[0] if isinstance(axis, list) else axis)


def prelu(config, weights, x):
    """Return x where it is positive, a part of it elsewhere that each place has learned."""
    return np.where(x > 0, x, weights[0] * x)
