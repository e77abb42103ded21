"""Features without SQL: windows over the rows of a source."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from headwater.declare.base import Declaration
from headwater.declare.times import Duration


class Window(Declaration):
    """A feature without SQL: ``function`` of ``of`` over the entity's rows of the last ``over``.

    A row exactly as old as ``over`` still counts. ``count`` without ``of`` counts rows; everything else leaves out rows
    where ``of`` is missing, NaN or infinite. Nothing left: ``count`` and ``distinct`` are 0, the others are missing.
    ``last`` is the value of the newest row: by event time, then by available time, then the largest. Of text (a
    feature of kind ``category``) it leaves out the empty one too; texts compare by their UTF-8 bytes.
    """

    function: Literal["count", "sum", "mean", "min", "max", "last", "distinct"]
    """``distinct`` counts exactly: the sketches of DuckDB and Spark differ, and DuckDB's is 13 % off."""
    of: str = ""
    """An SQL expression over the source's columns, DuckDB's dialect: a column, or ``arr_delay > 15``."""
    over: Duration
    """The window's length."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.of and self.function != "count":
            raise ValueError(f"{self.function}: say what of, such as of='amount'")
        return self


class Aggregations(Declaration):
    """Makes a view's features windows over the rows of its one source, each known after its available time."""

    where: str = ""
    """An SQL condition: the rows that count."""
    event_time: str | None = None
    """The source's column that windows are measured on; by default the source's own event time."""
    available_time: str | None = None
    """The source's column after which a row is known; by default the source's own, or the event time. Questions of that
    very moment don't know the row, so by default no example sees its own."""
    decay: bool = False
    """The end of the windows. False: the entity's newest event; a value stands until the next event, or until the TTL.
    True: the moment of the question; a value also changes when a row leaves the window. The online value changes with
    the next materialisation, so give such a view a `schedule`."""


def count(of: str = "", *, over: str) -> Window:
    """How many rows there were; with ``of``, those that have a value of it."""
    return Window(function="count", of=of, over=over)


def distinct(of: str, *, over: str) -> Window:
    """How many different values there were, counted exactly."""
    return Window(function="distinct", of=of, over=over)


def mean(of: str, *, over: str) -> Window:
    """The mean; of a condition, the share of rows that meet it."""
    return Window(function="mean", of=of, over=over)


def total(of: str, *, over: str) -> Window:
    """The sum."""
    return Window(function="sum", of=of, over=over)


def minimum(of: str, *, over: str) -> Window:
    """The smallest value."""
    return Window(function="min", of=of, over=over)


def maximum(of: str, *, over: str) -> Window:
    """The largest value."""
    return Window(function="max", of=of, over=over)


def last(of: str, *, over: str) -> Window:
    """The value of the newest row: the only window whose value may be text."""
    return Window(function="last", of=of, over=over)
