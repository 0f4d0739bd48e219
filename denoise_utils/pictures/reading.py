"""Read pictures as they come: whatever format they are in, with transparency, 16 bits, ICC profile and EXIF."""

import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from denoise_utils.system import streams

MAX_PIXELS = 50_000_000  # of one picture; a small file can promise billions
READ = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP")  # no more of Pillow's decoders than these meet a stranger's file
KINDS = "PNG, JPEG, TIFF, BMP, GIF or WebP"
FOREIGN = {b"ftyphei": "HEIC", b"ftypmif1": "HEIC", b"ftypavif": "AVIF", b"jP  ": "JPEG 2000", b"%PDF": "PDF"}
FOREIGN |= {b"8BPS": "a Photoshop file", b"<": "text such as HTML or SVG"}  # among a file's first 16 bytes
OURS = (b"\x89PNG", b"\xff\xd8", b"II*\0", b"MM\0*", b"BM", b"GIF8", b"RIFF")  # what our formats begin with
ORIENTATION = 0x0112
ABOUT = {270, 271, 272, 305, 306, 315, 316, 33432, 34665, 34853}  # tags of a TIFF that tell nothing of its layout
DEPTHS = (8, 10, 12)  # bits that cameras and instruments put into files of 16


@dataclass(frozen=True)
class Picture:
    """A picture that was read: `pixels` as they are seen, on `ground`, and what is to be written with them.

    `pixels` are (H, W) if gray, else (H, W, 3): uint8, or float32 in [0, 1] if `deep`. `alpha` is (H, W), uint8,
    or None. `ground` is black or white, 0 or the largest value of the pixels. `remarks` say what was not taken over.
    """

    pixels: np.ndarray
    format: str
    deep: bool = False
    alpha: np.ndarray | None = None
    ground: int = 0
    profile: bytes = b""
    exif: bytes = b""
    remarks: tuple = ()


def find_format(path):
    """Return the format of the picture at `path`, told by its first bytes; raise ValueError if it is none of ours."""
    with _one_line(path), _open(path) as image:
        return "JPEG" if image.format == "MPO" else image.format  # a phone's JPEG with a second picture in it


def read(path):
    """Return the Picture at `path`.

    It is turned as its EXIF orientation says; of several frames it is the first; one whose three channels are
    equal is gray. Transparent pixels show white, or black where what is visible is nearer to white: white strokes
    stay to be seen. The alpha is kept for writing, unless all that is drawn has one colour: then the drawing is
    the alpha, which is denoised as it looks on that ground, and written so. Raises ValueError for what is no
    picture, is broken, has more than 50 megapixels, or values of an unknown range.
    """
    path = Path(path)
    with _one_line(path):
        with _open(path) as image:
            image.verify()  # checksums; it has to be opened anew afterwards
        with _open(path) as image:
            exif = _read_exif(image)
        with _open(path) as image:
            return _to_picture(image, exif)


