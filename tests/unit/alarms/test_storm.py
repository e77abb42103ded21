"""The benchmark's storm, smaller: nothing is lost and nothing told twice while the table throttles."""

from __future__ import annotations

import pytest

from benchmarks.alarms.__main__ import PER_GROUP, Storm


@pytest.mark.parametrize("seed", range(4))
def test_a_storm_on_a_throttled_table_loses_nothing_and_doubles_nothing(seed: int) -> None:
    storm = Storm(5 * PER_GROUP, 0.2, seed)
    storm.run()
    groups, lost, doubled = storm.outcome()
    assert (len(groups), lost, doubled) == (5, 0, 0)
