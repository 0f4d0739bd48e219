"""Admit from a saved model's config what the table of layers lists, and nothing that could name or hold code."""

from denoise_utils.opening import remedies
from denoise_utils.opening.layers import INPUT, TABLE, kinds
from denoise_utils.system.escaping import plain

MODELS = ("Functional", "Model", "Sequential")
MAX_DEPTH = 40  # of lists and dicts inside each other: 5 models inside each other and more
OBJECT_MODULES = {"keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints"}
LAYER_MODULES = {"keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential"}
LAYER_KEYS = {"class_name", "config", "name", "inbound_nodes", "module", "registered_name", "build_config"}
MODEL = {key: kinds.COMMON[key] for key in ("name", "trainable", "dtype")} | {"build_input_shape": kinds.SIDES}
MODEL_KEYS = {*MODEL, "layers", "input_layers", "output_layers"}


def check_depth(config):
    """Raise ValueError if lists and dicts lie too deep in each other; does not recurse itself."""
    level = [config]
    for _ in range(MAX_DEPTH):
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
        level = [part for part in level if isinstance(part, dict | list)]
        if not level:
            return
    raise ValueError(f"a config nested more than {MAX_DEPTH} deep")


def check_model(model):
    """Raise ValueError for anything in the model's config that is not on the lists; models inside it too."""
    kind, name = _check_layer_itself(model, MODELS)
    config = model["config"]
    if not isinstance(config, dict) or not isinstance(config.get("layers"), list):
        raise ValueError(f'no list of layers in "{name}"')
    _check_keys(config, MODEL_KEYS, name)
    _check_settings(MODEL, {key: value for key, value in config.items() if key in MODEL}, name)
    for layer in config["layers"]:
        if isinstance(layer, dict) and layer.get("class_name") in MODELS:
            check_model(layer)
        else:
            _check_layer(layer)
        if kind != "Sequential":
            _check_nodes(layer)


def _check_layer_itself(layer, classes):
    """Return the class and the name of a layer, or of a model, whose class must be one of `classes`."""
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        raise ValueError("a layer without a config")
    kind, name = layer.get("class_name"), layer["config"].get("name")
    if kind not in classes:
        raise remedies.refuse_class(_short(name), _short(kind), layer["config"])
    if layer.get("module") not in (None, *LAYER_MODULES) or layer.get("registered_name") not in (None, kind):
        named = layer.get("registered_name") or layer.get("module")
        raise ValueError(f'the layer "{_short(name)}" of the custom class {_short(named)}')
    if "name" in layer and layer["name"] != name:
        raise ValueError(f'a layer of two names, "{_short(name)}" and "{_short(layer["name"])}"')
    _check_keys(layer, LAYER_KEYS, name)
    built = layer.get("build_config")
    if built is not None and (not isinstance(built, dict) or set(built) != {"input_shape"}):
        raise ValueError(f'the layer "{_short(name)}" with a way of building of its own')
    return kind, name


def _check_layer(layer):
    kind, name = _check_layer_itself(layer, ("InputLayer", *TABLE))
    if not isinstance(name, str):
        raise ValueError(f"a {layer['class_name']} layer without a name")
    if kind == "Reshape" and "newshape" in layer["config"]:  # of keras.ops, whose class has the same name
        raise remedies.refuse_operator(_short(name), *remedies.OPERATORS["reshape"])
    _check_settings(INPUT if kind == "InputLayer" else TABLE[kind].settings, layer["config"], name)
    if None not in (layer["config"].get("batch_shape"), layer["config"].get("batch_input_shape")):
        raise ValueError(f'the input "{_short(name)}" of two shapes')
    if layer["config"].get("sparse") or layer["config"].get("ragged"):
        raise ValueError(f'the sparse or ragged input "{_short(name)}"')


def _check_settings(settings, config, name):
    """Raise ValueError unless each value is one that `settings`, {key: Kind}, admits."""
    _check_keys(config, settings, name)
    for key, value in config.items():
        if key in settings:
            _check_value(settings[key], value, f'the layer "{_short(name)}" with {_short(key)}', name)


def _check_keys(config, keys, name):
    """Raise ValueError for an unknown setting, unless it is off."""
    for key, value in config.items():
        if key not in keys and value is not None:
            raise ValueError(f'the layer "{_short(name)}" with the setting "{_short(key)}", which is not on the list')


