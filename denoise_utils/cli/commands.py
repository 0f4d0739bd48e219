"""What each command does; TensorFlow is imported only by what needs it.

Each takes what arguments.py parsed and returns the exit code.
"""

import sys
from pathlib import Path

from denoise_utils import noise, profiles, saving
from denoise_utils.cli.show import describe, describe_folder
from denoise_utils.lessons import start_keras
from denoise_utils.pictures import images
from denoise_utils.system import files
from denoise_utils.system.escaping import plain


def report(arguments):
    """Write the budget report of a folder; return 0, 1 (over the cap) or 2 (unreadable).

    Raises FileNotFoundError if a dataset is not here; the report is written before, without its scores.
    """
    profile = profiles.load_profile(arguments.profile)
    saving.find_models(arguments.folder)  # before TensorFlow's seconds
    if arguments.out and Path(arguments.out).is_file():
        raise NotADirectoryError(f"Expected --out to name a folder, got the file {arguments.out}.")
    if arguments.out:
        files.check_folder(arguments.out)
    start_keras()
    from denoise_utils import report

    found = report.Report(arguments.cap)
    try:
        report.make_report(arguments.folder, arguments.cap, profile, found, others=True)
    except (KeyboardInterrupt, Exception):  # Ctrl-C, data that cannot be read, or an error of ours
        if found.rows:
            out = Path(arguments.out or profile.root / "build" / "report")
            print(f"Written to {plain(report.write_partial(found, out))}: what was scored before the stop")
        raise
    ours = found.label and report.is_ours(arguments.folder, profile)
    out = Path(arguments.out or (profile.reports if ours else profile.root / "build" / "report"))
    try:
        report.write_report(found, out)
    finally:  # it is not lost if it cannot be written
        print(report.markdown(found))
    more = ", strengths.csv, strengths.md" if found.elsewhere else ""
    print(f"Written to {plain(out)}: budget.csv, budget.md, budget.html{more}")
    if found.lacking:
        raise FileNotFoundError(found.lacking[0])
    return found.exit_code


def search(arguments):
    """Search the profile's grid in one process or several, and print the head of the ranking."""
    profile = profiles.load_profile(arguments.profile)
    task = arguments.task or noise.assignment_task()
    sizes = {"num_train": profile.search_train, "num_val": profile.search_val, "num_test": 1, "seed": arguments.seed}
    task_data = noise.load_task(task, **sizes, profile=profile)
    start_keras()
    from tensorflow.errors import OpError

    from denoise_utils import search

    settings = {"runs": profile.runs, "seed": arguments.seed, "num_workers": arguments.workers}
    settings["deadline"] = 60 * arguments.deadline
    try:
        found = search.search(profile.grid, profiles.CAP, task_data, **settings)
    except OpError as error:  # Keras Tuner writes by TensorFlow, which has errors of its own for a full disk
        raise OSError(f"Expected to search, got: {error.message}. Once mended, it goes on where it was.") from None
    if found is None:
        print("The search is over; its chief has the ranking.")
        return 0
    columns = ["val_bce", *profile.grid, "parameters"]
    print("  ".join(["rank", *columns]))
    for rank, row in enumerate(found.rows[:10], 1):
        print("  ".join(str(value) for value in (rank, f"{row['val_bce']:.4f}", *(row[c] for c in columns[1:]))))
    loaded = f"{found.num_loaded} of them finished before"
    print(f"{len(found.rows)} trials, {loaded}. The ledger: {plain(found.folder / 'ledger')}")
    return 0


def show(arguments):
    """Print a model's card and layers, or what the models of a folder are, without TensorFlow."""
    if Path(arguments.model).is_dir():
        print(describe_folder(arguments.model))
        return 0
    print(describe(arguments.model, arguments.cap))
    return 0


