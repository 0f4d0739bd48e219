"""Say why a file is not opened as a saved model, and what its owner can do about it."""

import re

import h5py

SAVE = 'model.save("NAME.h5")'
SAVE_AGAIN = f"save the model again with {SAVE}, and do not open this file otherwise if it is not yours"
WEIGHTS = "take over the weights with model.load_weights(path)"
STARTS = {  # of files that are no HDF5: what they are, what to do
    b"version https://git-lfs": (
        "a Git LFS pointer, which only stands for the file",
        "run git lfs pull",
    ),
    b"<!doctype": ("a web page", "download the file itself, on GitHub by its button for the raw file"),
    b"<html": ("a web page", "download the file itself, on GitHub by its button for the raw file"),
    b"PK\x03\x04": ("a zip archive", "unpack it and take the .h5 that is in it"),
}
KERAS = "a .keras archive", f"open it with keras.models.load_model under a name that ends in .keras, and then {SAVE}"
OPERATORS = {  # classes of Keras 3 and functions of Keras 2, in small letters: what was written, what to use
    "add": ("x + y", "layers.Add()([x, y]), or layers.Rescaling(1, offset=number)(x)"),
    "subtract": ("x - y", "layers.Subtract()([x, y]), or layers.Rescaling(-1, offset=number)(x) for number - x"),
    "multiply": ("x * y", "layers.Multiply()([x, y]), or layers.Rescaling(number)(x)"),
    "divide": ("x / y", "layers.Rescaling(1 / number)(x)"),
    "negative": ("-x", "layers.Rescaling(-1)(x)"),
    "power": ("x ** 2", "layers.Multiply()([x, x])"),
    "absolute": ("abs(x)", "layers.Maximum()([x, layers.Rescaling(-1)(x)])"),
    "getitem": ("x[...]", "layers.Cropping2D"),
    "maximum": ("maximum(x, y)", "layers.Maximum()([x, y]), or layers.ReLU()(x) for maximum(x, 0)"),
    "minimum": ("minimum(x, y)", "layers.Minimum()([x, y]), or layers.ReLU(max_value=1)(x) for a clipping"),
    "clip": ("clip(x, 0, 1)", "layers.ReLU(max_value=1)(x)"),
    "concatenate": ("concatenate", "layers.Concatenate()([x, y])"),
    "mean": ("mean(x)", "layers.GlobalAveragePooling2D(keepdims=True)(x)"),
    "max": ("max(x)", "layers.GlobalMaxPooling2D(keepdims=True)(x)"),
    "reshape": ("reshape(x)", "layers.Reshape"),
    "transpose": ("transpose(x)", "layers.Permute"),
    "pad": ("pad(x)", "layers.ZeroPadding2D"),
    "resize": ("resize(x)", "layers.Resizing or layers.UpSampling2D"),
}
for _name in ("relu", "sigmoid", "tanh", "softmax"):
    OPERATORS[_name] = f"{_name}(x)", f'layers.Activation("{_name}")(x)'
ALIASES = {"truedivide": "divide", "truediv": "divide", "neg": "negative", "pow": "power", "square": "power"}
ALIASES |= {"abs": "absolute", "stridedslice": "getitem", "clipbyvalue": "clip", "concat": "concatenate"}
ALIASES |= {"reducemean": "mean", "reducemax": "max", "sub": "subtract", "mul": "multiply", "addv2": "add"}


class Refused(ValueError):
    """Why a file is not opened, with `remedy`: what its owner can do."""

    def __init__(self, reason, remedy):
        super().__init__(reason)
        self.remedy = remedy


def check_start(path):
    """Raise ValueError if the first bytes of the file at `path` are those of something else than HDF5."""
    with open(path, "rb") as file:
        start = file.read(512)
    plain = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    found = None if start else ("an empty file", "save the model, or copy the file, again")
    for letters, about in STARTS.items():
        if plain.startswith(letters) or start.startswith(letters):
            found = about
    if start.startswith(b"PK\x03\x04") and start[30:43] == b"metadata.json":  # what Keras puts first
        found = KERAS
    if found:
        raise ValueError(f"Expected a saved model (.h5), got {path.name}, {found[0]}: {found[1]}.")
    if not h5py.is_hdf5(path):
        raise ValueError(
            f"Expected an HDF5 file, got {path.name}, which is none or is cut short: save or copy it again."
        )


def check_whole(file):
    """Raise Refused unless the open HDF5 `file` holds a model with its weights."""
    if "model_config" in file.attrs and "model_weights" in file:
        return
    if "model_weights" in file or "layer_names" in file.attrs or {"layers", "vars"} & set(file):
        named = ", path ending in .weights.h5," if "layers" in file else ""  # Keras goes by it
        raise Refused("weights alone (of save_weights) and no model", f"build the model, {WEIGHTS}{named}, and {SAVE}")
    raise Refused("no model: model_config or model_weights is missing", f"save it whole with {SAVE}")


def rebuild(how):
    """Return the remedy for a model that must be built otherwise: `how`."""
    return f"build the same model {how}, {WEIGHTS}, and save that"


def refuse_class(name, kind, config):
    """Return the Refused for the layer `name` of a class `kind` that is not admitted, and its `config`."""
    what = f'the layer "{name}" of class {kind}, which is not on the list'
    function = config.get("function") if kind in ("TFOpLambda", "SlicingOpLambda") else kind
    if kind == "TensorFlowOpLayer":
        function = re.sub(r"^tf_op_layer_|_\d+$", "", name)
    if operator := find_operator(str(function)):
        return refuse_operator(name, *operator)
    if kind == "Lambda":
        how = "with a standard layer in its place, such as Rescaling, Activation, Add or Multiply"
        return Refused(what, f"{rebuild(how)}; do not open this file otherwise if it is not yours")
    if kind.startswith("Random"):
        return Refused(f"{what} and acts in training alone", rebuild("without it"))
    return Refused(what, rebuild("of standard layers and settings alone"))


def refuse_operator(name, written, use):
    """Return the Refused for the layer `name` that is an operation between tensors, as was `written`."""
    return Refused(
        f'the layer "{name}", which is {written} of a tensor, no layer',
        f"use {use} in its place, {WEIGHTS}, and save that",
    )


def find_operator(function):
    """Return (what was written, what to use) for an operation between tensors, a class or a function, or None."""
    word = function.rpartition(".")[2].replace("_", "").lower()
    return OPERATORS.get(ALIASES.get(word, word))


def read_reason(error):
    """Return the reason in what `error` says, in one line of at most 300 characters.

    Keras puts it last, behind what it was at, and before the arguments it was called with.
    """
    text = re.sub(r"\x1b\[\d*m", "", str(error)).partition("Arguments received by")[0]
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("[[")]
    return (lines[-1].removeprefix("Exception encountered: ") if lines else type(error).__name__)[:300]
