"""Lose no Ctrl-C: Python drops one that arrives inside a destructor or a weak reference's callback."""

import signal
import threading
from contextlib import contextmanager

_asked = threading.Event()


@contextmanager
def noticed():
    """While this lasts, remember a Ctrl-C until it has stopped something: `check` raises one that was dropped.

    Only where Ctrl-C means KeyboardInterrupt and the main thread runs; elsewhere nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    ours = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    _asked.clear()
    if ours:
        signal.signal(signal.SIGINT, _note)
    try:
        yield
        check()
    except Exception:  # a library may have made something else of it
        check()
        raise
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)


def _note(number, frame):
    _asked.set()
    raise KeyboardInterrupt


def check():
    """Raise KeyboardInterrupt if Ctrl-C was pressed: call it wherever something has just been finished."""
    if _asked.is_set():
        _asked.clear()
        raise KeyboardInterrupt
