"""What several commands ask for: whole numbers, the cap, the profile."""

import argparse

from denoise_utils import profiles


def _whole_number(text, least):
    try:
        number = int(text)
    except ValueError:
        number = None
    if number is None or number < least:
        raise argparse.ArgumentTypeError(f"expected a whole number from {least} up, got {text}")
    return number


def positive(text):
    """Return a whole number from 1 up."""
    return _whole_number(text, 1)


def from_zero(text):
    """Return a whole number from 0 up, such as a seed."""
    return _whole_number(text, 0)


def add_cap(command):
    """Let a command take another cap than the assignment's."""
    command.add_argument("--cap", type=positive, default=profiles.CAP, help="parameters allowed (default: %(default)s)")


def add_profile(command, default="full"):
    """Let a command take a profile."""
    told = f"default: {default}" if default else "default: DENOISE_PROFILE, else quick"
    command.add_argument(
        "--profile",
        choices=["full", "quick"],
        default=default,
        help=f"full: all images; quick: a few, bundled ones where no data is ({told})",
    )
