"""Items of a table as a log of facts, read in the order of their sort keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from headwater.storage.table import Table

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ItemLog(Generic[T]):
    """The items under ``pk`` whose ``sk`` starts with ``prefix``, as a `headwater.graph.Log`."""

    name: str
    table: Table
    pk: str
    prefix: str
    tell: Callable[[dict[str, Any]], T]
    """Reads the facts out of an item."""
    is_ordered: bool

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], T]]]:
        """See `headwater.graph.Log`."""
        for item in self.table.query(self.pk, self.prefix, after=after):
            yield item["sk"], partial(self.tell, item)
