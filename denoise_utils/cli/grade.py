"""The command grade: one file, or a class as a learning system gives it; its words and what it does."""

from datetime import datetime
from functools import partial
from pathlib import Path

from denoise_utils import profiles
from denoise_utils.cli.kinds import add_cap, add_profile, from_zero, positive
from denoise_utils.system import files
from denoise_utils.system.escaping import plain

FORMATS = ("moodle", "canvas", "gradescope")
ABOUT = """Each submission is opened in a process of its own, with a limit of time and of memory. Writes grades.csv,
grades.html, ranking.html, grade.log and a page for each person; a second run grades only what changed. Exit code: 0;
for a single .h5 also 1 if it is over the cap or flagged, 2 if it was refused, broken or stopped."""


def add(added):
    """Add the command to the parsers."""
    grade = added.add_parser("grade", help="check and score one .h5, or the submissions of a class", description=ABOUT)
    grade.add_argument(
        "path", nargs="?", help="an .h5 file; or a class: a folder or .zip, such as Moodle's and Canvas's, or clones"
    )
    grade.add_argument("--task", default=profiles.TASK, help="the task that is graded (default: %(default)s)")
    grade.add_argument("--pairs", nargs=2, metavar=("NOISY", "CLEAN"), help="your own test images, as two pickles")
    grade.add_argument(
        "--seed",
        type=from_zero,
        help="of the noise on the test images, and of which they are; for a class one is drawn and kept, for a single "
        "file it is public; the notebooks' is 0",
    )
    grade.add_argument("--images", type=positive, help="test images, drawn by the seed (default: all of the profile's)")
    grade.add_argument("--out", help="where to write (default: build/grades/, for one file build/check/)")
    add_cap(grade)
    grade.add_argument("--jobs", type=positive, default=2, help="processes side by side (default: %(default)s)")
    grade.add_argument(
        "--timeout", type=positive, default=120, help="processor seconds for each (default: %(default)s)"
    )
    grade.add_argument("--memory", type=positive, default=3000, help="megabytes for each (default: %(default)s)")
    grade.add_argument("--judge", help="an .h5 that reads digits, known to you alone (default: the course's)")
    _add_of_a_class(grade.add_argument_group("for a class"))
    add_profile(grade)
    grade.set_defaults(run=run)


def _add_of_a_class(group):
    group.add_argument("--roster", help="a CSV of the class with name, id, e-mail: who is missing gets a row, too")
    group.add_argument("--rubric", help="a .toml of marks (default: the assignment's, which says how to edit it)")
    group.add_argument(
        "--format",
        action="append",
        choices=FORMATS,
        default=[],
        help="also write the file that this system imports; several times for several",
    )
    group.add_argument(
        "--again", type=from_zero, metavar="SEED", help="grade under another seed, too, and show who moves: again.csv"
    )
    group.add_argument(
        "--forget", metavar="WHO", help="remove what --out keeps of a person: a name, id, address or pseudonym"
    )


def run(arguments):
    """Grade one .h5, or the submissions of a class, or forget one person of it."""
    from denoise_utils.grading import finishing, keeping, submissions

    profile = profiles.load_profile(arguments.profile)
    if arguments.forget:
        out = Path(arguments.out or profile.root / "build" / "grades")
        finishing.read(out)  # before anything is made there
        with keeping.held(out):
            finishing.forget(out, arguments.forget)
        print(f"{plain(out)} keeps nothing of {plain(arguments.forget)} any more; the hand-in is still where it was")
        return 0
    if not arguments.path:
        raise ValueError("Expected an .h5, a folder or a .zip to grade, got none: name it.")
    is_class = submissions.is_class(arguments.path)
    out = Path(arguments.out or profile.root / "build" / ("grades" if is_class else "check"))
    keeping.check_place(out, arguments.path)
    found = submissions.find_submissions(arguments.path, _read_people(arguments) if is_class else None)
    files.check_folder(out)
    with keeping.held(out) as kept:
        return (_grade_class if is_class else _check_one)(arguments, profile, found, out, kept)


def _read_people(arguments):
    from denoise_utils.grading import roster

    return roster.read(arguments.roster) if arguments.roster else None


def _check_one(arguments, profile, found, out, kept):
    """Grade one file under the public seed, and say what its author is to do; return the exit code."""
    from denoise_utils.grading import keeping, page

    seed = keeping.begin_check(out)
    grades = _grade(arguments, profile, found, kept, seed if arguments.seed is None else arguments.seed)
    page.write(grades, out)
    if grades.missing:
        raise KeyboardInterrupt
    print(f"\n{page.explain(grades)}")
    print(f"Written to {plain(out)}: grades.csv, grades.html")
    return page.exit_code(grades.rows[0])


def _grade_class(arguments, profile, found, out, kept):
    """Grade a class under a seed of its own, and write all that is made of the grades; return the exit code."""
    from denoise_utils.grading import finishing, keeping, ranking, rubric, submissions

    rules = rubric.read(arguments.rubric)
    record = keeping.begin_class(out, [one.name for one in found], arguments.seed)
    seed = record["seed"]
    print(f"Noise seed {seed}, kept in {plain(out)}: keep it to yourself until the marks are out", flush=True)
    task = "pairs" if arguments.pairs else arguments.task
    paths = rules.find_references(task, profile.root / "models")
    references = [submissions.as_reference(title, path) for title, path in paths.items()]
    grades = _grade(arguments, profile, found, kept, seed, references)
    finishing.finish(grades, rules, record)
    told = finishing.write(grades, out, arguments.format)
    if grades.missing:
        raise KeyboardInterrupt
    if arguments.again is not None:
        again = _grade(arguments, profile, found, kept, arguments.again)
        print(finishing.write_again(out, ranking.compare(grades.rows, again.rows), seed, arguments.again))
        if again.missing:
            raise KeyboardInterrupt
    print(f"Written to {plain(out)}: {', '.join(['grades.csv, grades.html, ranking.html, people/', *told])}")
    return 0


def _grade(arguments, profile, found, kept, seed, references=()):
    """Return the Grades of what was found, under one seed."""
    from denoise_utils.grading import everyone, exam, keeping, supervise

    judge = Path(arguments.judge or profile.root / "models" / "digit_judge.h5")
    if arguments.judge:
        exam.check_judge(judge)
    num_images = arguments.images or profile.num_test
    sizes = {"seed": seed, "num_images": num_images, "profile": profile, "pickles": arguments.pairs}
    return everyone.grade(
        found,
        exam.load_exam(arguments.task, **sizes),
        kept,
        cap=arguments.cap,
        judge=judge,
        own=profile.root / "models",
        jobs=arguments.jobs,
        limits=supervise.Limits(arguments.timeout, arguments.memory),
        references=references,
        tell=partial(_say, keeping.log_of(kept)),
    )


def _say(log, name, row, progress):
    """Print what was found of a hand-in, and write it with the time to the file `log`."""
    from denoise_utils.grading import page

    told = f"{plain(name)}: {page.describe(row)}" + (f" ({progress})" if progress else "")
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {told}\n")
    print(told, flush=True)
