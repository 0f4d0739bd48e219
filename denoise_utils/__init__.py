"""Helpers that the denoising notebooks share. What most of them import lies on top, the rest in rooms beside it.

profiles     sizes and folders: tiny, quick, full
data         load images, split them                  datasets/   where images come from; pickles
noise        six kinds of noise, the tasks
models       architectures of the course, counting
training     train, as a run that resumes             running/    settings, run folder, callbacks, optimizers
                                                      zoo/        older projects' models, recipes
search       a capped grid, every trial once          running/    trials, several processes
evaluation   measures and tables                      measures/   the table of measures, verdicts, a page's frame
baselines    classical filters, to be beaten
plots        figures
saving       .h5 with its card, loaded safely         saved/      cards, older dialects of Keras
                                                      opening/    what is looked at before Keras is
reuse        a saved model on any pictures            pictures/   picture files, playground, page, export
lessons      begin a notebook, check an exercise
report       the parameter-budget report              reporting/  its findings, scores, page
(the commands of python -m denoise_utils)             cli/        arguments, commands
                                                      grading/    a class's submissions
(for all of these)                                    system/     whole files, Ctrl-C, streams, errors in one line

After `import denoise_utils` a module of the left column is there by its name, `denoise_utils.reuse`, imported when it
is first used; those of a room are imported by theirs: `from denoise_utils.pictures import images`.
"""

import importlib
import importlib.util
import os
import platform

__version__ = "1.3.0"
__all__ = [
    "baselines",
    "data",
    "evaluation",
    "lessons",
    "models",
    "noise",
    "plots",
    "profiles",
    "report",
    "reuse",
    "saving",
    "search",
    "training",
]

if platform.machine() in ("x86_64", "AMD64"):
    # TensorFlow leaves oneDNN off on AMD's processors, where training then takes 1.7 times as long (measured once).
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

if "KERAS_BACKEND" not in os.environ and not importlib.util.find_spec("tensorflow"):
    # Keras asks for TensorFlow unless it is told otherwise; a saved model needs no more than JAX.
    for _backend in ("jax", "torch"):
        if importlib.util.find_spec(_backend):
            os.environ["KERAS_BACKEND"] = _backend
            break


def __getattr__(name):
    """Import a module of the map when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}: help({__name__}) shows a map")
    return importlib.import_module(f"{__name__}.{name}")
