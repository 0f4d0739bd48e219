"""Admit from a saved model's config what standard layers need, and nothing that could name or hold code."""

import math

from denoise_utils.opening import remedies, shapes
from denoise_utils.system.escaping import plain

MODELS = ("Functional", "Model", "Sequential")
MAX_NUMBER = 1_000_000  # of any whole number but a seed
MAX_DEPTH = 40  # of lists and dicts inside each other: 5 models inside each other and more
MAX_NAME = 200  # characters


def _words(text):
    return frozenset(text.split())


ACTIVATIONS = _words(
    "linear relu relu6 leaky_relu elu selu gelu silu swish softplus softsign softmax log_softmax sigmoid hard_sigmoid "
    "hard_silu hard_swish log_sigmoid tanh hard_tanh tanh_shrink exponential mish celu sparse_plus squareplus"
)
INITIALIZERS = _words(
    "Zeros Ones Constant Identity Orthogonal RandomNormal RandomUniform TruncatedNormal VarianceScaling "
    "GlorotNormal GlorotUniform HeNormal HeUniform LecunNormal LecunUniform"
)
INITIALIZER_WORDS = _words(
    "zeros ones constant identity orthogonal random_normal random_uniform truncated_normal variance_scaling "
    "glorot_normal glorot_uniform he_normal he_uniform lecun_normal lecun_uniform "
    "fan_in fan_out fan_avg normal uniform untruncated_normal"
)
PENALTIES = _words("L1 L2 L1L2 OrthogonalRegularizer MaxNorm MinMaxNorm NonNeg UnitNorm")
DTYPES = _words("float16 bfloat16 float32 float64 mixed_float16 mixed_bfloat16")
WORDS = ACTIVATIONS | INITIALIZERS | INITIALIZER_WORDS | DTYPES
WORDS |= _words("same valid channels_last channels_first nearest bilinear bicubic area lanczos3 lanczos5 l1 l2 l1_l2")
OBJECTS = INITIALIZERS | PENALTIES | {"DTypePolicy", *shapes.ACTIVATION_LAYERS}
OBJECT_MODULES = {"keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.constraints"}
LAYER_MODULES = {"keras", "keras.layers", "keras.models", "keras.src.models.functional", "keras.src.models.sequential"}

SWITCHES = _words(
    "trainable sparse ragged optional use_bias keepdims center scale synchronized renorm rms_scaling "
    "crop_to_aspect_ratio pad_to_aspect_ratio antialias"
)

LAYER_KEYS = {"class_name", "config", "name", "inbound_nodes", "module", "registered_name", "build_config"}
MODEL_KEYS = {"name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape"}
WEIGHT_KEYS = {
    f"{weight}_{kind}"
    for weight in _words("kernel bias depthwise pointwise gamma beta moving_mean moving_variance alpha activity")
    for kind in ("initializer", "regularizer", "constraint")
}
KEYS = WEIGHT_KEYS | _words(
    "name trainable dtype batch_shape batch_input_shape sparse ragged optional "
    "filters units kernel_size strides padding output_padding data_format dilation_rate groups depth_multiplier "
    "activation use_bias pool_size keepdims size interpolation cropping target_shape dims "
    "axis momentum epsilon center scale synchronized renorm renorm_momentum rms_scaling shared_axes "
    "rate seed noise_shape stddev max_value min_value negative_slope threshold alpha offset order "
    "height width crop_to_aspect_ratio pad_to_aspect_ratio fill_mode fill_value antialias "
    "l1 l2 factor mode value mean minval maxval gain distribution input_axes output_axes"
)


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
    for key in ("name", "trainable", "dtype", "build_input_shape"):
        _check_value(key, config.get(key), name)
    for layer in config["layers"]:
        if isinstance(layer, dict) and layer.get("class_name") in MODELS:
            check_model(layer)
        else:
            _check_layer(layer)
        if kind != "Sequential":
            _check_nodes(layer)


def _check_layer_itself(layer, kinds):
    """Return the class and the name of a layer, or of a model, whose class must be one of `kinds`."""
    if not isinstance(layer, dict) or not isinstance(layer.get("config"), dict):
        raise ValueError("a layer without a config")
    kind, name = layer.get("class_name"), layer["config"].get("name")
    if kind not in kinds:
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
    kind, name = _check_layer_itself(layer, ("InputLayer", *shapes.RULES))
    if not isinstance(name, str):
        raise ValueError(f"a {layer['class_name']} layer without a name")
    if kind == "Reshape" and "newshape" in layer["config"]:  # of keras.ops, whose class has the same name
        raise remedies.refuse_operator(_short(name), *remedies.OPERATORS["reshape"])
    _check_keys(layer["config"], KEYS, name)
    for key, value in layer["config"].items():
        _check_value(key, value, name)
        if key in SWITCHES and kind != "Rescaling" and not (value is None or isinstance(value, bool)):  # its scale
            raise ValueError(f'the layer "{_short(name)}" with {key} {_short(value)}, which is neither on nor off')
    if None not in (layer["config"].get("batch_shape"), layer["config"].get("batch_input_shape")):
        raise ValueError(f'the input "{_short(name)}" of two shapes')
    if layer["config"].get("sparse") or layer["config"].get("ragged"):
        raise ValueError(f'the sparse or ragged input "{_short(name)}"')


def _check_keys(config, keys, name):
    """Raise ValueError for an unknown setting, unless it is off."""
    for key, value in config.items():
        if key not in keys and value is not None:
            raise ValueError(f'the layer "{_short(name)}" with the setting "{_short(key)}", which is not on the list')


def _check_value(key, value, name):
    """Raise ValueError unless `value` is a bounded number, a listed word or object, or a list of such."""
    where = f'the layer "{_short(name)}" with {_short(key)}'
    if isinstance(value, list):
        for one in value:
            _check_value(key, one, name)
    elif isinstance(value, dict):
        _check_object(key, value, name)
    elif isinstance(value, str):
        if not (key == "name" and 0 < len(value) <= MAX_NAME and value.isprintable()) and value not in WORDS:
            raise ValueError(f'{where} "{_short(value)}", which is not on the list')
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} {value}")
    elif isinstance(value, int) and abs(value) > MAX_NUMBER and key != "seed":
        raise ValueError(f"{where} {_short(value)}, more than {MAX_NUMBER:,}")


def _check_object(key, part, name):
    """Raise ValueError unless `part` is a listed initialiser, regulariser, constraint, dtype or activation."""
    kind = part.get("class_name")
    where = f'the layer "{_short(name)}" with {_short(key)}'
    if kind not in OBJECTS or not isinstance(part.get("config"), dict):
        raise ValueError(f"{where} of class {_short(kind)}, which is not on the list")
    if part.get("module") not in (None, *OBJECT_MODULES) or part.get("registered_name") not in (None, kind):
        raise ValueError(f"{where} of the custom class {_short(part.get('registered_name') or part.get('module'))}")
    extra = set(part) - {"class_name", "config", "module", "registered_name", "shared_object_id"}
    if extra:
        raise ValueError(f'{where} that has the key "{_short(min(extra))}", which is not on the list')
    _check_keys(part["config"], KEYS, name)
    for inner, value in part["config"].items():
        _check_value("name" if kind == "DTypePolicy" else inner, value, name)
        if kind == "DTypePolicy" and value not in DTYPES:
            raise ValueError(f"{where} {_short(value)}, which is not on the list")


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
    _check_value("shape", config["shape"], "input")
    _check_value("dtype", config["dtype"], "input")


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
