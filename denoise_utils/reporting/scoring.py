"""Score the models of one task for the budget report: beside the noisy input, the best filter and clean images.

A `report` is a report.Report; each function adds rows, sheets or notes to it.
"""

import numpy as np

from denoise_utils import baselines, evaluation, noise
from denoise_utils.opening import remedies
from denoise_utils.system import failures, stopping

NUM_SHOWN = 10  # test images on a model's sheet


def add_task(report, task, entries, judge, profile):
    """Add the rows of one task: its noisy input, its best filter, its models by parameters."""
    sizes = _sizes(profile)
    try:
        if task == "pairs" and noise.assignment_task() != "pairs":
            raise FileNotFoundError("Expected DENOISE_PAIRS to name the pickles that it was trained on.")
        pairs = noise.load_task("masking" if task == "digits" else task, **sizes)  # of digits alone
    except FileNotFoundError as error:
        report.notes.append(f"The task {task} could not be scored. {error}")
        report.lacking += [] if task == "pairs" else [str(error)]
        report.rows += [row for row, _ in entries]
        return
    if task != "digits":
        report.rows += _yardsticks(task, pairs, judge)
    for row, model in entries:
        stopping.check()
        try:
            if task != "digits":
                evaluation.check_images_model(model)
            output = _predict(model, pairs.test.clean if task == "digits" else pairs.test.noisy)
            if task == "digits":
                scores = _score_judge(output, pairs)
            else:
                scores = _all_scores(output, _predict(model, pairs.val.noisy), pairs, judge)
            row |= scores | {"data": pairs.label}
        except ValueError as error:
            failures.note(row["file"])
            row["reason"] = f"could not be scored: {error}"
        else:
            if task != "digits":
                shown = {"clean": pairs.test.clean, "noisy": pairs.test.noisy, "denoised": evaluation.clip(output)}
                report.sheets[row["file"]] = {title: images[:NUM_SHOWN] for title, images in shown.items()}
        report.rows.append(row)


def _sizes(profile):
    return {"num_train": 1, "num_val": profile.num_val, "num_test": profile.num_test, "profile": profile.name}


def add_other_strengths(report, task, entries, judge, profile):
    """Add how the models within the cap that could be scored do under the task's other strengths, and their input."""
    small = [(row, model) for row, model in entries if row["verdict"] == "PASS" and "psnr" in row]
    for strength in noise.TASKS[task].others if small and task in noise.TASKS else ():
        test = noise.load_task(task, **_sizes(profile) | {"num_val": 1}, **strength).test
        about = {"task": task, "noise": ", ".join(f"{key} {value}" for key, value in strength.items())}
        scores = evaluation.score(test.noisy, test, judge)
        report.elsewhere.append({"file": "noisy input", "role": "yardstick"} | about | scores)
        for row, model in small:
            stopping.check()
            about |= {key: row[key] for key in ("file", "role", "parameters")}
            report.elsewhere.append(about | evaluation.score(_predict(model, test.noisy), test, judge))


def _predict(model, images):
    """Return the model's output, or raise ValueError if it does not take such images."""
    try:
        output = evaluation.predict(model, images)
    except Exception as error:  # a stranger's model may fail in any way
        stopping.check()
        line = remedies.read_reason(error)
        raise ValueError(f"expected a model of images {images.shape[1:]}, got {model.input_shape}: {line}") from None
    if not isinstance(output, np.ndarray):
        raise ValueError(f"expected one output, got {evaluation.name_tensors(model, 'output')}: build it with one")
    return output


def _score_judge(output, pairs):
    if output.shape != (len(pairs.test.labels), 10):
        raise ValueError(f"expected ten probabilities per image, got {output.shape}")
    return {"legibility": float(np.mean(output.argmax(axis=1) == pairs.test.labels)), "images": len(output)}


def _all_scores(output, val_output, pairs, judge):
    """Return the report's scores of images made from the noisy test and validation images."""
    scores = evaluation.score(output, pairs.test, judge)
    kept = {key: scores[key] for key in ("mse", "psnr", "psnr_sd", "ssim", "ssim_sd", "legibility", "images")}
    val_bce = float(evaluation.bce(val_output, pairs.val.clean).mean())
    return kept | {"val_bce": val_bce, "test_bce": scores["bce"], "test_excess": scores["excess"]}


def _yardsticks(task, pairs, judge):
    """Return the rows of the untouched noisy input, of the best tuned filter and of clean images."""
    tuned = [baselines.tune(name, pairs.val.noisy, pairs.val.clean) for name in baselines.FILTERS]
    best = min(tuned, key=lambda one: one.val_mse)
    rows = []
    row = {"task": task, "role": "yardstick", "verdict": None, "data": pairs.label}
    for name, make in (("noisy input", lambda noisy: noisy), (f"filter: {best}", best)):
        scores = _all_scores(make(pairs.test.noisy), make(pairs.val.noisy), pairs, judge)
        rows.append({"file": name} | row | scores)
    ceiling = evaluation.legibility(judge, pairs.test.clean, pairs.test.labels)
    if ceiling is not None:
        rows.append({"file": "clean images"} | row | {"legibility": ceiling, "images": len(pairs.test.clean)})
    return rows
