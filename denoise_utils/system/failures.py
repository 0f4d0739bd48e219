"""Tell of the error that ended a command: in one line, or with its traceback. Needs Python alone, no package."""

import logging
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

from denoise_utils.system import addresses
from denoise_utils.system.escaping import plain

FORESEEN = 2  # exit code of an error that its own message explains
UNFORESEEN = 70  # of any other, as the BSD's sysexits.h has it
LONGEST = 300  # characters of a message that was not written for this line
ROOT = Path(__file__).parents[2]
TRACKER = "the project's issue tracker"


def tell(error, debug=False):
    """Print `error` on standard error in one line, after its traceback if `debug`; return the exit code."""
    if debug:
        print(trace(error), file=sys.stderr)
    line, code = explain(error)
    print(f"error: {line}", file=sys.stderr)
    return code


def explain(error):
    """Return (what to say of `error` in one line, the exit code)."""
    kind, said = type(error).__name__, plain(str(error).strip())
    first = plain(str(error).strip().partition("\n")[0][:LONGEST]) or kind
    if isinstance(error, ImportError) and not str(error.name).startswith("denoise_utils"):
        if not error.name:  # one of our own, which says what to install
            return said or kind, FORESEEN
        return f"Expected the package {plain(error.name)}, got: {first}. {advise()}", FORESEEN
    if isinstance(error, MemoryError) or kind == "ResourceExhaustedError":  # TensorFlow's word for it
        return f"Expected enough memory, got: {first}. Close other programs, or ask for less at once.", FORESEEN
    if isinstance(error, ValueError | TypeError | OSError):
        return said or kind, FORESEEN
    about = kind if first == kind else f"{kind}: {first}"
    return f"unforeseen {about}. Run it again with --debug and report what that shows: {tracker()}", UNFORESEEN


def advise(root=ROOT):
    """Return what to do where a package is missing: take the Python of the course's .venv, or make that, or install."""
    if not (root / "course.py").is_file() or Path(sys.prefix) == root / ".venv":
        return "Install what is missing: pip install -e . in the project's folder."
    if (root / ".venv").is_dir():
        return "The course's own Python, that of .venv, has it: call that one (README.md, Start, says how)."
    return "`python course.py notebooks 00` makes .venv, the course's own Python, which has it."


def tracker():
    """Return where to report errors: the address that the installed package's metadata names, or words without it."""
    found = addresses.read_addresses()
    return plain(found.get("Issues") or found.get("Repository") or TRACKER)


def trace(error):
    """Return the traceback of `error` and of all that led to it, also where `from None` hides that."""
    chain, link = [], error
    while link is not None and link not in chain:
        chain.append(link)
        link.__suppress_context__ = False
        link = link.__cause__ or link.__context__
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    return "\n".join(map(plain, text.split("\n")))


class _Traces(logging.Formatter):
    def format(self, record):
        told = plain(record.getMessage())
        return f"{told}\n{trace(record.exc_info[1])}" if record.exc_info else told


@contextmanager
def causes_shown(debug):
    """While this lasts, and if `debug`, print the traceback of each error that is noted and not raised again."""
    log, handler = logging.getLogger("denoise_utils"), logging.StreamHandler()
    before = log.level, log.propagate
    handler.setFormatter(_Traces())
    if debug:
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
        log.propagate = False
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]


def note(what):
    """Note the error that is being handled, which becomes a line about `what`: only --debug shows where it arose."""
    logging.getLogger("denoise_utils").debug("%s", what, exc_info=True)
