"""Run the command as `python -m catdog`."""

import sys

from catdog.cli.main import main

sys.exit(main())
