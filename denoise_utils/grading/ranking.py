"""Who is better than whom, and who is not: ranks, and ties where the images cannot tell two submissions apart.

Paired bootstrap (Efron and Tibshirani 1993, chapter 13): all submissions have the same images, so their losses are
compared image by image, over draws of the images with replacement.
"""

import base64

import numpy as np

from denoise_utils import profiles
from denoise_utils.measures.table import MEASURES
from denoise_utils.measures.verdicts import Verdict

DRAWS = 1000
MIDDLE = (2.5, 97.5)  # percent between which a difference lies with a confidence of 95 %
MOST = 10_000  # values that are drawn from: more images are averaged to so many first
LOSSES = "losses"  # the key of a row's measure that decides, for each image


def pack(values):
    """Return a loss for each image, lower is better, as a text."""
    return base64.b64encode(np.asarray(values, dtype="<f4").tobytes()).decode()


def unpack(row):
    """Return the losses that a row holds, or None: a stranger's process wrote it."""
    try:
        values = np.frombuffer(base64.b64decode(row[LOSSES], validate=True), dtype="<f4")
    except (KeyError, TypeError, ValueError):
        return None
    return values if len(values) and len(values) == row.get("images") and np.isfinite(values).all() else None


class Bootstrap:
    """Draws of the same images for every comparison, so that the answer does not change from call to call."""

    def __init__(self):
        self.weights = {}

    def is_tie(self, losses, others):
        """Say whether the mean difference of two arrays of losses, image by image, may well be 0."""
        difference = losses - others
        if len(difference) > MOST:
            difference = np.array([part.mean() for part in np.array_split(difference, MOST)], dtype=np.float32)
        low, high = np.percentile(self._draw(len(difference)) @ difference, MIDDLE)
        return bool(low <= 0 <= high)

    def _draw(self, number):
        """Return how often each of `number` images is drawn (DRAWS, number), as shares."""
        if number not in self.weights:
            rng = np.random.default_rng(0)
            drawn = (rng.integers(0, number, number) for _ in range(DRAWS))
            counts = (np.bincount(rows, minlength=number) for rows in drawn)
            self.weights[number] = np.stack([np.float32(count) / np.float32(number) for count in counts])
        return self.weights[number]


def rank(rows, bootstrap=None):
    """Return the rows, best first: those that pass by the measure that decides, then the others by verdict.

    Those who cannot be told from the best of their rank share it; the next one has the rank of its place. "tied" is
    how many others share it.
    """
    verdicts, measure = list(Verdict), MEASURES[profiles.RANKED_BY]
    bootstrap = bootstrap or Bootstrap()

    def standing(row):
        return verdicts.index(row["verdict"]), measure.order(row.get(profiles.RANKED_BY)), row["submission"]

    rows = sorted(rows, key=standing)
    best, ranks = None, []
    for place, row in enumerate((row for row in rows if row["verdict"] == Verdict.PASS), 1):
        losses = unpack(row)
        if best is None or not _is_level(row, losses, best, bootstrap):
            best = (place, row, losses)
        ranks.append(best[0])
    ranks += [None] * (len(rows) - len(ranks))
    return [
        row | {"rank": number, "tied": ranks.count(number) - 1 if number else None}
        for number, row in zip(ranks, rows, strict=True)
    ]


def _is_level(row, losses, best, bootstrap):
    if losses is None or best[2] is None or len(losses) != len(best[2]):  # the means decide
        return row.get(profiles.RANKED_BY) == best[1].get(profiles.RANKED_BY)
    return bootstrap.is_tie(losses, best[2])


def compare(rows, again):
    """Return a line for each submission of both rankings: its ranks and whether it moved beyond a tie, as dicts."""
    later = {row["submission"]: row for row in again}
    found = []
    for row in rows:
        other = later.get(row["submission"], {})
        ranks = row["rank"], other.get("rank")
        values = row.get(profiles.RANKED_BY), other.get(profiles.RANKED_BY)
        found.append({"submission": row["submission"], "ranks": ranks, "values": values, "moved": ranks[0] != ranks[1]})
    return found
