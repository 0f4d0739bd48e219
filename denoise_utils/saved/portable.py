"""Write a saved model's configuration in the oldest dialect that says the same: older versions of Keras read it.

Keras reads files that are older than itself, not newer: it stumbles over keys that it does not know, although they
hold nothing but defaults. `translate` leaves those out and writes the rest as Keras 2 did, which all later versions
read. The weights are not touched. Layers without any, most of a deep model's, get no group of their own in the file:
each takes a kilobyte, and every Keras counts those with weights alone.
"""

import json
import shutil
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np

# Keys that came after Keras 2, by class, with the values at which they say what older versions do anyway.
NEWER = {
    "InputLayer": {"optional": False, "ragged": False, "sparse": False},
    "BatchNormalization": {"synchronized": False, "renorm": False, "renorm_clipping": None, "renorm_momentum": 0.99},
    "LayerNormalization": {"rms_scaling": False},
    "Conv2DTranspose": {"output_padding": None},
    "Resizing": {
        "crop_to_aspect_ratio": False,
        "pad_to_aspect_ratio": False,
        "fill_mode": "constant",
        "fill_value": 0.0,
        "antialias": False,
        "data_format": "channels_last",
    },
    "GroupNormalization": {},
    "Dense": {"quantization_config": None},
}
INITIALIZER = {"input_axes": None, "output_axes": None}
OLDER_NAMES = {"LeakyReLU": {"negative_slope": "alpha"}}  # that later versions read too
UNSAID = {"mask": (None,), "training": (None, False)}  # arguments of a call that say what is so anyway
AROUND = ("module", "registered_name", "build_config")  # how an object is told that Keras 2 finds by its class


class Untranslatable(ValueError):
    """Says what has no older form."""


def translate(config):
    """Return the configuration of a model (parsed JSON) in the older dialect; raise Untranslatable if it has none."""
    inner = dict(config["config"])
    inner.pop("dtype", None)  # of the model as a whole: its layers have their own
    inner["layers"] = [_translate_layer(layer) for layer in inner["layers"]]
    for key in ("input_layers", "output_layers"):
        if key in inner and isinstance(inner[key], list) and isinstance(inner[key][0], str):
            inner[key] = [inner[key]]  # Keras before 3.6 knows lists of them only, even if there is one
    return {"class_name": config["class_name"], "config": inner}


def _translate_layer(layer):
    kind, config = layer["class_name"], layer["config"]
    if "layers" in config:
        found = translate(layer)
    else:
        found = {"class_name": kind, "config": _translate_settings(kind, config)}
    if "name" in layer:
        found["name"] = layer["name"]
    if "inbound_nodes" in layer:
        found["inbound_nodes"] = [_translate_node(node) for node in layer["inbound_nodes"]]
    return found


def _translate_settings(kind, config):
    newer, renamed, found = NEWER.get(kind, {}), OLDER_NAMES.get(kind, {}), {}
    for key, value in config.items():
        if key in newer and value == newer[key]:
            continue
        if key == "dtype" and isinstance(value, dict):
            if value["class_name"] != "DTypePolicy":
                raise Untranslatable(f"the precision {value['class_name']}")
            value = value["config"]["name"]
        found[renamed.get(key, key)] = _translate_object(value)
    if "batch_shape" in found:
        found["batch_input_shape"] = found.pop("batch_shape")
    return found


def _translate_object(value):
    """Return an initializer, a penalty or a layer inside a setting without what only newer versions write."""
    if not isinstance(value, dict) or "class_name" not in value:
        return value
    found = {key: inner for key, inner in value.items() if key not in AROUND}
    inner = {k: v for k, v in value["config"].items() if k not in INITIALIZER or v != INITIALIZER[k]}
    return found | {"config": _translate_settings(value["class_name"], inner)}


