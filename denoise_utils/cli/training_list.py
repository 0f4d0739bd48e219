"""Train several recipes one after the other, saying how long all will take; list how far each is."""

from denoise_utils.measures.table import BRIEF, select
from denoise_utils.system import failures
from denoise_utils.system.escaping import plain
from denoise_utils.zoo import recipes, standing

TITLES = ("model", "seed", "state", "minutes", "to go, about")


def describe(names, seeds, profile):
    """Return a table: each recipe with its state, the minutes that it took and those that are left."""
    every = _standings(recipes.ALL, seeds, profile)
    left = standing.estimate(every)
    rows = []
    for one in every:
        if one.name in names:
            spent = f"{sum(one.seconds) / 60:.0f}" if one.seconds else "-"
            rows.append((one.name, str(one.seed), one.state, spent, _minutes(left[one.name, one.seed])))
    return lay_out(TITLES, rows)


def _standings(names, seeds, profile):
    return [standing.find_standing(name, profile, seed) for name in names for seed in seeds]


def _minutes(number):
    return "?" if number is None else f"{number:.0f}"


def lay_out(titles, rows):
    """Return rows of texts as lines of equal columns, the first left-aligned."""
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(row, widths, strict=True)) for row in (titles, *rows))
    )


def train_all(names, seeds, profile):
    """Train all `names` under all `seeds`, in their order; return how many failed.

    One that fails does not keep the others from being trained. At the end, or when stopped, a table tells of all.
    """
    jobs = [(name, seed) for name in names for seed in seeds]
    left = standing.estimate(_standings(recipes.ALL, sorted({0, *seeds}), profile))
    done, failed = [], 0
    try:
        for number, (name, seed) in enumerate(jobs, 1):
            later = [left[job] or 0 for job in jobs[number:]]
            try:
                done.append(_row(recipes.train(name, profile, seed=seed, tell=_teller(number, len(jobs), sum(later)))))
            except (ValueError, OSError) as error:
                failed += 1
                failures.note(name)
                print(f"\nerror: {name}, seed {seed}: {plain(error)}")
    finally:
        if done:
            titles = [measure.column[0] for measure in select(BRIEF).values()]
            print(lay_out(("model", "seed", "parameters", "epoch", "val loss", *titles, "minutes"), done))
    return failed


def _teller(number, num_jobs, later):
    """Return what tells the progress of one job of several; `later` is about how many minutes the next ones take."""

    def tell(line, minutes):
        all_of_them = f"; all {num_jobs}: {minutes + later:.0f} min" if num_jobs > 1 else ""
        print(f"\r[{number}/{num_jobs}] {line}{all_of_them}   ", end="", flush=True)

    return tell


def _row(run):
    """Return the row of a finished run, as texts; its scores are those on validation images."""
    found = [(run.scores.get(key), measure.layout) for key, measure in select(BRIEF).items()]
    scores = ["-" if value is None else layout.format(value) for value, layout in found]
    counted = f"{run.model.count_params():,}" if run.folder.best.is_file() else "-"
    best = f"{run.best['epoch']} of {len(run.history)}"
    told = (run.name, str(run.settings.seed), counted, best, f"{run.best['val_loss']:.5f}")
    return (*told, *scores, f"{run.seconds / 60:.1f}")
