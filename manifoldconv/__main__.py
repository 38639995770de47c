"""`python -m manifoldconv`: the command line."""

import sys

from manifoldconv.cli import main

sys.exit(main())
