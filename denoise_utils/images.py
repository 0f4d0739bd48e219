"""Read and write pictures, PNG and JPEG, and denoise files or folders of them, whatever is in the folder."""

import errno
import io
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from denoise_utils import evaluation, failures, noise, reuse, saving, stopping
from denoise_utils.escaping import plain

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES)  # nothing can be written there
MAX_PIXELS = 50_000_000  # of one picture; a small file can promise billions
NOISES = {name: task for name, task in noise.TASKS.items() if not (task.overlay or task.side)}
STRENGTHS = {key: type(value) for task in NOISES.values() for key, value in task.strength.items()}


def read_image(path):
    """Return the picture at `path` as (H, W) if it is gray, else as (H, W, 3): uint8; float32 of 16-bit gray.

    PNG and JPEG, told by their content. It is turned as its EXIF orientation says; what is transparent
    shows white; a picture whose three channels are equal is gray. Raises ValueError for anything else, for
    a broken file, and for more than 50 megapixels.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a picture at {path}, found no file: look for its name.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the number of pixels is checked below
            with _open(path) as image:
                image.verify()  # checksums; it has to be opened anew afterwards
            with _open(path) as image:
                return _to_array(ImageOps.exif_transpose(image))
    except Exception as error:  # a broken picture raises nearly anything
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ValueError(f"Expected a PNG or JPEG picture in {path.name}, which cannot be read: {reason}") from None


def _open(path):
    image = Image.open(path, formats=("PNG", "JPEG"))
    width, height = image.size
    if width * height > MAX_PIXELS:
        image.close()
        raise ValueError(f"it has {width} x {height} pixels, more than {MAX_PIXELS:,}: make it smaller")
    return image


def _to_array(image):
    if image.mode.startswith("I"):  # 16 bits; Pillow has no such colour
        values = np.array(image, dtype=np.float32)
        clear = image.info.get("transparency")
        if isinstance(clear, int):
            values[values == clear] = 65535
        return np.clip(values / 65535, 0, 1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.array(image.convert("L" if image.mode in ("1", "L") else "RGB"))
    if pixels.ndim == 3 and np.array_equal(pixels[..., 0], pixels[..., 1]):
        return pixels[..., 0] if np.array_equal(pixels[..., 0], pixels[..., 2]) else pixels
    return pixels


def write_image(image, path):
    """Write `image`, (H, W), (H, W, 1) or (H, W, 3), uint8 or floats in [0, 1], to `path` as 8-bit PNG or JPEG.

    The ending says which. A crash leaves the old file or the new one. Raises OSError if nothing can be written
    there at all, ValueError if not under this name.
    """
    path, image = Path(path), np.asarray(image)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"Expected a name that ends in .png, .jpg or .jpeg, got {path.name}.")
    if image.dtype != np.uint8:
        image = np.uint8(np.round(evaluation.clip(image) * 255))
    image = image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, FORMATS[path.suffix.lower()], quality=95, subsampling=0)
    try:
        with saving.atomic_path(path, clear=False) as temporary:  # a stranger's hidden files stay
            temporary.write_bytes(encoded.getvalue())
    except OSError as error:
        if error.errno in FULL:
            raise OSError(f"Expected to write {path}, got: {error.strerror}. Make room, or name another OUT.") from None
        raise ValueError(f"Expected to write {path.name}, got: {error.strerror}. Rename it.") from None


def choose_noise(name, strength, seed=0):
    """Return the function (clean (1, H, W, C), number of the picture) -> noisy, of the noise `name`.

    `strength` replaces the noise's own, {"sigma": 0.2}. Raises ValueError if it has none of that name or range.
    """
    task = NOISES[name]
    for key in strength.keys() - task.strength.keys():
        raise ValueError(f"Expected --{' or --'.join(task.strength)} for the noise {name}, got --{key}.")

    def damage(clean, number):
        return task.add_noise(clean, **(task.strength | strength), seed=[seed, number])

    small = {key: min(value, 7) if STRENGTHS[key] is int else value for key, value in strength.items()}
    task.add_noise(np.zeros((1, 28, 28, 1), np.float32), **small, seed=0)  # refuses now what no picture takes
    return damage


@dataclass(frozen=True)
class Job:
    """Pictures to denoise: (what to read, what to write) of each, and (name, reason) of what will not be read."""

    folder: Path  # where to write
    pairs: list
    refused: list


def plan(source, target, force=False):
    """Return the Job of denoising the picture, or the pictures in the folder, `source` into `target`.

    The folder's own pictures, not those of its subfolders; a link that leads out of it is refused.
    Raises OSError or ValueError if there is nothing to read, or something would be overwritten
    without `force`, or the source itself would be. Nothing is written.
    """
    source, target = Path(source), Path(target)
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(f"Expected OUT to be a folder, as IN is one, got the file {target}.")
        job = _plan_folder(source, target)
    elif source.is_file():
        target = target / source.name if target.is_dir() else target
        if target.suffix.lower() not in FORMATS:
            raise ValueError(f"Expected OUT to end in .png, .jpg or .jpeg, or to be a folder, got {target}.")
        job = Job(target.parent, [(source, target)], [])
    else:
        raise FileNotFoundError(f"Expected IN to be a picture or a folder of pictures, found none at {source}.")
    there = [path for _, path in job.pairs if os.path.lexists(path)]
    if any(path.resolve() == read.resolve() for read, path in job.pairs):
        raise ValueError(f"Expected OUT apart from IN, got {target} for both: name another, the originals stay.")
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise FileExistsError(f"Expected no {there[0].name} in OUT, found it{more}: name another, or add --force.")
    return job


def _plan_folder(source, target):
    named = sorted(path for path in source.iterdir() if path.suffix.lower() in FORMATS and path.name[0] != ".")
    if not named:
        raise FileNotFoundError(f"Expected pictures (.png, .jpg, .jpeg) in {source}, found none.")
    inside, pairs, refused = source.resolve(), [], []
    for path in named:
        if inside not in path.resolve().parents:
            refused.append((path.name, "a link that leads out of IN: put the picture itself there"))
        elif not path.is_file():
            refused.append((path.name, "no file"))
        else:
            pairs.append((path, target / path.name))
    return Job(target, pairs, refused)


def denoise_files(model, job, *, per_channel=False, damage=None):
    """Denoise the pictures of `job` with `model` and return how many were written; `job.refused` gets the others.

    `damage` (an image (1, H, W, C), its number) -> noisy adds noise first; then a line per picture says
    what became of it. A gray picture is given to a colour model as one of three equal channels.
    """
    reuse.survey(model)  # refuses a model that is no denoiser, once
    written = 0
    for number, (source, target) in enumerate(job.pairs):
        stopping.check()
        _show_progress(number, len(job.pairs), plain(source.name))
        try:
            image = _suit(read_image(source), model.input_shape[-1], per_channel)
            if damage:
                clean = np.float32(image / 255 if image.dtype == np.uint8 else image)[None]
                image = damage(clean, number)[0]
            denoised = reuse.denoise(model, image, per_channel=per_channel)
            write_image(denoised, target)
        except (ValueError, FileNotFoundError) as error:  # it may have vanished since
            stopping.check()
            failures.note(source.name)
            job.refused.append((source.name, str(error)))
            continue
        written += 1
        if damage:
            before, after = (evaluation.psnr(one[None], clean)[0] for one in (image, denoised))
            print(f"{plain(source.name)}: PSNR {before:.2f} dB with the noise, {after:.2f} dB denoised")
    _show_progress(len(job.pairs), len(job.pairs), "")
    return written


def _suit(image, channels, per_channel):
    """Return `image` as (H, W, C) for a model of `channels`: gray is repeated, colour is refused unless it is split."""
    image = image[..., None] if image.ndim == 2 else image
    if image.shape[-1] == 3 and channels == 1 and not per_channel:
        raise ValueError("Expected a gray picture, as this model takes, got colour: add --per-channel.")
    return np.repeat(image, 3, axis=-1) if image.shape[-1] < channels else image


def _show_progress(done, total, name):
    """Draw a bar on standard error, if a folder is denoised and somebody is looking."""
    if total > 1 and sys.stderr.isatty():
        bar = "#" * (30 * done // total)
        print(f"\r[{bar:<30}] {done}/{total} {name[:30]:<30}", end="\n" * (done == total), file=sys.stderr, flush=True)
