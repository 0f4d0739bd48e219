"""The command line: python -m denoise_utils COMMAND; TensorFlow is imported only by what needs it."""

import argparse
import os
import sys
from pathlib import Path

from denoise_utils import images, profiles, saving, stopping


def _report(arguments):
    profile = profiles.load_profile(arguments.profile)
    saving.find_models(arguments.folder)  # before TensorFlow's seconds
    if arguments.out and Path(arguments.out).is_file():
        raise NotADirectoryError(f"Expected --out to name a folder, got the file {arguments.out}.")
    if arguments.out:
        saving.check_folder(arguments.out)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from denoise_utils import report

    found = report.make_report(arguments.folder, arguments.cap, profile)
    ours = found.label and Path(arguments.folder).resolve() == profile.models.resolve()
    out = Path(arguments.out or (profile.reports if ours else profile.root / "build" / "report"))
    print(report.markdown(found))  # first: it is not lost if it cannot be written
    report.write_report(found, out)
    print(f"Written to {out}: budget.csv, budget.md, budget.html")
    return found.exit_code


def _denoise(arguments):
    damage = None
    strength = {key: getattr(arguments, key) for key in images.STRENGTHS if getattr(arguments, key) is not None}
    if arguments.noise:
        damage = images.choose_noise(arguments.noise, strength, arguments.seed)
    elif strength:
        raise ValueError(f"Expected --noise with --{', --'.join(strength)}: name the noise to add.")
    if not Path(arguments.model).is_file():
        raise FileNotFoundError(f"Expected a saved model at {arguments.model}, found none: look for the .h5's name.")
    job = images.plan(arguments.source, arguments.target, arguments.force)
    saving.check_folder(job.folder)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    model = saving.load_model(arguments.model)
    written, refused = images.denoise_files(model, job, per_channel=arguments.per_channel, damage=damage)
    print(f"{written} of {written + len(refused)} pictures written to {arguments.target}")
    for name, reason in refused:
        print(f"not denoised: {name}: {reason}", file=sys.stderr)
    return int(bool(refused))


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text}")
    return number


def _from_zero(text):
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0 up, got {text}")
    return number


def make_parser():
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m denoise_utils", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser(
        "report",
        help="count and score every .h5 of a folder",
        description="Write budget.csv, budget.md and budget.html. Exit code: 0, 1 if a capped model is "
        "over the cap, 2 if a file could not be read.",
    )
    report.add_argument("folder", help="the folder that holds the .h5 files")
    report.add_argument(
        "--out", help="where to write (default: reports/ for the project's own models, else build/report/)"
    )
    report.add_argument("--cap", type=_positive, default=profiles.CAP, help="parameters allowed (default: %(default)s)")
    report.add_argument(
        "--profile",
        choices=["full", "quick"],
        default="full",
        help="full: the whole test set (default); quick: a small one, bundled images where no data is",
    )
    report.set_defaults(run=_report)
    _add_denoise(commands)
    return parser


def _add_denoise(commands):
    denoise = commands.add_parser(
        "denoise",
        help="denoise a picture, or all pictures of a folder",
        description="Denoise PNG and JPEG pictures of any size with a saved model; names are kept. "
        "Exit code: 0, 1 if a picture could not be denoised (the others are), 2 if nothing could be done.",
    )
    denoise.add_argument("source", metavar="IN", help="a picture, or a folder (its own pictures, not its subfolders')")
    denoise.add_argument("target", metavar="OUT", help="the picture or folder to write")
    denoise.add_argument("--model", required=True, help="the .h5 of a denoiser")
    denoise.add_argument("--force", action="store_true", help="overwrite what is in OUT")
    denoise.add_argument(
        "--per-channel", action="store_true", help="let a gray model denoise colour, channel by channel"
    )
    denoise.add_argument("--noise", choices=sorted(images.NOISES), help="add this noise first, to try the model out")
    for key, kind in images.STRENGTHS.items():
        meant = " or ".join(name for name, task in images.NOISES.items() if key in task.strength)
        denoise.add_argument(f"--{key}", type=kind, help=f"strength of the noise {meant}")
    denoise.add_argument("--seed", type=_from_zero, default=0, help="seed of the noise (default: %(default)s)")
    denoise.set_defaults(run=_denoise)


def main(words=None):
    """Run one command and return its exit code; expected errors are one line on stderr."""
    arguments = make_parser().parse_args(words)
    try:
        with stopping.noticed():
            return arguments.run(arguments)
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: what was finished is kept", file=sys.stderr)
        return 130