def _check_value(kind, value, where, name):
    """Raise ValueError unless `value` is one that `kind` admits; an object, that its class and settings are."""
    if not isinstance(value, dict):
        if isinstance(value, list | str | bool | int | float | None) and kind.fits(value):
            return
        raise ValueError(f"{where} {_short(value)} instead of {kind.says}")
    found = value.get("class_name")
    if not isinstance(found, str) or found not in (kind.objects or {}) or not isinstance(value.get("config"), dict):
        raise ValueError(f"{where} of class {_short(found)} instead of {kind.says}")
    if value.get("module") not in (None, *OBJECT_MODULES) or value.get("registered_name") not in (None, found):
        raise ValueError(f"{where} of the custom class {_short(value.get('registered_name') or value.get('module'))}")
    extra = set(value) - {"class_name", "config", "module", "registered_name", "shared_object_id"}
    if extra:
        raise ValueError(f'{where} that has the key "{_short(min(extra))}", which is not on the list')
    _check_settings(kind.objects[found], value["config"], name)


def _check_nodes(layer):
    """Raise ValueError unless each call of the layer takes tensors of other layers and plain switches only."""
    name = layer["config"]["name"]
    nodes = layer.get("inbound_nodes")
    if not isinstance(nodes, list):
        raise ValueError(f'the layer "{_short(name)}" without a list of its inputs')
    operator = remedies.find_operator(layer["class_name"])
    if operator and any(isinstance(node, dict) and _is_operation(node) for node in nodes):
        raise remedies.refuse_operator(_short(name), *operator)
    for node in nodes:
        for switches in find_switches(node):
            known = isinstance(switches, dict) and set(switches) <= {"training", "mask"}
            if not known or not all(value is None or isinstance(value, bool) for value in switches.values()):
                raise ValueError(f'a call of the layer "{_short(name)}" with arguments that are not on the list')
        for tensor in find_tensors(node):
            if not isinstance(tensor[0], str) or not all(type(index) is int and index >= 0 for index in tensor[1:]):
                raise ValueError(f'the layer "{_short(name)}" with an input that is no layer\'s output')


def _is_operation(node):
    """Say whether a call takes its tensors one by one, or numbers: one of a layer takes a tensor, or a list of them."""
    args = node.get("args")
    plain = isinstance(args, list) and all(isinstance(one, int | float | dict) for one in args)
    arrays = plain and any(isinstance(one, dict) and one.get("class_name") != "__keras_tensor__" for one in args)
    return plain and len(args) > 1 and not arrays


def find_switches(node):
    """Return the keyword arguments of a call, in the form of Keras 3 or of Keras 2."""
    return [node.get("kwargs")] if isinstance(node, dict) else [one[3] for one in node if len(one) == 4]


def find_tensors(node):
    """Return the inputs of a call as (layer's name, number of its call, number of its output)."""
    if isinstance(node, list):  # Keras 2: [[name, call, output, arguments], ...]
        return [tuple(one[:3]) for one in node]
    if not isinstance(node, dict) or set(node) != {"args", "kwargs"}:
        raise ValueError("a call of a layer in an unknown form")
    found, waiting = [], list(node["args"])[::-1]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part[::-1]
        elif isinstance(part, dict) and part.get("class_name") == "__keras_tensor__" and len(part) == 2:
            _check_tensor(part["config"])
            found.append(tuple(part["config"]["keras_history"]))
        else:
            raise ValueError("a call of a layer with a constant, or an object, as its input")
    return found


def _check_tensor(config):
    if set(config) != {"shape", "dtype", "keras_history"} or len(config["keras_history"]) != 3:
        raise ValueError("an input of a layer in an unknown form")
    for key, kind in (("shape", kinds.SIDES), ("dtype", kinds.DTYPE)):
        _check_settings({key: kind}, {key: config[key]}, "input")


def has_orthogonal(config):
    """Say whether a weight of the layer begins orthogonal, which takes the cube of its side to compute."""
    begins = [value for key, value in config.items() if key.endswith("_initializer") and value]
    names = [value.get("class_name") if isinstance(value, dict) else value for value in begins]
    return any(name in ("Orthogonal", "orthogonal") for name in names)


def _short(value):
    """Return a stranger's text as at most 60 printable characters."""
    text = value if isinstance(value, str) else repr(value)
    text = plain(text[:61])
    return text[:60] + ("..." if len(text) > 60 else "")
