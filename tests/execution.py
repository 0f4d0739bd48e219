"""Execute notebooks in a copy of the project, and tell what was printed."""

import os
import subprocess
import sys


def execute(project, *words, **environment):
    """Execute notebooks of the copy, which may install nothing; return (exit code, all that was printed)."""
    program = [sys.executable, project / "notebooks" / "execute.py", "--profile", "tiny", *words]
    environment = os.environ | {"PIP_NO_INDEX": "1"} | environment
    done = subprocess.run(program, capture_output=True, text=True, cwd=project, env=environment)
    return done.returncode, done.stdout + done.stderr
