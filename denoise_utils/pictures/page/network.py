"""Turn a saved model into the lists and numbers that network.js runs, without Keras; refuse what it cannot run."""

import base64
from pathlib import Path

import h5py
import numpy as np

from denoise_utils.opening import allow_list, container, graph, safe_open, work
from denoise_utils.profiles import SIDE
from denoise_utils.system.escaping import plain

LAST = (-1, 3)  # the axis of the channels
ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax", "softplus", "tanh")
PLAIN = {"data_format": (None, "channels_last")}
KINDS = {  # of layers that network.js runs: the settings that it needs, and the values that it takes for granted
    "InputLayer": ((), {}),
    "Conv2D": (
        ("activation",),
        PLAIN | {"strides": ([1, 1],), "padding": ("same",), "dilation_rate": ([1, 1],), "groups": (None, 1)},
    ),
    "Dense": (("activation",), {}),
    "Activation": (("activation",), {}),
    "ReLU": ((), {"negative_slope": (0,), "max_value": (None,), "threshold": (0,)}),
    "Rescaling": (("scale", "offset"), {}),
    "BatchNormalization": (("epsilon",), {"axis": (*LAST, [3]), "scale": (True,), "center": (True,)}),
    "Concatenate": ((), {"axis": LAST}),
    "Add": ((), {}),
    "Multiply": ((), {}),
    "MaxPooling2D": (("pool_size", "padding"), PLAIN),
    "AveragePooling2D": (("pool_size", "padding"), PLAIN),
    "UpSampling2D": (("size",), PLAIN | {"interpolation": ("nearest",)}),
    "Cropping2D": (("cropping",), PLAIN),
    "Permute": ((), {"dims": ([2, 1, 3],)}),
    "GlobalAveragePooling2D": ((), PLAIN),
    "Flatten": ((), PLAIN),
    "Dropout": ((), {}),  # does nothing in use
}


