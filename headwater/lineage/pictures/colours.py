"""One colour for each kind of node, the same in every picture."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Colour(NamedTuple):
    """A colour that has a contrast of at least 4.5 to 1 with the ground of each world."""

    light: str
    """On white."""
    dark: str
    """On nearly black."""
    terminal: str
    """The name of one of the sixteen colours that every terminal has."""


OTHERS: Sequence[Colour] = (
    Colour("#4338ca", "#a5b4fc", "blue"),
    Colour("#86198f", "#f0abfc", "magenta"),
    Colour("#155e75", "#67e8f9", "cyan"),
    Colour("#9a3412", "#fdba74", "red"),
)

KINDS: Mapping[str, Colour] = {
    "file": Colour("#64748b", "#cbd5e1", "white"),
    "data": Colour("#1d4ed8", "#93c5fd", "bright_blue"),
    "definition": Colour("#a16207", "#fcd34d", "yellow"),
    "batch": Colour("#365314", "#d9f99d", "green"),
    "view": Colour("#0f766e", "#5eead4", "bright_cyan"),
    "set": Colour("#0369a1", "#7dd3fc", "cyan"),
    "run": Colour("#c2410c", "#fdba74", "bright_yellow"),
    "decision": Colour("#9f1239", "#fda4af", "bright_red"),
    "model": Colour("#6d28d9", "#c4b5fd", "bright_magenta"),
    "prediction": Colour("#dc2626", "#fca5a5", "bright_red"),
    "image": Colour("#be185d", "#f9a8d4", "magenta"),
    "bundle": Colour("#4d7c0f", "#bef264", "green"),
    "code": Colour("#15803d", "#86efac", "bright_green"),
    "infra": Colour("#78350f", "#e0b88a", "red"),
    "foreign": Colour("#57534e", "#d6d3d1", "bright_white"),
}


def colour_of(kind: str) -> Colour:
    """The colour of a kind; a kind that isn't known here has one by its name, so that a new kind needs no change."""
    if kind in KINDS:
        return KINDS[kind]
    number = hashlib.sha256(kind.encode("utf-8", "surrogatepass")).digest()[0]
    return OTHERS[number % len(OTHERS)]
