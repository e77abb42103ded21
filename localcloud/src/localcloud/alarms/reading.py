"""GetMetricStatistics and GetMetricData over moto's datapoints: aligned periods, exact dimensions, percentiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.cloudwatch.exceptions import InvalidParameterValue, ValidationError
from moto.cloudwatch.models import CloudWatchBackend

from localcloud.alarms.expressions import NotUnderstood, compute
from localcloud.alarms.metrics import Metrics, Series, floor, statistic_of


def metric_statistics(backend: CloudWatchBackend, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to GetMetricStatistics."""
    start, end = _aware(parameters["StartTime"]), _aware(parameters["EndTime"])
    if start >= end:
        raise InvalidParameterValue("The parameter StartTime must be less than the parameter EndTime.")
    period = int(parameters["Period"])
    series = _series(parameters["Namespace"], parameters["MetricName"], parameters.get("Dimensions") or [])
    grouped = _read(backend).grouped(
        series, period=period, start=floor(start, min(period, 60)), end=end, unit=parameters.get("Unit")
    )
    datapoints = []
    for begin, group in sorted(grouped.items()):
        datapoint: dict[str, Any] = {"Timestamp": begin.replace(tzinfo=None), "Unit": group[0].unit}
        datapoint |= {name: statistic_of(group, name) for name in parameters.get("Statistics") or []}
        extended = {name: statistic_of(group, name) for name in parameters.get("ExtendedStatistics") or []}
        if extended:
            datapoint["ExtendedStatistics"] = {name: value for name, value in extended.items() if value is not None}
        datapoints.append(datapoint)
    return {"Label": parameters["MetricName"], "Datapoints": datapoints}


def can_answer(queries: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all queries are metrics or formulas; Metrics Insights is left to moto."""
    return bool(queries) and all(
        "MetricStat" in query or not str(query.get("Expression", "SELECT")).startswith("SELECT") for query in queries
    )


def metric_data(backend: CloudWatchBackend, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to GetMetricData."""
    start, end = _aware(parameters["StartTime"]), _aware(parameters["EndTime"])
    if start >= end:
        raise ValidationError("The parameter EndTime must be greater than StartTime.")
    queries = parameters["MetricDataQueries"]
    metrics = _read(backend)
    periods = [int(it["MetricStat"]["Period"]) for it in queries if "MetricStat" in it]
    periods += [int(it["Period"]) for it in queries if it.get("Period")]
    values: dict[str, dict[datetime, float]] = {}
    for query in queries:
        if "MetricStat" in query:
            stat = query["MetricStat"]
            metric, period = stat["Metric"], int(stat["Period"])
            series = _series(metric["Namespace"], metric["MetricName"], metric.get("Dimensions") or [])
            try:
                points = metrics.points(
                    series,
                    stat["Stat"],
                    period=period,
                    start=floor(start, period),
                    end=end,
                    unit=stat.get("Unit"),
                )
            except ValueError as error:
                raise ValidationError(str(error)) from error
            values[query["Id"]] = {time: point.value for time, point in points.items()}
    step = max(periods, default=60)
    times = _times(floor(start, step), end, step)
    for query in queries:
        if "MetricStat" not in query:
            try:
                values[query["Id"]] = compute(query["Expression"], values, times)
            except NotUnderstood as error:
                raise ValidationError(f"Error in expression '{query['Id']}': {error}") from error
    is_ascending = parameters.get("ScanBy") == "TimestampAscending"
    return {
        "MetricDataResults": [
            _result(query, values[query["Id"]], is_ascending=is_ascending)
            for query in queries
            if str(query.get("ReturnData", True)).lower() == "true"
        ],
        "Messages": [],
    }


def _result(query: Mapping[str, Any], values: Mapping[datetime, float], *, is_ascending: bool) -> dict[str, Any]:
    ordered = sorted(values.items(), reverse=not is_ascending)
    label = query["MetricStat"]["Metric"]["MetricName"] if "MetricStat" in query else query["Id"]
    return {
        "Id": query["Id"],
        "Label": query.get("Label") or label,
        "Timestamps": [time.replace(tzinfo=None) for time, _ in ordered],
        "Values": [value for _, value in ordered],
        "StatusCode": "Complete",
    }


def _times(start: datetime, end: datetime, step: int) -> list[datetime]:
    return [start + timedelta(seconds=offset) for offset in range(0, int((end - start).total_seconds()) + 1, step)]


def _series(namespace: str, name: str, dimensions: Sequence[Mapping[str, str]]) -> Series:
    return Series.of(namespace, name, {it["Name"]: it["Value"] for it in dimensions})


def _read(backend: CloudWatchBackend) -> Metrics:
    metrics = Metrics()
    metrics.read(backend.get_all_metrics())
    return metrics


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
