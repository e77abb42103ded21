"""``pulumi-resource-aws``: serves the provider on a free port and prints the port, as engines expect."""

from __future__ import annotations

import os
import signal
import sys
import threading

from localcloud.plugin.server import serving


def main() -> int:
    """Serve until the engine ends, or ends us."""
    ended = threading.Event()
    # An engine ends its plugins by SIGINT, and kills them five seconds later; they have process groups of their own,
    # so that Ctrl-C in a terminal doesn't reach them.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    engine = os.getppid()
    with serving(os.environ) as port:
        print(port, flush=True)  # noqa: T201 - the protocol
        # An engine that is killed says nothing: its plugins must notice.
        while not ended.wait(1.0) and os.getppid() == engine:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
