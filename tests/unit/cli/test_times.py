"""Times and days as people type them: read as UTC, refused in one line where nobody can mean them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from headwater.alarms.requests import QuietBody
from headwater.cli.times import day_of, time_in_utc, time_with_zone
from headwater.clock import in_utc, moment_asked
from headwater.errors import InvalidRequest
from headwater.monitoring.asking import _day

TOKYO = timezone(timedelta(hours=9))


def test_a_time_is_utc_whatever_offset_it_was_written_with() -> None:
    for text in ("2026-12-02T09:00+09:00", "2026-12-02", "2026-12-02T00:00Z"):
        assert str(time_in_utc(text)) == "2026-12-02 00:00:00+00:00"
    assert str(time_with_zone("2026-12-02T09:00+09:00", "--as-of")) == "2026-12-02 00:00:00+00:00"


def test_the_advice_for_a_time_without_a_zone_is_a_time_that_is_taken() -> None:
    with pytest.raises(InvalidRequest, match="write 2026-12-01T00:00:00Z for UTC"):
        time_with_zone("2026-12-01", "--as-of")
    with pytest.raises(InvalidRequest, match="write 2026-12-01T00:00:00Z for UTC"):
        moment_asked({"as_of": "2026-12-01"}, "as_of")
    assert time_with_zone("2026-12-01T00:00:00Z", "--as-of").year == 2026


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31"])
@pytest.mark.parametrize(
    "read",
    [
        time_in_utc,
        lambda text: day_of(text[:10]),
        lambda text: _day({"to": text[:10]}, "to"),
        lambda text: moment_asked({"as_of": text if "T" in text else f"{text}T00:00Z"}, "as_of"),
    ],
)
def test_a_year_at_the_end_of_time_is_refused_before_anybody_counts_with_it(
    read: Callable[[str], object], text: str
) -> None:
    with pytest.raises(InvalidRequest, match="expected a year from 1000 to 8999"):
        read(text)


def test_days_that_are_none_are_refused() -> None:
    for text in ("2027-02-29", "yesterday", "2026-13-01", ""):
        with pytest.raises(InvalidRequest, match="is no day: write it as"):
            day_of(text, "--since")
    assert day_of("2028-02-29") == date(2028, 2, 29)


def test_a_moment_of_a_program_needs_a_zone_and_becomes_utc() -> None:
    assert in_utc(datetime(2026, 12, 2, 9, tzinfo=TOKYO), "until") == datetime(2026, 12, 2, tzinfo=UTC)
    assert in_utc(datetime(2026, 12, 2, 9, tzinfo=TOKYO), "until").tzinfo is UTC
    with pytest.raises(InvalidRequest, match="until 2026-12-02T09:00:00 has no time zone: give it one, such as"):
        in_utc(datetime(2026, 12, 2, 9), "until")  # noqa: DTZ001 - a time without a zone is what is tried
    with pytest.raises(InvalidRequest, match="before the year 1 or after 9999"):
        in_utc(datetime(1, 1, 1, tzinfo=TOKYO), "until")


def test_a_program_that_is_quiet_for_longer_than_time_is_counted_is_refused() -> None:
    body = QuietBody.model_validate({"lasts": "999999999d"})
    with pytest.raises(InvalidRequest, match="longer than time is counted"):
        body.end(datetime(2026, 12, 1, tzinfo=UTC))
