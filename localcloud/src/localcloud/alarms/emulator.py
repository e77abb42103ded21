"""The emulator that evaluates alarms: at the end of each of their periods, and whenever the clock is moved past one."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.cloudwatch.models import Alarm, CloudWatchBackend, cloudwatch_backends

from localcloud.alarms import moto_patches, queues, reports
from localcloud.alarms.evaluate import BREACHES, decide, evaluation_range
from localcloud.alarms.expressions import NotUnderstood
from localcloud.alarms.metrics import Metrics, Point, floor
from localcloud.alarms.plan import Plan
from localcloud.alarms.reports import Change, Situation, situation
from localcloud.events import EventsEmulator, targets
from localcloud.events.delivery import Delivery
from localcloud.events.permissions import check_may_invoke
from localcloud.moto_patches.patches import Patches

if TYPE_CHECKING:
    from localcloud.context import CloudContext

logger = logging.getLogger(__name__)


@dataclass
class _Watch:
    """What is known of one alarm between evaluations."""

    alarm: Alarm
    plan: Plan
    made: datetime
    evaluated: datetime | None = None
    """The end of the last period that was looked at."""
    is_settled: bool = False
    """Looking again would say the same until there is new data."""
    wakes: datetime | None = None
    """When a settled alarm is evaluated again, because its queue was seen to change."""


class AlarmsEmulator:
    """CloudWatch's metric alarms.

    An alarm with nothing to look at isn't evaluated again until there is data, so that moving the clock by months costs
    no more than what happened in them.
    """

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud
        self._patches = Patches()
        self._made: dict[str, datetime] = {}
        self._watches: dict[str, _Watch] = {}
        self.metrics = Metrics()
        self.history: list[dict[str, Any]] = []

    def open(self) -> None:
        moto_patches.apply(self._patches)
        moto_patches.active.emulator = self
        clock = self._cloud.clock
        clock.keep(self)
        attend = partial(clock.attend, self, self._cloud.stopped)
        threading.Thread(target=attend, name="alarms", daemon=True).start()

    def close(self) -> None:
        moto_patches.active.emulator = None
        self._patches.close()
        self._cloud.clock.forget(self)

    def remember(self) -> Any:
        """For the state on disk: when alarms were made, and what became of them."""
        return {"made": dict(self._made), "history": list(self.history)}

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned."""
        self._made.update(remembered["made"])
        self.history += remembered["history"]

    def now(self) -> datetime:
        """The cloud's time."""
        return self._cloud.clock.now()

    def backend(self) -> CloudWatchBackend:
        """Moto's CloudWatch in the cloud's account and region."""
        return cloudwatch_backends[self._cloud.account_id][self._cloud.region]

    def note(self, name: str) -> None:
        """An alarm was made or changed just now."""
        self._made[name] = self.now()

    # The clock's appointments

    def next_due(self) -> datetime | None:
        with self._cloud.dispatcher.lock:
            self._look()
            return min((due for watch in self._watches.values() if (due := self._due(watch)) is not None), default=None)

    def run_due(self, now: datetime) -> None:
        changes = []
        with self._cloud.dispatcher.lock:
            self._look()
            for watch in list(self._watches.values()):
                due = self._due(watch)
                if due is not None and due <= now and (change := self._evaluate(watch, now)) is not None:
                    changes.append(change)
        for change in changes:
            self._announce(change, self._cloud.emulator(EventsEmulator).deliveries.deliver)

    def _look(self) -> None:
        backend = self.backend()
        self.metrics.read(backend.metric_data)
        for name, alarm in backend.alarms.items():
            known = self._watches.get(name)
            if alarm.rule is None and (known is None or known.alarm is not alarm):
                self._watches[name] = _Watch(alarm, Plan.of(alarm), self._made.get(name) or self.now())
        for gone in set(self._watches) - set(backend.alarms):
            del self._watches[gone]

    def _due(self, watch: _Watch) -> datetime | None:
        step = timedelta(seconds=watch.plan.period)
        if watch.evaluated is None:
            return floor(watch.made, watch.plan.period) + step
        following = watch.evaluated + step
        if not watch.is_settled:
            return following
        if any(queues.has_changed(self._cloud, self.metrics, query.series) for query in watch.plan.queries):
            watch.wakes = watch.wakes or max(following, floor(self.now(), watch.plan.period) + step)
            return watch.wakes
        horizon = following - step * evaluation_range(int(watch.alarm.evaluation_periods))
        if any(queues.is_gauge(query.series) for query in watch.plan.queries):
            return None
        firsts = [self.metrics.first_since(query.series, horizon) for query in watch.plan.queries]
        found = [floor(first, watch.plan.period) + step for first in firsts if first is not None]
        return max(following, min(found)) if found else None

    def _evaluate(self, watch: _Watch, now: datetime) -> Change | None:
        """Look at the alarm's latest periods; the change of state, which moto's alarm then already has."""
        alarm, plan = watch.alarm, watch.plan
        end = floor(now, plan.period)
        needed = int(alarm.evaluation_periods)
        periods = evaluation_range(needed)
        for query in plan.queries:
            queues.sample(self._cloud, self.metrics, query.series, end=end, period=plan.period, periods=periods)
        self.metrics.read(self.backend().metric_data)
        try:
            points = plan.points(self.metrics, periods=periods, end=end)
        except (NotUnderstood, ValueError) as error:
            logger.warning("alarm %s isn't evaluated: %s", alarm.name, error)
            points = [None] * periods
        watch.evaluated, watch.wakes = end, None
        breaches = BREACHES.get(alarm.comparison_operator)
        if breaches is None:
            logger.warning("alarm %s: the local cloud can't compare %s", alarm.name, alarm.comparison_operator)
            watch.is_settled = True
            return None
        state = decide(
            [None if point is None else breaches(point.value, float(alarm.threshold)) for point in points],
            evaluation_periods=needed,
            datapoints_to_alarm=int(alarm.datapoints_to_alarm or needed),
            treatment=alarm.treat_missing_data or "missing",  # type: ignore[arg-type]
        )
        is_changed = state is not None and state != alarm.state_value
        values = {None if point is None else point.value for point in points}
        is_steady = any(queues.is_gauge(query.series) for query in plan.queries) and len(values) == 1
        watch.is_settled = values == {None} or (is_steady and not is_changed)
        if state is None or not is_changed:
            return None
        evaluated, starts = _counted(points, needed, end, plan.period)
        before = situation(alarm)
        alarm.update_state(
            reports.reason(alarm, state, evaluated),
            reports.reason_data(alarm, evaluated, starts, plan.period, now),
            state,
        )
        return self.changed(alarm, before)

    # Telling

    def changed(self, alarm: Alarm, before: Situation) -> Change:
        """Note in the alarm's history that it was in ``before`` and now is in another state."""
        stamp = self.now().replace(tzinfo=None)  # moto's times have no zone
        alarm.state_updated_timestamp = stamp
        alarm.state_transitioned_timestamp = stamp  # type: ignore[attr-defined]
        change = Change(alarm, before, situation(alarm), self._cloud.account_id, self._cloud.region)
        self.history.insert(0, reports.history_item(change))
        return change

    def was_set(self, alarm: Alarm, before: Situation) -> None:
        """Somebody called SetAlarmState; called under the dispatcher's lock."""
        if (watch := self._watches.get(alarm.name)) is not None:
            watch.is_settled = False  # the next evaluation takes the state back
        if alarm.state_value != before.value:
            self._announce(self.changed(alarm, before), self._cloud.emulator(EventsEmulator).deliveries.post)

    def _announce(self, change: Change, carry: Callable[[Delivery], None]) -> None:
        alarm = change.alarm
        self._cloud.emulator(EventsEmulator).publish(
            "aws.cloudwatch", "CloudWatch Alarm State Change", reports.detail(change), resources=[alarm.alarm_arn]
        )
        if not alarm.actions_enabled:
            return
        actions = {
            "ALARM": alarm.alarm_actions,
            "OK": alarm.ok_actions,
            "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
        }[change.after.value]
        for action in actions:
            carry(Delivery(what=f"alarm {alarm.name} -> {action}", send=partial(self._act, change, action)))

    def _act(self, change: Change, action: str, _: int) -> None:
        service = targets.Arn.parse(action).service
        if service == "sns":
            try:
                self._cloud.client("sns").publish(
                    TopicArn=action, Subject=reports.sns_subject(change), Message=reports.sns_message(change)
                )
            except Exception as error:
                raise targets.translate(error) from error
        elif service == "lambda":
            principal = "lambda.alarms.cloudwatch.amazonaws.com"
            check_may_invoke(self._cloud, action, principal, change.alarm.alarm_arn)
            targets.send(self._cloud, targets.TargetRequest(action, json.dumps(reports.function_event(change))))
        else:
            logger.warning("alarm %s: the local cloud can't do %s", change.alarm.name, action)


def _counted(
    points: list[Point | None], needed: int, end: datetime, period: int
) -> tuple[list[Point | None], list[datetime]]:
    """The ``needed`` datapoints that decided, missing ones only if there weren't enough; and when they begin."""
    times = [end - timedelta(seconds=period) * back for back in range(len(points), 0, -1)]
    present = [(time, point) for time, point in zip(times, points, strict=True) if point is not None][-needed:]
    missing = [(time, None) for time, point in zip(times, points, strict=True) if point is None]
    chosen = sorted([*present, *missing[len(missing) - (needed - len(present)) :]], key=lambda pair: pair[0])
    return [point for _, point in chosen], [time for time, _ in chosen]
