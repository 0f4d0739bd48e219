"""Keep libraries from writing to standard output and error, or send it elsewhere, also below Python."""

import logging
import os
import sys
from contextlib import contextmanager


def accept_every_character():
    """Let standard output and error escape what they cannot encode, instead of raising: any name can be printed."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has none, and takes everything
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def send_to(file, *numbers):
    """While this lasts, what is written to the descriptors `numbers` (1 output, 2 error) goes to the open `file`."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in numbers}
    try:
        for number in numbers:
            os.dup2(file.fileno(), number)
        yield
    finally:
        for number, handle in kept.items():
            os.dup2(handle, number)
            os.close(handle)


def quiet_tensorflow():
    """Let TensorFlow tell errors only: it remarks on every fifth new model, and on every new size of images."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
