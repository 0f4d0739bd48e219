"""The command line: python -m denoise_utils COMMAND. What each command does is in commands.py."""

import argparse
import importlib.util
import os
import sys
import warnings

from denoise_utils import noise, profiles
from denoise_utils.cli import commands, grade
from denoise_utils.cli.kinds import add_cap, add_profile, from_zero, positive
from denoise_utils.pictures import images
from denoise_utils.system import failures, stopping, streams
from denoise_utils.system.escaping import plain

CODES = (
    "Exit codes: 0: done. 1: done, with what the command's own help says. 2: an error that its line explains. "
    "70: an unforeseen error, which should be reported. 130: stopped by Ctrl-C. 141: whoever read the output left."
)
DEBUG = "show where an error came from (its traceback), before its line"


def make_parser():
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(prog="python -m denoise_utils", description=__doc__, epilog=CODES)
    parser.add_argument("--debug", action="store_true", help=DEBUG)
    added = parser.add_subparsers(dest="command", required=True)
    for add in (_add_show, _add_denoise, _add_report, grade.add, _add_search, _add_page):
        add(added)
    if importlib.util.find_spec("denoise_utils.zoo.recipes"):  # a class's handout comes without
        _add_train(added)
        _add_reproduce(added)
    for command in added.choices.values():  # suppressed: the default would overwrite what stood before the command
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=DEBUG)
        command.epilog = CODES
    return parser


def _add_show(added):
    show = added.add_parser("show", help="print what a saved model is: its card and its layers")
    show.add_argument("model", help="the .h5 file, or a folder: a table of its files, as in models/README.md")
    add_cap(show)
    show.set_defaults(run=commands.show)


def _add_report(added):
    report = added.add_parser(
        "report",
        help="count and score every .h5 of a folder",
        description="Write budget.csv, budget.md and budget.html. Exit code: 0, 1 if a capped model is "
        "over the cap, 2 if a file could not be read or, in the full profile, data is missing.",
    )
    report.add_argument("folder", help="the folder that holds the .h5 files")
    report.add_argument(
        "--out", help="where to write (default: reports/ for the project's own models, else build/report/)"
    )
    add_cap(report)
    add_profile(report)
    report.set_defaults(run=commands.report)


def _add_search(added):
    search = added.add_parser(
        "search",
        help="search the course's grid, which is larger than notebook 05's, in one process or several",
        description="Train every legal configuration of the profile's grid once. Stopped or killed, it goes on where "
        "it was. On several machines set KERASTUNER_TUNER_ID (chief on one, another name on each other), "
        "KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT (the chief's, on all).",
    )
    tasks = [name for name, task in noise.TASKS.items() if task.dataset == "mnist"] + ["pairs"]
    search.add_argument("--task", choices=tasks, help=f"default: {profiles.TASK}, or pairs if DENOISE_PAIRS is set")
    search.add_argument("--workers", type=positive, default=1, help="processes that train (default: %(default)s)")
    search.add_argument("--seed", type=from_zero, default=0, help="of weights and noise (default: %(default)s)")
    search.add_argument(
        "--deadline",
        type=positive,
        default=60,
        metavar="MINUTES",
        help="give up after so long without a finished trial, with several workers (default: %(default)s)",
    )
    add_profile(search, default=None)
    search.set_defaults(run=commands.search)


def _add_train(added):
    from denoise_utils.zoo import recipes

    train = added.add_parser(
        "train",
        help="train models of the course, resumably",
        description="Train models one after the other, each as a run under build/: stopped, it goes on at its next "
        "epoch; finished, it is loaded. In the full profile a small run is kept in models/runs/, too, where another "
        f"machine goes on with it. Exit code: 0, 1 if one failed. Names: {', '.join(recipes.ALL)}; or judge, "
        "for grade's --judge: it goes to build/judges/ and is known to whoever knows its seed.",
    )
    train.add_argument("names", nargs="*", metavar="name", help="the models")
    train.add_argument(
        "--seeds", "--seed", type=from_zero, nargs="+", default=[0], help="of weights and noise (default: %(default)s)"
    )
    train.add_argument(
        "--list", action="store_true", help="train nothing; show how far each is and how many minutes it takes"
    )
    add_profile(train, default=None)
    train.set_defaults(run=commands.train)


def _add_reproduce(added):
    reproduce = added.add_parser(
        "reproduce",
        help="train a saved model again from its card and compare",
        description="Takes as long as the card says. Exit code: 0 if the weights are identical, else 1.",
    )
    reproduce.add_argument("model", help="the .h5")
    add_profile(reproduce)
    reproduce.set_defaults(run=commands.reproduce)


def _add_denoise(added):
    denoise = added.add_parser(
        "denoise",
        help="denoise a picture, or all pictures of a folder",
        description="Denoise pictures of any size (PNG, JPEG, TIFF, BMP, WebP, GIF, told by their content) with a "
        "saved model. Each is written as it came, in its format and under its name; what is not, is told once. "
        "Exit code: 0, 1 if anything in IN was left out (the rest is written), 2 if nothing could be done.",
    )
    denoise.add_argument("source", metavar="IN", help="a picture, or a folder (its own pictures, not its subfolders')")
    denoise.add_argument("target", metavar="OUT", help="the picture or folder to write")
    denoise.add_argument("--model", required=True, help="the .h5 of a denoiser")
    denoise.add_argument("--force", action="store_true", help="overwrite what is in OUT")
    denoise.add_argument(
        "--per-channel",
        action="store_true",
        help="a gray model denoises colour channel by channel: ask for it, and no note is made of it",
    )
    denoise.add_argument("--noise", choices=sorted(images.NOISES), help="add this noise first, to try the model out")
    for key, kind in images.STRENGTHS.items():
        meant = " or ".join(name for name, task in images.NOISES.items() if key in task.strength)
        denoise.add_argument(f"--{key}", type=kind, help=f"strength of the noise {meant}")
    denoise.add_argument("--seed", type=from_zero, default=0, help="seed of the noise (default: %(default)s)")
    denoise.set_defaults(run=commands.denoise)


def _add_page(added):
    page = added.add_parser(
        "page",
        help="write the playground page: models that clean drawings in the browser",
        description="Write one HTML file that works from disk and from any web server, without a network. It holds the "
        "models of models/ and twenty validation images each of MNIST and Fashion-MNIST.",
    )
    page.add_argument("--out", help="the .html to write (default: reports/playground.html)")
    page.add_argument(
        "--steps", metavar="FILE", help=f"also write the steps of {profiles.TASK}_small as a moving picture, a .gif"
    )
    page.set_defaults(run=commands.page)


def _print_warning(message, *where):
    print(f"warning: {plain(' '.join(str(message).split()))}", file=sys.stderr)


def main(words=None):
    """Run one command and return its exit code; warnings and errors are one line each on standard error.

    A Ctrl-C, whenever it comes, ends it with 130; those that follow change nothing.
    """
    streams.accept_every_character()
    arguments = make_parser().parse_args(words)
    with stopping.heard():
        try:
            code = _run(arguments)
            stopping.end()
        except KeyboardInterrupt:
            stopping.end()
            print("stopped: what was finished is kept", file=sys.stderr)
            code = stopping.CODE
    return code


def _run(arguments):
    try:
        with failures.causes_shown(arguments.debug), stopping.noticed(), warnings.catch_warnings():
            warnings.showwarning = _print_warning
            code = arguments.run(arguments)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # whoever read our output has enough, as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left of it goes nowhere
        return 141
    except Exception as error:
        return failures.tell(error, arguments.debug)
