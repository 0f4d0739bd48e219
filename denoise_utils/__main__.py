"""Run the command line with python -m denoise_utils."""

import sys

try:
    from denoise_utils.cli import main

    sys.exit(main())
except KeyboardInterrupt:  # while the imports ran
    print("stopped: nothing was begun", file=sys.stderr)
    sys.exit(130)