def export(path, dtype="float32"):
    """Return the model of the .h5 at `path` as a dict that JSON can hold, its weights in base64.

    `layers` has the kind and the settings of each layer, `calls` the layer and the numbers of the calls that are its
    inputs, in an order that can be run; the last is the output. `states` are the calls that the readout could read,
    one per tied step; a denoiser without such steps has one. `dtype` is "float32", or "float16" for half the size.
    Multiplications are those of one picture of 28x28. Raises ValueError for what network.js does not run.
    """
    path = Path(path)
    contents, stored = _read_file(path)
    model = contents.config
    configs = _read_layers(model, path)
    order = _order(configs, model["config"]["output_layers"])
    number = {call: index for index, call in enumerate(order)}
    places = {name: index for index, name in enumerate(configs)}
    calls = [[places[name], *(number[one] for one in _inputs(configs[name], call))] for name, call in order]
    walk = graph.Graph(safe_open.MAX_BYTES // 4)
    shapes, _ = walk.follow(model, [walk.add_tensor("input", (SIDE, SIDE, 1))])
    outputs = {call: shapes[call[0]].outputs[call[1]][0] if call[0] in shapes else (SIDE, SIDE, 1) for call in order}
    _check_sums(configs, outputs, path)
    layers, weights = zip(*(_translate(one, stored.get(name, []), path) for name, one in configs.items()), strict=True)
    return {
        "layers": list(layers),
        "calls": calls,
        "states": _find_states(calls, [layer["kind"] for layer in layers]),
        "weights": _encode([array for several in weights for array in several], dtype, path),
        "dtype": dtype,
        "parameters": contents.count.parameters,
        "multiplications": work.count_multiplications(model, (SIDE, SIDE, 1)),
    }


def _read_file(path):
    """Return (Contents of the checked .h5, its weights by layer)."""
    contents = safe_open.inspect_model(path)
    with h5py.File(path) as file:
        arrays = container.find_weights(file["model_weights"], container.MAX_NAMES, contents.old)
        return contents, {name: [array[...] for array in several] for name, several in arrays.items()}


def _refuse(path, what):
    return ValueError(
        f"Expected a model that the page can run, got {plain(path.name)} with {plain(what)}: "
        f"leave it out, or add that to {Path(__file__).name} and network.js."
    )


def _read_layers(model, path):
    """Return the layers' configs by name, if the page runs them all."""
    if model["class_name"] not in ("Functional", "Model"):
        raise _refuse(path, f"a model of the kind {model['class_name']}")
    for layer in model["config"]["layers"]:
        kind, config = layer["class_name"], layer["config"]
        if kind not in KINDS:
            raise _refuse(path, f'the layer "{config["name"]}" of the kind {kind}')
        needed, granted = KINDS[kind]
        missing = [key for key in needed if key not in config]
        if missing:
            raise _refuse(path, f'the layer "{config["name"]}", {kind} without {missing[0]}')
        for key, values in granted.items():
            if config.get(key) not in values:
                raise _refuse(path, f'the layer "{config["name"]}", {kind} with {key} {config.get(key)}')
        if "pool_size" in needed and config.get("strides") not in (None, config["pool_size"]):
            raise _refuse(path, f'the layer "{config["name"]}", {kind} with strides {config["strides"]}')
        if "activation" in needed and config["activation"] not in ACTIVATIONS:
            raise _refuse(path, f'the layer "{config["name"]}" with the activation {config["activation"]}')
    layers = {layer["config"]["name"]: layer for layer in model["config"]["layers"]}
    inputs = [layer["config"] for layer in layers.values() if layer["class_name"] == "InputLayer"]
    shapes = [one.get("batch_shape") or one.get("batch_input_shape") for one in inputs]
    if len(shapes) != 1 or shapes[0][3:] != [1] or not {*shapes[0][1:3]} <= {None, SIDE}:
        raise _refuse(path, "another input than one gray picture")
    return layers


def _inputs(layer, call):
    """Return the calls, (layer's name, number), that call number `call` of the layer takes its inputs from."""
    nodes = layer["inbound_nodes"]
    return [tensor[:2] for tensor in allow_list.find_tensors(nodes[call])] if nodes else []


def _order(configs, outputs):
    """Return the calls that lead to the output, each after its inputs."""
    end = outputs[0] if isinstance(outputs[0], list) else outputs
    order, waiting = {}, [tuple(end[:2])]
    while waiting:
        name, call = waiting[-1]
        missing = [one for one in _inputs(configs[name], call) if one not in order]
        waiting += missing
        if not missing:
            order[waiting.pop()] = None
    return list(order)


def _check_sums(configs, outputs, path):
    """Raise ValueError for a sum or a product that repeats a picture's channels or one of its sides."""
    for name, call in outputs:
        if configs[name]["class_name"] in ("Add", "Multiply"):
            sizes = {(1, 1, *outputs[one])[-3:] for one in _inputs(configs[name], call)}
            if len({size for size in sizes if size[:2] != (1, 1)}) > 1 or len({size[2] for size in sizes}) > 1:
                raise _refuse(path, f'the layer "{name}" that joins {" and ".join(map(str, sorted(sizes)))}')


def _translate(layer, arrays, path):
    """Return (what network.js is told of a layer, its arrays): Dense is a convolution of one pixel there."""
    kind, config = layer["class_name"], layer["config"]
    told = {key: config[key] for key in KINDS[kind][0]}
    if kind == "BatchNormalization":
        gamma, beta, mean, variance = (np.float64(array) for array in arrays)
        scale = gamma / np.sqrt(variance + told.pop("epsilon"))
        kind, arrays = "Rescaling", [scale, beta - mean * scale]
    elif kind == "Rescaling":
        arrays = [np.ravel(told.pop(key)) for key in ("scale", "offset")]
        if any(array.size != 1 for array in arrays):
            raise _refuse(path, f'the layer "{config["name"]}", Rescaling by more than one number')
    elif kind == "ReLU":
        kind, told = "Activation", {"activation": "relu"}
    elif kind == "Dense":
        kind, arrays = "Conv2D", [arrays[0][None, None], *arrays[1:]]
    return {"kind": kind, "shapes": [list(array.shape) for array in arrays], **told}, arrays


def _find_states(calls, kinds):
    """Return the calls whose outputs are the features after each tied step, or before the readout; [] without one.

    Each step adds to the features, so that they are followed from the last convolution back through the sums.
    """
    readout = len(calls) - 1
    if kinds[calls[readout][0]] == "Add":  # of the noisy picture and a correction
        readout = calls[readout][2]
    if kinds[calls[readout][0]] != "Conv2D" or calls[readout][1] != readout - 1:
        return []
    states = [calls[readout][1]]
    while kinds[calls[states[0]][0]] == "Add":
        states.insert(0, calls[states[0]][1])
    used = [call[0] for call in calls]
    return states[1:] if len(states) > 1 and len(set(used)) < len(used) else states[-1:]


def _encode(arrays, dtype, path):
    """Return the numbers of all arrays in a row, little-endian, in base64."""
    with np.errstate(over="ignore"):
        numbers = np.concatenate([np.ravel(array) for array in arrays]).astype(np.dtype(dtype).newbyteorder("<"))
    if not np.isfinite(numbers).all():
        raise _refuse(path, f"weights that {dtype} has no room for")
    return base64.b64encode(numbers.tobytes()).decode()
