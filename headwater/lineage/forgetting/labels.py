"""Labels of an entity's predictions in a batch of written labels: by the inputs that a label names, or by an id."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from headwater.lake.database import connect, literal
from headwater.monitoring.labels.types import unpacked


class MatchedLabels(NamedTuple):
    """Labels of an entity in a batch."""

    rows: int
    others: int
    """Labels of the batch that are of somebody else, as far as they say."""
    named: bool
    """Whether a label names inputs that could be the entity's."""


class Labelled:
    """Matches labels.

    Parameters
    ----------
    is_of : callable
        Whether inputs are the entity's.
    names : collection of str
        The inputs that an entity is known by: a label without one of them is nobody's.
    predictions : collection of str
        Ids of predictions that were found to be the entity's.
    """

    def __init__(
        self, is_of: Callable[[dict[str, Any]], bool], names: Collection[str], predictions: Collection[str]
    ) -> None:
        self._is_of, self._names, self._predictions = is_of, set(names), set(predictions)

    def of_lines(self, body: bytes) -> MatchedLabels:
        """Match a call's labels; raises ValueError, OSError or EOFError of what is no batch."""
        return self._counted((label.prediction_id, label.keys, 1) for label in unpacked(body))

    def of_file(self, path: Path, scratch: Path) -> MatchedLabels:
        """Match a Parquet file's labels; raises ValueError of what is none."""
        connection = connect(scratch)
        try:
            # Inputs repeat: each text is read once.
            table = f"read_parquet({literal(str(path))})"
            rows = connection.execute(
                f"SELECT NULL, keys, count(*) FROM {table} WHERE prediction_id IS NULL GROUP BY keys UNION ALL "  # noqa: S608
                f"SELECT prediction_id, NULL, count(*) FROM {table} WHERE prediction_id IS NOT NULL "
                "GROUP BY prediction_id"
            )
            return self._counted(_streamed(rows))
        except duckdb.Error as error:
            raise ValueError(str(error).partition("\n")[0]) from error
        finally:
            connection.close()

    def _counted(self, labels: Iterable[tuple[str | None, str | None, int]]) -> MatchedLabels:
        found = others = 0
        named = False
        for prediction, keys, count in labels:
            inputs: Mapping[str, Any] = json.loads(keys) if keys is not None else {}
            named = named or inputs.keys() >= self._names
            if prediction in self._predictions or (keys is not None and self._is_of(dict(inputs))):
                found += count
            else:
                others += count
        return MatchedLabels(found, others, named)


def _streamed(rows: duckdb.DuckDBPyConnection) -> Iterator[tuple[str | None, str | None, int]]:
    while some := rows.fetchmany(10_000):
        yield from some
