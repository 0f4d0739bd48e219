"""Grade one submission, in a process of its own that everyone.py starts and watches.

python -m denoise_utils.grading.one EXAM RESULT [SUBMISSION] reads the noisy and clean images of the folder EXAM
and writes RESULT (JSON), anew at every finding, so that a process that is killed leaves what it had found.
Without a SUBMISSION the noisy images themselves are scored: the line that everybody must beat. A SUBMISSION that is a
folder is that of the course's own models, whose outputs others are compared with.
"""

import json
import math
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np

from denoise_utils import evaluation, noise, profiles, saving
from denoise_utils.grading import likeness, ranking, submissions
from denoise_utils.measures import frame, model_shapes, table
from denoise_utils.measures.verdicts import Verdict, judge_size
from denoise_utils.opening import counting, remedies, safe_open
from denoise_utils.system import files

NUM_SHOWN = 10  # images on the sheet
NUM_PICKED = 3  # images of the best, of the middle, of the worst
LARGEST_SHOWN = 64  # pixels a side: more is cut off
TOLERANCE = 1e-3  # how far an output may leave [0, 1], or differ from call to call
NO_BETTER = 0.95  # of the error against all clean images: an output of the right image is well below
BATCH = 32  # images at a time: a model of many steps keeps some megabytes for each
NUM_ALONE = 8  # images that are denoised one by one
VISIBLE = 1 / 255  # outputs that differ less than one grey level are the same picture
MOST_WRITTEN = 50_000_000  # bytes that this process may write into one file


def _guard(parent):
    """End with the parent, and bound what is written: nobody else would do it if the parent were killed."""

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_WRITTEN, MOST_WRITTEN))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check_shapes(model, shape):
    """Raise ValueError unless the model takes images of `shape` (H, W, C) and gives such images back."""
    expected = f"Expected a model of images {shape}, float32 in [0, 1]"
    for side, tensors in (("input", model.inputs), ("output", model.outputs)):
        if len(tensors) != 1:
            raise ValueError(f"{expected}, got {model_shapes.name_tensors(model, side)} {side}s: build it with one.")
        found = tuple(tensors[0].shape)
        batch, *rest = found
        if len(rest) == 3 and all(size in (None, wanted) for size, wanted in zip(rest, shape, strict=True)):
            if side == "input" and batch is not None:
                raise ValueError(f"{expected}, got batches of {batch} only: leave the batch size out of Input.")
            continue
        if tuple(rest) == (shape[2], *shape[:2]):
            hint = "put the channels last"
        elif tuple(rest) == shape[:2]:
            hint = f"begin with Input({shape}) and Reshape({shape[:2]}), end with Reshape({shape})"
        elif None not in rest and math.prod(rest) == math.prod(shape):
            hint = "flatten and reshape inside the model"
        else:
            hint = f"begin with Input({shape}) and end with {shape[2]} channel{'s' * (shape[2] > 1)} of the same size"
        raise ValueError(f"{expected}, got the {side} {found}: {hint}.")


def denoise(model, noisy):
    """Return (the model's output for `noisy`, milliseconds per image); raise ValueError if there is none."""
    try:
        evaluation.predict(model, noisy[: evaluation.FEW + 1], BATCH)  # builds the graph, if there is to be one
        start = time.perf_counter()
        output = evaluation.predict(model, noisy, BATCH)
        seconds = time.perf_counter() - start
    except Exception as error:  # a stranger's model may fail in any way
        raise ValueError(f"Expected images from the model, got an error: {remedies.read_reason(error)}") from None
    if output.shape != noisy.shape:
        raise ValueError(f"Expected an output of the input's shape {noisy.shape[1:]}, got {output.shape[1:]}.")
    broken = int(np.sum(~np.isfinite(output).reshape(len(output), -1).all(axis=1)))
    if broken:
        raise ValueError(f"Expected finite images, got NaN or infinity in {broken:,} of {len(output):,}.")
    return np.asarray(output, dtype=np.float32), 1000 * seconds / len(noisy)


def check_size(path):
    """Return a flag if the file is larger than the assignment allows."""
    size, most = path.stat().st_size / 1e6, submissions.LARGE_FILE / 1e6
    return [f"the file has {size:.1f} MB: less than {most:g} MB is allowed"] if size >= most else []


def find_cheats(model, pairs, output):
    """Return a flag for each way in which the output is not that of a denoiser of the images it got."""
    flags = []
    low, high = float(output.min()), float(output.max())
    if low < -TOLERANCE or high > 1 + TOLERANCE:
        flags.append(f"output outside [0, 1]: {low:.3g} to {high:.3g}, scored as clipped")
    if len(output) > 1 and np.ptp(evaluation.clip(output), axis=0).max() < VISIBLE:
        flags.append("ignores its input: the output is the same for every image")
    elif _fits_any_image(evaluation.clip(output), pairs.clean):
        flags.append("nearly ignores its input: the output fits the other clean images as well as its own")
    if _changes(model, pairs.noisy, output):
        flags.append("the output for an image changes with the images beside it, or from call to call")
    return flags


def _fits_any_image(output, clean):
    """Say whether the squared error against an image's own clean one is about that against all of them."""
    own = np.mean((output - clean) ** 2, dtype=np.float64)
    together = np.mean(output.mean(axis=0, dtype=np.float64) * clean.mean(axis=0, dtype=np.float64))
    every = np.mean(output**2, dtype=np.float64) + np.mean(clean**2, dtype=np.float64) - 2 * together
    differ = len(clean) > 1 and np.ptp(clean, axis=0).max() > VISIBLE
    return bool(differ and own > NO_BETTER * every)


