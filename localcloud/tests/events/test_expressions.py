"""Times of schedules against AWS's answers, and against what independent programs agree on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from localcloud.events.expressions import Expression, check

from .conftest import oracle


def times(text: str, after: str, count: int, zone: str = "UTC") -> list[str]:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    expression = Expression(text, first=moment, zone=zone)
    found: list[str] = []
    for _ in range(count):
        due = expression.next_after(moment)
        if due is None:
            break
        found.append(due.strftime("%Y-%m-%dT%H:%M:%SZ"))
        moment = due
    return found


@pytest.mark.parametrize("file", ["next_unanimous", "next_majority"])
def test_cron_fires_when_other_programs_agree_that_it_does(file: str) -> None:
    for row in oracle(f"cron/{file}.jsonl"):
        assert times(row["expr"], row["after"].removesuffix("Z"), len(row["next"])) == row["next"], row["expr"]


def test_expressions_are_taken_and_refused_as_aws_does() -> None:
    for row in oracle("cron/validity_aws.jsonl"):
        try:
            check(row["expr"], is_rule=row["api"] == "events")
        except ValueError:
            assert not row["valid"], row["expr"]
        else:
            assert row["valid"], row["expr"]


def test_a_time_that_summer_time_skips_is_skipped() -> None:
    found = times("cron(30 2 * * ? *)", "2026-03-28T12:00:00", 1, zone="Europe/Rome")
    assert found == ["2026-03-30T00:30:00Z"]


def test_a_time_that_comes_twice_in_autumn_fires_once() -> None:
    found = times("cron(30 2 * * ? *)", "2026-10-24T12:00:00", 2, zone="Europe/Rome")
    assert found == ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]


def test_a_day_of_a_rate_has_24_hours() -> None:
    first = datetime(2026, 3, 28, 12, tzinfo=UTC)
    rate = Expression("rate(1 day)", first=first, zone="Europe/Rome")
    assert rate.next_after(first - timedelta(seconds=1)) == first
    assert rate.next_after(first) == first + timedelta(hours=24)


def test_at_is_read_in_its_zone_and_fires_once() -> None:
    assert times("at(2026-07-01T09:00:00)", "2026-01-01T00:00:00", 5, zone="Asia/Tokyo") == ["2026-07-01T00:00:00Z"]


def test_nothing_fires_before_the_start_or_after_the_end() -> None:
    start, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)
    daily = Expression("cron(0 0 * * ? *)", first=start, start=start, end=end)
    assert daily.next_after(datetime(2025, 1, 1, tzinfo=UTC)) == start
    assert daily.next_after(start) == end
    assert daily.next_after(end) is None


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="not a time zone"):
        check("at(2026-07-01T09:00:00)", zone="Mars/Olympus")
