"""The command line: python -m denoise_utils COMMAND; TensorFlow is imported only by what needs it."""

import argparse
import os
import sys
from pathlib import Path

from denoise_utils import noise, profiles, recipes, saving


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


def _train(arguments):
    profile = profiles.load_profile(arguments.profile)
    recipes.find_recipe(arguments.name)
    if arguments.seed < 0:
        raise ValueError(f"Expected a seed from 0 up, got {arguments.seed}.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    run = recipes.train(arguments.name, profile, seed=arguments.seed)
    counted = f"{run.model.count_params():,} parameters, {run.seconds / 60:.1f} minutes of training"
    best = f"best epoch {run.best['epoch']} of {len(run.history)}, validation loss {run.best['val_loss']:.4f}"
    print(f"{run.name}: {counted}, {best}.\nIn {run.folder}: best.h5 and history.json. Notebook 10 scores it.")
    return 0


def _reproduce(arguments):
    path, profile = Path(arguments.model), profiles.load_profile(arguments.profile)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a saved model at {path}, found none.")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from denoise_utils import reproduce

    found = reproduce.reproduce(path, profile)
    print(reproduce.describe(found))
    return 0 if found["identical"] else 1


def _search(arguments):
    profile = profiles.load_profile(arguments.profile)
    if arguments.seed < 0:
        raise ValueError(f"Expected a seed from 0 up, got {arguments.seed}.")
    task = arguments.task or noise.assignment_task()
    sizes = {"num_train": profile.search_train, "num_val": profile.search_val, "num_test": 1, "seed": arguments.seed}
    pairs = noise.load_task(task, **sizes)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from denoise_utils import workers

    settings = {"runs": profile.runs, "seed": arguments.seed, "num_workers": arguments.workers}
    found = workers.search_parallel(profile.grid, profiles.CAP, pairs, **settings, deadline=60 * arguments.deadline)
    if found is None:
        print("The search is over; its chief has the ranking.")
        return 0
    columns = ["val_bce", *profile.grid, "parameters"]
    print("  ".join(["rank", *columns]))
    for rank, row in enumerate(found.rows[:10], 1):
        print("  ".join(str(value) for value in (rank, f"{row['val_bce']:.4f}", *(row[c] for c in columns[1:]))))
    print(
        f"{len(found.rows)} trials, {found.num_loaded} of them finished before. The ledger: {found.folder / 'ledger'}"
    )
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
    train = commands.add_parser(
        "train",
        help="train one of the course's models, resumably",
        description="Train a model as a run under build/: stopped, it goes on at its next epoch; finished, "
        f"it is loaded. Names: {', '.join(recipes.RECIPES)}.",
    )
    train.add_argument("name", help="the model")
    train.add_argument("--profile", choices=["full", "quick"], help="default: DENOISE_PROFILE, else quick")
    train.add_argument("--seed", type=int, default=0, help="of the weights and the noise (default: %(default)s)")
    train.set_defaults(run=_train)
    reproduce = commands.add_parser(
        "reproduce",
        help="train a saved model again from its card and compare",
        description="Takes as long as the card says. Exit code: 0 if the weights are identical, else 1.",
    )
    reproduce.add_argument("model", help="the .h5")
    reproduce.add_argument("--profile", choices=["full", "quick"], default="full", help="whose data it was trained on")
    reproduce.set_defaults(run=_reproduce)
    search = commands.add_parser(
        "search",
        help="search the grid of notebook 04, in one process or several",
        description="Train every legal configuration of the profile's grid once. Stopped or killed, it goes on where "
        "it was. On several machines set KERASTUNER_TUNER_ID (chief on one, another name on each other), "
        "KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT (the chief's, on all).",
    )
    tasks = [name for name, task in noise.TASKS.items() if task.dataset == "mnist"] + ["pairs"]
    search.add_argument("--task", choices=tasks, help="default: clutter, or pairs if DENOISE_PAIRS is set")
    search.add_argument("--workers", type=_positive, default=1, help="processes that train (default: %(default)s)")
    search.add_argument("--profile", choices=["full", "quick"], help="default: DENOISE_PROFILE, else quick")
    search.add_argument("--seed", type=int, default=0, help="of the weights and the noise (default: %(default)s)")
    search.add_argument(
        "--deadline",
        type=_positive,
        default=60,
        metavar="MINUTES",
        help="give up after so long without a finished trial, with several workers (default: %(default)s)",
    )
    search.set_defaults(run=_search)
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
