"""Find work that is not one's own: models whose pictures are nearly those of another, whatever their files look like.

Renamed, saved again, with weights nudged or channels in another order, a copy still makes the same pictures; the same
model trained from another seed does not. A copy that was trained further makes its own: it is not found so.
"""

import base64
from pathlib import Path

import numpy as np

from denoise_utils.system import files

NUM_IMAGES = 64  # of the exam, whose outputs are compared
NUM_PIXELS = 2000  # of these, drawn at random
NEAR = 1e-4  # the mean difference of two models' pixels: copies differ by rounding, good models of two seeds by 1e-3
BASELINE = "_cap_baseline.h5"  # the end of its name
SAYS, OF_COURSE = "the same pictures as", "the course's"


def find_known(folder, task):
    """Return the files of the course's own models of a task, in `folder` and its seeds; of any task for own pairs."""
    folder, task = Path(folder), "" if task == "pairs" else task
    return sorted([*folder.glob(f"{task}*.h5"), *(folder / "seeds").glob(f"{task}*.h5")])


def hash_all(paths):
    """Return one text that changes with any of the files."""
    return " ".join(f"{path.name} {files.hash_file(path)}" for path in paths)


def take_pixels(output):
    """Return some pixels (NUM_PIXELS,) of a model's output for the exam, as text; the same places of every model."""
    pixels = np.asarray(output[:NUM_IMAGES], dtype="<f4").ravel()
    places = np.random.default_rng(0).choice(pixels.size, min(NUM_PIXELS, pixels.size), replace=False)
    return base64.b64encode(np.clip(pixels[places], 0, 1).tobytes()).decode()


def _read(text):
    """Return the pixels of a text that take_pixels made; none of any other text."""
    try:
        return np.frombuffer(base64.b64decode(text or "", validate=True), dtype="<f4")
    except (ValueError, TypeError):
        return np.zeros(0, np.float32)


def find_flags(pictures, known, same):
    """Return ({name: [flags]}, {name: [notes]}) for the `pictures` {name: text} of submissions.

    They are compared with each other and with the `known` {name of a file of the course: text}. Who has the course's
    baseline gets a note. `same` has pairs of names that need no comparison: equal files, a file and itself.
    """
    mine = {name: pixels for name, text in pictures.items() if len(pixels := _read(text))}
    course = {name: pixels for name, text in known.items() if len(pixels := _read(text))}
    flags, notes = {}, {}
    for name, pixels in mine.items():
        near = _list_near(name, pixels, course, same)
        if near and near[0][1].endswith(BASELINE):
            far, other = near[0]
            about = "who runs a lesson unchanged gets it, which is no copy"
            notes[name] = [f"{SAYS} the course's baseline {other}, {_say(far)}: {about}"]
        elif near:
            flags[name] = [f"{SAYS} {OF_COURSE} {_tell(near)}"]
    others = {name: pixels for name, pixels in mine.items() if name not in notes}
    for name, pixels in others.items():
        if near := _list_near(name, pixels, others, same):
            flags.setdefault(name, []).append(f"{SAYS} {_tell(near)}")
    return flags, notes


def _list_near(name, pixels, others, same):
    """Return (how far, the name) of the others that are near, the nearest first."""
    each = [
        (float(np.abs(pixels - other).mean()), one)
        for one, other in others.items()
        if one != name and (name, one) not in same and len(other) == len(pixels)
    ]
    return sorted(one for one in each if one[0] <= NEAR)


def _say(far):
    return f"which differ by {far:.0e} a pixel" if far else "to the last bit"


def _tell(near):
    (far, name), *more = near
    return f"{name}, {_say(far)}" + (f" (and {len(more)} more)" if more else "")
