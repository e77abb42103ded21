"""The rows that a verification uploads, and the answers that follow from them: made anew for each run, by its id."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from headwater.verification import UNIT

UNITS = 4
ROWS_PER_UNIT = 24
STEP = timedelta(minutes=1)
COLUMNS = (UNIT, "happened_at", "size", "level", "outcome")
BAD_SIZE = -5
"""Below the contract's minimum."""
BAD_ROW = 2
"""The number, counted from 1, of the row in `Sample.bad_file` that breaks the contract."""


def answer(size: float, level: float) -> float:
    """The answer that the model must give."""
    return 3 * size + 2 * level + 1


@dataclass(frozen=True)
class Row:
    """One row of the upload."""

    unit: str
    at: datetime
    size: int
    level: int
    outcome: float | None


@dataclass(frozen=True)
class Sample:
    """Everything that one verification uploads: `UNITS` units, a row a minute each, until shortly before ``now``.

    Attributes
    ----------
    run_id : str
        The verification's id. Units are named by it, so that two verifications share no entity.
    now : datetime
        With its time zone; no row is later.
    """

    run_id: str
    now: datetime

    @property
    def units(self) -> tuple[str, ...]:
        """The entities' keys."""
        return tuple(f"{self.run_id}-{number}" for number in range(1, UNITS + 1))

    @property
    def rows(self) -> tuple[Row, ...]:
        """The good rows, unit by unit, in the order of their times."""
        return tuple(self._rows())

    def _rows(self) -> Iterator[Row]:
        # Any numbers do, as long as the same id gives the same ones.
        chance = random.Random(self.run_id)  # noqa: S311
        first = self.now.replace(microsecond=0) - STEP * (ROWS_PER_UNIT + 1)
        for unit in self.units:
            before: int | None = None
            for number in range(ROWS_PER_UNIT):
                size, level = chance.randint(0, 100), chance.randint(0, 100)
                outcome = None if before is None else answer(size, before)
                yield Row(unit, first + STEP * number, size, level, outcome)
                before = level

    def last_level(self, unit: str) -> int:
        """The level that the online store has to hold for ``unit`` once the file is ingested."""
        return [row.level for row in self.rows if row.unit == unit][-1]

    @property
    def good_file(self) -> bytes:
        """The rows as CSV."""
        return _csv(self.rows)

    @property
    def bad_file(self) -> bytes:
        """Three rows of the first unit as CSV, earlier than all others; the one numbered `BAD_ROW` is bad."""
        earlier = self.rows[0].at - STEP * 10
        rows = [Row(self.units[0], earlier + STEP * number, 1, 1, None) for number in range(3)]
        bad = rows[BAD_ROW - 1]
        rows[BAD_ROW - 1] = Row(bad.unit, bad.at, BAD_SIZE, bad.level, None)
        return _csv(tuple(rows))


def _csv(rows: tuple[Row, ...]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow((row.unit, row.at.isoformat(), row.size, row.level, row.outcome))
    return text.getvalue().encode()
