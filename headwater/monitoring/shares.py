"""Intervals of shares, without NumPy: `import headwater` leads here."""

from __future__ import annotations

import math

Z = 1.959963984540054
"""The normal quantile of 97.5%: two sides of 2.5% are left out of an interval of 95%."""


def wilson(share: float, rows: float) -> tuple[float, float]:
    """The 95% interval of a share (E. Wilson, Journal of the American Statistical Association 22, 1927).

    Parameters
    ----------
    share : float
        From 0 to 1.
    rows : float
        Rows that it is a share of, above 0; weighted ones needn't be whole.
    """
    square = Z * Z
    centre = (share + square / (2 * rows)) / (1 + square / rows)
    half = Z / (1 + square / rows) * math.sqrt(share * (1 - share) / rows + square / (4 * rows * rows))
    # Rounding would leave 1e-18 where nothing was seen.
    return (0.0 if share == 0 else max(0.0, centre - half)), (1.0 if share == 1 else min(1.0, centre + half))
