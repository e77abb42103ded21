"""Intervals as bars on one axis: ``|--o--|``."""

from __future__ import annotations

import math
from collections.abc import Iterable


class Axis:
    """An axis of ``width`` letters that holds all of some values.

    Parameters
    ----------
    values : iterable of float
        Not empty.
    width : int
    """

    def __init__(self, values: Iterable[float], width: int) -> None:
        known = sorted(values)
        low, high = known[0], known[-1]
        span = high - low or abs(high) or 1.0
        self.low, self.high, self.width = low - span / 20, high + span / 20, width
        self.digits = max(0, min(6, 2 - math.floor(math.log10(span))))
        """Digits behind the point that tell values apart."""

    def text(self, value: float) -> str:
        """A value as the axis has it."""
        return f"{value:,.{self.digits}f}"

    def place(self, value: float) -> int:
        """The letter of a value."""
        return round((value - self.low) / (self.high - self.low) * (self.width - 1))

    def ticks(self) -> str:
        """Round values at their places, each beginning there."""
        step = 10 ** math.floor(math.log10((self.high - self.low) / 2))
        step = next((step * times for times in (1, 2, 5) if (self.high - self.low) / (step * times) <= 4), step * 10)
        digits = max(0, -math.floor(math.log10(step)))
        line = " " * self.width
        value = math.ceil(self.low / step) * step
        while value <= self.high:
            word, place = f"{value + 0.0:,.{digits}f}", self.place(value)
            if place + len(word) <= self.width and (not place or line[place - 1] == " "):
                line = line[:place] + word + line[place + len(word) :]
            value += step
        return line.rstrip()

    def bar(self, low: float, value: float, high: float, limit: float | None = None) -> str:
        """An interval with its value, and a colon where the limit is."""
        line = [" "] * self.width
        first, last = self.place(low), self.place(high)
        line[first : last + 1] = "-" * (last - first + 1)
        line[first] = line[last] = "|"
        if limit is not None:
            line[self.place(limit)] = ":"
        line[self.place(value)] = "o"
        return "".join(line).rstrip()
