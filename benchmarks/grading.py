"""Measure what a hand-in costs the grader, and write reports/grading.md.

    make bench        # or: python benchmarks/grading.py [--images N]

Each file is graded twice: in a process forked from one that has Keras, and in one that starts from nothing, as all did
before; and its memory is measured with 256 images at a time, as it was before. Processor seconds hardly depend on what
else runs.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from denoise_utils import profiles, saving
from denoise_utils.grading import everyone, exam, submissions
from denoise_utils.system import files

HANDINS = ("clutter_cap_baseline", "clutter_project_c", "clutter_tiny", "clutter_small")
CLASS, CORES = 300, 2
BEFORE = """
import resource, sys, numpy as np
from denoise_utils import evaluation, saving
evaluation.predict(saving.load_model(sys.argv[1]), np.load(sys.argv[2]), 256)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""


def grade(found, pairs, profile, fork):
    """Return {name: row} of the submissions, each graded in a process of its own, forked or not."""
    judge = profile.models / "digit_judge.h5"
    with tempfile.TemporaryDirectory() as kept:
        grades = everyone.grade(found, pairs, kept, cap=profiles.CAP, judge=judge, fork=fork)
    return {row["submission"]: row for row in grades.rows}


def measure_before(path, noisy):
    """Return the megabytes that a process takes which cleans 256 images at a time."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "noisy.npy"
        np.save(images, noisy)
        program = [sys.executable, "-c", BEFORE, path, images]
        done = subprocess.run(program, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return float(done.stdout.split()[-1])


def main():
    """Grade some of the course's models both ways and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000, help="test images (default: %(default)s)")
    images = parser.parse_args().images
    profile = profiles.load_profile("full")
    found = [submissions.as_reference(name, profile.models / f"{name}.h5") for name in HANDINS]
    pairs = exam.load_exam(profiles.TASK, seed=exam.PUBLIC_SEED, num_images=images, profile=profile)
    forked, alone = (grade(found, pairs, profile, fork) for fork in (True, False))
    noisy = pairs.test.noisy
    minutes = CLASS * forked[HANDINS[0]]["seconds"] / CORES / 60
    lines = [
        "# What a hand-in costs the grader",
        "",
        f"Made by `make bench` on {saving.machine()}: processor seconds and megabytes of one process, for {images:,} "
        "images. *Forked*: from a process that has Keras already, as the grader does on Linux. *Before*, each started "
        "from nothing, and took 256 images at a time.",
        "",
        "| hand-in | parameters | seconds, forked | megabytes | seconds, before | megabytes, before |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in HANDINS:
        one, other = forked[name], alone[name] | {"megabytes": measure_before(profile.models / f"{name}.h5", noisy)}
        cells = [f"{row['seconds']:.1f} | {row['megabytes']:,.0f}" for row in (one, other)]
        lines.append(f"| {name} | {one['parameters']:,} | {' | '.join(cells)} |")
    lines += ["", f"{CLASS} like the first, on {CORES} idle cores: about {minutes:.0f} minutes."]
    files.write_text(profile.reports / "grading.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
