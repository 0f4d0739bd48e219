"""The command line: python -m denoise_utils COMMAND; TensorFlow is imported only by what needs it."""

import argparse
import os
import sys
from pathlib import Path

from denoise_utils import profiles, recipes, saving


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


def _grade(arguments):
    from denoise_utils import grade_page, grading, submissions, supervise

    profile = profiles.load_profile(arguments.profile)
    found = submissions.find_submissions(arguments.path)
    out = Path(arguments.out or profile.root / "build" / "grades")
    if out.is_file():
        raise NotADirectoryError(f"Expected --out to name a folder, got the file {out}.")
    num_images = arguments.images or profile.num_test
    sizes = {"seed": arguments.seed, "num_images": num_images, "profile": profile.name, "pairs": arguments.pairs}
    grades = grading.grade(
        found,
        grading.load_exam(arguments.task, **sizes),
        out / "kept",
        cap=arguments.cap,
        judge=profile.root / "models",
        jobs=arguments.jobs,
        limits=supervise.Limits(arguments.timeout, arguments.memory),
        tell=lambda name, row: print(f"{grade_page.plain(name)}: {grade_page.describe(row)}", flush=True),
    )
    grade_page.write(grades, out)
    if grades.missing:
        raise KeyboardInterrupt
    if Path(arguments.path).is_file():
        print(f"\n{grade_page.explain(grades)}")
    print(f"Written to {out}: grades.csv, grades.html")
    return grade_page.exit_code(grades.rows[0]) if Path(arguments.path).is_file() else 0


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
    _add_grade(commands)
    return parser


def _add_grade(commands):
    grade = commands.add_parser(
        "grade",
        help="check and score one .h5, or the submissions of a class",
        description="Each submission is opened in a process of its own, with a limit of time and of memory. Writes "
        "grades.csv and grades.html; a second run grades only what changed. Exit code: 0; for a single .h5 also 1 if "
        "it is over the cap or flagged, 2 if it was refused, broken or stopped.",
    )
    grade.add_argument("path", help="an .h5 file, or a folder of .h5 files and of folders that hold one each")
    grade.add_argument("--task", default="clutter", help="the task that is graded (default: %(default)s)")
    grade.add_argument("--pairs", nargs=2, metavar=("NOISY", "CLEAN"), help="your own test images, as two pickles")
    grade.add_argument("--seed", type=int, default=1, help="of the noise on the test images; the notebooks' is 0")
    grade.add_argument("--images", type=_positive, help="test images (default: all of the profile's)")
    grade.add_argument("--out", help="where to write (default: build/grades/)")
    grade.add_argument("--cap", type=_positive, default=profiles.CAP, help="parameters allowed (default: %(default)s)")
    grade.add_argument("--jobs", type=_positive, default=2, help="processes side by side (default: %(default)s)")
    grade.add_argument(
        "--timeout", type=_positive, default=120, help="processor seconds for each (default: %(default)s)"
    )
    grade.add_argument("--memory", type=_positive, default=3000, help="megabytes for each (default: %(default)s)")
    grade.add_argument("--profile", choices=["full", "quick"], default="full", help="as for report")
    grade.set_defaults(run=_grade)


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
