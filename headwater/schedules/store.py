"""The schedules that were deployed, and their ledger in the registry's table; the only calls to AWS here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel

from headwater.schedules.types import Definition, Effective, ScheduleState, TickRecord
from headwater.storage.clients import Clients
from headwater.storage.objects import Bucket, ObjectGone
from headwater.storage.table import ABSENT, Item, Table

DEFINITIONS = "stack/schedules/"
"""The deployment keeps each schedule's definition in the artifacts bucket, as ``<name>.json``."""
STATE, TICKS, DEFINED = "STATE", "TICK#", "DEFINITION#"


Entry = tuple[TickRecord, TickRecord | None]
"""A tick as it is to be, and as it was; None if it wasn't."""


class Deployed(NamedTuple):
    """A definition that was deployed."""

    definition: Definition
    since: datetime
    """When it was, UTC, in whole seconds."""


class DeployedSchedules:
    """The definitions in the artifacts bucket."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._bucket = Bucket(bucket, clients)

    def get(self, name: str) -> Deployed | None:
        """The schedule of that name; None if it isn't deployed, or not any more."""
        try:
            answer = self._bucket.get(f"{DEFINITIONS}{name}.json")
        except ObjectGone:
            return None
        return Deployed(Definition.model_validate_json(answer["Body"].read()), answer["LastModified"])

    def names(self) -> list[str]:
        """All names, sorted."""
        found = self._bucket.listed(DEFINITIONS)
        return sorted(entry["Key"].removeprefix(DEFINITIONS).removesuffix(".json") for entry in found)


@dataclass(frozen=True)
class Ledger:
    """Items under ``SCHEDULE#<name>``: ``STATE``, ``TICK#<time>``, ``DEFINITION#<time>``.

    Whatever changes goes through `write`: the state's write id in its condition makes writers wait for one another.
    """

    table: Table

    def state(self, name: str) -> ScheduleState | None:
        """The schedule's state; None before its first wake."""
        return self.table.document(_schedule(name), STATE, ScheduleState)

    def tick(self, name: str, key: str) -> TickRecord | None:
        """One tick; None if it isn't in the ledger."""
        return self.table.document(_schedule(name), key, TickRecord)

    def ticks(self, name: str, *, after: str = "") -> Iterator[TickRecord]:
        """Ticks in the order of their times, those later than the key ``after``."""
        return self.table.documents(_schedule(name), TICKS, TickRecord, after=after)

    def newest(self, name: str, number: int) -> list[TickRecord]:
        """The last ticks, newest first."""
        return self.table.last_documents(_schedule(name), TICKS, TickRecord, number)

    def definitions(self, name: str) -> list[Effective]:
        """Every definition that took effect, oldest first."""
        return list(self.table.documents(_schedule(name), DEFINED, Effective))

    def write(
        self,
        state: ScheduleState,
        before: ScheduleState | None,
        *,
        ticks: Sequence[Entry] = (),
        defined: Effective | None = None,
    ) -> bool:
        """Write the state and ticks, all or nothing, unless the state or a tick isn't what it was before.

        Returns
        -------
        bool
            False if others wrote first, or nobody knows: read again. A state that is there with this one's write id
            is this very write.
        """
        pk = _schedule(state.definition.name)
        item = _item(pk, STATE, state, write_id=state.write)
        writes = [self.table.put_over(item, "write_id", before.write if before else None)]
        for record, was in ticks:
            item = _item(pk, record.key, record, changed=_changed(record))
            writes.append(self.table.put_over(item, "changed", _changed(was) if was else None))
        if defined is not None:
            # The write id tells two definitions of the same second apart.
            key = f"{DEFINED}{defined.since:%Y-%m-%dT%H:%M:%S.%f}Z#{state.write}"
            writes.append(self.table.put(_item(pk, key, defined), only_if=ABSENT))
        return self.table.applied(writes)


def _item(pk: str, sk: str, value: BaseModel, **more: str) -> Item:
    return {"pk": pk, "sk": sk, "document": value.model_dump_json(), **more}


def _schedule(name: str) -> str:
    return f"SCHEDULE#{name}"


def _changed(record: TickRecord) -> str:
    return f"{record.status.value}#{record.attempt}#{record.run}"
