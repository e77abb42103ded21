"""How CloudWatch words what happened to an alarm: reasons, SNS messages, events, what a function gets, history."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

import botocore.session

from localcloud.alarms.evaluate import State
from localcloud.alarms.metrics import Point

_COMPARED = {
    "GreaterThanThreshold": "greater than",
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
_STATISTICS = {"SampleCount": "SAMPLE_COUNT"}


@dataclass(frozen=True)
class Situation:
    """An alarm's state at one time, and why."""

    value: State
    reason: str
    reason_data: str
    at: datetime


@dataclass(frozen=True)
class Change:
    """An alarm went from one state to another. ``alarm`` is moto's."""

    alarm: Any
    before: Situation
    after: Situation
    account: str
    region: str


def situation(alarm: Any) -> Situation:
    """The state that moto's alarm is in."""
    at = alarm.state_updated_timestamp
    return Situation(
        value=alarm.state_value,
        reason=alarm.state_reason,
        reason_data=alarm.state_reason_data or "",
        at=at.replace(tzinfo=UTC) if at.tzinfo is None else at,
    )


def clock_time(moment: datetime) -> str:
    """As CloudWatch's JSON writes times: ``2024-02-17T11:53:08.431+0000``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


@cache
def region_name(region: str) -> str:
    """``"US East (N. Virginia)"`` for ``"us-east-1"``."""
    for partition in botocore.session.get_session().get_data("endpoints")["partitions"]:
        if region in partition["regions"]:
            return str(partition["regions"][region]["description"])
    return region


def reason(alarm: Any, state: State, evaluated: Sequence[Point | None]) -> str:
    """Why the alarm is in ``state``.

    Parameters
    ----------
    evaluated : sequence of Point or None
        The datapoints that counted, oldest first; None for each that was missing.
    """
    present = [point for point in evaluated if point is not None]
    missing = len(evaluated) - len(present)
    if state == "INSUFFICIENT_DATA":
        return f"Insufficient Data: {missing} {'datapoint was' if missing == 1 else 'datapoints were'} unknown."
    treated = ""
    if missing and alarm.treat_missing_data in ("breaching", "notBreaching"):
        name = "Breaching" if alarm.treat_missing_data == "breaching" else "NonBreaching"
        treated = f"{missing} missing {_datapoints(missing)} {_were(missing)} treated as [{name}]"
    if not present:
        received = f"no datapoints were received for {len(evaluated)} {'period' if len(evaluated) == 1 else 'periods'}"
        return f"Threshold Crossed: {received}{' and ' + treated if treated else ''}."
    negation = "" if state == "ALARM" else "not "
    compared = f"{negation}{_COMPARED[alarm.comparison_operator]} the threshold ({float(alarm.threshold)})"
    listed = ", ".join(f"{point.value} ({point.start:%d/%m/%y %H:%M:%S})" for point in reversed(present))
    if alarm.datapoints_to_alarm:
        least = int(alarm.datapoints_to_alarm)
        if state == "OK":
            least = int(alarm.evaluation_periods) - least + 1
        change = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
        what = f"{len(present)} out of the last {len(evaluated)} datapoints [{listed}]"
        least_text = f"minimum {least} {_datapoints(least)} for {change} transition"
        return f"Threshold Crossed: {what} {_were(len(present))} {compared} ({least_text})."
    what = f"{len(present)} {_datapoints(len(present))} [{listed}] {_were(len(present))}"
    return f"Threshold Crossed: {what} {compared}{' and ' + treated if treated else ''}."


def _datapoints(count: int) -> str:
    return "datapoint" if count == 1 else "datapoints"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def reason_data(
    alarm: Any, evaluated: Sequence[Point | None], starts: Sequence[datetime], period: int, now: datetime
) -> str:
    """StateReasonData: the evaluation as JSON, for programs. ``starts`` are the times of ``evaluated``."""
    present = [point for point in evaluated if point is not None]
    data: dict[str, Any] = {"version": "1.0", "queryDate": clock_time(now)}
    if present:
        data["startDate"] = clock_time(present[0].start)
    if alarm.unit:
        data["unit"] = alarm.unit
    if statistic := alarm.statistic or alarm.extended_statistic:
        data["statistic"] = statistic
    data |= {
        "period": period,
        "recentDatapoints": [point.value for point in present],
        "threshold": float(alarm.threshold),
        "evaluatedDatapoints": [
            {"timestamp": clock_time(start)}
            | ({} if point is None else {"sampleCount": float(point.samples), "value": point.value})
            for start, point in reversed(list(zip(starts, evaluated, strict=True)))
        ],
    }
    return json.dumps(data, separators=(",", ":"))


def sns_subject(change: Change) -> str:
    """At most 100 characters, as SNS wants it."""
    subject = f'{change.after.value}: "{change.alarm.name}" in {region_name(change.region)}'
    return subject if len(subject) <= 100 else f"{subject[:97]}..."


def sns_message(change: Change) -> str:
    """What subscribers of an alarm's topic read."""
    alarm = change.alarm
    return json.dumps(
        {
            "AlarmName": alarm.name,
            "AlarmDescription": alarm.description,
            "AWSAccountId": change.account,
            "AlarmConfigurationUpdatedTimestamp": clock_time(_aware(alarm.configuration_updated_timestamp)),
            "NewStateValue": change.after.value,
            "NewStateReason": change.after.reason,
            "StateChangeTime": clock_time(change.after.at),
            "Region": region_name(change.region),
            "AlarmArn": alarm.alarm_arn,
            "OldStateValue": change.before.value,
            "OKActions": list(alarm.ok_actions),
            "AlarmActions": list(alarm.alarm_actions),
            "InsufficientDataActions": list(alarm.insufficient_data_actions),
            "Trigger": _trigger(alarm),
        },
        ensure_ascii=False,
    )


