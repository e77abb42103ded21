"""The alarm manager: keeps every event, decides who hears of it, and tells each recipient once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from headwater.alarms.errors import AlarmBusy, NotificationFailed
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import AlarmEvent, AlarmRecord, AlarmStanding, AlarmState, Decision

_TRIES = 10


class Recipient(Protocol):
    """Somebody who is told."""

    @property
    def id(self) -> str:
        """Stays the same as long as it is the same recipient."""

    @property
    def name(self) -> str:
        """The channel's name in logs; holds no secret."""

    def tell(self, record: AlarmRecord) -> None:
        """Tell it; anything raised means that it wasn't told."""


class AlarmManager:
    """Decides who hears of an alarm.

    An alarm is told at once; while people know of it, repeats within ``repeat_after`` are counted instead. A recovery
    is told if people know of the alarm, but only one within ``repeat_after``: of an alarm that comes and goes, people
    keep the last word "ALARM", never a wrong "OK".

    Events may come twice and in any order: times are those of the state changes, not of their messages.

    Parameters
    ----------
    store : AlarmStore
        Events and standings.
    recipients : sequence of Recipient
        Who is told.
    repeat_after : timedelta
        How long an alarm is not told again.
    """

    def __init__(self, store: AlarmStore, recipients: Sequence[Recipient], *, repeat_after: timedelta) -> None:
        self._store, self._recipients, self._repeat_after = store, tuple(recipients), repeat_after

    def handle(self, event: AlarmEvent) -> AlarmRecord:
        """Keep ``event``, decide, and tell each recipient who doesn't know yet.

        Raises
        ------
        NotificationFailed
            Some recipients couldn't be told; all others were. The same event again tells only the missing ones.
        AlarmBusy
            Other events of the alarm kept coming first; nothing of this one was kept.
        """
        record = self._decide(event)
        if record.decision.tells:
            self._tell(record)
        return record

    def _decide(self, event: AlarmEvent) -> AlarmRecord:
        for _ in range(_TRIES):
            if known := self._store.record(event):
                return known
            before = self._store.standing(event.name)
            record, standing = judge(event, before, self._repeat_after)
            if self._store.decide(record, standing, before):
                return record
        raise AlarmBusy(f"alarm {event.name!r}: {_TRIES} times another event came first")

    def _tell(self, record: AlarmRecord) -> None:
        failures: list[tuple[str, Exception]] = []
        for recipient in self._recipients:
            if self._store.was_told(record.event, recipient.id):
                continue
            try:
                recipient.tell(record)
            except Exception as error:  # One that fails mustn't keep the others from hearing of it.
                failures.append((recipient.name, error))
            else:
                self._store.mark_told(record.event, recipient.id)
        if failures:
            words = "; ".join(f"{name}: {error}" for name, error in failures)
            raise NotificationFailed(
                f"alarm {record.event.name!r}: {len(failures)} of {len(self._recipients)} recipients weren't told: "
                f"{words}"
            ) from failures[0][1]


def judge(
    event: AlarmEvent, before: AlarmStanding | None, repeat_after: timedelta
) -> tuple[AlarmRecord, AlarmStanding | None]:
    """The decision about ``event``, and the alarm's standing afterwards (None: as before)."""
    if event.state is AlarmState.UNKNOWN:
        return AlarmRecord(event=event, decision=Decision.NOTIFIED), None
    if before is not None and event.at < before.at:
        return AlarmRecord(event=event, decision=Decision.OUTDATED), None
    decision = _decision(event, before, repeat_after)
    suppressed = before.suppressed if before else 0
    told = before.told if before else None
    alarmed_at = before.alarmed_at if before else None
    recovered_at = before.recovered_at if before else None
    if decision is Decision.NOTIFIED:
        told, alarmed_at = AlarmState.ALARM, event.at
    elif decision is Decision.RECOVERED:
        told, recovered_at = AlarmState.OK, event.at
    standing = AlarmStanding(
        name=event.name,
        state=event.state,
        at=event.at,
        event_id=event.id,
        told=told,
        alarmed_at=alarmed_at,
        recovered_at=recovered_at,
        suppressed=0 if decision.tells else suppressed + (decision is Decision.SUPPRESSED),
    )
    return AlarmRecord(event=event, decision=decision, suppressed=suppressed), standing


def _decision(event: AlarmEvent, before: AlarmStanding | None, repeat_after: timedelta) -> Decision:
    told = before.told if before else None

    def recently(moment: datetime | None) -> bool:
        return moment is not None and event.at - moment < repeat_after

    if event.state is AlarmState.ALARM:
        known = before is not None and told is AlarmState.ALARM and recently(before.alarmed_at)
        return Decision.SUPPRESSED if known else Decision.NOTIFIED
    if event.state is AlarmState.OK and before is not None and told is AlarmState.ALARM:
        return Decision.SUPPRESSED if recently(before.recovered_at) else Decision.RECOVERED
    return Decision.RECORDED
