"""Measure what changes the bits of a trained model, and write reports/reproducibility.md.

    python benchmarks/reproducibility.py [--out FILE]

One small model is trained for two epochs on 4,000 images, always from the same initial weights: twice
as it is, then with one thing changed at a time. A backend that is not installed is left out and named.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from denoise_utils import evaluation, profiles, saving
from denoise_utils.system import files

PROGRAM = """
import json, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from denoise_utils import models, profiles
from denoise_utils.running.run_folder import Places
from denoise_utils.zoo import recipes
build, start = models.tied_denoiser, Path(sys.argv[3])
def from_the_same_weights(**options):
    model = build(**options)
    if start.exists():
        with np.load(start) as found:
            model.set_weights([found[key] for key in found.files])
    else:
        np.savez(start, *model.get_weights())
    return model
models.tied_denoiser = from_the_same_weights
profile = replace(profiles.load_profile("quick"), root=Path(sys.argv[1]), num_train=4000, num_val=500)
run = recipes.train("clutter_tiny", profile, places=Places(profile.runs), **json.loads(sys.argv[2]))  # always trained
np.savez(Path(sys.argv[1]) / "weights.npz", *run.model.get_weights())
print("\\n" + json.dumps(run.history[-1]["val_loss"]))
"""

BASE = {"epochs": 2}
CASES = {  # name: environment, settings, package needed
    "as it is": ({}, {}, None),
    "once more": ({}, {}, None),
    "one thread": ({"TF_NUM_INTRAOP_THREADS": "1", "OMP_NUM_THREADS": "1"}, {}, None),
    "without oneDNN": ({"TF_ENABLE_ONEDNN_OPTS": "0"}, {}, None),
    "products in bfloat16": ({"TF_SET_ONEDNN_FPMATH_MODE": "BF16"}, {}, None),
    "AVX2 instructions at most, as on an older machine": ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, {}, None),
    "Keras on JAX": ({"KERAS_BACKEND": "jax"}, {}, "jax"),
    "Keras on PyTorch": ({"KERAS_BACKEND": "torch"}, {}, "torch"),
    "another seed for order and noise": ({}, {"seed": 1}, None),
}


def train(environment, settings, start):
    """Train in a process of its own from the weights in `start`; return (weights, last validation loss)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, folder, json.dumps(BASE | settings), start]
        done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"Expected a training under {environment}, got: {done.stderr[-500:]}")
        with np.load(Path(folder) / "weights.npz") as found:
            return [found[key] for key in found.files], json.loads(done.stdout.splitlines()[-1])


def measure(cases):
    """Return a table row per case: its largest difference in weights, and in validation loss, from the first."""
    rows, first = [], None
    with tempfile.TemporaryDirectory() as folder:
        for name, (environment, settings, package) in cases.items():
            if package and not importlib.util.find_spec(package):
                rows.append({"name": f"{name} (not installed)"})
                continue
            weights, loss = train(environment, settings, Path(folder) / "start.npz")
            first = first or (weights, loss)
            apart = max(float(np.abs(a - b).max()) for a, b in zip(weights, first[0], strict=True))
            rows.append({"name": name, "weights": apart, "loss": loss, "change": loss - first[1]})
    return rows


def main():
    """Measure every case and write one Markdown file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=profiles.load_profile("full").reports / "reproducibility.md")
    arguments = parser.parse_args()
    rows = measure(CASES)
    columns = {"name": ("training", "{}"), "weights": ("largest difference in a weight", "{:.3g}")}
    columns |= {"loss": ("validation BCE", "{:.6f}"), "change": ("difference", "{:+.6f}")}
    same = rows[1]["weights"] == 0
    text = (
        "# What changes the bits\n\n"
        f"`clutter_tiny`, two epochs of 4,000 images; {saving.machine()}, {os.cpu_count()} threads. "
        f"The same training repeated gives {'the same bits' if same else '**other bits**'}. All start from the same "
        "weights; a backend of its own would draw others from the same seed. Another machine is another number of "
        "threads and another set of instructions at once: expect differences of the size of those rows.\n"
    )
    files.write_text(arguments.out, f"{text}\n{evaluation.format_table(rows, columns)}\n")
    print(arguments.out.read_text())


if __name__ == "__main__":
    main()