def _trigger(alarm: Any) -> dict[str, Any]:
    trigger: dict[str, Any] = {}
    if alarm.metric_data_queries:
        trigger["Metrics"] = [_sns_query(query) for query in alarm.metric_data_queries]
    else:
        trigger |= {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "StatisticType": "Statistic" if alarm.statistic else "ExtendedStatistic",
            "Unit": alarm.unit,
            "Dimensions": [{"value": it.value, "name": it.name} for it in alarm.dimensions],
        }
        if alarm.statistic:
            trigger["Statistic"] = _STATISTICS.get(alarm.statistic, alarm.statistic.upper())
        else:
            trigger["ExtendedStatistic"] = alarm.extended_statistic
    trigger |= {
        "Period": int(alarm.period or 0),
        "EvaluationPeriods": int(alarm.evaluation_periods),
        "ComparisonOperator": alarm.comparison_operator,
        "Threshold": float(alarm.threshold),
        "TreatMissingData": alarm.treat_missing_data or "missing",
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile or "",
    }
    if alarm.datapoints_to_alarm:
        trigger["DatapointsToAlarm"] = int(alarm.datapoints_to_alarm)
    return trigger


def _sns_query(query: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"Id": query.id, "ReturnData": _returns(query)}
    if query.label:
        described["Label"] = query.label
    if query.expression:
        return described | {"Expression": query.expression}
    stat = query.metric_stat
    metric = {
        "Dimensions": [{"value": it.value, "name": it.name} for it in stat.metric.dimensions],
        "MetricName": stat.metric.metric_name,
        "Namespace": stat.metric.namespace,
    }
    return described | {"MetricStat": {"Metric": metric, "Period": int(stat.period), "Stat": stat.stat}}


def _returns(query: Any) -> bool:
    return query.return_data is None or str(query.return_data).lower() == "true"


def detail(change: Change) -> dict[str, Any]:
    """The detail of a "CloudWatch Alarm State Change" event."""
    return {
        "alarmName": change.alarm.name,
        "state": _state(change.after),
        "previousState": _state(change.before),
        "configuration": _configuration(change.alarm),
    }


def function_event(change: Change) -> dict[str, Any]:
    """What a function that is an alarm's action gets."""
    return {
        "source": "aws.cloudwatch",
        "alarmArn": change.alarm.alarm_arn,
        "accountId": change.account,
        "time": clock_time(change.after.at),
        "region": change.region,
        "alarmData": detail(change),
    }


def _state(situation: Situation) -> dict[str, Any]:
    state = {"value": situation.value, "reason": situation.reason, "timestamp": clock_time(situation.at)}
    return state | ({"reasonData": situation.reason_data} if situation.reason_data not in ("", "{}") else {})


def _configuration(alarm: Any) -> dict[str, Any]:
    if alarm.metric_data_queries:
        metrics = [_event_query(query) for query in alarm.metric_data_queries]
    else:
        dimensions = {it.name: it.value for it in alarm.dimensions}
        metric = {"namespace": alarm.namespace, "name": alarm.metric_name, "dimensions": dimensions}
        stat = {
            "metric": metric,
            "period": int(alarm.period or 0),
            "stat": alarm.statistic or alarm.extended_statistic,
        }
        identity = str(uuid.uuid5(uuid.NAMESPACE_URL, alarm.alarm_arn))
        metrics = [{"id": identity, "metricStat": stat, "returnData": True}]
    return {"metrics": metrics} | ({"description": alarm.description} if alarm.description else {})


def _event_query(query: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"id": query.id, "returnData": _returns(query)}
    if query.label:
        described["label"] = query.label
    if query.expression:
        return described | {"expression": query.expression}
    stat = query.metric_stat
    dimensions = {it.name: it.value for it in stat.metric.dimensions}
    metric = {"namespace": stat.metric.namespace, "name": stat.metric.metric_name, "dimensions": dimensions}
    return described | {"metricStat": {"metric": metric, "period": int(stat.period), "stat": stat.stat}}


def history_item(change: Change) -> dict[str, Any]:
    """An entry of DescribeAlarmHistory."""
    before, after = change.before, change.after
    data: dict[str, Any] = {
        "version": "1.0",
        "oldState": {"stateValue": before.value, "stateReason": before.reason, **_data(before)},
        "newState": {"stateValue": after.value, "stateReason": after.reason, **_data(after)},
    }
    return {
        "AlarmName": change.alarm.name,
        "AlarmType": "MetricAlarm",
        "Timestamp": after.at,
        "HistoryItemType": "StateUpdate",
        "HistorySummary": f"Alarm updated from {before.value} to {after.value}",
        "HistoryData": json.dumps(data, separators=(",", ":")),
    }


def _data(situation: Situation) -> Mapping[str, Any]:
    try:
        parsed = json.loads(situation.reason_data or "{}")
    except ValueError:
        return {}
    return {"stateReasonData": parsed} if parsed else {}


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