def train(arguments):
    """Train models of the course one after the other, or list how far they are; return 1 if one failed."""
    from denoise_utils.cli import training_list
    from denoise_utils.zoo import recipes

    profile = profiles.load_profile(arguments.profile)
    if arguments.names == ["judge"]:
        if arguments.list:
            raise ValueError("Expected names of the course's models beside --list, got: judge, which is none.")
        return _train_judges(arguments.seeds, profile)
    for name in arguments.names:
        recipes.find_recipe(name)
    if arguments.list:
        print(training_list.describe(arguments.names or recipes.ALL, arguments.seeds, profile))
        return 0
    if not arguments.names:
        raise ValueError("Expected the name of a model, such as clutter_tiny, got none: train --list names all.")
    files.check_folder(profile.runs)
    recipes.check_data(arguments.names, profile)
    start_keras()
    return int(training_list.train_all(arguments.names, arguments.seeds, profile))


def _train_judges(seeds, profile):
    """Train a classifier of digits under each seed, for a teacher's --judge."""
    from denoise_utils.zoo import judges

    files.check_folder(profile.root / "build")
    judges.check_data(profile)
    start_keras()
    for seed in seeds:
        path, read = judges.train(profile, seed)
        print(f"Written to {plain(path)}: reads {read:.2%} of the validation digits; for grade --judge")
    return 0


def reproduce(arguments):
    """Train a saved model again; return 1 unless the weights are the same."""
    path, profile = Path(arguments.model), profiles.load_profile(arguments.profile)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a saved model at {path}, found none: correct the path of the .h5.")
    start_keras()
    from denoise_utils.zoo import reproduce

    found = reproduce.reproduce(path, profile)
    print(reproduce.describe(found))
    return 0 if found["identical"] else 1


def denoise(arguments):
    """Denoise a picture or a folder of them; return 1 if anything was left out."""
    damage = None
    strength = {key: getattr(arguments, key) for key in images.STRENGTHS if getattr(arguments, key) is not None}
    if arguments.noise:
        damage = images.choose_noise(arguments.noise, strength, arguments.seed)
    elif strength:
        raise ValueError(f"Expected --noise with --{', --'.join(strength)}: name the noise to add.")
    if not Path(arguments.model).is_file():
        raise FileNotFoundError(f"Expected a saved model at {arguments.model}, found none: look for the .h5's name.")
    job, model = images.plan(arguments.source, arguments.target, arguments.force), None
    if job.pairs:
        files.check_folder(job.folder)
        start_keras()
        model = saving.load_model(arguments.model)
    try:
        written = images.denoise_files(model, job, per_channel=arguments.per_channel, damage=damage) if model else 0
        print(f"{written} of {written + len(job.refused)} pictures written to {plain(arguments.target)}")
    finally:  # of what was stopped too
        for line in images.tell(job):
            print(line, file=sys.stderr)
    return int(bool(job.refused))


def page(arguments):
    """Write the playground page."""
    from denoise_utils.pictures.page import page

    profile = profiles.load_profile("full")
    out = Path(arguments.out or profile.reports / "playground.html")
    if out.suffix != ".html":
        raise ValueError(f"Expected --out to end in .html, got {out}: name the file to write.")
    moving = Path(arguments.steps) if arguments.steps else None
    if moving and moving.suffix != ".gif":
        raise ValueError(f"Expected --steps to end in .gif, got {moving}: name the file to write.")
    files.check_folder(out.parent, page.MAX_BYTES)
    size = page.write(out, profile.models)
    print(f"Written to {plain(out)}: {size:,} bytes, one file that needs no other")
    if moving:
        _write_steps(moving, profile)
    return 0


def _write_steps(out, profile):
    """Write the moving picture of the README: the steps of the assignment's model on validation images."""
    start_keras()
    from denoise_utils.pictures import steps

    model = saving.load_model(profile.models / f"{profiles.TASK}_small.h5")
    pairs = noise.load_task(profiles.TASK, num_train=1, num_test=1, profile=profile)
    size = steps.write_steps(out, model, pairs.val.noisy)
    print(f"Written to {plain(out)}: {size:,} bytes, {steps.NUM_SHOWN} pictures")
