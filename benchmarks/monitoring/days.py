"""Real days: New York's departures of the first half of 2013 with their weather, and what can go wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pandas

from headwater.demo.flights import data_folder
from headwater.monitoring.drift.bank import Bank, BankWindow
from headwater.monitoring.drift.judging import Judge
from headwater.monitoring.drift.verdicts import Outcome, Verdict
from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme, WindowProfile
from headwater.registry.types import CategoryProfile, NumberProfile, Profile

FIRST, DAYS, HELD_OUT = date(2013, 1, 1), 181, 36
NUMBERS = ("hour", "minute", "distance", "temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib")
CATEGORIES = ("carrier", "origin", "dest")
Columns = dict[str, Any]


@cache
def days(months: int = 6) -> tuple[Columns, ...]:
    """Columns of each day of the year's first months, about 930 rows."""
    folder = data_folder()
    wanted = ["month", "day", "time_hour", "sched_dep_time", "distance", *CATEGORIES]
    flights = pandas.read_csv(folder / "flights.csv.zip", usecols=wanted)
    weather = pandas.read_csv(folder / "weather.csv", usecols=["origin", "time_hour", *NUMBERS[3:]])
    both = flights[flights["month"] <= months].merge(weather, how="left", on=["origin", "time_hour"])
    both["hour"], both["minute"] = both["sched_dep_time"] // 100, both["sched_dep_time"] % 100
    found = [rows for _, rows in both.groupby(["month", "day"], sort=True)]
    return tuple({name: rows[name].to_numpy() for name in (*NUMBERS, *CATEGORIES)} for rows in found)


def training_profile(train: Sequence[Columns]) -> Profile:
    """What training says of its rows, as `headwater.training.describing` does."""
    numbers = {name: _numbers(np.concatenate([day[name] for day in train])) for name in NUMBERS}
    words = {name: pandas.Series(np.concatenate([day[name] for day in train])).value_counts() for name in CATEGORIES}
    return Profile(
        model="flights",
        run_id="days",
        rows=sum(len(day["hour"]) for day in train),
        numbers=numbers,
        categories={
            name: CategoryProfile(missing=0, counts=counts[:100].to_dict(), others=int(counts[100:].sum()))
            for name, counts in words.items()
        },
        label=NumberProfile(missing=1, quantiles=(), mean=None),
        predictions=NumberProfile(missing=1, quantiles=(), mean=None),
    )


def _numbers(values: Any) -> NumberProfile:
    known = values[~np.isnan(values)]
    cuts = np.quantile(known, np.linspace(0, 1, 257))
    return NumberProfile(missing=1 - len(known) / len(values), quantiles=tuple(cuts.tolist()), mean=float(known.mean()))


def start_of(place: int) -> datetime:
    """When a day begins."""
    return datetime.combine(FIRST + timedelta(days=place), datetime.min.time(), UTC)


@dataclass(frozen=True)
class Split:
    """Random days held out, and the judge that the other ones make."""

    judge: Judge
    scheme: Scheme
    held_out: tuple[int, ...]

    @classmethod
    def of(cls, seed: int, *, held_out: int = HELD_OUT) -> Split:
        """Hold random days out."""
        data = days()
        chosen = np.random.default_rng(seed).choice(len(data), held_out, replace=False)
        kept = [place for place in range(len(data)) if place not in set(chosen.tolist())]
        scheme = Scheme.of(training_profile([data[place] for place in kept]))
        windows = tuple(BankWindow(start=start_of(place), profile=counted(scheme, data[place])) for place in kept)
        return cls(Judge(Bank(scheme=scheme, windows=windows)), scheme, tuple(sorted(chosen.tolist())))

    def verdict(
        self, place: int, corruption: str = "none", *, strata: bool = False, rows: int | None = None
    ) -> Verdict:
        """Judge a held-out day, or a sample of its rows, after something went wrong with it."""
        draw = np.random.default_rng(place)
        day = days()[place]
        if rows is not None:
            taken = draw.choice(len(day["hour"]), min(rows, len(day["hour"])), replace=False)
            day = {name: values[taken] for name, values in day.items()}
        broken = {**day, **CORRUPTIONS[corruption].change(day, draw)}
        return self.judge.judge(counted(self.scheme, broken), start_of(place) if strata else None)


def counted(scheme: Scheme, columns: Mapping[str, Any]) -> WindowProfile:
    """Count one day."""
    return profile_of(scheme, columns, part="day")


@dataclass(frozen=True)
class Corruption:
    """Something that goes wrong with one feature."""

    feature: str
    change: Callable[[Columns, np.random.Generator], Columns]
    detected: float
    """Share of the days that must be found; of none, that may be."""


def _some(values: Any, share: float, draw: np.random.Generator, instead: Any) -> Any:
    changed = values.astype(object)
    changed[draw.random(len(values)) < share] = instead
    return changed


CORRUPTIONS: Mapping[str, Corruption] = {
    "none": Corruption("", lambda _day, _: {}, 0.05),
    "Fahrenheit to Celsius": Corruption("temp", lambda day, _: {"temp": (day["temp"] - 32) / 1.8}, 0.55),
    "miles to km": Corruption("distance", lambda day, _: {"distance": day["distance"] * 1.609344}, 0.98),
    "20% missing": Corruption("humid", lambda day, draw: {"humid": _some(day["humid"], 0.2, draw, None)}, 0.98),
    "10% unseen": Corruption("carrier", lambda day, draw: {"carrier": _some(day["carrier"], 0.1, draw, "??")}, 0.98),
    "hour + 5": Corruption("hour", lambda day, _: {"hour": day["hour"] + 5}, 0.98),
    "frozen": Corruption("dewp", lambda day, _: {"dewp": np.full(len(day["dewp"]), day["dewp"][0])}, 0.98),
    "pressure + 10": Corruption("pressure", lambda day, _: {"pressure": day["pressure"] + 10}, 0.0),
}


def is_found(verdict: Verdict) -> bool:
    """Whether a window says that something is wrong."""
    return verdict.outcome in (Outcome.SUSPICIOUS, Outcome.EXTREME)