def _translate_node(node):
    """Return a call of a layer as Keras 2 wrote it: a list of [layer, call, tensor, arguments]."""
    if isinstance(node, list):
        return node
    said = {key: value for key, value in node["kwargs"].items() if value not in UNSAID.get(key, ())}
    (tensors,) = node["args"] if len(node["args"]) == 1 else (None,)
    tensors = [tensors] if isinstance(tensors, dict) else tensors
    if said or not isinstance(tensors, list) or any(t.get("class_name") != "__keras_tensor__" for t in tensors):
        raise Untranslatable("a layer that is called with more than its inputs")
    return [[*tensor["config"]["keras_history"], {}] for tensor in tensors]


def make_portable(path):
    """Rewrite the configuration of the .h5 at `path` in the older dialect; return whether it was.

    The file must then hold the same weights and give the same outputs, to the bit; else it stays as it is, and a
    warning says why. It is not written in one step: give it a file that nobody else reads yet.
    """
    path = Path(path)
    try:
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder) / "older.h5"
            _write_translated(path, written)
            _compare(path, written)
            shutil.copyfile(written, path)
        return True
    except OSError:  # of the disk
        raise
    except Exception as error:  # Keras raises nearly anything of a file that it cannot load
        reason = str(error).strip().rpartition("\n")[2] or type(error).__name__
        warnings.warn(
            f"Expected {path.name} to open in older versions of Keras, too, got one that needs this version: {reason}",
            stacklevel=2,
        )
        return False


def _write_translated(path, target):
    """Copy a file, part by part, with its configuration translated: a changed copy would keep room for the old text.

    The optimizer's state of a checkpoint stays behind: no Keras takes it up from an .h5, and it may be the larger part.
    """
    with h5py.File(path) as file, h5py.File(target, "w") as copy:
        text = json.dumps(translate(json.loads(file.attrs["model_config"])))
        left_out = ("optimizer_weights", "training_config", "model_weights")
        _copy_group(file, copy, {"model_config": text}, left_out)
        weights = file["model_weights"]
        kept, empty = _sort_layers(weights)
        _copy_group(weights, copy.create_group("model_weights"), {"layer_names": kept}, empty)


def _sort_layers(weights):
    """Return (names of the layers with weights in their order, as the attribute holds them; those of the others)."""
    names = weights.attrs.get("layer_names", ())  # in a very long model, parts of other names: all stays
    kept = [name for name in names if len(weights[name].attrs["weight_names"])]
    empty = {name.decode() if isinstance(name, bytes) else name for name in set(names) - set(kept)}
    return kept, empty


def _copy_group(group, copy, replaced=(), left_out=()):
    """Copy attributes, arrays and groups, in their order; h5py's own copy takes a third more room."""
    replaced = dict(replaced)
    for name in (name for name in group.attrs if name not in left_out):
        value = replaced.get(name, group.attrs[name])
        copy.attrs.create(name, value, dtype=group.attrs.get_id(name).dtype)
    for name, part in group.items():
        if name in left_out:
            continue
        if isinstance(part, h5py.Group):
            _copy_group(part, copy.create_group(name))
        else:
            copy.create_dataset(name, data=part[()])


def _compare(one, other):
    """Raise ValueError unless two files hold the same weights and give the same outputs, to the bit."""
    models = [_load(path) for path in (one, other)]
    weights = [model.get_weights() for model in models]
    same = len(weights[0]) == len(weights[1]) and all(map(np.array_equal, *weights))
    rng = np.random.default_rng(0)
    from keras import Sequential, tree

    taken = models[0].inputs[0] if isinstance(models[0], Sequential) else models[0].input  # a tensor, or several
    inputs = tree.map_structure(
        lambda tensor: rng.random([1, *(side or 28 for side in tensor.shape[1:])], np.float32), taken
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one input is a list of one, as Keras before 3.6 needs it
        outputs = [tree.flatten(tree.map_structure(np.asarray, model(inputs, training=False))) for model in models]
    if not same or len(outputs[0]) != len(outputs[1]) or not all(map(_equal, *outputs)):
        raise Untranslatable("in the older dialect its outputs differ")


def _equal(one, other):
    return np.array_equal(one, other, equal_nan=True)


def _load(path):
    import keras

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of older names of settings
        return keras.models.load_model(path, compile=False, safe_mode=True)
