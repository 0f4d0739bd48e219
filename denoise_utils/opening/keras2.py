"""Rewrite the config of a file of Keras 1 or 2 into one that means the same in Keras 3.

Keras 3 reads such a config in part: it refuses settings that are gone, counts the calls of a model inside a model
otherwise, and takes `hard_sigmoid` for another function without a word. Nothing here admits anything: what comes
out is checked by `allow_list` and `graph` as any other config is.
"""

import itertools

from denoise_utils.opening.allow_list import MODELS
from denoise_utils.opening.layers.kinds import UNUSED  # Keras 3 knows some of them by other names
from denoise_utils.opening.remedies import Refused, rebuild

GROUPLESS = ("DepthwiseConv2D", "SeparableConv2D", "Conv2DTranspose")  # had the setting, but only ever 1
LEAST_EPSILON = 1.001e-5  # to which some versions of TensorFlow raised that of a batch normalisation of images
SLOPE = 1.2  # hard_sigmoid was clip(0.2 x + 0.5) in Keras 2, and is clip(x / 6 + 0.5) in Keras 3
PACKAGES = ("keras", "tf_keras", "tensorflow")


def is_old(version):
    """Say whether the version that a file names is one of Keras 1 or 2."""
    return (version or "").startswith(("1.", "2."))


def modernise(config, version, backend):
    """Return `config` as one of Keras 3; `version` and `backend` are those of its file.

    That of Keras 3 is returned as it is. Raises Refused where Keras 3 would compute something else, and what
    `rewrite` raises.
    """
    if version is None and _has(config, "activation", "hard_sigmoid"):
        raise Refused(
            "the activation hard_sigmoid, which is not the same in Keras 2 and 3, and no version that wrote it",
            rebuild("in the version of Keras that it was trained with"),
        )
    if not is_old(version) or config.get("class_name") not in MODELS:
        return config
    if backend == "theano":
        raise Refused(
            "a model of the backend Theano, which turned the kernels of convolutions round",
            f"{rebuild('anew')}, with each such kernel turned: kernel[::-1, ::-1]",
        )
    if _number(version) < (2, 4) and _has(config, "interpolation", "bilinear"):
        raise Refused(
            "a bilinear UpSampling2D, which took other pixels before Keras 2.4",
            'train the same model again in this version, or with interpolation="nearest" in the old one',
        )
    if any(_has_raised_epsilon(one) for one in _configs(config)):
        raise Refused(
            f"a BatchNormalization with an epsilon below {LEAST_EPSILON}, to which some versions raised it",
            rebuild(f"with epsilon={LEAST_EPSILON}"),
        )
    return rewrite(config)


def _has_raised_epsilon(config):
    epsilon, axis = config.get("epsilon"), config.get("axis")
    small = isinstance(epsilon, float) and epsilon < 0.9 * LEAST_EPSILON  # of 1e-5 one part in a thousand is nothing
    return small and axis in ([3], 3, -1) and "momentum" in config


def _number(version):
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _has(config, key, value):
    return any(one.get(key) == value for one in _configs(config))


def _configs(model):
    """Yield the config of every layer, those of models inside too."""
    for layer in _list_layers(model):
        if layer["class_name"] in MODELS:
            yield from _configs(layer)
        else:
            yield layer["config"]


def _list_layers(model):
    """Return the layers of a model's config; until Keras 2.2.2 that of a Sequential was their list itself."""
    config = model["config"]
    return config if isinstance(config, list) else config["layers"]


def rename(name):
    """Return the name of a layer without slashes, which Keras 3 refuses."""
    return name.replace("/", "_") if isinstance(name, str) else name


def rewrite(model):
    """Return the config `model` of Keras 1 or 2, {"class_name": ..., "config": ...}, as one of Keras 3.

    Raises KeyError or TypeError for a config in an unknown form, ValueError for one that Keras 3 wrote.
    """
    found, layers = _strip(model), _list_layers(model)
    config = {} if isinstance(model["config"], list) else model["config"]
    parts = [_rewrite_layer(layer) for layer in layers]
    new = {"name": rename(config.get("name", "sequential"))}
    new |= {key: config[key] for key in ("trainable", "build_input_shape") if key in config}
    if model["class_name"] == "Sequential":
        new["layers"] = [_open_batch(layer) for layer in (*_find_input(layers), *itertools.chain(*parts))]
    else:
        ends = {part[0]["config"]["name"]: part[-1]["config"]["name"] for part in parts}
        inner = {rename(one["config"]["name"]): one["class_name"] for one in layers if one["class_name"] in MODELS}
        new["layers"] = [one for first, *rest in parts for one in (_connect(first, ends, inner), *rest)]
        new["input_layers"] = _unwrap(config["input_layers"], ends, {})
        new["output_layers"] = _unwrap(config["output_layers"], ends, inner)
    known = {"layers", "input_layers", "output_layers", "dtype"}
    new |= {key: value for key, value in config.items() if key not in known | set(new)}  # for allow_list to refuse
    return found | {"class_name": "Sequential" if model["class_name"] == "Sequential" else "Model", "config": new}


