"""Write the playground page: models, digits and garments in one file that needs no server and no network."""

import base64
from pathlib import Path

import numpy as np

from denoise_utils import data, profiles, saving
from denoise_utils.pictures.page import network
from denoise_utils.system import files

MODELS = {  # what the page has, and what it calls it
    "clutter_small": "Takes garments away",
    "clutter_tiny": "Takes garments away, smaller",
    "clutter_cap_baseline": "Garments, without repetition",
    "watermark_small": "Takes watermarks away",
    "gaussian_small": "Takes Gaussian noise away",
}
MAX_BYTES = 500_000  # of the page, so that it is soon there on a phone
EACH = 2  # pictures of each of the ten classes
TRAINED_ON = {"clutter": "garments", "watermark": "watermarks", "gaussian": "Gaussian noise", "occlusion": "bars"}
HERE = Path(__file__).parent


def write(path, models, names=MODELS):
    """Write the page of the models `names` in the folder `models` to `path`; return its size in bytes.

    Raises ValueError for a model that the page cannot run or a page of over 500,000 bytes, and FileNotFoundError
    without models or data. The same files make the same page, byte for byte.
    """
    found = {
        "models": [describe(Path(models) / f"{name}.h5") for name in names],
        "judge": network.export(Path(models) / "digit_judge.h5", "float16"),
        "digits": sprite("mnist"),
        "garments": sprite("fashion_mnist"),
    }
    text = render(found)
    size = len(text.encode())
    if size > MAX_BYTES:
        raise ValueError(f"Expected a page of at most {MAX_BYTES:,} bytes, got {size:,}: take fewer or smaller models.")
    files.write_text(path, text)
    return size


def describe(path):
    """Return what the page is told of one denoiser: its network, its name and what it was trained on."""
    exported = network.export(path)
    if not exported["states"]:
        raise ValueError(f"Expected a denoiser that ends in a convolution at {path}, got another model: leave it out.")
    task = str(saving.read_card(path).get("task"))
    named = {"name": path.stem, "title": MODELS.get(path.stem, path.stem)}
    return exported | named | {"task": task, "trained": TRAINED_ON.get(task, "something else")}


def sprite(name):
    """Return two validation images of each class of a dataset: uint8, one below the other, in base64; and labels."""
    val = data.load_splits(name, num_train=1, num_test=1, profile=profiles.load_profile("full")).val
    rows = np.concatenate([np.flatnonzero(val.labels == label)[:EACH] for label in range(10)])
    pixels = np.rint(val.images[rows] * 255).astype(np.uint8)
    return {"pixels": base64.b64encode(pixels.tobytes()).decode(), "labels": val.labels[rows].tolist()}


def render(found):
    """Return the page as text: the template, filled with `found` and with the style and scripts beside it."""
    import jinja2  # only the page needs it

    loader = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    files = {path.name: path.read_text("utf-8") for path in HERE.iterdir() if path.suffix in (".css", ".js")}
    return environment.get_template("template.html").render(found=found, files=files, cap=profiles.CAP) + "\n"
