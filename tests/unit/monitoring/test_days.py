"""Real days with real faults: the table of benchmarks/monitoring in small."""

from __future__ import annotations

import pytest

from benchmarks.monitoring.days import CORRUPTIONS, Split, is_found


@pytest.fixture(scope="module")
def splits() -> list[Split]:
    return [Split.of(seed, held_out=20) for seed in range(2)]


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_real_faults_are_found_and_real_days_are_left_alone(splits: list[Split], name: str) -> None:
    expected = CORRUPTIONS[name]
    verdicts = [split.verdict(place, name) for split in splits for place in split.held_out[:15]]
    found = [verdict for verdict in verdicts if is_found(verdict)]
    if name == "none":
        assert len(found) <= 3
        return
    assert len(found) >= expected.detected * len(verdicts) - 3 * (expected.detected < 0.9)
    named = [verdict for verdict in found if expected.feature in {one.feature for one in verdict.findings}]
    assert len(named) >= 0.9 * len(found) - 1


def test_a_sample_of_a_real_day_is_no_more_suspicious_than_all_of_it(splits: list[Split]) -> None:
    verdicts = [split.verdict(place, rows=100) for split in splits for place in split.held_out]
    assert sum(map(is_found, verdicts)) <= 5
