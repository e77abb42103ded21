"""Durations are written as text, read as timedeltas, and kept as they always were."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from headwater.declare import Holdout, Window, count


@pytest.mark.parametrize(
    ("text", "length", "kept"),
    [
        ("90s", timedelta(seconds=90), "PT1M30S"),
        ("15m", timedelta(minutes=15), "PT15M"),
        ("24h", timedelta(hours=24), "P1D"),
        ("30d", timedelta(days=30), "P30D"),
        ("2w", timedelta(weeks=2), "P14D"),
        ("1h30m", timedelta(hours=1, minutes=30), "PT1H30M"),
    ],
)
def test_a_duration_is_text_and_is_kept_as_before(text: str, length: timedelta, kept: str) -> None:
    window = count(over=text)
    assert window.over == length
    assert window.model_dump(mode="json")["over"] == kept
    assert window == Window.model_validate_json(window.model_dump_json()) == Window.model_validate(dict(window))


@given(st.integers(1, 10**6), st.sampled_from(["weeks", "days", "hours", "minutes", "seconds"]))
def test_every_number_of_every_unit_is_read(number: int, unit: str) -> None:
    assert Holdout(last=f"{number}{unit[0]}").last == timedelta(**{unit: number})


@pytest.mark.parametrize("text", ["", "24", "24 h", "24H", "1.5h", "-1h", "30m1h", "1h1h", "1 day, 02:00:00"])
def test_text_that_is_no_duration_is_refused_with_the_units(text: str) -> None:
    with pytest.raises(ValidationError, match=f"'{text}' is no duration: .* s, m, h, d or w .* such as '90s', '24h'"):
        count(over=text)


@pytest.mark.parametrize("given", [3600, 1.5, None])
def test_a_number_has_no_unit_and_is_refused(given: object) -> None:
    with pytest.raises(ValidationError, match=f"{given} is no duration: write whole numbers with s, m, h, d or w"):
        Window.model_validate({"function": "count", "over": given})


@pytest.mark.parametrize("text", ["0h", "0d0s", "PT0S", "-P1D"])
def test_a_duration_of_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is nothing: it must be positive"):
        count(over=text)


@pytest.mark.parametrize("text", ["9999999999d", "9" * 5000 + "s"])
def test_a_duration_that_no_clock_could_measure_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="longer than any duration may be"):
        count(over=text)
