"""Save models as .h5 with a .json card beside them, and load them without running what they carry."""

import dataclasses
import json
import os
import platform
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from denoise_utils.opening import container, keras2, remedies, safe_open
from denoise_utils.saved import cards, portable
from denoise_utils.system import files

if TYPE_CHECKING:  # Keras takes seconds, and most of this module does without
    import keras

    from denoise_utils.training import Run

MAX_CARD = 1_000_000  # characters


@contextmanager
def without_legacy_warning() -> Iterator[None]:
    """Silence Keras's remark that .h5 is an old format: it is the format that we were asked for."""
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def model_room(model: "keras.Model", copies: int = 1) -> int:
    """Return how many bytes the .h5 of `model` takes at most, or one with `copies` of its weights."""
    return 1_000_000 + 4 * copies * model.count_params()


def save_model(model: "keras.Model", path: Path, card: dict) -> None:
    """Save `model` to `path` (.h5, no optimizer) and `card` (a dict) to the same name with .json.

    The card is stored inside the .h5 too; the one beside it also holds the .h5's SHA-256. The file is written so that
    older versions of Keras open it as well, where that can be (see saved/portable.py).
    """
    path = Path(path)
    if path.suffix != ".h5":
        raise ValueError(f"Expected a path that ends in .h5, got {path}: Keras takes the format from it.")
    files.check_folder(path.parent, model_room(model))
    with files.atomic_path(path) as temporary, without_legacy_warning():
        model.save(temporary, include_optimizer=False)
        portable.make_portable(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs["card"] = json.dumps(card)
    files.write_json(path.with_suffix(".json"), card | {"sha256": files.hash_file(path)})


def find_models(folder: Path) -> list[Path]:
    """Return the paths of the .h5 files in `folder`, half-written ones left out; raise if there is none."""
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"Expected a folder of .h5 files, got {folder}: name the folder, not a file in it.")
    paths = sorted(path for path in Path(folder).glob("*.h5") if not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"Expected .h5 files in {folder}, found none: name the folder of the models.")
    return paths


def load_model(path: Path, max_bytes: int = safe_open.MAX_BYTES) -> "keras.Model":
    """Load the .h5 at `path` for use, not for further training: uncompiled, in safe mode.

    `safe_open` looks into it first: of a file that it refuses nothing is run, and nothing is built. A file of
    Keras 1 or 2 computes what it did there; an only input, or output, stands in no dict or list.
    Raises FileNotFoundError, or ValueError with the reason; `max_bytes` bounds what is read and built.
    """
    return build_model(path, safe_open.inspect_model(path, max_bytes))  # before the seconds that Keras takes to start


def build_model(path: Path, contents: safe_open.Contents) -> "keras.Model":
    """Do what `load_model` does, for a caller that has looked into the .h5 at `path` and has its `contents`."""
    _warn_of_another_card(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older names of settings
            model = unwrap(_build(path, contents.config if contents.old else None))
    except Exception as error:  # Keras raises nearly anything
        reason = f"what Keras refuses ({remedies.read_reason(error)})"
        remedy = remedies.rebuild("of standard layers and settings alone")
        raise safe_open.refusal(path, reason, contents.keras_version, remedy) from None
    if model.count_params() != contents.count.built:
        raise safe_open.refusal(path, f"{model.count_params()} parameters instead of {contents.count.built}")
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise safe_open.refusal(path, "weights that are infinite in the precision of their layers")
    return model


def _build(path, config):
    """Return the model of a file that was admitted; one of Keras 1 or 2 from its `config` as Keras 3 writes it."""
    import keras

    if config is None:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    model = keras.models.model_from_json(json.dumps(config | {"module": "keras", "registered_name": None}))
    with h5py.File(path) as file:
        weights = container.find_weights(file["model_weights"], old=True)
        for layer in config["config"]["layers"]:
            name = layer["config"]["name"]
            trainable, others = _list_weights(model, layer)
            for variable, array in zip([*trainable, *others], weights.get(name, []), strict=True):
                variable.assign(array[...])
    return model


def _list_weights(model, layer):
    """Return the (trainable, other) weights of the layer of `model` in the order in which Keras 2 wrote them.

    `layer` is its part of the config: of a model inside, its order counts, not the one that Keras 3 finds.
    """
    if layer["class_name"] == "InputLayer":  # which a Sequential does not list
        return [], []
    built = model.get_layer(layer["config"]["name"])
    if layer["class_name"] not in keras2.MODELS:
        return built.trainable_weights, built.non_trainable_weights
    inside = [_list_weights(built, one) for one in layer["config"]["layers"]]
    return [one for first, _ in inside for one in first], [one for _, second in inside for one in second]


def unwrap(model: "keras.Model") -> "keras.Model":
    """Return `model` with its input, and its output, in no dict or list if it has only one; else as it is."""
    import keras

    if isinstance(model, keras.Sequential) or len(model.inputs) != 1 or len(model.outputs) != 1:
        return model
    if not any(isinstance(one, dict | list | tuple) for one in (model.input, model.output)):
        return model
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)


