"""Run the command as `python -m catdog`."""

import sys

from catdog.cli import main

sys.exit(main())
