"""Store the figures of a notebook small, in their exact colours, each with a sentence that says what it shows."""

import base64
import io

import nbformat
import numpy as np
from PIL import Image

MOST = 490_000  # characters of a notebook; one with more has its large figures in a lower resolution
LARGE = 30_000  # characters of a figure
SCALES = (1, 0.85, 0.7, 0.6, 0.5)
MARK = "# Figure: "  # the first line of a cell that shows one


def store(notebook):
    """Store the figures of a notebook; return the scale of the large ones, 1 unless there was too much of them."""
    found = [
        (output, output.data["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    describe(notebook)
    for scale in SCALES:
        for output, png in found:
            shrink(output, png, scale)
        if len(nbformat.writes(notebook)) <= MOST:
            break
    return scale


def describe(notebook):
    """Give the figures of a cell that begins with MARK the sentence behind it, in place of "<Figure size ...>"."""
    for cell in notebook.cells:
        first = cell.source.partition("\n")[0]
        for output in cell.get("outputs", []) if first.startswith(MARK) else []:
            if "image/png" in output.get("data", {}):
                sentence = first.removeprefix(MARK).strip()
                output.data["text/plain"] = sentence
                output.metadata.setdefault("image/png", {})["alt"] = sentence


def shrink(output, png, scale):
    """Store a figure (PNG as base64) in an output: without loss, if it is large scaled first, and shown as large."""
    image = Image.open(io.BytesIO(base64.b64decode(png)))
    if image.mode == "RGBA" and image.getextrema()[3][0] == 255:
        image = image.convert("RGB")  # nothing shines through
    if scale < 1 and len(png) > LARGE:
        told = output.metadata.setdefault("image/png", {})
        told |= {"width": image.width, "height": image.height}
        image = image.resize([round(side * scale) for side in image.size], Image.Resampling.BOX)
    buffer = io.BytesIO()
    compact(image).save(buffer, "PNG", optimize=True)
    output.data["image/png"] = base64.b64encode(buffer.getvalue()).decode()


def compact(image):
    """Return a picture in fewer bytes and the same colours: grays as such, up to 256 colours by their numbers."""
    if image.mode != "RGB":
        return image
    pixels = np.asarray(image)
    if (pixels[..., :1] == pixels).all():
        return image.convert("L")
    if image.getcolors(256) is None:
        return image
    colours, numbers = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True)
    paletted = Image.fromarray(numbers.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    paletted.putpalette(colours.tobytes())
    return paletted
