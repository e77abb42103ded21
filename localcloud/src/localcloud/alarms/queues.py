"""What SQS tells CloudWatch of its queues, measured when an alarm asks: moto's queues publish nothing.

SQS publishes how many messages a queue holds each minute. Here a value is added for each period that an alarm looks at;
between two evaluations a queue that didn't change had the value that it had.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from moto.cloudwatch.models import MetricDatum, cloudwatch_backends
from moto.sqs.models import sqs_backends

from localcloud.alarms.metrics import Metrics, Series

if TYPE_CHECKING:
    from localcloud.context import CloudContext

_ATTRIBUTES = {
    "ApproximateNumberOfMessagesVisible": "approximate_number_of_messages",
    "ApproximateNumberOfMessagesNotVisible": "approximate_number_of_messages_not_visible",
    "ApproximateNumberOfMessagesDelayed": "approximate_number_of_messages_delayed",
}


def is_gauge(series: Series) -> bool:
    """Whether the series is one of those that are measured here."""
    return series.namespace == "AWS/SQS" and series.name in _ATTRIBUTES


def has_changed(cloud: CloudContext, metrics: Metrics, series: Series) -> bool:
    """Whether a queue has another value by now than when it was last measured."""
    if not is_gauge(series):
        return False
    value = _measure(cloud, series)
    return value is not None and value != metrics.last_value(series)


def sample(cloud: CloudContext, metrics: Metrics, series: Series, *, end: datetime, period: int, periods: int) -> None:
    """Publish the queue's value in the period that ends at ``end``, and its last one in those before that lack one."""
    if not is_gauge(series) or (value := _measure(cloud, series)) is None:
        return
    step = timedelta(seconds=period)
    known = metrics.points(series, "Maximum", period=period, start=end - step * periods, end=end)
    before = metrics.last_value(series)
    data = cloudwatch_backends[cloud.account_id][cloud.region].metric_data
    dimensions = [{"Name": name, "Value": it} for name, it in series.dimensions]
    for back in range(periods, 0, -1):
        start = end - step * back
        amount = value if back == 1 else before
        if start not in known and amount is not None:
            stamp = start.replace(tzinfo=None)
            data.append(MetricDatum(series.namespace, series.name, amount, dimensions, stamp, "Count"))


def _measure(cloud: CloudContext, series: Series) -> float | None:
    name = dict(series.dimensions).get("QueueName", "")
    queue = sqs_backends[cloud.account_id][cloud.region].queues.get(name)
    return None if queue is None else float(getattr(queue, _ATTRIBUTES[series.name]))
