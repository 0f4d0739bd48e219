"""Run the command line with python -m denoise_utils."""

import sys

from denoise_utils.system import failures

try:
    from denoise_utils.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # while the imports ran
    print("stopped: nothing was begun", file=sys.stderr)
    sys.exit(130)
except Exception as error:  # of the imports: a package is missing, or broken
    sys.exit(failures.tell(error, "--debug" in sys.argv))
