"""Run the command line with python -m denoise_utils."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python may have been called
    sys.exit("error: Expected Python 3.11, 3.12 or 3.13, got {}.{}: use that of .venv.".format(*sys.version_info))

from denoise_utils.system import stopping


def _run():
    from denoise_utils.system import failures

    try:
        from denoise_utils.cli import main

        return main()
    except Exception as error:  # of the imports: a package is missing, or broken
        return failures.tell(error, "--debug" in sys.argv)


try:
    try:
        stopping.take_over()
        code = _run()
    finally:  # of --help as well
        stopping.end()
except KeyboardInterrupt:  # while the imports ran
    stopping.end()
    print("stopped: nothing was begun", file=sys.stderr)
    code = stopping.CODE
sys.exit(code)
