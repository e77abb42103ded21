"""The embedded metric format: metrics that a program writes into its log as JSON lines.

Specification: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class EmbeddedMetric:
    """One metric of one dimension set."""

    namespace: str
    name: str
    values: tuple[float, ...]
    dimensions: Mapping[str, str]
    unit: str


def metrics_in(line: str) -> tuple[EmbeddedMetric, ...]:
    """The metrics in ``line``; none if it isn't in the format or is malformed, which CloudWatch passes over as well."""
    if '"_aws"' not in line:
        return ()
    try:
        root = json.loads(line)
        directives = root["_aws"]["CloudWatchMetrics"]
        return tuple(metric for directive in directives for metric in _of_directive(directive, root))
    except (ValueError, LookupError, TypeError, AttributeError):
        return ()


def _of_directive(directive: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[EmbeddedMetric]:
    for names in directive.get("Dimensions") or [[]]:
        if any(name not in root for name in names):
            continue
        dimensions = {name: str(root[name]) for name in names}
        for metric in directive.get("Metrics", ()):
            value = root.get(metric.get("Name"))
            values = value if isinstance(value, list) else [value]
            numbers = tuple(float(item) for item in values if isinstance(item, int | float))
            if numbers:
                yield EmbeddedMetric(
                    str(directive["Namespace"]), metric["Name"], numbers, dimensions, metric.get("Unit", "None")
                )
