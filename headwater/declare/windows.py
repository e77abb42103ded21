"""Features without SQL: windows over the rows of a source."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, Self

from pydantic import model_validator

from headwater.declare.base import Declaration


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
    over: timedelta
    """The window's length."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.over <= timedelta(0):
            raise ValueError(f"{self.function} over {self.over}: a window must be longer than nothing")
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
