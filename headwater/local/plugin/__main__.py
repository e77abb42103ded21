"""``pulumi-resource-aws``: serves the provider on a free port of this machine and prints the port, as engines expect."""

from __future__ import annotations

import os
import signal
import sys
import threading

from headwater.local.plugin.server import serving


def main() -> int:
    """Serve until the engine ends, or ends us."""
    # Ctrl-C reaches the whole process group; it is the engine that says what it means (`Cancel`).
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    engine = os.getppid()
    with serving(os.environ) as port:
        print(port, flush=True)  # noqa: T201 - the protocol
        # An engine that is killed says nothing: its plugins must notice.
        while not ended.wait(1.0) and os.getppid() == engine:
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
