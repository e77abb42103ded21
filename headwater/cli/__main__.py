"""``python -m headwater.cli``: the command of the tree one stands in, whichever is installed."""

import sys

from headwater.cli import main

sys.exit(main())
