"""A storm of alarms: who hears of what, and how often.

``python -m benchmarks.alarms [--alarms 10000] [--throttled 0.2]`` fires alarms within a minute, each delivered once, a
tenth of them twice, in any order; that share of the table's calls is throttled, and what fails is delivered again. It
counts the groups beside those that Alertmanager's rules make of the labels, notifications that were lost, and doubles.
"""

from __future__ import annotations

import argparse
import heapq
import random
import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import Console
from rich.table import Table as Shown

from benchmarks.alarms.table import FastTable, Throttled
from headwater.alarms.delivery import Delivery
from headwater.alarms.errors import AlarmBusy, NotificationFailed
from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import Group, Notice, Notification
from headwater.declare.alarms import Alarms, Email, Route

START = datetime(2026, 1, 1, tzinfo=UTC)
PER_GROUP = 100


class Storm:
    """A minute of alarms, and the hour after it, on a clock that is moved."""

    def __init__(self, alarms: int, throttled: float, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now, self.order, self.retries = START, 0, 0
        self.waiting: list[tuple[datetime, int, dict[str, Any]]] = []
        route = Route(receivers=("pager",), group_by=("model",))
        # No digest: the groups are counted one by one.
        declared = Alarms(receivers=(Email(name="pager"),), route=route, storm_groups=1_000_000)
        self.table = FastTable(throttled, seed)
        self.store = store = AlarmStore(self.table)
        self.keys, self.heard = Counter[str](), dict[str, list[Notice]]()
        self.manager = AlarmManager(store, self, declared, now=lambda: self.now)
        self.delivery = Delivery(
            store,
            self,
            declared,
            {"pager": self},
            self,
            now=lambda: self.now,
            chance=self.chance.random,
            pause=lambda _: None,
        )
        self.alarms = alarms

    def send(self, message: Any, before: Any = None, *, delay: timedelta = timedelta(0), name: str = "") -> str:  # noqa: ARG002
        """The queue, the receiver, and the dead letters."""
        if isinstance(message, Notification):
            self.keys[message.key] += 1
            self.heard.setdefault(message.notice.group, []).append(message.notice)
            return ""
        self.order += 1
        heapq.heappush(self.waiting, (self.now + delay, self.order, message))
        return ""

    def run(self) -> None:
        """Fire, shuffle, deliver, retry."""
        for number in range(self.alarms):
            at = START + timedelta(seconds=60 * number / self.alarms)
            labels = {"model": f"m{number % (self.alarms // PER_GROUP)}", "number": str(number)}
            event = AlarmEvent(name="drift", state=AlarmState.ALARM, at=at, id=str(number), labels=labels)
            for _ in range(2 if number % 10 == 0 else 1):
                late = timedelta(seconds=self.chance.uniform(0, 5))
                self.order += 1
                heapq.heappush(self.waiting, (at + late, self.order, {"event": event}))
        end = START + timedelta(hours=1)
        while self.waiting and self.waiting[0][0] <= end:
            due, _, message = heapq.heappop(self.waiting)
            self.now = max(self.now, due)
            try:
                self._handle(message)
            except (Throttled, AlarmBusy, NotificationFailed):
                self.retries += 1
                self.order += 1
                pause = timedelta(seconds=self.chance.uniform(1, 30))
                heapq.heappush(self.waiting, (self.now + pause, self.order, message))

    def outcome(self) -> tuple[list[Group], int, int]:
        """The groups, how many alarms and notifications were lost, and how many were sent twice."""
        self.table.share = 0.0
        groups = list(self.store.groups())
        told = {fingerprint for group in groups for fingerprint in group.told}
        kept = [one for group in groups for one in self.store.notifications(group.id)]
        lost = self.alarms - len(told) + sum(one.status.value != "SENT" for one in kept)
        return groups, lost, sum(self.keys.values()) - len(self.keys)

    def _handle(self, message: Mapping[str, Any]) -> None:
        if "event" in message:
            self.manager.handle(message["event"])
        elif "notify" in message:
            self.delivery.deliver(**message["notify"])
        else:
            self.manager.look(message["group"], message["turn"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=10_000)
    parser.add_argument("--throttled", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    storm = Storm(given.alarms, given.throttled, given.seed)
    began = time.process_time()
    storm.run()
    seconds = time.process_time() - began
    groups, lost, doubled = storm.outcome()
    models = {notices[0].labels["model"] for notices in storm.heard.values()}
    members = {group.id: len(storm.store.members(group.id)) for group in groups}
    shown = Shown(
        "what", "seen", "wanted", title=f"{given.alarms:,} alarms in a minute, {given.throttled:.0%} throttled"
    )
    wanted = given.alarms // PER_GROUP
    shown.add_row("groups that people heard of", f"{len(models):,}", f"{wanted:,}")
    shown.add_row(
        "groups with all of their alarms", f"{sum(n == PER_GROUP for n in members.values()):,}", f"{wanted:,}"
    )
    shown.add_row("lost alarms and notifications", f"{lost:,}", "0")
    shown.add_row("notifications sent twice", f"{doubled:,}", "0")
    shown.add_row("notifications", f"{sum(storm.keys.values()):,}", "")
    shown.add_row("calls of the table, throttled", f"{storm.table.calls:,}, {storm.table.throttles:,}", "")
    shown.add_row("deliveries that failed and came again", f"{storm.retries:,}", "")
    shown.add_row("processor's time, s", f"{seconds:.1f}", "")
    Console().print(shown)
    if lost or doubled or len(models) != wanted:
        raise SystemExit("a notification was lost or doubled, or a group is missing")


if __name__ == "__main__":
    main()
