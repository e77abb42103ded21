"""Where moto's CloudWatch hands over to the local cloud; see `localcloud.events.moto_patches` for the manner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from moto.cloudwatch.models import Alarm, CloudWatchBackend
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult

from localcloud.alarms import reading
from localcloud.alarms.reports import Situation, situation
from localcloud.moto_patches.patches import Patches


class _Alarms(Protocol):
    """The emulator, as far as moto hands over to it."""

    history: list[dict[str, Any]]

    def now(self) -> datetime:
        """The cloud's time."""

    def note(self, name: str) -> None:
        """An alarm was made or changed just now."""

    def was_set(self, alarm: Alarm, before: Situation) -> None:
        """Somebody called SetAlarmState."""


class _Active:
    """Which emulator is open; a process has one local cloud at a time."""

    emulator: _Alarms | None = None


active = _Active()


def _init(original: Callable[..., None]) -> Callable[..., None]:
    # Nothing is known of a new alarm; moto calls it OK.
    def init(self: Alarm, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.state_value = "INSUFFICIENT_DATA"
        if active.emulator is not None:
            self.state_updated_timestamp = active.emulator.now().replace(tzinfo=None)

    return init


def _put_metric_alarm(original: Callable[..., Any]) -> Callable[..., Any]:
    # An alarm that is put again keeps its state; moto's starts over.
    def put_metric_alarm(self: CloudWatchBackend, name: str, *args: Any, **kwargs: Any) -> Alarm:
        known = self.alarms.get(name)
        alarm: Alarm = original(self, name, *args, **kwargs)
        if known is not None:
            for attribute in ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history"):
                setattr(alarm, attribute, getattr(known, attribute))
        if active.emulator is not None:
            active.emulator.note(name)
        return alarm

    return put_metric_alarm


def _set_alarm_state(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto sets the state and tells nobody.
    def set_alarm_state(
        self: CloudWatchBackend, alarm_name: str, reason: str, reason_data: str, state_value: str
    ) -> None:
        alarm = self.alarms.get(alarm_name)
        before = situation(alarm) if alarm is not None else None
        original(self, alarm_name, reason, reason_data, state_value)
        if active.emulator is not None and alarm is not None and before is not None:
            active.emulator.was_set(alarm, before)

    return set_alarm_state


def _put_metric_data(original: Callable[..., Any]) -> Callable[..., Any]:
    # What carries no time is measured now, by the cloud's clock; moto would take this machine's time.
    def put_metric_data(self: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]) -> None:
        if active.emulator is not None:
            now = active.emulator.now().replace(tzinfo=None)
            metric_data = [{**entry, "Timestamp": entry.get("Timestamp") or now} for entry in metric_data]
        original(self, namespace, metric_data)

    return put_metric_data


def _get_metric_statistics(original: Callable[..., Any]) -> Callable[..., Any]:
    # Moto has no percentiles, begins periods at the first datapoint and adds up series with more dimensions than asked.
    def get_metric_statistics(self: CloudWatchResponse) -> ActionResult:
        if active.emulator is None or not (self._get_param("Statistics") or self._get_param("ExtendedStatistics")):
            answer: ActionResult = original(self)
            return answer
        return ActionResult(reading.metric_statistics(self.cloudwatch_backend, self._get_params()))

    return get_metric_statistics


def _get_metric_data(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_metric_data(self: CloudWatchResponse) -> ActionResult:
        queries = self._get_params().get("MetricDataQueries", [])
        if active.emulator is None or not reading.can_answer(queries):
            answer: ActionResult = original(self)
            return answer
        return ActionResult(reading.metric_data(self.cloudwatch_backend, self._get_params()))

    return get_metric_data


def _describe_alarm_history(self: CloudWatchResponse) -> ActionResult:
    # Moto doesn't answer DescribeAlarmHistory at all.
    items = active.emulator.history if active.emulator is not None else []
    name, kind = self._get_param("AlarmName"), self._get_param("HistoryItemType")
    found = [
        {**item, "Timestamp": item["Timestamp"].replace(tzinfo=None)}
        for item in items
        if name in (None, item["AlarmName"]) and kind in (None, item["HistoryItemType"])
    ]
    if self._get_param("ScanBy") == "TimestampAscending":
        found.reverse()
    return ActionResult({"AlarmHistoryItems": found[: int(self._get_param("MaxRecords") or 100)]})


def apply(patches: Patches) -> None:
    """Hand over, until the patches are undone."""
    patches.wrap(Alarm, "__init__", _init)
    patches.wrap(CloudWatchBackend, "put_metric_alarm", _put_metric_alarm)
    patches.wrap(CloudWatchBackend, "set_alarm_state", _set_alarm_state)
    patches.wrap(CloudWatchBackend, "put_metric_data", _put_metric_data)
    patches.wrap(CloudWatchResponse, "get_metric_statistics", _get_metric_statistics)
    patches.wrap(CloudWatchResponse, "get_metric_data", _get_metric_data)
    patches.set(CloudWatchResponse, "describe_alarm_history", _describe_alarm_history)
