"""Times as OpenLineage writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_TIME = re.compile(
    r"(?P<seconds>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>[Zz]|[+-]\d\d:\d\d)", re.ASCII
)
"""RFC 3339, ``date-time``."""


def moment(text: str) -> datetime:
    """The moment of a ``date-time`` in UTC; raises ValueError for any other text.

    Digits below a microsecond are cut off. A leap second is the second after it, as POSIX counts.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time with an offset, such as 2026-11-20T14:02:11Z")
    seconds, leap = found["seconds"].upper(), 0
    if seconds.endswith(":60"):
        seconds, leap = f"{seconds[:-2]}59", 1
    micros = (found["fraction"] or "")[:6].ljust(6, "0")
    offset = found["offset"].upper().replace("Z", "+00:00")
    made = datetime.fromisoformat(f"{seconds}.{micros}{offset}")
    try:
        made = made.astimezone(UTC)
        return made if not leap else datetime.fromtimestamp(made.timestamp() // 1 + 1, UTC)
    except (OverflowError, OSError):
        raise ValueError(f"{text!r} is outside the years 1 to 9999") from None


def as_text(at: datetime) -> str:
    """A moment as events write it: UTC, to the microsecond; raises ValueError for a time without a zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at!r} has no time zone; moments are UTC")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
