"""Read and write pictures, and denoise files or folders of them, whatever is in the folder."""

import functools
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from denoise_utils import evaluation, noise, profiles, reuse
from denoise_utils.measures.table import MEASURES
from denoise_utils.pictures import reading, writing
from denoise_utils.system import failures, stopping
from denoise_utils.system.escaping import plain

if TYPE_CHECKING:
    import keras

NOISES = {name: task for name, task in noise.TASKS.items() if not (task.overlay or task.side)}
STRENGTHS = {key: type(value) for task in NOISES.values() for key, value in task.strength.items()}
BY_CHANNEL = "colour was denoised channel by channel, as this model takes gray; a model of colour may suit better"


def read_image(path: str | Path) -> np.ndarray:
    """Return the picture at `path` as (H, W) if it is gray, else as (H, W, 3): uint8; float32 of 16-bit gray.

    As reading.read says: turned upright, transparent pixels laid on white or on black.
    """
    return reading.read(path).pixels


def write_image(image: np.ndarray, path: str | Path, like: reading.Picture | None = None) -> list[str]:
    """Write `image`, (H, W), (H, W, 1) or (H, W, 3), uint8 or floats in [0, 1], to `path`; return what was lost.

    As writing.write says: the ending is the format, 8 bits unless the Picture `like` had 16.
    """
    return writing.write(image, path, like)


