"""Pictures for notebooks, where matplotlib is installed; Headwater itself doesn't need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headwater.errors import InvalidRequest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NoMatplotlib(InvalidRequest):
    """A picture was asked for, and matplotlib isn't installed."""


def axes(title: str, x: str, y: str) -> tuple[Figure, Any]:
    """A figure that belongs to no window, and its axes; raises `NoMatplotlib`."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoMatplotlib(
            "plot() draws with matplotlib, which isn't installed; frame() gives the same figures as a table",
            next_steps=["pip install matplotlib"],
        ) from error
    figure = Figure(figsize=(9, 4), layout="constrained")
    found = figure.subplots()
    found.set(title=title, xlabel=x, ylabel=y)
    return figure, found
