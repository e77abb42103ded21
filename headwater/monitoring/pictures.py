"""Pictures for notebooks, where matplotlib is installed; Headwater itself doesn't need it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_BARS = 40
"""Bars of a picture that still have room for their names."""
_TICKS = 8
_HEIGHT, _OF_A_BAR = 4.0, 0.28
"""Inches."""


class NoMatplotlib(InvalidRequest):
    """A picture was asked for, and matplotlib isn't installed."""


def axes(title: str, x: str, y: str, *, bars: int = 0) -> tuple[Figure, Any]:
    """A figure that belongs to no window, high enough for so many named bars, and its axes; raises `NoMatplotlib`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoMatplotlib(
            "plot() draws with matplotlib, which isn't installed; frame() gives the same figures as a table",
            next_steps=["pip install matplotlib"],
        ) from error
    figure = Figure(figsize=(9, max(_HEIGHT, 1.2 + _OF_A_BAR * bars)), layout="constrained")
    found = figure.subplots()
    found.set(title=title, xlabel=x, ylabel=y)
    return figure, found


def by_day(canvas: Any, days: Sequence[date]) -> None:
    """Give an axis of time ticks at days that there are, and none at hours."""
    named = sorted(set(days))
    named = named[:: max(1, -(-len(named) // _TICKS))]
    canvas.set_xticks(named, [day.isoformat() for day in named])


def pairs(canvas: Any, names: Sequence[str], now: Sequence[float], before: Sequence[float | None], what: str) -> None:
    """Draw two horizontal bars a name, the first name on top; what was never before has one bar."""
    places = range(len(names))
    canvas.barh([place - 0.2 for place in places], now, 0.4, label="now")
    there = [(place + 0.2, value) for place, value in zip(places, before, strict=True) if value is not None]
    if there:
        canvas.barh([place for place, _ in there], [value for _, value in there], 0.4, label=what)
    canvas.set_yticks(list(places), list(names))
    canvas.invert_yaxis()
    canvas.legend()


def nothing(canvas: Any, why: str) -> None:
    """Say why a picture is empty, in its middle."""
    canvas.text(0.5, 0.5, why, transform=canvas.transAxes, ha="center", va="center")
    canvas.set(xticks=[], yticks=[])
