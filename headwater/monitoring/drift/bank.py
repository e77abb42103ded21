"""The reference bank: profiles of windows that were as they should be, those of each training day first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from typing import Any, Self

import numpy as np
from pydantic import AwareDatetime, Field

from headwater.monitoring.profiles.counting import profile_of
from headwater.monitoring.profiles.types import Scheme, SchemeMismatch, WindowProfile
from headwater.values import Packed, Value

MOST_WINDOWS = 400
"""A year and a month of days: each season once."""
DAY_SECONDS = 86_400.0
MOST_VALUES = 31
"""Values of a column that are segments of their own; all others are one together, and so are missing ones."""


class BankWindow(Value):
    """A window that others are compared with."""

    start: AwareDatetime
    seconds: float = Field(default=DAY_SECONDS, gt=0)
    profile: WindowProfile


class Bank(Packed):
    """The scheme of a model version, its reference windows, ascending by start, and what stays as training found it."""

    scheme: Scheme
    windows: tuple[BankWindow, ...] = ()
    segments: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """For each column that predictions are counted apart by: training's 31 most frequent values, the first one most.
    Banks of earlier versions of Headwater have none."""
    importance: Mapping[str, float] = Field(default_factory=dict)
    """For each column how much worse the watched metric is on held-out rows once the column's values are shuffled."""

    def added(self, window: BankWindow) -> Self:
        """The bank with one more window; the oldest leaves a full one, and a window of the same start is replaced.

        Raises
        ------
        SchemeMismatch
            The window's bins are those of another model version.
        """
        if window.profile.scheme != self.scheme.digest:
            raise SchemeMismatch(
                f"a window of scheme {window.profile.scheme} can't be in the bank of {self.scheme.digest}, "
                f"of model {self.scheme.model!r}. Count it with the bank's own scheme"
            )
        kept = [entry for entry in self.windows if entry.start != window.start]
        ordered = sorted([*kept, window], key=lambda entry: entry.start)
        return self.model_copy(update={"windows": tuple(ordered[-MOST_WINDOWS:])})


def stratum_of(day: date, holidays: Collection[date] = ()) -> str:
    """Tell which days a day is compared with, if there are enough of them: weekday, weekend or holiday."""
    if day in holidays:
        return "holiday"
    return "weekend" if day.weekday() >= 5 else "weekday"


def bank_of_days(
    scheme: Scheme,
    columns: Mapping[str, Any],
    asked: Any,
    *,
    source: str,
    scores: Any = None,
    scored: Any = None,
) -> Bank:
    """Count the rows of each day, UTC, that examples were asked about.

    Parameters
    ----------
    scheme : Scheme
    columns : mapping
        Arrays by name.
    asked : array of datetime64
        The moment of each row, UTC.
    source : str
        Names the rows, such as the training set's hash: a day of it is one part.
    scores : array, optional
        Predictions of all rows.
    scored : array of bool, optional
        Rows whose scores count. A day has scores if all its rows do: what a model says of rows that it learnt from is
        no reference for rows that it didn't.
    """
    days = np.asarray(asked, dtype="datetime64[D]")
    known = ~np.isnat(days)
    order = np.argsort(days, kind="stable")[: int(known.sum())]
    found, starts = np.unique(days[order], return_index=True)
    windows = []
    for day, rows in list(zip(found, np.split(order, starts[1:]), strict=True))[-MOST_WINDOWS:]:
        whole = scores is not None and (scored is None or bool(np.asarray(scored)[rows].all()))
        profile = profile_of(
            scheme,
            {name: np.asarray(values)[rows] for name, values in columns.items()},
            part=f"{source}:{day}",
            scores=np.asarray(scores)[rows] if whole else None,
        )
        moment = datetime.combine(day.astype(date), datetime.min.time(), UTC)
        windows.append(BankWindow(start=moment, profile=profile))
    return Bank(scheme=scheme, windows=tuple(windows))
