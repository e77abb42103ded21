"""What every handler reports of itself: structured logs, traces and metrics, made once for each capability.

logger, tracer, metrics, entry = observe("lake")

@entry
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    logger.append_keys(run_id=event["run_id"], model=event["model"])
    ...
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

from aws_lambda_powertools import Logger, Metrics, Tracer
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
                if metrics.provider.metric_set:
                    metrics.flush_metrics()

        # A disabled tracer would still make dummy segments: a third of what a warm prediction costs.
        traced = observed if tracer.disabled else tracer.capture_lambda_handler(observed, capture_response=False)
        return logger.inject_lambda_context(traced, clear_state=True)

    return Observability(logger, tracer, metrics, entry)
