"""Write .h5 files as Keras 2 (tf.keras 2.11) did, by hand: its config's older form, its names of weights."""

import json

import h5py
import numpy as np

COMMON = {"trainable": True, "dtype": "float32"}
DRAWN = {"class_name": "GlorotUniform", "config": {"seed": None}}
ZEROS = {"class_name": "Zeros", "config": {}}
ONES = {"class_name": "Ones", "config": {}}
KERNEL = {
    "use_bias": True,
    "kernel_initializer": DRAWN,
    "bias_initializer": ZEROS,
    "kernel_regularizer": None,
    "bias_regularizer": None,
    "activity_regularizer": None,
    "kernel_constraint": None,
    "bias_constraint": None,
}
FORMAT = {"data_format": "channels_last"}


def convolution(filters, activation="relu"):
    """Return the class and the config of a 3x3 convolution."""
    sizes = {"kernel_size": [3, 3], "strides": [1, 1], "padding": "same", "dilation_rate": [1, 1], "groups": 1}
    return "Conv2D", {"filters": filters, "activation": activation, **sizes, **FORMAT, **KERNEL}


def transposed(filters):
    """Return the class and the config of a transposed convolution, which had groups then."""
    return "Conv2DTranspose", convolution(filters)[1] | {"output_padding": None}


def batch_norm():
    """Return the class and the config of a batch normalisation, whose axis was a list then."""
    starts = {"beta_initializer": ZEROS, "gamma_initializer": ONES}
    starts |= {"moving_mean_initializer": ZEROS, "moving_variance_initializer": ONES}
    penalties = dict.fromkeys(("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"))
    numbers = {"axis": [3], "momentum": 0.99, "epsilon": 0.001, "center": True, "scale": True}
    return "BatchNormalization", numbers | starts | penalties


POOLING = "MaxPooling2D", {"pool_size": [2, 2], "padding": "same", "strides": [2, 2], **FORMAT}
UPSAMPLING = "UpSampling2D", {"size": [2, 2], "interpolation": "nearest", **FORMAT}
LEAKY = "LeakyReLU", {"alpha": 0.3}


def write(path, layers, weights, input_shape=(28, 28, 1), sequential=False):
    """Write a model of `layers` in a row to `path`; `weights` maps a layer's number to {name: array}."""
    shape = {"batch_input_shape": [None, *input_shape]}
    first = {"class_name": "InputLayer", "config": shape | {"dtype": "float32", "sparse": False, "ragged": False}}
    first["config"]["name"] = "input_1"
    rows = [first]
    for number, (kind, config) in enumerate(layers):
        rows.append({"class_name": kind, "config": {"name": f"{kind.lower()}_{number}", **COMMON, **config}})
    names = [row["config"]["name"] for row in rows]
    if sequential:
        config = {"name": "sequential", "layers": rows}
    else:
        for row, before in zip(rows, [None, *names], strict=False):
            row |= {"name": row["config"]["name"], "inbound_nodes": [[[before, 0, 0, {}]]] if before else []}
        ends = {"input_layers": [["input_1", 0, 0]], "output_layers": [[names[-1], 0, 0]]}
        config = {"name": "model", "trainable": True, "layers": rows, **ends}
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"], file.attrs["backend"] = "2.11.0", "tensorflow"
        kind = "Sequential" if sequential else "Functional"
        file.attrs["model_config"] = json.dumps({"class_name": kind, "config": config})
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = np.array(names, dtype="S")
        group.attrs["keras_version"], group.attrs["backend"] = "2.11.0", "tensorflow"
        for number, name in enumerate(names):
            arrays = weights.get(number - 1, {})
            layer = group.create_group(name)
            layer.attrs["weight_names"] = np.array([f"{name}/{part}:0" for part in arrays], dtype="S")
            for part, array in arrays.items():
                layer[f"{name}/{part}:0"] = array
        group.create_group("top_level_model_weights").attrs["weight_names"] = np.array([], dtype="S")
