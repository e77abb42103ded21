"""Statistics of a view's offline rows, feature by feature, kept in the lake once for each data version.

`headwater.features.offline.counting` makes them; to read them takes nothing heavier than botocore.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import AwareDatetime, Field

from headwater.lake.store import Objects
from headwater.values import Stored, Value

SHARES = (0.0, 0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99, 1.0)
"""The shares of values whose upper bounds are the quantiles."""
BARS = 16
"""How many parts of equal width the histogram has."""
TOP = 20
"""Number of a text's most frequent values that are listed."""


class FeatureStatistics(Value):
    """One feature's values over all offline rows."""

    missing: float
    """Share of the rows that have no value; 0 if there are no rows."""
    mean: float | None
    deviation: float | None
    """Standard deviation of the sample; None below two values."""
    distinct: int
    """Number of different values, within some percent (HyperLogLog)."""
    quantiles: tuple[float, ...]
    """At `SHARES`, between two values in proportion; empty if every row lacks the feature."""
    histogram: tuple[int, ...]
    """Values in each of `BARS` parts of equal width from the smallest to the largest; one part if all are alike. Of
    text there is none, nor are there `mean`, `deviation` and `quantiles`."""
    top: Mapping[str, int] = Field(default_factory=dict)
    """For text, the `TOP` most frequent values with their numbers of rows; equally frequent ones in order of their
    text."""

    @property
    def minimum(self) -> float | None:
        """The smallest value."""
        return self.quantiles[0] if self.quantiles else None

    @property
    def maximum(self) -> float | None:
        """The largest value."""
        return self.quantiles[-1] if self.quantiles else None


class Statistics(Stored):
    """A view's offline rows for a data version."""

    view: str
    version: str
    """Version of the view's definition."""
    data_version: str
    rows: int
    entities: int
    first_event: AwareDatetime | None
    last_event: AwareDatetime | None
    features: Mapping[str, FeatureStatistics]


def statistics_key(view: str, version: str, data_version: str) -> str:
    """Key of the statistics of a definition's rows for a data version of its sources."""
    return f"features/statistics/{view}/{data_version}-{version}.json"


def read_statistics(objects: Objects, view: str, version: str, data_version: str) -> Statistics | None:
    """The statistics that were kept; None if there are none."""
    known = objects.newest(statistics_key(view, version, data_version))
    if known is None:
        return None
    with TemporaryDirectory(prefix="headwater-statistics-") as scratch:
        path = Path(scratch) / "statistics.json"
        objects.fetch(known, path)
        return Statistics.model_validate_json(path.read_bytes())
