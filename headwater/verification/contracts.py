"""The contract of the verification's source."""

from __future__ import annotations

import pandera.pandas as pa

from headwater.verification import UNIT

ROWS = pa.DataFrameSchema(
    {
        UNIT: pa.Column(str),
        "happened_at": pa.Column("datetime64[ns, UTC]"),
        "size": pa.Column(float, pa.Check.in_range(0, 100)),
        "level": pa.Column(float, pa.Check.in_range(0, 100)),
        # Missing in a unit's first row, before which no level is known.
        "outcome": pa.Column(float, nullable=True),
    },
    coerce=True,
)
