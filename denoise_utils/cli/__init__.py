"""The command line: its arguments, what each command does, what it shows of a model."""

from denoise_utils.cli.arguments import main

__all__ = ["main"]
