"""One prediction traced, with 5 ms more for each of AWS's answers: ``python -m benchmarks.lineage.why``.

A small stack of the unit tests' kind lives on moto, in this process and one call at a time: its own time is in the
figure, which therefore is an upper bound.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import UTC, datetime

from headwater.lineage.service import LineageService
from headwater.storage.environment import CLIENTS
from tests.unit.lineage.conftest import SECOND, new_stack


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--milliseconds", type=float, default=5.0)
    given = parser.parse_args()
    with new_stack() as stack:
        assert stack.service
        reads = [0]

        def wait(**_: object) -> None:
            reads[0] += 1
            time.sleep(given.milliseconds / 1000)

        for name in ("s3", "dynamodb"):
            CLIENTS(name).meta.events.register_first(f"before-send.{name}", wait)
        times = []
        for _ in range(30):
            fresh, reads[0] = LineageService(stack.places), 0
            started = time.perf_counter()
            fresh.why(SECOND, model="buys", day=datetime.now(UTC).date())
            times.append((time.perf_counter() - started) * 1000)
    print(f"{statistics.median(times):.0f} ms, {reads[0]} reads, each {given.milliseconds:g} ms and moto's own time")


if __name__ == "__main__":
    main()
