"""The predictions that a model answered, as the prediction log has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from headwater.client.connection import Connection
from headwater.client.errors import BadTarget, needed

if TYPE_CHECKING:
    import pandas


MOST_ROWS = 1_000_000
"""Rows that `LoggedPredictions.frame` gives at most unless it is told otherwise."""


class LoggedPredictions:
    """A model's predictions of a stretch of time, each once, in the order in which their requests were received.

    Nothing is read before it is asked for, and each call reads anew. Iterating over it is iterating over `frames`.
    Texts are as they were logged: ``inputs``, ``features``, ``views`` and ``missing_features`` are JSON.
    A record that was written more than two hours late is there once its hour was looked at again: a day, a week or 31
    days after it.

    Attributes
    ----------
    model : str
    since, until : datetime
        ``until`` itself isn't part of it.
    columns : tuple of str
        Columns of each frame.
    torn : list of str
        Key and reason of each record that the last reading couldn't read and that isn't in quarantine yet.
    """

    def __init__(
        self, connection: Connection, model: str, since: datetime, until: datetime, columns: Sequence[str] | None
    ) -> None:
        with needed("logged predictions are read by DuckDB and pandas"):
            from headwater.monitoring.log.reading import check
        self.model, self.since, self.until = model, since, until
        self.columns = check(since, until, columns)
        self.torn: list[str] = []
        self._connection = connection
        connection.registry.versions(model)

    def __iter__(self) -> Iterator[pandas.DataFrame]:
        return self.frames()

    def frames(self) -> Iterator[pandas.DataFrame]:
        """The predictions in frames of at most some ten thousand rows; nothing if there are none."""
        self.torn = []
        yield from self._connection.predictions.frames(self.model, self.since, self.until, self.columns, torn=self.torn)

    def frame(self, *, most_rows: int = MOST_ROWS) -> pandas.DataFrame:
        """All predictions as one frame, without rows if there are none.

        Parameters
        ----------
        most_rows : int
            Rows that fit into memory.

        Raises
        ------
        BadTarget
            There are more.
        """
        import pandas

        from headwater.monitoring.log.reading import empty

        found, rows = [], 0
        for frame in self.frames():
            rows += len(frame)
            if rows > most_rows:
                raise BadTarget(
                    f"more than {most_rows:,} predictions of {self.model} were received from {self.since.isoformat()} "
                    f"to {self.until.isoformat()}: take frame by frame, ask for a shorter time, or raise most_rows",
                    next_steps=["for frame in stack.predictions(...).frames(): ..."],
                )
            found.append(frame)
        return pandas.concat(found, ignore_index=True) if found else empty(self.columns)

    def count(self) -> int:
        """How many predictions there are: instances, not requests."""
        return self._connection.predictions.count(self.model, self.since, self.until)
