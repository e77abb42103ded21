"""The statuses of all models, from the registry table."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.monitoring.dashboards.openmetrics import Sample
from headwater.monitoring.status import Status
from headwater.registry.service import Registry
from headwater.storage.table import Table

_KEY, _ATTRIBUTE = "STATUS", "status"


class Statuses:
    """Reads what the hourly look wrote of each registered model.

    Parameters
    ----------
    table : Table
        The registry table.
    """

    def __init__(self, table: Table) -> None:
        self._table, self._registry = table, Registry(table)

    def of(self, model: str) -> Status | None:
        """The model's status; None if it wasn't looked at yet."""
        item = self._table.get(f"WATCH#{model}", _KEY)
        return None if item is None else Status.model_validate_json(item[_ATTRIBUTE])

    def all(self) -> Iterator[Status]:
        """The statuses of all registered models that were looked at, by the models' names."""
        for model in self._registry.models():
            if (status := self.of(model)) is not None:
                yield status

    def samples(self) -> Iterator[Sample]:
        """The statuses with the moments at which the models were looked at."""
        for status in self.all():
            yield Sample(status.at, status)
