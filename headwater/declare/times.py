"""How long a value stands: durations as products write them."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator

_WRITTEN = re.compile(
    "".join(f"(?:(?P<{unit}>[0-9]+){unit[0]})?" for unit in ("weeks", "days", "hours", "minutes", "seconds"))
)


def _read(given: Any) -> Any:
    """A duration as products write it; as it is kept (``PT6H``), or a timedelta, is left to pydantic."""
    if isinstance(given, timedelta) or (isinstance(given, str) and given.startswith(("P", "-P"))):
        return given
    found = _WRITTEN.fullmatch(given) if isinstance(given, str) and given else None
    if found is None:
        raise ValueError(
            f"{given!r} is no duration: write whole numbers with s, m, h, d or w (seconds to weeks), the largest unit "
            "first, such as '90s', '24h', '7d' or '1h30m'"
        )
    try:
        return timedelta(**{unit: int(number) for unit, number in found.groupdict("0").items()})
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{given[:40]!r} is longer than any duration may be: write at most '999999999d'") from error


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError(f"a duration of {duration} is nothing: it must be positive, such as '24h'")
    return duration


if TYPE_CHECKING:
    # Pydantic has no word for a field that is given as one type and read as another. A type checker knows descriptors.

    class Duration:
        """Given as text, read as a timedelta."""

        def __get__(self, instance: object, owner: Any = None) -> timedelta: ...
        def __set__(self, instance: object, value: str) -> None: ...

    class OptionalDuration:
        """Given as text or None, read as a timedelta or None."""

        def __get__(self, instance: object, owner: Any = None) -> timedelta | None: ...
        def __set__(self, instance: object, value: str | None) -> None: ...

else:
    Duration = Annotated[timedelta, BeforeValidator(_read), AfterValidator(_positive)]
    """A length of time as text: whole numbers with s, m, h, d or w, such as ``"24h"`` or ``"1h30m"``."""
    OptionalDuration = Duration | None
