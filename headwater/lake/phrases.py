"""Values and names as messages show them: never longer than a reader, a record or a terminal can take."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

LONGEST_VALUE = 80
LONGEST_NAME = 100
LONGEST_RULE = 300
MOST_NAMES = 20
LONGEST_LINE = 500


def clipped(text: str, longest: int) -> str:
    """``text``, cut if it is longer than ``longest`` characters."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def shown(value: Any) -> str:
    """A value as a message shows it: texts in quotes, and not too much of it."""
    if isinstance(value, str):
        return clipped(repr(value[: LONGEST_VALUE + 1]), LONGEST_VALUE)
    return clipped(str(value), LONGEST_VALUE)


def listed(names: Iterable[str], most: int = MOST_NAMES) -> str:
    """Names with commas, the first ``most`` of them; one that is empty or blank shows as such."""
    every = list(names)
    told = ", ".join(clipped(name if name.strip() else repr(name), LONGEST_NAME) for name in every[:most])
    return told if len(every) <= most else f"{told} and {len(every) - most:,} more"
