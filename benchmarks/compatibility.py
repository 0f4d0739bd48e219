"""Try every committed .h5 in older and newer versions of Keras, and write reports/compatibility.md.

Each version gets an environment of its own under build/compat/, made once; what cannot be installed is said.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
from environments import make_environment

from denoise_utils import profiles, saving
from denoise_utils.system import files

READER = Path(__file__).with_name("opens.py")
REPORT = "compatibility.md"
LIMIT = 2e-4  # how far outputs may differ, a twentieth of a gray level: other versions add up in another order
ON_JAX = {
    version: [f"keras=={version}", "jax", "h5py", "packaging"]
    for version in ("3.0.5", "3.3.3", "3.6.0", "3.8.0", "3.10.0", "3.13.2", "3.15.1")
}
ENVIRONMENTS = {
    "Keras 2 (TensorFlow 2.15)": (["tensorflow-cpu==2.15.1"], {"TF_CPP_MIN_LOG_LEVEL": "3"}),
    "tf-keras 2.21": (["tensorflow-cpu==2.21.0", "tf-keras==2.21.0"], {"TF_CPP_MIN_LOG_LEVEL": "3"}),
} | {f"Keras {version}": (packages, {"KERAS_BACKEND": "jax"}) for version, packages in ON_JAX.items()}


def make_expected(folder, models):
    """Put each .h5 of the folder `models`, its seeds and its runs into `folder` with inputs and outputs; return names.

    The outputs are those of the Keras that this project is made with.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    names = {}
    for path in sorted(models.rglob("*.h5")):
        if (path.parent / "settings.json").is_file() and not (path.parent / "scores.json").is_file():
            continue  # a checkpoint of a run that is not finished: Keras wrote it
        name = str(path.relative_to(models).with_suffix("")).replace(os.sep, "--")
        shutil.copyfile(path, folder / f"{name}.h5")
        model = saving.load_model(path)
        x = np.random.default_rng(0).random([2, *(side or 28 for side in model.input_shape[1:])], np.float32)
        np.savez(folder / f"{name}.npz", x=x, y=np.asarray(model(x, training=False)))
        names[name] = path.relative_to(models)
    return names


def install(python, packages):
    """Install `packages` for `python`."""
    subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True, stderr=subprocess.PIPE, text=True)


def try_files(python, variables, folder, *words):
    """Return what `python` makes of the files in `folder`: {name: difference or error}."""
    done = subprocess.run(
        [python, READER, folder, *words], env=os.environ | variables, capture_output=True, text=True, cwd=folder
    )
    if done.returncode:
        raise RuntimeError(f"Expected a table of files, got: {done.stderr.strip().rpartition(chr(10))[2]}")
    return json.loads(done.stdout.splitlines()[-1])


def write_report(found, names, path):
    """Write the table: a row per file, a column per version; below, what each failure said."""
    lines = [
        "# Who opens what",
        "",
        "Made by `make compat`: each file through plain `keras.models.load_model(path, compile=False)`, without this "
        f"project's package; *yes*: it opens, and its outputs are those of Keras {metadata.version('keras')} within "
        f"{LIMIT:g}.",
        "",
        "| file | " + " | ".join(found) + " |",
        "| --- |" + " :-: |" * len(found),
    ]
    said = {}
    for name, shown in names.items():
        cells = []
        for results in found.values():
            result = results if isinstance(results, str) else results[name]
            if not isinstance(result, str) and result <= LIMIT:
                cells.append("yes")
            else:
                text = result if isinstance(result, str) else f"opens, but its outputs differ by {result:.3g}"
                cells.append(f"no ({said.setdefault(text, len(said) + 1)})")
        lines.append(f"| {shown.as_posix()} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{number}. {text}" for text, number in said.items())]
    files.write_text(path, "\n".join(lines).rstrip() + "\n")


def main():
    """Try all versions, or those whose names contain a word of the command line; what was tried before is kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the versions' names to try now (default: all)")
    only = parser.parse_args().only
    profile = profiles.load_profile("full")
    folder = profile.root / "build" / "compat"
    names = make_expected(folder / "files", profile.models)
    hashes = {name: files.hash_file(folder / "files" / f"{name}.h5") for name in names}
    kept = folder / "found.json"  # {version: {hash of a file: difference or error}}
    found = json.loads(kept.read_text()) if kept.is_file() else {}
    told = {}
    for label in [label for label in ENVIRONMENTS if not only or any(word in label for word in only)]:
        known = found.setdefault(label, {})
        missing = [name for name in names if hashes[name] not in known]
        results = try_version(label, folder, missing) if missing else {}
        if isinstance(results, str):  # it could not be installed, which is tried again the next time
            told[label] = results
            print(f"{label}: {results}", flush=True)
            continue
        known |= {hashes[name]: result for name, result in results.items()}
        files.write_json(kept, found)
        failed = _failed({name: known[hashes[name]] for name in names})
        print(f"{label}: {len(names) - len(failed)} of {len(names)} open", *failed[:3], sep="\n  ", flush=True)
    whole = [label for label in ENVIRONMENTS if set(hashes.values()) <= set(found.get(label, {}))]
    told |= {label: {name: found[label][hashes[name]] for name in names} for label in whole}
    write_report({label: told[label] for label in ENVIRONMENTS if label in told}, names, profile.reports / REPORT)
    return 0


def try_version(label, folder, names):
    """Return what the version `label` makes of the files `names`, {name: difference or error}, or why it did not."""
    packages, variables = ENVIRONMENTS[label]
    words = ["--tf-keras"] if label.startswith("tf-keras") else []
    try:
        python = make_environment(folder / label.replace(" ", "_"), partial(install, packages=packages))
        shutil.rmtree(folder / "todo", ignore_errors=True)
        (folder / "todo").mkdir()
        for name, end in itertools.product(names, (".h5", ".npz")):
            shutil.copyfile(folder / "files" / f"{name}{end}", folder / "todo" / f"{name}{end}")
        return try_files(python, variables, folder / "todo", *words)
    except (subprocess.CalledProcessError, RuntimeError) as error:
        return f"not tried: {(getattr(error, 'stderr', None) or str(error)).strip().splitlines()[-1]}"


def _failed(results):
    return [f"{name}: {result}" for name, result in results.items() if isinstance(result, str) or result > LIMIT]


if __name__ == "__main__":
    sys.exit(main())