def _strip(layer):
    """Return a layer, or an activation, without its config and what only says where it is from."""
    kept = {key: value for key, value in layer.items() if key not in ("config", "build_config", "shared_object_id")}
    package = (layer.get("module") or PACKAGES[0]).partition(".")[0]
    if package in PACKAGES and layer.get("registered_name") in (None, layer.get("class_name")):
        kept.pop("module", None)
        kept.pop("registered_name", None)
    return kept


def _rewrite_layer(layer):
    """Return the layers, mostly one, that do in Keras 3 what `layer` did."""
    if layer["class_name"] in MODELS:
        return [_named(layer, rewrite(layer))]
    kind, config = layer["class_name"], {}
    for key, value in layer["config"].items():
        if key.endswith(UNUSED) or (key == "batch_input_shape" and kind != "InputLayer"):
            continue
        if key == "groups" and value == 1 and kind in GROUPLESS:
            continue
        if kind == "SpatialDropout2D" and key in ("noise_shape", "trainable"):
            continue
        config[key] = _rewrite_value(key, value)
    new = _named(layer, _strip(layer) | {"config": config})
    return _split_hard_sigmoid(new) if config.get("activation") == "hard_sigmoid" else [new]


def _named(layer, new):
    """Return `new` under the name of `layer`, whose calls it takes over."""
    new["config"]["name"] = rename(layer["config"].get("name"))
    return new | ({"name": rename(layer["name"])} if "name" in layer else {})


def _rewrite_value(key, value):
    inner = value.get("config") if isinstance(value, dict) else None
    if not isinstance(inner, dict):
        return value
    if key == "dtype" and value.get("class_name") in ("Policy", "DTypePolicy"):
        return inner["name"]
    here = {"module": "keras.layers", "registered_name": None}  # an activation: before 2.13 it did not say so
    return here | _strip(value) | {"config": {key: _rewrite_value(key, one) for key, one in inner.items()}}


def _split_hard_sigmoid(layer):
    """Return `layer` without its activation, a scale, and the hard_sigmoid of Keras 3: they are the old one."""
    name, dtype = layer["config"]["name"], layer["config"].get("dtype", "float32")
    scale = {"name": f"{name}_scaled", "dtype": dtype, "scale": SLOPE, "offset": 0.0}
    last = {"name": f"{name}_hard_sigmoid", "dtype": dtype, "activation": "hard_sigmoid"}
    rows = [layer | {"config": layer["config"] | {"activation": "linear"}}]
    rows += [{"class_name": "Rescaling", "config": scale}, {"class_name": "Activation", "config": last}]
    for before, row in itertools.pairwise(rows) if "name" in layer else ():
        source = before["config"]["name"]
        nodes = [[[source, number, 0, {}]] for number in range(len(layer["inbound_nodes"]))]
        row |= {"name": row["config"]["name"], "inbound_nodes": nodes}
    return rows


def _find_input(layers):
    """Return the InputLayer that a Sequential lacks in a list: none, or one that its first layer stands for."""
    first = layers[0] if layers else {"config": {}, "class_name": None}
    shape = first["config"].get("batch_input_shape")
    if first["class_name"] in ("InputLayer", *MODELS) or shape is None:
        return []
    config = {"name": rename(f"{first['config']['name']}_input"), "batch_input_shape": shape}
    return [{"class_name": "InputLayer", "config": config | {"dtype": "float32"}}]


def _open_batch(layer):
    """Return a layer of a Sequential, an InputLayer for batches of any size: Keras 2 noted that of the first images."""
    shape = layer["config"].get("batch_input_shape")
    return layer | {"config": layer["config"] | {"batch_input_shape": [None, *shape[1:]]}} if shape else layer


def _connect(layer, ends, inner):
    """Return `layer` with its inputs' new names and numbers."""
    if any(isinstance(node, dict) for node in layer["inbound_nodes"]):
        raise ValueError("a config of Keras 3 in a file of an older one")
    nodes = [
        [_point(one, ends, inner) if isinstance(one, list) else one for one in node] for node in layer["inbound_nodes"]
    ]
    return layer | {"inbound_nodes": nodes}


def _point(tensor, ends, inner):
    """Return the [layer, call, output, ...] of a tensor: Keras 2 counted the making of a model inside as a call."""
    name, call, *rest = tensor
    name = rename(name)
    return [ends.get(name, name), call - (name in inner), *rest]


def _unwrap(part, ends, inner):
    """Return the [layer, call, output] of a model's input or output, bare if it is the only one."""
    if isinstance(part, list) and len(part) == 3 and isinstance(part[0], str):
        name, call, output = _point(part, ends, inner)
        return [name, call + (inner.get(name) in ("Functional", "Model")), output]  # which Keras 3 still counts so
    if len(part) == 1:
        return _unwrap(*(part.values() if isinstance(part, dict) else part), ends, inner)
    if isinstance(part, dict):
        return {key: _unwrap(one, ends, inner) for key, one in part.items()}
    return [_unwrap(one, ends, inner) for one in part]
