"""Names as pictures show them: without characters that harm, shortened where they are long."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

REPLACEMENT = "\ufffd"
_JOINERS = "\u200c\u200d"
"""Scripts and emoji need them, and they can't reorder a line."""
_DIGEST = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16,}")
"""A digest or a UUID."""
DIGITS = 8
"""Digits of a digest that are shown: people compare the first ones, as with Git."""
_LEAST_HEAD = 6


def visible(text: str) -> str:
    """The text with U+FFFD for each character that moves a cursor, reorders a line or is forbidden in XML 1.0."""
    return "".join(REPLACEMENT if _harms(each) else each for each in text)


def _harms(character: str) -> bool:
    code = ord(character)
    is_no_character = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    category = unicodedata.category(character)
    return is_no_character or (category in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in _JOINERS)


def columns(text: str) -> int:
    """Columns of a text in letters of one width: East Asian ones and emoji take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in {"W", "F"} else 1
        for each in text
    )


def short_digests(text: str, ellipsis: str = "…") -> str:
    """The text with each digest cut to its first digits, which people compare."""
    return _DIGEST.sub(lambda found: found[0][:DIGITS] + ellipsis, text)


def shortened(text: str, most: int, *, ellipsis: str = "…", measure: Callable[[str], int] = columns) -> str:
    """The text in at most ``most`` columns: what is too long loses its middle, as names differ at their ends.

    The last part of a path stays whole where it fits.
    """
    if measure(text) <= most:
        return text
    room = max(0, most - len(ellipsis))
    tail = _fitting(text[::-1], (room + 1) // 2, measure)[::-1]
    last = text[text.rfind("/") :] if "/" in text else ""
    if measure(tail) < measure(last) <= room - _LEAST_HEAD:
        tail = last
    head = _fitting(text, room - measure(tail), measure)
    return f"{head}{ellipsis[:most]}{tail}"


def _fitting(text: str, most: int, measure: Callable[[str], int]) -> str:
    used = 0
    for place, each in enumerate(text):
        used += measure(each)
        if used > most:
            return text[:place]
    return text
