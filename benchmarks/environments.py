"""Environments of their own, each made once: what the benchmarks that need other versions share."""

import os
import subprocess
import sys


def make_environment(folder, fill, python=sys.executable):
    """Make the environment `folder` with `python`, filled by `fill`, unless it is there; return its own Python.

    `fill` gets the path of that Python and installs; CalledProcessError is raised when something cannot be installed.
    """
    own = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "made").is_file():
        subprocess.run([python, "-m", "venv", "--clear", folder], check=True, stderr=subprocess.PIPE, text=True)
        fill(own)
        (folder / "made").touch()
    return own
