"""Names from words as people write them: lower-case letters of ASCII, digits, and a sign between words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

LONGEST = 40
"""Characters of a column's name, which leaves room for a number behind it."""


def suggested(text: str, between: str, longest: int) -> str:
    """The nearest name that begins with a letter; empty if ``text`` holds nothing of one."""
    return _words(text, between).lstrip(f"{between}0123456789")[:longest].rstrip(between)


def standard_name(column: str, taken: Sequence[str] = ()) -> str:
    """The name that a request input or a label may have (`headwater.declare.Name`), and that isn't taken."""
    name = _words(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", column), "_")[:LONGEST].strip("_")
    name = name if re.match(r"[a-z]", name) else f"column_{name}".strip("_")
    number, unique = 1, name
    while unique in taken:
        number += 1
        unique = f"{name}_{number}"
    return unique


def _words(text: str, between: str) -> str:
    """Letters without their accents, small."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in letters if not unicodedata.combining(one))
    return re.sub(r"[^a-z0-9]+", between, plain).strip(between)
