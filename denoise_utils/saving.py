"""Save models as .h5 with a .json card beside them, and load them without running what they carry."""

import csv
import dataclasses
import glob
import hashlib
import io
import json
import os
import platform
import re
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from denoise_utils.opening import container, keras2, remedies, safe_open
from denoise_utils.saved import cards, portable

MAX_CARD = 1_000_000  # characters
STALE = 600  # seconds after which a temporary file is nobody's


def replace(temporary, path):
    """Flush the file `temporary` to the disk and rename it to `path`, in one step for every reader."""
    with open(temporary, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(temporary, path)


@contextmanager
def atomic_path(path, clear=True):
    """Yield a temporary path beside `path`; on success it is flushed and renamed to `path`.

    A crash leaves the old file or the new one, never half of one. `clear` removes what earlier
    crashes left: not in a stranger's folder, whose hidden files may have such names.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    suffix = "".join(path.suffixes)  # Keras goes by it
    start = f".{path.stem[:40]}-"  # with eight letters more a long name would be too long
    for stale in path.parent.glob(f"{glob.escape(start)}????????{glob.escape(suffix)}") if clear else ():
        if time.time() - stale.stat().st_mtime > STALE:  # what a kill in the middle of a write left
            stale.unlink(missing_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=start, suffix=suffix, dir=path.parent)
    os.close(handle)
    try:
        yield Path(temporary)
        os.chmod(temporary, 0o644)
        replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def check_folder(path, room=1):
    """Make the folder `path` and check that a file of `room` bytes can be written there; else raise OSError.

    Before the work, not after it; and before HDF5 writes, which crashes the whole process on a full disk.
    """
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path) as file:
            file.write(bytes(room))
            file.flush()
    except OSError as error:
        raise OSError(
            f"Expected a folder with room for {room:,} bytes at {path}, got: {error.strerror}. "
            "Make room, or name another; what was finished is kept."
        ) from None


def write_text(path, text):
    """Write `text` to `path` as UTF-8, atomically; what that cannot encode, of a file's name, is escaped."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path, content):
    """Write `content` as indented JSON to `path`, atomically; a list of numbers stays on one line."""
    text = json.dumps(content, indent=2)
    text = re.sub(r"\[\n[-+.\d\se,]+\]", lambda found: " ".join(found[0].split()), text)
    write_text(path, text + "\n")


def write_csv(path, rows, columns):
    """Write `rows` (dicts) to `path` as CSV, atomically; only `columns`, in their order."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def hash_file(path):
    """Return the SHA-256 of the file at `path` in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def without_legacy_warning():
    """Silence Keras's remark that .h5 is an old format: it is the format that we were asked for."""
    from absl import logging

    level = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        logging.set_verbosity(level)


def model_room(model, copies=1):
    """Return how many bytes the .h5 of `model` takes at most, or one with `copies` of its weights."""
    return 1_000_000 + 4 * copies * model.count_params()


def save_model(model, path, card):
    """Save `model` to `path` (.h5, no optimizer) and `card` (a dict) to the same name with .json.

    The card is stored inside the .h5 too; the one beside it also holds the .h5's SHA-256. The file is written so that
    older versions of Keras open it as well, where that can be (see saved/portable.py).
    """
    path = Path(path)
    if path.suffix != ".h5":
        raise ValueError(f"Expected a path that ends in .h5, got {path}: Keras takes the format from it.")
    check_folder(path.parent, model_room(model))
    with atomic_path(path) as temporary, without_legacy_warning():
        model.save(temporary, include_optimizer=False)
        portable.make_portable(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs["card"] = json.dumps(card)
    write_json(path.with_suffix(".json"), card | {"sha256": hash_file(path)})


def find_models(folder):
    """Return the paths of the .h5 files in `folder`, half-written ones left out; raise if there is none."""
    if not Path(folder).is_dir():
        raise NotADirectoryError(f"Expected a folder of .h5 files, got {folder}: name the folder, not a file in it.")
    paths = sorted(path for path in Path(folder).glob("*.h5") if not path.name.startswith("."))
    if not paths:
        raise FileNotFoundError(f"Expected .h5 files in {folder}, found none: name the folder of the models.")
    return paths


def load_model(path, max_bytes=safe_open.MAX_BYTES):
    """Load the .h5 at `path` for use, not for further training: uncompiled, in safe mode.

    `safe_open` looks into it first: of a file that it refuses nothing is run, and nothing is built. A file of
    Keras 1 or 2 computes what it did there; an only input, or output, stands in no dict or list.
    Raises FileNotFoundError, or ValueError with the reason; `max_bytes` bounds what is read and built.
    """
    contents = safe_open.inspect_model(path, max_bytes)  # before the seconds that Keras takes to start
    _warn_of_another_card(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of older names of settings
            model = unwrap(_build(path, contents.config))
    except Exception as error:  # Keras raises nearly anything
        reason = f"what Keras refuses ({remedies.read_reason(error)})"
        remedy = remedies.rebuild("of standard layers and settings alone")
        raise safe_open.refusal(path, reason, contents.keras_version, remedy) from None
    if model.count_params() != contents.parameters:
        raise safe_open.refusal(path, f"{model.count_params()} parameters instead of {contents.parameters}")
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


def unwrap(model):
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
            stacklevel=3,
        )


def card_matches(path):
    """Say whether the card beside the .h5 at `path` is of this very file; None where no card says."""
    beside = Path(path).with_suffix(".json")
    told = read_card(path).get("sha256") if beside.is_file() else None
    return None if told is None else told == hash_file(path)


def read_card(path):
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
        raise ValueError(f"Expected the card of {path.name} as JSON, got: {error}") from None
    if not isinstance(card, dict):
        raise ValueError(f"Expected the card of {path.name} as a JSON object, got a {type(card).__name__}.")
    return card


def machine():
    """Return the class of this machine, without its name."""
    import keras

    name = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Keras on {keras.backend.backend()}"
    without = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
    half = os.environ.get("TF_SET_ONEDNN_FPMATH_MODE") == "BF16"  # oneDNN's faster arithmetic, where the CPU has it
    return name + (", without oneDNN" if without else "") + (", products in bfloat16" if half else "")


def save_run(run, folder, *, name=None, **about):
    """Save a run's model and card to `folder` as `name` (the run's by default); return the card.

    `about` is what `cards.make_card` asks for. A file that the run itself was taken from stays as it is.
    """
    run = dataclasses.replace(run, name=name or run.name).with_model(run.model)  # it may have been settled
    path = Path(folder) / f"{run.name}.h5"
    if path.is_file() and card_matches(path) and hash_file(path) == hash_file(run.folder.best):
        print(f"{path.name}: stays as it is")
        return read_card(path)
    card = cards.make_card(run, **about)
    save_model(run.model, path, card)
    print(f"{run.name}.h5: {card['parameters']:,} parameters, {card['role']}, seed {run.settings['seed']}")
    return card
