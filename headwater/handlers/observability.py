"""Structured logs, traces and metrics of handlers, made once for each capability.

logger, tracer, metrics, entry = observe("lake")

@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event["run_id"], model=event["model"])
    ...
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider
from aws_lambda_powertools.utilities.typing import LambdaContext

NAMESPACE = "Headwater"

E = TypeVar("E")
R = TypeVar("R")
Handler = Callable[[E, LambdaContext], R]


class Observability(NamedTuple):
    """A capability's logger, tracer and metrics, and the decorator that puts all three around a handler."""

    logger: Logger
    tracer: Tracer
    metrics: Metrics
    entry: Callable[[Handler[Any, Any]], Handler[Any, Any]]


def observe(capability: str) -> Observability:
    """Logs, traces and metrics of the Powertools service ``capability``.

    The ``entry`` decorator puts the request's id into every log line, drops the keys that the last invocation
    appended, opens a trace subsegment, flushes the metrics (also when the handler raises) and logs what it raises
    with its stack. Only botocore is patched for tracing: patching every library that X-Ray knows adds most of a
    second to a cold start.
    """
    logger = Logger(service=capability)
    tracer = Tracer(service=capability, patch_modules=("botocore",))
    metrics = Metrics(namespace=NAMESPACE, service=capability)

    def entry(handler: Handler[Any, Any]) -> Handler[Any, Any]:
        @wraps(handler)
        def observed(event: Any, context: LambdaContext) -> Any:
            try:
                return handler(event, context)
            except Exception:
                logger.exception("the handler failed")
                raise
            finally:
                # Not `log_metrics`: it warns each time a handler has nothing to count.
                _forget_zeros(metrics.provider.metric_set)
                if metrics.provider.metric_set:
                    metrics.flush_metrics()

        # A disabled tracer would still make dummy segments: a third of what a warm prediction costs.
        traced = observed if tracer.disabled else tracer.capture_lambda_handler(observed, capture_response=False)
        return logger.inject_lambda_context(traced, clear_state=True)

    return Observability(logger, tracer, metrics, entry)


def _forget_zeros(counted: dict[str, Any]) -> None:
    """Leave out what is zero: a metric is paid for each hour in which it is written, and no alarm needs its zeros."""
    for name in [name for name, metric in counted.items() if not any(metric["Value"])]:
        del counted[name]


def raise_first(logger: Logger, failed: Mapping[str, Exception], what: str) -> None:
    """Log why each of the models ``failed``, and raise the first reason: the others are done, an alarm tells of this.

    ``what`` are the log's words, with ``{model}`` in them.
    """
    for model, error in failed.items():
        logger.error(what.format(model=model), exc_info=error, extra={"model": model})
    for error in failed.values():
        raise error


def time_is_up(context: LambdaContext, reserve: int) -> Callable[[], bool]:
    """Tells whether fewer than ``reserve`` milliseconds are left of an invocation."""
    return lambda: bool(context.get_remaining_time_in_millis() < reserve)


class MetricLine:
    """A line of metrics (EMF) that is written often: Powertools makes it once, then only values and time change.

    Powertools checks and serialises each metric anew for every request, which costs a warm prediction more than its
    model does. What it makes of these metrics, dimensions and metadata is the same each time.

    Parameters
    ----------
    capability : str
        The Powertools service; a dimension.
    metrics : mapping
        Metric's name to its unit.
    dimensions, metadata : mapping
        What the metrics are counted by, and what stands beside them.
    """

    def __init__(
        self,
        capability: str,
        metrics: Mapping[str, MetricUnit],
        *,
        dimensions: Mapping[str, str],
        metadata: Mapping[str, Any],
    ) -> None:
        provider = AmazonCloudWatchEMFProvider(namespace=NAMESPACE, service=capability)
        for name, value in dimensions.items():
            provider.add_dimension(name, value)
        for name, unit in metrics.items():
            provider.add_metric(name, unit, 0)
        for name, value in metadata.items():
            provider.add_metadata(name, value)
        document: dict[str, Any] = dict(provider.serialize_metric_set())
        definition = json.dumps(document.pop("_aws")["CloudWatchMetrics"])
        fixed = json.dumps({name: value for name, value in document.items() if name not in metrics})
        self._beginning = '{"_aws": {"Timestamp": '
        self._middle = f', "CloudWatchMetrics": {definition}}}, {fixed[1:-1]}, '

    def write(self, values: Mapping[str, float], **metadata: str) -> None:
        """Print the line with a value for each metric, and with what is known of this invocation alone."""
        now = int(time.time() * 1000)
        changing: dict[str, Any] = {name: [value] for name, value in values.items()}
        print(f"{self._beginning}{now}{self._middle}{json.dumps(changing | metadata)[1:]}")  # noqa: T201
