"""A table in memory, with the verbs of `headwater.storage.table.Table` that the index uses; facts made at random."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.storage.environment import CLIENTS

START = datetime(2026, 1, 1, tzinfo=UTC)
PLACES = Places(registry_table="registry", lake_bucket="lake", artifacts_bucket="artifacts", clients=CLIENTS)


class MemoryTable:
    """Items by key, read in the order of their sort keys' bytes."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.reads = 0

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        self.reads += 1
        return self.items.get((pk, sk))

    def query(self, pk: str, prefix: str, *, after: str = "", page_size: int = 1000) -> Iterator[dict[str, Any]]:
        self.reads += 1
        found = [item for (key, sk), item in self.items.items() if key == pk and sk.startswith(prefix) and sk > after]
        yield from sorted(found, key=lambda item: str(item["sk"]).encode())

    def put_all(self, items: Iterable[Mapping[str, Any]]) -> None:
        self.items |= {(item["pk"], item["sk"]): dict(item) for item in items}

    def delete_all(self, keys: Iterable[tuple[str, str]]) -> None:
        for key in keys:
            self.items.pop(key, None)


@dataclass
class Facts:
    """A log of made facts."""

    told: list[Told]
    name: str = "made"
    is_ordered: bool = True
    calls: int = field(default=0)

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], Told]]]:
        for number, told in enumerate(self.told):
            if (position := f"{number:06d}") > after:
                yield position, partial(self._tell, told)

    def _tell(self, told: Told) -> Told:
        self.calls += 1
        return told


def contribution(*logs: Log[Told]) -> Mapping[str, Contribution]:
    """A capability with those logs."""
    return {"made": Contribution(kinds=[NodeKind("thing", "thing:<name>@<version>", "")], logs=lambda _: logs)}


def random_facts(seed: int, *, nodes: int = 30, facts: int = 40) -> list[Told]:
    """Facts about things with several versions; what was made later is made from what was made before."""
    chosen = random.Random(seed)
    known = [Node("thing", f"n{number % 7}", str(number)) for number in range(nodes)]
    made = []
    for number in range(facts):
        low, high = sorted(chosen.sample(range(nodes), 2))
        at = START + timedelta(hours=chosen.randrange(200))
        seen = at + timedelta(hours=chosen.randrange(50))
        edge = Edge(known[high], chosen.choice(list(Role)), known[low], at, seen, f"fact-{number}")
        about = [Known(known[high], at, seen, f"fact-{number}", {"by": "ann"})] if chosen.random() < 0.3 else []
        made.append(Told([edge], about))
    return made
