"""Write pictures as they came: which format, under which name, and what goes with the pixels."""

import errno
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from denoise_utils import evaluation
from denoise_utils.system import files

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)  # nothing can be written there
MAX_EXIF = 65_000  # bytes, in a JPEG


@dataclass(frozen=True)
class Format:
    """What a written format is called, what of a picture it keeps, and Pillow's options: no loss that we choose."""

    endings: tuple
    keeps: tuple
    options: dict = field(default_factory=dict)


FORMATS = {
    "PNG": Format((".png",), ("alpha", "16 bits", "ICC profile", "EXIF")),
    "JPEG": Format((".jpg", ".jpeg", ".jpe", ".jfif"), ("ICC profile", "EXIF"), {"quality": 95, "subsampling": 0}),
    "TIFF": Format((".tif", ".tiff"), ("alpha", "16 bits", "ICC profile", "EXIF")),  # libtiff, for LZW, fails on EXIF
    "BMP": Format((".bmp",), ()),
    "WEBP": Format((".webp",), ("alpha", "ICC profile", "EXIF"), {"lossless": True}),
}
ENDINGS = {ending: name for name, about in FORMATS.items() for ending in about.endings}
WRITABLE = f"{', '.join(list(ENDINGS)[:-1])} or {list(ENDINGS)[-1]}"


def name_output(name, kind):
    """Return what a picture called `name`, of the format `kind`, is called when it is written.

    An ending that says another format than the content gets the right one after it; no or an unknown ending stays.
    A GIF becomes a PNG, as 256 colours do not hold what a denoiser makes.
    """
    written = _written(kind)
    ending = Path(name).suffix.lower()
    return name if ending != ".gif" and ENDINGS.get(ending, written) == written else name + FORMATS[written].endings[0]


def find_kind(name, kind=None):
    """Return the format that the ending of `name` says, or that of the content, `kind`, where it says none.

    Raises ValueError if there is neither, and for .gif.
    """
    ending = Path(name).suffix.lower()
    if ending == ".gif" or (ending not in ENDINGS and not kind):
        raise ValueError(f"Expected a name that ends in {WRITABLE}, got {Path(name).name}.")
    return ENDINGS.get(ending) or _written(kind)


def _written(kind):
    return "PNG" if kind == "GIF" else kind


def write(image, path, like=None):
    """Write `image`, (H, W), (H, W, 1) or (H, W, 3), uint8 or floats in [0, 1], to `path`; return what was lost.

    What the Picture `like`, from which it was made, has and the format keeps is written with it, 16 bits too;
    without it there are 8. What is lost is a list of "alpha", "16 bits", "ICC profile" and "EXIF". A crash leaves
    the old file or the new one. Raises OSError if nothing can be written there at all, ValueError if not under
    this name, or not in this format.
    """
    path, image = Path(path), np.asarray(image)
    kind = find_kind(path, like and like.format)
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    pixels, options, lost = _choose(image, kind, like) if like else (_to_bytes(image), {}, [])
    encoded = io.BytesIO()
    try:
        Image.fromarray(pixels).save(encoded, kind, **FORMATS[kind].options, **options)
    except Exception as error:  # of each encoder its own: too many pixels a side, a profile too long
        raise ValueError(f"Expected to write {path.name} as {kind}, got: {error}. Save it as PNG first.") from None
    try:
        with files.atomic_path(path, clear=False) as temporary:  # a stranger's hidden files stay
            temporary.write_bytes(encoded.getvalue())
    except OSError as error:
        if error.errno in FULL:
            raise OSError(f"Expected to write {path}, got: {error.strerror}. Make room, or name another OUT.") from None
        raise ValueError(f"Expected to write {path.name}, got: {error.strerror}. Rename it.") from None
    return lost


def _to_bytes(image):
    return image if image.dtype == np.uint8 else np.uint8(np.round(evaluation.clip(image) * 255))


def _choose(image, kind, like):
    """Return (pixels, Pillow's options, what is lost) of an `image` that was made from the Picture `like`."""
    keeps, options = FORMATS[kind].keeps, {}
    alpha = like.alpha if "alpha" in keeps else None
    deep = like.deep and image.ndim == 2 and alpha is None and "16 bits" in keeps
    pixels = np.uint16(np.round(evaluation.clip(image) * 65535)) if deep else _to_bytes(image)
    space = like.profile[16:20]  # which colours an ICC profile is for
    if space == b"RGB " and pixels.ndim == 2 and not deep:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    if "ICC profile" in keeps and space == (b"GRAY" if pixels.ndim == 2 else b"RGB "):
        options["icc_profile"] = like.profile
    if "EXIF" in keeps and like.exif and (kind != "JPEG" or len(like.exif) < MAX_EXIF):
        options["exif"] = like.exif
    if alpha is not None:
        pixels = np.dstack([_lift(pixels, alpha, 255 if like.ground else 0), alpha])
    lost = {"alpha": like.alpha is not None and alpha is None, "16 bits": like.deep and not deep}
    lost |= {"ICC profile": like.profile and "icc_profile" not in options, "EXIF": like.exif and "exif" not in options}
    return pixels, options, [what for what, gone in lost.items() if gone]


def _lift(pixels, alpha, ground):
    """Return the colours, uint8, that look like `pixels` when they are laid with `alpha` on `ground`."""
    if alpha.min() == 255:
        return pixels
    more = np.divide(255, alpha, out=np.zeros(alpha.shape, np.float32), where=alpha > 0)
    channels = [pixels] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)  # one at a time: they are large
    lifted = [np.uint8(np.clip(np.round(ground + (one - np.float32(ground)) * more), 0, 255)) for one in channels]
    return np.dstack(lifted)
