"""The command line: python -m denoise_utils COMMAND; TensorFlow is imported only by what needs it."""

import argparse
import os
import sys
from pathlib import Path

from denoise_utils import profiles, saving, show


def _report(arguments):
    profile = profiles.load_profile(arguments.profile)
    saving.find_models(arguments.folder)  # before TensorFlow's seconds
    if arguments.out and Path(arguments.out).is_file():
        raise NotADirectoryError(f"Expected --out to name a folder, got the file {arguments.out}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from denoise_utils import report

    found = report.make_report(arguments.folder, arguments.cap, profile)
    ours = found.label and Path(arguments.folder).resolve() == profile.models.resolve()
    out = Path(arguments.out or (profile.reports if ours else profile.root / "build" / "report"))
    report.write_report(found, out)
    print(report.markdown(found))
    print(f"Written to {out}: budget.csv, budget.md, budget.html")
    return found.exit_code


def _show(arguments):
    print(show.describe(arguments.model, arguments.cap))
    return 0


def _positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text}")
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
    card = commands.add_parser("show", help="print what a saved model is: its card and its layers")
    card.add_argument("model", help="the .h5 file")
    card.add_argument("--cap", type=_positive, default=profiles.CAP, help="parameters allowed (default: %(default)s)")
    card.set_defaults(run=_show)
    return parser


def main(words=None):
    """Run one command and return its exit code; expected errors are one line on stderr."""
    arguments = make_parser().parse_args(words)
    try:
        return arguments.run(arguments)
    except (ValueError, TypeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped: what was finished is kept", file=sys.stderr)
        return 130
