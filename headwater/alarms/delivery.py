"""Sends notifications from the outbox: one try at a time, in a group's order, and to a fallback if one is given up."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta
from typing import Any, Protocol

from headwater.alarms.errors import NotificationFailed
from headwater.alarms.service import to_send
from headwater.alarms.store import AlarmStore
from headwater.alarms.timers import Sender
from headwater.alarms.types import DeliveryStatus, Kind, Notice, Notification
from headwater.clock import Clock, utc_now
from headwater.declare.alarms import Alarms
from headwater.declare.receivers import GIVE_UP_AFTER

LEASE = timedelta(minutes=2)
"""How long nobody else tries what somebody is sending: the function's time-out."""
LONGEST_PAUSE = 900.0
_NOTES = 12
"""Tries to note what became of a notification: some ten seconds."""


class Channel(Protocol):
    """A way to tell one receiver."""

    def send(self, notification: Notification, before: Notification | None) -> str:
        """Tell the receiver, once; the receiver's own id of what it was sent, if there is one.

        Parameters
        ----------
        notification : Notification
            To be sent.
        before : Notification or None
            The group's notification before.

        Raises
        ------
        NotificationFailed
            The receiver wasn't told, as far as is known.
        """


class Letters(Protocol):
    """Where it is left what nobody could be told."""

    def send(self, message: dict[str, Any]) -> None:
        """Leave it there."""


@dataclass(frozen=True)
class Delivery:
    """Sends notifications.

    A notification is sent again only if it isn't known whether it was sent: the function died between the receiver's
    answer and the note of it. The key of both tries is the same, and receivers that know such keys drop the second.
    """

    store: AlarmStore
    """The outbox."""
    queue: Sender
    """Brings a notification back for its next try."""
    declared: Alarms
    """Receivers."""
    channels: Mapping[str, Channel]
    """By the receiver's name."""
    dead_letters: Letters
    """Where notifications end that were given up."""
    _: KW_ONLY
    now: Clock = utc_now
    link: Callable[[Notice, str], str] = lambda _notice, _receiver: ""
    """Where a notice's group can be acknowledged by a receiver; empty: nowhere."""
    chance: Callable[[], float] = random.random
    """Gives numbers from 0 to 1."""
    pause: Callable[[float], None] = time.sleep

    def deliver(self, group: str, generation: int, receiver: str) -> DeliveryStatus | None:
        """Try once to send a notification; its state afterwards, None if there is none."""
        notification = self.store.notification(group, generation, receiver)
        if notification is None or notification.status.is_over:
            return notification.status if notification else None
        now = self.now()
        before = self._before(notification)
        waits_until = notification.next_at
        if before is not None and not before.status.is_over:
            waits_until = max(filter(None, (waits_until, before.next_at, now + timedelta(seconds=5))))
        if waits_until is not None and waits_until > now:
            self.queue.send(to_send(notification), delay=min(waits_until - now, timedelta(seconds=LONGEST_PAUSE)))
            return notification.status
        claimed = _next(notification, status=DeliveryStatus.SENDING, next_at=now + LEASE)
        if not self.store.change_notification(claimed, notification):
            # Somebody else is at it, or has been; what to do then is known on the next look.
            self.queue.send(to_send(notification), delay=timedelta(seconds=5))
            return notification.status
        return self._send(claimed, before)

    def _before(self, notification: Notification) -> Notification | None:
        if notification.previous is None:
            return None
        return self.store.notification(notification.notice.group, notification.previous, notification.receiver)

    def _send(self, claimed: Notification, before: Notification | None) -> DeliveryStatus:
        channel = self.channels.get(claimed.receiver)
        try:
            if channel is None:
                raise NotificationFailed(f"there is no receiver {claimed.receiver!r} any more", final=True)
            reference = channel.send(self._linked(claimed), before)
        except NotificationFailed as failure:
            return self._failed(claimed, failure)
        sent = _next(claimed, status=DeliveryStatus.SENT, next_at=None, reference=reference, problem="")
        self._keep(sent, claimed)
        return sent.status

    def _linked(self, claimed: Notification) -> Notification:
        notice = claimed.notice
        if notice.kind in {Kind.RECOVERED, Kind.TEST}:
            return claimed
        linked = notice.model_copy(update={"ack_url": self.link(notice, claimed.receiver)})
        return claimed.model_copy(update={"notice": linked})

    def _failed(self, claimed: Notification, failure: NotificationFailed) -> DeliveryStatus:
        now, attempts = self.now(), claimed.attempts + 1
        if failure.final or now - claimed.notice.at >= GIVE_UP_AFTER:
            return self._give_up(claimed, failure.message)
        # Full jitter: receivers that many notifications wait for aren't asked by all at once.
        pause = max(self.chance() * min(LONGEST_PAUSE, 5.0 * 2**attempts), min(failure.retry_after, LONGEST_PAUSE), 1.0)
        waiting = _next(
            claimed,
            status=DeliveryStatus.PENDING,
            attempts=attempts,
            next_at=now + timedelta(seconds=pause),
            problem=failure.message,
        )
        self._keep(waiting, claimed)
        self.queue.send(to_send(waiting), delay=timedelta(seconds=pause))
        return waiting.status

    def _give_up(self, claimed: Notification, problem: str) -> DeliveryStatus:
        failed = _next(
            claimed, status=DeliveryStatus.FAILED, next_at=None, problem=problem, attempts=claimed.attempts + 1
        )
        declared = self.declared.receiver(claimed.receiver)
        fallback = declared.fallback if declared else None
        instead = None
        if fallback is not None and fallback not in claimed.instead_of:
            instead = Notification(
                notice=claimed.notice, receiver=fallback, instead_of=(*claimed.instead_of, claimed.receiver)
            )
        # Before the note: given up and forgotten is worse than given up twice.
        self.dead_letters.send({"source": "headwater.alarms", "problem": problem, **to_send(claimed)})
        self._keep(failed, claimed, instead)
        if instead is not None:
            self.queue.send(to_send(instead))
        return failed.status

    def _keep(self, after: Notification, before: Notification, instead: Notification | None = None) -> None:
        """Note what became of a try: stubbornly, for what isn't noted is sent again."""
        problem = "somebody else changed it"
        for number in range(_NOTES):
            try:
                if self.store.change_notification(after, before, instead):
                    return
                notice = after.notice
                if self.store.notification(notice.group, notice.generation, after.receiver) == after:
                    return
            except Exception as error:  # Throttled, or the network: whatever it is, the receiver was asked already.
                problem = f"{type(error).__name__}: {error}"
            self.pause(self.chance() * min(2.0, 0.05 * 2**number))
        raise NotificationFailed(f"{after.key} is {after.status.value}, which couldn't be noted: {problem}")


def _next(notification: Notification, **changes: object) -> Notification:
    return notification.model_copy(update={"version": notification.version + 1, **changes})
