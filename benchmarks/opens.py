"""Say which .h5 files this Python's Keras opens: python opens.py FOLDER [--tf-keras], without this project's package.

FOLDER holds NAME.h5 files with NAME.npz beside them (x, and y, what the file is known to give). Prints one JSON
object: for each file the largest difference from y, or the error's text.
"""

import json
import signal
import sys
from pathlib import Path

import numpy as np

PATIENCE = 600  # seconds: Keras 2 looks for ever for a call that Keras 3 counts otherwise, of a model inside a model


def stop(*_):
    """End a file that takes too long."""
    raise TimeoutError(f"not opened within {PATIENCE} s")


def load(path):
    """Load a model with whichever Keras was asked for."""
    if "--tf-keras" in sys.argv:
        import tf_keras as keras
    else:
        import keras
    return keras.models.load_model(path, compile=False)


def difference(path):
    """Return how far the model's outputs are from the known ones, at most."""
    with np.load(path.with_suffix(".npz")) as known:
        x, y = known["x"], known["y"]
    return float(np.abs(np.asarray(load(path)(x, training=False)) - y).max())


if __name__ == "__main__":
    found = {}
    if hasattr(signal, "alarm"):
        signal.signal(signal.SIGALRM, stop)
    for path in sorted(Path(sys.argv[1]).glob("*.h5")):
        try:
            if hasattr(signal, "alarm"):
                signal.alarm(PATIENCE)
            found[path.stem] = difference(path)
        except Exception as error:  # an older Keras fails in any way
            found[path.stem] = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        finally:
            if hasattr(signal, "alarm"):
                signal.alarm(0)
    print(json.dumps(found))
