"""Cursors of tables: values that grow, and the rows near the last one, which are known again when they come again."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from headwater.collecting.errors import CollectFailed, DeclarationChanged

Kind = Literal["number", "date", "timestamp", "timestamptz"]
Point = Any
"""A cursor's value, a Decimal or a datetime, so that two of one column compare; a date is its midnight."""
DIGEST = 16
"""Bytes of a row's digest."""
MOST_KNOWN = 500_000
"""Rows near the last cursor that are remembered."""
OVERLAP, OVERLAP_BY = timedelta(minutes=10), 1000
"""Overlaps unless others are declared."""


_SMALLEST = Decimal(-(2**63))


class CursorColumn(NamedTuple):
    """The column that a table is read by."""

    name: str
    kind: Kind
    type: str
    """The database's name of its type."""

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers of at most 64 bits."""
        return self.kind == "number" and self.type not in {"numeric", "decimal"}

    def point(self, text: str) -> Point:
        """A value as the database writes it; raises `CollectFailed`."""
        try:
            if self.kind == "number":
                number = Decimal(text)
                if number.is_finite():
                    return number
            else:
                moment = datetime.fromisoformat(text)
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, ArithmeticError):
            pass
        raise CollectFailed(
            f"cursor {self.name} ({self.type}) has the value {text[:60]!r}, which none can come after or before"
        )

    def text(self, point: Point) -> str:
        """A point as the database reads it."""
        if isinstance(point, Decimal):
            return format(max(point, _SMALLEST) if self.is_whole else point, "f")
        if self.kind == "date":
            return str(point.date())
        return str(point if self.kind == "timestamptz" else point.replace(tzinfo=None))

    def before(self, point: Point, overlap: timedelta | None, overlap_by: int | None) -> Point:
        """Where to read from, to read what comes late too."""
        if isinstance(point, Decimal):
            return point - (OVERLAP_BY if overlap_by is None else overlap_by)
        return point - (OVERLAP if overlap is None else overlap)

    def last(self, cursor: Any) -> tuple[str | None, str | None]:
        """The value of a cursor that was kept, and the one that a person set and nothing up to which is read.

        Raises
        ------
        DeclarationChanged
            It is of a column of another type.
        """
        if cursor is None:
            return None, None
        if isinstance(cursor, Mapping) and "value" in cursor:
            if cursor.get("type") != self.type:
                raise DeclarationChanged(
                    f"cursor {self.name} is {self.type}, and was {cursor.get('type')} when it was last read"
                )
            return str(cursor["value"]), cursor.get("above")
        return str(cursor), str(cursor)

    def kept(self, text: str, above: str | None) -> dict[str, str]:
        """The cursor as it is kept."""
        return {"type": self.type, "value": text, **({} if above is None else {"above": above})}


class Known:
    """Rows that landed, as far back as they are read again, each as often as it was there.

    ``memory`` is what `dump` gave.
    """

    def __init__(self, memory: bytes) -> None:
        self._before = Counter(memory[at : at + DIGEST] for at in range(0, len(memory), DIGEST))
        self._window: deque[tuple[Point, bytes]] = deque()

    def is_new(self, row: str, point: Point, oldest: Point) -> bool:
        """Whether a row hasn't landed; it counts as known from now on.

        Parameters
        ----------
        row : str
            The whole row: one that was changed is a new one.
        point : Decimal or datetime
            Its cursor; rows come in the order of theirs.
        oldest : Decimal or datetime
            The cursor from which on rows will be read again, if this row is the last.
        """
        digest = blake2b(row.encode(), digest_size=DIGEST).digest()
        while self._window and self._window[0][0] < oldest:
            self._window.popleft()
        self._window.append((point, digest))
        if len(self._window) > MOST_KNOWN:
            raise CollectFailed(
                f"more than {MOST_KNOWN:,} rows lie within the overlap before cursor {point}: declare a shorter one"
            )
        if self._before[digest] > 0:
            self._before[digest] -= 1
            return False
        return True

    def dump(self) -> bytes:
        """All that are near the last row, as bytes."""
        return b"".join(digest for _, digest in self._window)


def moment_of(value: date | datetime | timedelta | Decimal | int) -> str:
    """A driver's value as the database writes it."""
    return value.isoformat(sep=" ") if isinstance(value, datetime) else str(value)
