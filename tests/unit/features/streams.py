"""Rows that are streamed to a view, committed, and read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas

from headwater.declare import FeatureView
from headwater.features.online.store import OnlineStore
from headwater.features.stream.commits import StreamCommitter
from headwater.features.stream.rows import Streaming
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.monitoring.parity import Parity, ViewParity
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.features.shop import NOW, SECOND, features, products
from tests.unit.lake.world import FEATURES as TABLE
from tests.unit.lake.world import LAKE, REGISTRY, World

MIDNIGHT = datetime(2013, 1, 1, tzinfo=UTC)
DATASET = "streamed/last_sale"
WRITES = frozenset(
    {"PutObject", "DeleteObjects", "TransactWriteItems", "PutItem", "BatchExecuteStatement"}
)  # fmt: skip
Row = tuple[str, int, int, float | None]
"""Shop, hour of the event, hour from which on it is available, amount."""


def lake() -> Lake:
    return Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), pause=lambda _: None)


def stream(*rows: Row, view: FeatureView = SECOND, **more: Any) -> int:
    """Stream rows; how many entities changed online."""
    streaming = Streaming(
        products(view),
        OnlineStore(TABLE, CLIENTS, pause=lambda _: None),
        Arrivals(LAKE, CLIENTS),
        now=lambda: NOW + timedelta(days=1),
    )
    given = [
        {"shop": shop, "event_time": at(event), "available_time": at(available), "amount": amount, **more}
        for shop, event, available, amount in rows
    ]
    return streaming.ingest(view.name, given).written


def commit(**limits: int) -> int:
    """Commit what was streamed; how many calls it was."""
    return sum(
        done.calls
        for done in StreamCommitter(lake(), Arrivals(LAKE, CLIENTS), pause=lambda _: None, **limits).commit_all()
    )


def upload(world: World, name: str, rows: Sequence[tuple[str, int, float | None]]) -> None:
    lines = "".join(f"{shop},{at(hour):%Y-%m-%dT%H:%M:%S},{_text(amount)}\n" for shop, hour, amount in rows)
    lake().ingest(world.upload(f"landing/sales/{name}", f"shop,sold,amount\n{lines}"))


def at(hour: int) -> datetime:
    return MIDNIGHT + timedelta(hours=hour)


TICK = timedelta(microseconds=1)
"""After its available time a row is known."""


def amounts(
    shops: Sequence[str], hours: Sequence[int], view: FeatureView = SECOND, after: timedelta = TICK, **options: Any
) -> list[Any]:
    """What the point-in-time join says of each shop just after each hour."""
    asked = [(shop, at(hour) + after) for shop in shops for hour in hours]
    frame = pandas.DataFrame(asked, columns=["shop", "asked_at"])
    answers = features(view).historical(frame, ["last_sale.amount"], **options)["last_sale__amount"]
    return list(answers.to_pylist())


def _text(amount: float | None) -> str:
    return "" if amount is None else f"{amount:g}"


def check_parity() -> ViewParity:
    store, registry = OnlineStore(TABLE, CLIENTS), Table(REGISTRY, CLIENTS)
    (found,) = Parity(products(), lake(), store, registry, now=lambda: NOW).check()
    return found
