"""Lose no Ctrl-C, and hear none while another is being handled.

Python drops one that arrives inside a destructor or a weak reference's callback; and one that arrives in an except,
a finally, or while the interpreter ends would cut short what was to be kept, or end the process by the signal.
"""

import signal
import sys
import threading
from contextlib import contextmanager

CODE = 130  # exit code of what Ctrl-C stopped: 128 and the signal's number, as shells have it

# Plain values: the lock of a threading.Event would be waited for for ever by a handler that interrupts its holder.
_asked = False  # a Ctrl-C came that may have been dropped
_ended = False  # nothing is left that a Ctrl-C could stop
_is_program = False


def take_over():
    """Hear Ctrl-C until the process is over: for a program, which has no caller to give the handler back to."""
    global _is_program
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        _is_program = True  # first, as one may come in between
        signal.signal(signal.SIGINT, _note)


def end():
    """Hear no Ctrl-C any more: until `heard` is left, or, in a program, until the process is over."""
    global _ended
    _ended = True  # at once, and not only once the next line is through
    if _is_program:  # the interpreter takes its own handlers down before it is over, but not this
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def heard():
    """While this lasts, raise KeyboardInterrupt at Ctrl-C, but while one is being handled, or after `end`.

    Only where Ctrl-C means KeyboardInterrupt and the main thread runs; elsewhere nothing is changed.
    """
    global _asked, _ended
    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if not ours:
        yield
        return
    _asked = _ended = False
    try:
        signal.signal(signal.SIGINT, _note)
        yield
    finally:
        _ended = True
        signal.signal(signal.SIGINT, before)
        _asked = _ended = False


@contextmanager
def noticed():
    """While this lasts, remember a Ctrl-C until it has stopped something: `check` raises one that was dropped."""
    with heard():
        try:
            yield
            check()
        except Exception:  # a library may have made something else of it
            check()
            raise


def _note(number, frame):
    global _asked
    if _ended or _is_handled():
        return
    _asked = True
    raise KeyboardInterrupt


def _is_handled():
    """Say whether an except, a finally or the end of a with is dealing with a Ctrl-C, or with what came of it."""
    error = sys.exception()
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


def check():
    """Raise KeyboardInterrupt if Ctrl-C was pressed: call it wherever something has just been finished."""
    global _asked
    if _asked:
        _asked = False
        raise KeyboardInterrupt