def _warn_of_another_card(path):
    try:
        other = card_matches(path) is False
    except ValueError:  # whoever reads the card will say so
        other = False
    if other:
        name = Path(path).name
        warnings.warn(
            f"Expected {name} as its card describes it, got other bytes: it was changed, or its card was not "
            "written after it. Save it again, or remove the card.",
            stacklevel=4,
        )


def card_matches(path: Path) -> bool | None:
    """Say whether the card beside the .h5 at `path` is of this very file; None where no card says."""
    beside = Path(path).with_suffix(".json")
    told = read_card(path).get("sha256") if beside.is_file() else None
    return None if told is None else told == files.hash_file(path)


def read_card(path: Path) -> dict:
    """Return the card of the .h5 at `path`: the .json beside it, else its own copy, else {}."""
    path = Path(path)
    beside = path.with_suffix(".json")
    try:
        if beside.is_file():
            with open(beside, encoding="utf-8") as file:
                text = file.read(MAX_CARD + 1)
        else:
            text = safe_open.read_card(path) or "{}"
        if not isinstance(text, str) or len(text) > MAX_CARD:
            raise ValueError(f"no text of at most {MAX_CARD:,} characters")
        card = json.loads(text)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        remedy = f"Mend or remove {beside.name}." if beside.is_file() else "Save or copy the file again."
        raise ValueError(f"Expected the card of {path.name} as JSON, got: {error}. {remedy}") from None
    if not isinstance(card, dict):
        raise ValueError(f"Expected the card of {path.name} as a JSON object, got a {type(card).__name__}.")
    return card


def machine() -> str:
    """Return the class of this machine, without its name."""
    import keras

    backend, graphics = keras.backend.backend(), ""
    if backend == "jax":
        devices = sys.modules["jax"].devices()  # Keras imported it
        graphics = "".join(f", {device.device_kind}" for device in devices if device.platform == "gpu")
    name = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores{graphics}, Keras on {backend}"
    without = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
    half = os.environ.get("TF_SET_ONEDNN_FPMATH_MODE") == "BF16"  # oneDNN's faster arithmetic, where the CPU has it
    return name + (", without oneDNN" if without else "") + (", products in bfloat16" if half else "")


def save_run(run: "Run", folder: Path, *, name: str | None = None, **about) -> dict:
    """Save the model and card of a training's Run to `folder` as `name` (the run's by default); return the card.

    `about` is what `cards.make_card` asks for. A file that the run itself was taken from stays as it is.
    """
    run = dataclasses.replace(run, name=name or run.name).with_model(run.model)  # it may have been settled
    path = Path(folder) / f"{run.name}.h5"
    if path.is_file() and card_matches(path) and files.hash_file(path) == files.hash_file(run.folder.best):
        print(f"{path.name}: stays as it is")
        return read_card(path)
    card = cards.make_card(run, **about)
    save_model(run.model, path, card)
    print(f"{run.name}.h5: {card['parameters']:,} parameters, {card['role']}, seed {run.settings.seed}")
    return card
