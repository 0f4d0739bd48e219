"""Export a model to ONNX or LiteRT, for programs that have no Keras, and run what was exported."""

import contextlib
import importlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils.system import files, streams

if TYPE_CHECKING:
    import keras

NEEDED = {".onnx": ("tf2onnx", "onnx", "onnxruntime"), ".tflite": ("tensorflow.lite",)}


def missing(ending: str) -> list[str]:
    """Return the names of the packages that the format with this `ending` (.onnx, .tflite) lacks here."""
    if ending not in NEEDED:
        raise ValueError(f"Expected the ending {' or '.join(NEEDED)}, got {ending}.")
    return [name for name in NEEDED[ending] if not _is_here(name)]


def _is_here(name):
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def export_model(model: "keras.Model", path: str | Path) -> None:
    """Write `model` to `path`, whose ending says the format: .onnx, or .tflite for LiteRT.

    The first axis stays free, so that any number of images can be given. Raises ModuleNotFoundError, which
    says what to install, where an exporter is missing.
    """
    path = Path(path)
    lacking = missing(path.suffix)
    if lacking:
        raise ModuleNotFoundError(f'Expected {", ".join(lacking)} for {path.suffix}: pip install -e ".[export]"')
    model(np.zeros([1, *(side or 32 for side in model.input_shape[1:])], np.float32))  # Keras exports what was called
    with files.atomic_path(path) as temporary, _quiet():
        model.export(temporary, format="onnx" if path.suffix == ".onnx" else "litert", verbose=False)


def run_exported(path: str | Path, images: np.ndarray) -> np.ndarray:
    """Return what the exported model at `path` makes of `images` (N, H, W, C), float32, without Keras."""
    path, images = Path(path), np.asarray(images, dtype=np.float32)
    with _quiet():
        return (_run_onnx if path.suffix == ".onnx" else _run_litert)(path, images)


def _run_onnx(path, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: images})[0]


def _run_litert(path, images):
    from tensorflow import lite

    interpreter = lite.Interpreter(str(path))
    place = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(place, images.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(place, images)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@contextlib.contextmanager
def _quiet():
    """Silence the exporters: their warnings, and what they write below Python to standard output and error."""
    with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, streams.send_to(nowhere, 1, 2):
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            yield