def _changes(model, noisy, output):
    """Say whether images denoised alone, or in a half turned round, come out otherwise than among all."""
    alone = np.linspace(0, len(noisy) - 1, min(NUM_ALONE, len(noisy))).astype(int)
    half = np.arange(min(len(noisy), 2 * BATCH) // 2 or 1)[::-1]
    parts = [(alone, 1), (half, len(half))]
    again = [(rows, evaluation.predict(model, noisy[rows], batch_size)) for rows, batch_size in parts]
    return any(np.abs(images - output[rows]).max() > TOLERANCE for rows, images in again)


def _shape(shape):
    """Return the shape of one image as "28x28x1"; "?" stands for an open side."""
    if not isinstance(shape, tuple):
        return f"{len(shape)} of them"
    return "x".join("?" if size is None else str(size) for size in shape[1:])


def read_exam(folder):
    """Return (settings, pairs) that everyone.write_exam left in `folder`; the images stay on disk."""
    settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    arrays = {path.stem: np.load(path, mmap_mode="r", allow_pickle=False) for path in folder.glob("*.npy")}
    return settings, noise.Pairs(arrays["noisy"], arrays["clean"], arrays.get("labels"))


MEASURED = {  # the measures that may decide, for each image
    "excess": lambda images, clean: evaluation.bce(images, clean) - evaluation.bce_floor(clean),
    "bce": evaluation.bce,
    "mse": evaluation.mse,
    "psnr": evaluation.psnr,
    "ssim": evaluation.ssim,
}


def _score(images, settings, pairs):
    judge = saving.load_model(settings["judge"]) if settings["judge"] and pairs.labels is not None else None
    values = MEASURED[profiles.RANKED_BY](images, pairs.clean)
    losses = -values if table.MEASURES[profiles.RANKED_BY].more_is_better else values
    found = {ranking.LOSSES: ranking.pack(losses), "sheet": _sheet(images), "picked": _pick(images, pairs, losses)}
    return evaluation.score(images, pairs, judge) | found


def _pick(images, pairs, losses):
    """Return strips of the images that came out best, in the middle and worst: noisy, denoised, clean."""
    order, number = np.argsort(losses, kind="stable"), min(NUM_PICKED, len(losses))
    middle = (len(order) - number) // 2
    picked = {"best": order[:number], "median": order[middle : middle + number], "worst": order[-number:][::-1]}
    parts = {"noisy": pairs.noisy, "denoised": images, "clean": pairs.clean}
    return {title: {part: _sheet(array[rows]) for part, array in parts.items()} for title, rows in picked.items()}


def _sheet(images):
    return frame.data_uri(evaluation.clip(images[:NUM_SHOWN, :LARGEST_SHOWN, :LARGEST_SHOWN]))


def grade(path, settings, pairs, note):
    """Grade the .h5 at `path`; `note` takes every finding as keywords, the verdict last."""
    try:
        safe_open.check_readable(path)
    except ValueError as error:
        return note(verdict=Verdict.BROKEN, reason=str(error))
    try:
        contents = safe_open.inspect_model(path)
        count = contents.count
        note(parameters=count.parameters, **vars(count))
        model = saving.build_model(path, contents)
    except (ValueError, OSError) as error:
        return note(verdict=Verdict.REFUSED, reason=remedies.read_reason(error))
    try:
        flags = counting.find_flags(count, settings["cap"])
        note(flags=flags, input=_shape(model.input_shape), output=_shape(model.output_shape))
        check_shapes(model, pairs.noisy.shape[1:])
        output, milliseconds = denoise(model, pairs.noisy)
        flags = flags + check_size(path) + find_cheats(model, pairs, output)
        note(flags=flags, milliseconds=milliseconds, pixels=likeness.take_pixels(output))
        note(**_score(output, settings, pairs))
    except (ValueError, AttributeError) as error:  # an unbuilt model has no shapes
        return note(verdict=Verdict.BROKEN, reason=remedies.read_reason(error))
    return note(verdict=judge_size(count.parameters, settings["cap"]))


def note_known(folder, settings, pairs, note):
    """Note what the course's own models within the cap make of the exam: {file: pixels}, a stranger's file left out."""
    known, noisy = {}, np.asarray(pairs.noisy[: likeness.NUM_IMAGES])
    for path in likeness.find_known(folder, settings["task"]):
        try:
            contents = safe_open.inspect_model(path)
            if contents.count.parameters <= settings["cap"]:
                model = saving.build_model(path, contents)
                check_shapes(model, noisy.shape[1:])
                known[f"models/{path.relative_to(folder)}"] = likeness.take_pixels(
                    np.asarray(model(noisy, training=False))
                )
        except ValueError:
            continue
    note(known=known, verdict=None)


def main(words):
    """Grade what the words name; see the module's docstring."""
    _guard(os.getppid())
    exam, result, *submission = map(Path, words)
    settings, pairs = read_exam(exam)
    row = {}

    def note(**found):
        row.update(found)
        files.write_json(result, row)

    if submission and submission[0].is_dir():
        note_known(submission[0], settings, pairs, note)
    elif submission:
        grade(submission[0], settings, pairs, note)
    else:
        note(**_score(pairs.noisy, settings, pairs), clean_sheet=_sheet(pairs.clean), verdict=None)


if __name__ == "__main__":
    main(sys.argv[1:])
