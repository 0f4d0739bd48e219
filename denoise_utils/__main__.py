"""Run the command line with python -m denoise_utils."""

import sys

from denoise_utils.cli import main

sys.exit(main())
