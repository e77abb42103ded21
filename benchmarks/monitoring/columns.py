"""A million rows of twenty columns, the same for both sides: sixteen of numbers, four of text. Plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

NUMBERS, WORDS, VOCABULARY = 16, 4, 60


def columns(rows: int, seed: int) -> dict[str, Any]:
    """Columns by name."""
    draw = np.random.default_rng(seed)
    words = np.asarray([f"word {number}" for number in range(VOCABULARY)], dtype=object)
    made: dict[str, Any] = {f"n{place}": draw.normal(size=rows) * 10.0 ** (place % 5) for place in range(NUMBERS)}
    return made | {f"c{place}": words[draw.integers(0, VOCABULARY, rows)] for place in range(WORDS)}
