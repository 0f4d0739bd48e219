"""The command line: its arguments, what each command does, what it shows of a model and of a list of trainings."""

from denoise_utils.cli.arguments import main

__all__ = ["main"]
