"""The course's commands, the same on Windows, macOS and Linux: python course.py notebooks, python course.py test.

Makes .venv when it is missing or older than the requirements, then runs the command with its Python.
It uses the standard library only, and syntax that old Pythons read, too, so that they can be told apart.
"""

import argparse
import glob
import os
import re
import shutil
import signal
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "installed")
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "pyproject.toml")
FITTING = "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
COMMANDS = {  # what each runs, one after the other, as words after "python"; words of the user's go to the last
    "notebooks": ("execute the notebooks into build/quick/ (full: in their places)", [["notebooks/execute.py"]]),
    "test": (
        "check everything",
        [
            ["-m", "ruff", "check", "."],
            ["-m", "ruff", "format", "--check", "."],
            ["-m", "pytest", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"],
        ],
    ),
    "stress": ("the long tests", [["-m", "pytest", "-m", "stress"]]),
    "lab": ("open copies of the notebooks in JupyterLab", [["-m", "jupyter", "lab", "build/lab"]]),
    "verify": ("execute the committed notebooks once more and compare", [["notebooks/verify.py"]]),
    "links": ("write a repository's address into the course: --repo owner/name", [["notebooks/links.py"]]),
    "handout": ("write build/handout.zip, what students of a class get", [["notebooks/handout.py"]]),
    "site": ("write build/site/, the course as web pages", [["docs/website/make_site.py"]]),
    "report": ("write the budget report of models/", [["-m", "denoise_utils", "report", "models/"]]),
    "bench": (
        "measure speed, reproducibility and what grading costs; hold the goals against the report",
        [
            ["benchmarks/goals.py"],
            ["benchmarks/steps.py"],
            ["benchmarks/speed.py"],
            ["benchmarks/reproducibility.py"],
            ["benchmarks/grading.py"],
        ],
    ),
    "compat": ("try every model in older and newer versions of Keras", [["benchmarks/compatibility.py"]]),
    "clean": ("remove what was made, but not finished runs", []),
}
EXAMPLES = """examples:
  python course.py notebooks 00 06             two of them, by the beginnings of their names
  python course.py notebooks --profile full    on all data, into notebooks/
  python course.py links --repo owner/name     the address of your fork, wherever the course names its own"""
ALONE = ("bench", "clean", "site")  # what takes no further words
PROFILED = {"notebooks": "quick", "report": "full"}  # what takes --profile, and which is the default


def inside(folder, system=os.name):
    """Return the path of the Python of the virtual environment `folder`."""
    return os.path.join(folder, *(("Scripts", "python.exe") if system == "nt" else ("bin", "python")))


def candidates(named, system=os.name):
    """Return the commands, as lists of words, by which a fitting Python may be called, the best first."""
    if named:
        return [[named]]
    versions = ("3.13", "3.12", "3.11")
    others = [["py", "-" + v] for v in versions] if system == "nt" else [["python" + v] for v in versions]
    return [[sys.executable], *others]


def fits(command):
    """Tell whether the Python called by `command` starts and has a version that the course runs on."""
    try:
        done = subprocess.run([*command, "-c", FITTING], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except OSError:
        return False
    return done.returncode == 0


def find_python(named=None):
    """Return the command of a fitting Python: the one `named`, else this one, else another of the system."""
    for command in candidates(named):
        if fits(command):
            return command
    found = named or "Python " + sys.version.split()[0]
    raise SystemExit(
        f"Expected Python 3.11, 3.12 or 3.13, found: {found}. Install one of them, or name it: "
        "--python /path/to/python3.12 (with make: PYTHON=/path/to/python3.12)."
    )


def is_current():
    """Tell whether .venv was made from the requirements as they are."""
    if not os.path.isfile(STAMP):
        return False
    made = os.path.getmtime(STAMP)
    return all(os.path.getmtime(os.path.join(ROOT, name)) <= made for name in REQUIREMENTS)


def install(named=None):
    """Make .venv, unless it is current, and install the requirements into it."""
    if is_current() and not named:
        return
    python = find_python(named)
    print(f"Installing the requirements into .venv with {' '.join(python)}: a few minutes, about 3 GB.")
    sys.stdout.flush()
    own = inside(VENV)
    whole = not named and fits([own]) and not subprocess.call([own, "-c", "import pip"], stderr=subprocess.DEVNULL)
    if not whole:
        subprocess.run([*python, "-m", "venv", "--clear", VENV], check=True)
    words = ["-m", "pip", "install", "-q", "-r", "requirements-dev.txt", "-e", "."]
    subprocess.run([own, *words], check=True, cwd=ROOT)
    with open(STAMP, "w"):
        pass


def clean():
    """Remove .venv, caches and what the quick profile made; keep build/runs, hours of work."""
    names = [".venv", "build/quick", "build/tiny", "build/site", "*.egg-info", ".pytest_cache", ".ruff_cache"]
    names += ["__pycache__", "*/__pycache__", "*/*/__pycache__", "*/*/*/__pycache__"]
    for name in names:
        for path in glob.glob(os.path.join(ROOT, *name.split("/"))):
            shutil.rmtree(path, ignore_errors=True)
    if os.path.isdir(os.path.join(ROOT, "build", "runs")):
        print("kept build/runs: the finished runs of the full profile")


def copy_notebooks():
    """Copy the notebooks to build/lab, so that the committed outputs stay; a copy with a student's work is kept."""
    folder = os.path.join(ROOT, "build", "lab")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(ROOT, "ASSIGNMENT.md"), os.path.dirname(folder))  # a link of theirs
    for kind in ("*.ipynb", "*.md"):
        for path in glob.glob(os.path.join(ROOT, "notebooks", kind)):
            copy = os.path.join(folder, os.path.basename(path))
            if not os.path.exists(copy):
                shutil.copy(path, copy)


def run(command):
    """Run `command` and return its exit status; Ctrl-C is left to it: it says what is kept, and ends."""
    in_utf8 = dict(os.environ, PYTHONUTF8="1")  # Windows would read texts in the code page of its language
    process = subprocess.Popen(command, cwd=ROOT, env=in_utf8)
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def parse(words):
    """Return the parsed command line, and the words that go on to the command."""
    text = "\n".join(f"  {name:<10} {about}" for name, (about, _) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="course.py",
        description=__doc__.splitlines()[0],
        epilog="commands:\n" + text + "\n\n" + EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", nargs="?", metavar="command", help="one of those below")
    defaults = " and ".join(f"{name} (default: {one})" for name, one in PROFILED.items())
    parser.add_argument("--profile", help="quick or full, for " + defaults)
    parser.add_argument("--python", help="make .venv anew with this Python, 3.11 to 3.13")
    options, rest = parser.parse_known_args(words)
    if options.command not in COMMANDS:
        parser.error(
            f"expected a command ({', '.join(COMMANDS)}), got {options.command or 'none'}; --help explains them"
        )
    if options.profile and options.command not in PROFILED:
        parser.error(f"--profile is for {' and '.join(PROFILED)}, not for {options.command}")
    if options.profile not in (None, "quick", "full", "tiny"):
        parser.error(f'expected --profile quick or full, got "{options.profile}"')
    if options.command in ALONE and rest:
        parser.error(f"expected no words after {options.command}, got {' '.join(rest)}")
    if options.command in ("notebooks", "verify"):
        refuse_unknown(parser, rest)
    if options.command == "links" and not re.search(r"^(--repo[ =][^/ ]+/[^/ ]+)?$", " ".join(rest)):
        parser.error(f"expected links --repo owner/name, got {' '.join(rest)}")
    return options, rest


def refuse_unknown(parser, words):
    """End with what was expected, before anything is installed, if a word begins no notebook's name."""
    names = sorted(os.path.basename(path) for path in glob.glob(os.path.join(ROOT, "notebooks", "text", "*.py")))
    follows = {word: words[index + 1] for index, word in enumerate(words[:-1])}
    if not re.match(r"[1-9]\d*$", follows.get("--at-once", "1")):
        parser.error(f'expected a number of notebooks after --at-once, got "{follows["--at-once"]}"')
    if follows.get("--from", "runs") not in ("runs", "nothing"):
        parser.error(f'expected runs or nothing after --from, got "{follows["--from"]}"')
    values = [follows.get("--at-once"), follows.get("--from")]
    for word in words:
        if not word.startswith("-") and word not in values and not any(name.startswith(word) for name in names):
            known = ", ".join(name.split("_")[0] for name in names)
            parser.error(f'expected beginnings of notebooks\' names ({known}), got "{word}"')


def main(words=None):
    """Run the command; return its exit status."""
    options, rest = parse(words)
    if options.command == "clean":
        clean()
        return 0
    install(options.python)
    if options.command == "lab":
        copy_notebooks()
    profile = options.profile or os.environ.get("DENOISE_PROFILE") or PROFILED.get(options.command)
    steps = [[inside(VENV), *step] for step in COMMANDS[options.command][1]]
    steps[-1] += (["--profile", profile] if options.command in PROFILED else []) + rest
    for step in steps:
        status = run(step)
        if status:
            return status
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(
            f"Expected this to succeed: {' '.join(error.cmd)}\nIt ended with {error.returncode}. What to do: "
            "docs/troubleshooting.md (no TensorFlow for this machine, downloads, disk)."
        )
    except KeyboardInterrupt:
        sys.exit(130)
