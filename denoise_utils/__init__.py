"""Helpers shared by the denoising notebooks; modules read left to right:

profiles -> data -> noise -> models -> saving -> training -> search -> evaluation -> page -> report
(sources and pickles beside data, baselines beside models, plots beside evaluation, cli on top; shapes, allow_list,
graph and safe_open lead to saving, show follows it; escaping and failures serve all that prints).
"""

import importlib.util
import os
import platform

__version__ = "1.0.0"

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow leaves oneDNN off on AMD's processors, where training then takes nearly twice as long.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if "KERAS_BACKEND" not in os.environ and not importlib.util.find_spec("tensorflow"):
    # Keras asks for TensorFlow unless it is told otherwise; a saved model needs no more than JAX.
    for _backend in ("jax", "torch"):
        if importlib.util.find_spec(_backend):
            os.environ["KERAS_BACKEND"] = _backend
            break