def choose_noise(name: str, strength: dict, seed: int = 0) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return the function (clean (1, H, W, C), number of the picture) -> noisy, of the noise `name`.

    `strength` replaces the noise's own, {"sigma": 0.2}. Raises ValueError if it has none of that name or range.
    """
    task = NOISES[name]
    for key in strength.keys() - task.strength.keys():
        raise ValueError(f"Expected --{' or --'.join(task.strength)} for the noise {name}, got --{key}.")

    def damage(clean, number):
        return task.add_noise(clean, **(task.strength | strength), seed=[seed, number])

    small = {key: min(value, 7) if STRENGTHS[key] is int else value for key, value in strength.items()}
    black = np.zeros((1, profiles.SIDE, profiles.SIDE, 1), np.float32)
    task.add_noise(black, **small, seed=0)  # refuses now what no picture takes
    return damage


@dataclass(frozen=True)
class Job:
    """Pictures to denoise: (what to read, what to write) of each, and (name, reason) of what is left out.

    `notes` has the names of the pictures of which something is to be told, by what is told.
    """

    folder: Path  # where to write
    pairs: list
    refused: list
    notes: dict = field(default_factory=dict)

    def note(self, what: str, name: str) -> None:
        """Remember that `what` is to be told of the picture `name`."""
        self.notes.setdefault(what, []).append(name)


def plan(source: str | Path, target: str | Path, force: bool = False) -> Job:
    """Return the Job of denoising the picture, or the pictures in the folder, `source` into `target`.

    What is a picture is told by its content. Of a folder its own pictures are taken, not those of its subfolders;
    a link that leads out of it is refused. A name of which the ending says another format than the content, and
    that of a GIF, gets the right ending after it. Whatever is not taken is in the Job, with the reason; hidden
    files that are no pictures are the system's, and are not. Raises OSError or ValueError if there is nothing to
    read, or something would be overwritten without `force`, or the source itself would be. Nothing is written.
    """
    source, target = Path(source), Path(target)
    if source.is_dir():
        if target.exists() and not target.is_dir():
            raise NotADirectoryError(f"Expected OUT to be a folder, as IN is one, got the file {target}.")
        job = _plan_folder(source, target)
    elif source.is_file():
        job = _plan_file(source, target)
    else:
        raise FileNotFoundError(f"Expected IN to be a picture or a folder of pictures, found none at {source}.")
    there = [path for _, path in job.pairs if os.path.lexists(path)]
    originals = {read.resolve() for read, _ in job.pairs}
    if source.resolve() == target.resolve() or any(path.resolve() in originals for _, path in job.pairs):
        raise ValueError(f"Expected OUT apart from IN, got {target} for both: name another, the originals stay.")
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise FileExistsError(f"Expected no {there[0].name} in OUT, found it{more}: name another, or add --force.")
    return job


def _plan_file(source, target):
    into = target.is_dir()
    if not into and target.suffix.lower() not in writing.ENDINGS:
        raise ValueError(f"Expected OUT to end in {writing.WRITABLE}, or to be a folder, got {target}.")
    try:
        kind = reading.find_format(source)
    except ValueError as error:
        return Job(target.parent, [], [(source.name, str(error))])
    job = Job(target if into else target.parent, [], [])
    name = writing.name_output(source.name, kind) if into else target.name
    _add(job, source, name, kind, given=not into)
    return job


def _plan_folder(source, target):
    inside, kinds, job = source.resolve(), {}, Job(target, [], [])
    for path in sorted(source.iterdir()):
        if os.path.realpath(path) == os.path.realpath(target):
            continue  # OUT lies in IN, and is there from the time before
        kind, reason = _look_at(path, inside)
        hidden = path.name[0] == "."
        if kind and not hidden:
            kinds[path] = kind
        elif kind or not hidden:
            job.refused.append((path.name, reason or "hidden, by the dot that its name begins with: rename it"))
    if not kinds and not job.refused:
        raise FileNotFoundError(f"Expected pictures ({reading.KINDS}) in {source}, found none.")
    names = {path: writing.name_output(path.name, kind) for path, kind in kinds.items()}
    taken = {name for path, name in names.items() if name == path.name}
    for path, name in names.items():
        free = name if name == path.name else _find_free(Path(name), taken)
        taken.add(free)
        _add(job, path, free, kinds[path])
    return job


def _look_at(path, inside):
    """Return (format, None) of a picture in the folder `inside`, or (None, the reason to leave it out)."""
    try:
        if inside not in path.resolve().parents:
            return None, "a link that leads out of IN: put the picture itself there"
        if path.is_dir():
            return None, "a folder: denoise it as an IN of its own"
        return (reading.find_format(path), None) if path.is_file() else (None, "no file")
    except (ValueError, OSError, RuntimeError) as error:  # the last of a link to itself
        return None, str(error)


def _find_free(name, taken):
    """Return `name`, or with a number in it, as none of `taken` is called: no result overwrites another."""
    numbered = (f"{name.stem}-{number}{name.suffix}" for number in range(2, len(taken) + 3))
    return next(free for free in (name.name, *numbered) if free not in taken)


def _add(job, source, name, kind, given=False):
    job.pairs.append((source, job.folder / name))
    written = writing.find_kind(name, kind)
    if written != kind and not given:
        job.note(f"{kind} is written as {written}", source.name)
    if name != source.name and not given:
        job.note("the ending did not fit, and got another after it", f"{source.name} as {name}")


def denoise_files(
    model: "keras.Model",
    job: Job,
    *,
    per_channel: bool = False,
    damage: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> int:
    """Denoise the pictures of `job` with `model` and return how many were written; `job.refused` gets the others.

    `damage` (an image (1, H, W, C), its number) -> noisy adds noise first; then a line per picture says
    what became of it. A gray picture is given to a colour model as one of three equal channels; a gray model
    denoises colour channel by channel, which is noted unless `per_channel` asks for it. What a picture lost is
    noted too.
    """
    reuse.survey(model)  # refuses a model that is no denoiser, once
    written = 0
    for number, (source, target) in enumerate(job.pairs):
        stopping.check()
        _show_progress(number, len(job.pairs), plain(source.name))
        try:
            picture = reading.read(source)
            split = picture.pixels.ndim == 3 and model.input_shape[-1] == 1
            lost = _denoise_one(model, picture, (source, target), damage and functools.partial(damage, number=number))
        except (ValueError, FileNotFoundError) as error:  # it may have vanished since
            stopping.check()
            failures.note(source.name)
            job.refused.append((source.name, str(error)))
            continue
        written += 1
        told = [*picture.remarks, *(f"{what} could not be kept" for what in lost)]
        for what in [*told, BY_CHANNEL] if split and not per_channel else told:
            job.note(what, source.name)
    _show_progress(len(job.pairs), len(job.pairs), "")
    return written


def _denoise_one(model, picture, pair, damage):
    """Denoise the Picture `picture` of the `pair` (source, target), write it and return what of it was lost."""
    image = _suit(picture.pixels, model.input_shape[-1])
    if damage:
        clean = np.float32(image / 255 if image.dtype == np.uint8 else image)[None]
        image = damage(clean)[0]
    denoised = reuse.denoise(model, image, per_channel=True)
    lost = write_image(denoised, pair[1], picture)
    if damage:
        before, after = (MEASURES["psnr"].say(evaluation.psnr(one[None], clean)[0]) for one in (image, denoised))
        print(f"{plain(pair[0].name)}: {before} with the noise, {after} denoised")
    return lost


def tell(job: Job) -> Iterator[str]:
    """Yield a line for each kind of note, with the names of its pictures, then one for each that was left out."""
    for what, names in job.notes.items():  # they come from strangers: a line stays a line
        more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
        yield f"note: {what}: {', '.join(map(plain, names[:5]))}{more}"
    for name, reason in job.refused:
        yield f"left out: {plain(name)}: {plain(reason)}"


def _suit(image, channels):
    """Return `image` as (H, W, C) for a model of `channels`: gray is repeated."""
    image = image[..., None] if image.ndim == 2 else image
    return np.repeat(image, 3, axis=-1) if image.shape[-1] < channels else image


def _show_progress(done, total, name):
    """Draw a bar on standard error, if a folder is denoised and somebody is looking."""
    if total > 1 and sys.stderr.isatty():
        bar = "#" * (30 * done // total)
        print(f"\r[{bar:<30}] {done}/{total} {name[:30]:<30}", end="\n" * (done == total), file=sys.stderr, flush=True)
