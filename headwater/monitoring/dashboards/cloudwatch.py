"""The stack's dashboard in CloudWatch: one, with a model to choose.

Structure: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html. A
dashboard is among the account's three free ones while it has at most 50 metrics, so it shows one model at a time: the
variable puts the chosen one into each metric's dimension ``model``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from headwater.monitoring.dashboards.families import SEVERITIES, STATES, is_alarming
from headwater.monitoring.dashboards.panels import HOUR, NAMESPACE, PANELS, Panel, Unit

if TYPE_CHECKING:
    from headwater.monitoring.status import Status

FREE_METRICS = 50
"""Metrics of a dashboard up to which the first three of an account cost nothing."""
COLUMNS, WIDTH, HEIGHT, ALARMS_HEIGHT = 24, 12, 6, 3
MOST_ALARMS = 100
"""Alarms that one widget shows."""


def metrics_of(status: Status) -> Mapping[str, float]:
    """The metrics that a look writes of a model, by their names: those that the dashboard asks for.

    Nothing stands for what isn't known. Each has the dimensions ``service`` and ``model``.
    """
    realised, estimated = status.realised, status.estimated
    known: Mapping[str, float | None] = {
        "ModelState": STATES.index(status.state.value),
        "ModelAlarm": int(is_alarming(status)),
        "DriftP": status.p,
        "Performance": realised.value if realised else None,
        "PerformanceEstimated": estimated.value if estimated else None,
        "LabelCoverage": realised.coverage if realised else None,
    }
    return {name: value for name, value in known.items() if value is not None}


def body(models: Sequence[str], region: str, *, title: str, alarms: Sequence[str] = ()) -> dict[str, Any]:
    """The dashboard's body, for ``PutDashboard``.

    Parameters
    ----------
    models : sequence of str
        Models to choose from, at least one; the first one is shown first.
    region : str
        Whose metrics these are.
    title : str
        Stands above it all, such as the stack's name.
    alarms : sequence of str
        ARNs of alarms that are shown on top; of more than 100 the first ones.

    Raises
    ------
    ValueError
        There is no model.
    """
    if not models:
        raise ValueError("a dashboard needs a model to show: expected at least one, got none")
    top = list(_top(title, alarms))
    y = sum(widget["height"] for widget in top)
    panels = [panel for panel in PANELS if panel.cloudwatch]
    widgets = [_widget(panel, models[0], region, number, y) for number, panel in enumerate(panels)]
    return {
        "start": "-P14D",
        "periodOverride": "inherit",
        "variables": [_variable(models)],
        "widgets": [*top, *widgets],
    }


def _variable(models: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "property",
        "property": "model",
        "inputType": "select",
        "id": "model",
        "label": "Model",
        "defaultValue": models[0],
        "visible": True,
        "values": [{"value": model, "label": model} for model in models],
    }


def _top(title: str, alarms: Sequence[str]) -> Iterator[dict[str, Any]]:
    told = "How each one is and why: `headwater monitor status`. Deployed with the stack: a change made here is lost."
    lines = [f"# Models of {title}", told, ""]
    # What CloudWatch has no field for: a line of help beside a widget.
    lines += [f"* **{panel.title}**: {panel.help}{_numbers(panel)}" for panel in PANELS if panel.cloudwatch]
    text = {"type": "text", "properties": {"markdown": "\n".join(lines)}}
    yield {**text, "x": 0, "y": 0, "width": COLUMNS, "height": HEIGHT}
    if alarms:
        shown = {"title": "Alarms of models", "alarms": list(alarms[:MOST_ALARMS])}
        place = {"x": 0, "y": HEIGHT, "width": COLUMNS, "height": ALARMS_HEIGHT}
        yield {"type": "alarm", **place, "properties": shown}


def _numbers(panel: Panel) -> str:
    names = {Unit.STATE: STATES, Unit.SEVERITY: SEVERITIES}.get(panel.unit, ())
    return f" ({', '.join(f'{number} {name}' for number, name in enumerate(names))})" if names else ""


def _widget(panel: Panel, model: str, region: str, number: int, top: int) -> dict[str, Any]:
    metrics = [
        [
            NAMESPACE,
            metric.name,
            "service",
            metric.service,
            "model",
            model,
            {"stat": metric.statistic, "period": metric.period, "label": metric.label or metric.name},
        ]
        for metric in panel.cloudwatch
    ]
    properties: dict[str, Any] = {
        "title": panel.title,
        "region": region,
        "view": "timeSeries",
        "stacked": False,
        "period": HOUR,
        "metrics": metrics,
        "yAxis": {"left": {**_axis(panel.unit), "showUnits": False}},
    }
    if panel.limit is not None:
        properties["annotations"] = {"horizontal": [{"label": "limit", "value": panel.limit}]}
    across = COLUMNS // WIDTH
    place = {"x": number % across * WIDTH, "y": top + number // across * HEIGHT, "width": WIDTH, "height": HEIGHT}
    return {"type": "metric", **place, "properties": properties}


def _axis(unit: Unit) -> dict[str, Any]:
    ends = {Unit.STATE: len(STATES) - 1, Unit.YES_NO: 1, Unit.SHARE: 1, Unit.PROBABILITY: 1}
    axis: dict[str, Any] = {"label": unit.value}
    # Figures of performance have no common range, and one may be far from zero.
    if unit is not Unit.NUMBER:
        axis["min"] = 0
    if unit in ends:
        axis["max"] = ends[unit]
    return axis