@contextmanager
def _one_line(path):
    """Make one ValueError of whatever reading `path` raises, and let no library write to standard error."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected a picture at {path}, found no file: look for its name.")
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, streams.send_to(nowhere, 2):
            warnings.simplefilter("ignore")  # the number of pixels is checked by _open
            yield
    except Exception as error:  # a broken picture raises nearly anything
        raise ValueError(f"Expected a picture ({KINDS}) in {path.name}, got {_explain(path, error)}") from None


def _explain(path, error):
    if isinstance(error, Image.UnidentifiedImageError):
        with open(path, "rb") as file:
            head = file.read(16)
        if not head:
            return "an empty file: copy it anew."
        if head.startswith(OURS):
            return "one that cannot be read: it is broken, or cut short"
        what = next((what for sign, what in FOREIGN.items() if sign in head), "something else")
        return f"{what}: if it is a picture, save it as PNG."
    reason = (getattr(error, "strerror", None) or str(error)).strip().partition("\n")[0] or type(error).__name__
    return f"one that cannot be read: {reason}"


def _open(path):
    image = Image.open(path, formats=READ)
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise ValueError(f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}: make it smaller")
    return image


def _read_exif(image):
    """Return what EXIF tells apart from the orientation, b"" if nothing, None if it is broken."""
    try:
        exif = image.getexif()
        if image.info.get("exif") and not len(exif):
            return None
        for tag in list(exif):
            if tag == ORIENTATION or (image.format == "TIFF" and tag not in ABOUT):
                del exif[tag]
        return exif.tobytes() if len(exif) else b""
    except Exception:  # a stranger's bytes; the picture itself may be well
        return None


def _to_picture(image, exif):
    kind, profile = image.format.replace("MPO", "JPEG"), image.info.get("icc_profile") or b""
    remarks = ["of several frames only the first is denoised"] if getattr(image, "is_animated", False) else []
    halved = ";16" in str(image.tile)  # Pillow has 16 bits for gray alone
    image.load()
    if exif is None:
        remarks.append("EXIF that is broken is not kept")
    else:
        image = ImageOps.exif_transpose(image)
    deep = image.mode[0] in "IF"
    pixels, alpha, remark = (_read_deep if deep else _read_bytes)(image)
    if halved and not deep:
        if 0 < pixels.max() < 16:
            raise ValueError(f"16-bit colour up to {pixels.max()} of 255, as 12-bit values give: save it with 8 bits")
        remark = "16-bit colour or transparency is read with 8 bits"
    remarks += [remark] if remark else []
    picture = Picture(pixels, kind, deep, alpha, profile=profile, exif=exif or b"", remarks=tuple(remarks))
    picture = picture if alpha is None else _lay_on_ground(picture)
    return replace(picture, pixels=_drop_channels(picture.pixels))


def _drop_channels(pixels):
    gray = pixels.ndim == 3 and all(np.array_equal(pixels[..., 0], pixels[..., c]) for c in (1, 2))
    return pixels[..., 0] if gray else pixels


def _read_bytes(image):
    """Return (pixels, alpha or None, remark or None) of an image of 8 bits, or of fewer."""
    remark = "CMYK is written as RGB" if image.mode == "CMYK" else None
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return np.array(image.convert("RGB")), np.array(image.getchannel("A")), remark
    return np.array(image.convert("L" if image.mode in ("1", "L") else "RGB")), None, remark


def _read_deep(image):
    """Return (pixels, alpha or None, remark or None) of gray with whole numbers of 16 bits, or floats."""
    values, clear = np.array(image), image.info.get("transparency")
    alpha = np.uint8(values != clear) * 255 if isinstance(clear, int) else None
    seen = values if alpha is None or not alpha.any() else values[alpha > 0]
    low, high = seen.min(), seen.max()
    if image.mode == "F":
        if not 0 <= low <= high <= 1:
            raise ValueError(f"floats from {low:g} to {high:g}: scale them to [0, 1]")
        return np.float32(values), None, "floats are written with 16 bits"
    if low < 0 or high > 65535:
        raise ValueError(f"whole numbers from {low} to {high}: scale them to 0 to 65535")
    bits = next((bits for bits in DEPTHS if 0 < high < 2**bits), 16)
    pixels = np.minimum(np.float32(values) / (2**bits - 1), 1)
    return pixels, alpha, f"values of {bits} bits in a 16-bit file are spread over all 16" if bits < 16 else None


def _lay_on_ground(picture):
    """Return the picture as it looks on its ground; without alpha if that is all there is to see."""
    pixels, alpha, white = picture.pixels, picture.alpha, 1 if picture.deep else 255
    seen = next((pixels[alpha >= least] for least in (128, 1) if alpha.max() >= least), np.array([[white]]))
    ground = 0 if seen.mean() > white / 2 else white  # what is seen differs from it most
    if picture.deep:
        pixels = np.where(alpha > 0, pixels, np.float32(ground))
    else:
        empty = Image.new("RGB", alpha.shape[::-1], (ground,) * 3)
        pixels = np.array(Image.composite(Image.fromarray(pixels), empty, Image.fromarray(alpha)))
    picture = replace(picture, pixels=pixels, ground=ground)
    one_colour = np.ptp(seen, axis=0).max() <= white / 16
    if one_colour and alpha.min() < alpha.max():
        remark = "a transparent drawing of one colour is written as it looks on black or white, without alpha"
        return replace(picture, alpha=None, remarks=(*picture.remarks, remark))
    return picture
