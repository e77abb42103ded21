"""Heartbeats and pings in the registry's table; calls AWS.

Items under ``ALARM#HEARTBEATS`` and ``ALARM#PINGS``: ``ID#<name>``.
"""

from __future__ import annotations

from collections.abc import Iterator

from headwater.alarms.alive.types import HeartbeatState, PingState
from headwater.storage.table import Table

HEARTBEATS, PINGS = "ALARM#HEARTBEATS", "ALARM#PINGS"


class AliveStore:
    """The newest beat of each heartbeat, and the newest ping to each address."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def heartbeat(self, name: str) -> HeartbeatState | None:
        """A heartbeat; None if nobody waited for it yet."""
        return self._table.document(HEARTBEATS, f"ID#{name}", HeartbeatState)

    def heartbeats(self) -> Iterator[HeartbeatState]:
        """Every heartbeat that was ever waited for."""
        return self._table.documents(HEARTBEATS, "ID#", HeartbeatState)

    def keep_heartbeat(self, after: HeartbeatState, before: HeartbeatState | None) -> bool:
        """Keep the next version; False if somebody else did first, or the answer was lost: read again."""
        version = None if before is None else before.version
        return self._keep(HEARTBEATS, after.name, after.version, version, after.model_dump_json())

    def ping(self, name: str) -> PingState | None:
        """The pings to an address; None before the first."""
        return self._table.document(PINGS, f"ID#{name}", PingState)

    def keep_ping(self, after: PingState, before: PingState | None) -> bool:
        """Keep the next turn; False if somebody else did first, or the answer was lost: read again."""
        turn = None if before is None else before.turn
        return self._keep(PINGS, after.name, after.turn, turn, after.model_dump_json())

    def _keep(self, pk: str, name: str, version: int, before: int | None, document: str) -> bool:
        item: dict[str, str | int | None] = {"pk": pk, "sk": f"ID#{name}", "version": version, "document": document}
        return self._table.write(self._table.put_over(item, "version", before))
