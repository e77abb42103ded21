"""Dashboards of Grafana, of Prometheus' or of CloudWatch's numbers.

The datasource is a variable, so that one file serves imports and provisioning alike: a provisioned file's ``__inputs``
are never filled in (grafana#10786). The ``schemaVersion`` is that of the schemas of grafana-foundation-sdk; Grafana
opens no dashboard whose version is too old (grafana#57179).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from headwater.monitoring.dashboards.families import SEVERITIES, STATE, STATES
from headwater.monitoring.dashboards.panels import NAMESPACE, PANELS, Metric, Panel, Query, Unit

SCHEMA_VERSION = 42
COLUMNS, WIDTH, HEIGHT = 24, 12, 8
REFRESH = "5m"
_GREEN, _YELLOW, _RED, _GREY = "green", "yellow", "red", "gray"
_LEVELS: Mapping[Unit, tuple[tuple[str, str], ...]] = {
    Unit.STATE: tuple(zip(STATES, (_GREY, _GREEN, _YELLOW, _RED), strict=True)),
    Unit.SEVERITY: tuple(zip(SEVERITIES, (_GREEN, _YELLOW, _RED), strict=True)),
    Unit.YES_NO: (("no", _GREEN), ("yes", _RED)),
}
"""Units whose numbers have names."""
_UNITS = {
    Unit.SHARE: "percentunit",
    Unit.SECONDS: "s",
    Unit.MILLISECONDS: "ms",
}
"""Grafana's ids of units; "short" for the others."""


class Source(StrEnum):
    """Where the numbers of a dashboard come from."""

    PROMETHEUS = "prometheus"
    CLOUDWATCH = "cloudwatch"


def dashboard(source: Source) -> dict[str, Any]:
    """The dashboard, as Grafana's files and its API have it."""
    reference = {"type": source.value, "uid": "${datasource}"}
    shown = [panel for panel in PANELS if _has(panel, source)]
    return {
        "uid": f"headwater-models-{source.value}",
        "title": f"Headwater: models ({'Prometheus' if source is Source.PROMETHEUS else 'CloudWatch'})",
        "description": "How the models of a Headwater stack are. Written by `headwater monitor dashboards`.",
        "tags": ["headwater"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": True,
        "graphTooltip": 1,
        "time": {"from": "now-14d", "to": "now"},
        "timezone": "utc",
        "refresh": REFRESH,
        "templating": {"list": _variables(source, reference)},
        "annotations": {"list": []},
        "links": [],
        "panels": [_panel(panel, source, reference, number) for number, panel in enumerate(shown)],
    }


def _has(panel: Panel, source: Source) -> bool:
    return bool(panel.prometheus if source is Source.PROMETHEUS else panel.cloudwatch)


def _variables(source: Source, reference: Mapping[str, str]) -> list[dict[str, Any]]:
    datasource = {"type": "datasource", "name": "datasource", "label": "Data source", "query": source.value}
    model: dict[str, Any] = {
        "type": "query",
        "name": "model",
        "label": "Model",
        "datasource": dict(reference),
        "multi": True,
        # Asked again when the time range changes: models come and go.
        "refresh": 2,
        "sort": 1,
    }
    # Queries of variables are texts, which both sources read: their newer form isn't one of the dashboard's schema.
    if source is Source.PROMETHEUS:
        query = f"label_values({STATE.name}, model)"
        # A model of any name is chosen by All, not only those that the list knows by now.
        return [datasource, {**model, "query": query, "definition": query, "includeAll": True, "allValue": ".*"}]
    region = {
        "type": "query",
        "name": "region",
        "label": "Region",
        "datasource": dict(reference),
        "query": "regions()",
        "definition": "regions()",
        "refresh": 1,
        "current": {"text": "default", "value": "default"},
    }
    query = f"dimension_values($region,{NAMESPACE},Predictions,model)"
    return [datasource, region, {**model, "query": query, "definition": query}]


def _panel(panel: Panel, source: Source, reference: Mapping[str, str], number: int) -> dict[str, Any]:
    if source is Source.PROMETHEUS:
        targets = [_asked(query, reference, place) for place, query in enumerate(panel.prometheus)]
    else:
        targets = [_of_metric(metric, reference, place) for place, metric in enumerate(panel.cloudwatch)]
    across = COLUMNS // WIDTH
    kind = "state-timeline" if panel.unit in _LEVELS else "timeseries"
    return {
        "id": number + 1,
        "type": kind,
        "title": panel.title,
        "description": panel.help,
        "datasource": dict(reference),
        "gridPos": {"h": HEIGHT, "w": WIDTH, "x": number % across * WIDTH, "y": number // across * HEIGHT},
        "targets": targets,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": _OPTIONS[kind],
    }


_LEGEND = {"displayMode": "list", "placement": "bottom", "showLegend": True}
_OPTIONS: Mapping[str, dict[str, Any]] = {
    "timeseries": {"legend": {**_LEGEND, "calcs": ["lastNotNull"]}, "tooltip": {"mode": "multi", "sort": "none"}},
    "state-timeline": {"legend": _LEGEND, "mergeValues": True, "showValue": "auto", "rowHeight": 0.9},
}


def _field(panel: Panel) -> dict[str, Any]:
    levels = _LEVELS.get(panel.unit, ())
    steps: Sequence[Mapping[str, Any]] = [{"value": None, "color": _GREEN}]
    if panel.limit is not None:
        # Of a probability the small ones are bad, of an age the large ones.
        below, above = (_RED, _GREEN) if panel.unit is Unit.PROBABILITY else (_GREEN, _RED)
        steps = [{"value": None, "color": below}, {"value": panel.limit, "color": above}]
    field: dict[str, Any] = {
        "unit": _UNITS.get(panel.unit, "short"),
        "thresholds": {"mode": "absolute", "steps": list(steps)},
        "mappings": [_mapping(levels)] if levels else [],
    }
    if panel.unit in (Unit.SHARE, Unit.PROBABILITY):
        field |= {"min": 0, "max": 1}
    if not levels:
        style = "line" if panel.limit is not None else "off"
        # One value a day or an hour is a line and not a row of dots.
        field["custom"] = {"drawStyle": "line", "spanNulls": True, "thresholdsStyle": {"mode": style}}
    return field


def _mapping(levels: Sequence[tuple[str, str]]) -> dict[str, Any]:
    options = {
        str(number): {"text": name, "color": colour, "index": number} for number, (name, colour) in enumerate(levels)
    }
    return {"type": "value", "options": options}


def _asked(query: Query, reference: Mapping[str, str], place: int) -> dict[str, Any]:
    return {
        "refId": chr(ord("A") + place),
        "datasource": dict(reference),
        "expr": query.expression,
        "legendFormat": query.legend,
        "editorMode": "code",
        "range": True,
    }


def _of_metric(metric: Metric, reference: Mapping[str, str], place: int) -> dict[str, Any]:
    label = "${PROP('Dim.model')}" + (f" {metric.label}" if metric.label else "")
    return {
        "refId": chr(ord("A") + place),
        "datasource": dict(reference),
        "queryMode": "Metrics",
        "metricQueryType": 0,
        "metricEditorMode": 0,
        "id": "",
        "region": "${region}",
        "namespace": NAMESPACE,
        "metricName": metric.name,
        "dimensions": {"service": [metric.service], "model": ["$model"]},
        "matchExact": True,
        "statistic": metric.statistic,
        "period": str(metric.period),
        "expression": "",
        "label": label,
    }
