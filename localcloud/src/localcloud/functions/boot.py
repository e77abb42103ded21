"""What a function's process runs first: its import path is the function's zip and AWS's runtime client, nothing else.

Started as ``python -I -S boot.py <runtime folder> <folder>...``: isolated mode and no `site` keep the developer's
site-packages, user site and PYTHONPATH out, so that a dependency missing in the zip fails here as it does on AWS.
"""

import os
import sys


def main() -> None:
    """Run AWS's client where it is installed for this Python, else ours, which speaks the same API."""
    runtime, *folders = sys.argv[1:]
    sys.path[:0] = folders
    sys.path.append(runtime)
    sys.argv = ["bootstrap", os.environ["_HANDLER"]]
    try:
        from awslambdaric.__main__ import main as run
    except ImportError:
        from localcloud_bootstrap import run  # type: ignore[import-not-found]
    run(sys.argv)


main()
