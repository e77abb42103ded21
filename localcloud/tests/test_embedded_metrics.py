"""Metrics in log lines: what counts, and what CloudWatch passes over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from localcloud.embedded_metrics import EmbeddedMetric, metrics_in


def line(directive: Any, **root: Any) -> str:
    return json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [directive]}, **root})


def test_each_dimension_set_gets_each_metric() -> None:
    directive = {
        "Namespace": "N",
        "Dimensions": [["a"], ["a", "b"], []],
        "Metrics": [{"Name": "x", "Unit": "Bytes"}, {"Name": "y"}],
    }
    found = list(metrics_in(line(directive, a="1", b=2, x=3, y=[4, 5.5])))
    assert found == [
        EmbeddedMetric("N", name, values, dimensions, unit)
        for dimensions in ({"a": "1"}, {"a": "1", "b": "2"}, {})
        for name, values, unit in (("x", (3.0,), "Bytes"), ("y", (4.0, 5.5), "None"))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "plain words",
        '{"a": 1}',
        '{"_aws": 1}',
        '{"_aws": {"CloudWatchMetrics": 1}}',
        '{"_aws": broken',
        line({"Metrics": [{"Name": "x"}]}, x=1),
        line({"Namespace": "N", "Dimensions": [["missing"]], "Metrics": [{"Name": "x"}]}, x=1),
        line({"Namespace": "N", "Metrics": [{"Name": "x"}, {}, 5]}, x="no number"),
        line({"Namespace": "N", "Dimensions": 5, "Metrics": [{"Name": "x"}]}, x=1),
    ],
)
def test_what_is_not_in_the_format_is_passed_over(text: str) -> None:
    assert list(metrics_in(text)) == []
