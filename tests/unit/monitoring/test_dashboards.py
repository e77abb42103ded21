"""Dashboards of CloudWatch and Grafana: each panel where its numbers are, in the shapes that the two document."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from jsonschema import Draft7Validator
from localcloud.embedded_metrics import metrics_in

from headwater.handlers.observability import NAMESPACE as EMITTED
from headwater.handlers.serving.predict import _metric_line
from headwater.monitoring.dashboards.cloudwatch import FREE_METRICS, MOST_ALARMS, body, metrics_of
from headwater.monitoring.dashboards.grafana import Source, dashboard
from headwater.monitoring.dashboards.panels import NAMESPACE, PANELS
from headwater.storage.environment import CLIENTS
from tests.unit.lake.world import new_world
from tests.unit.monitoring.statuses import status, unknown

ORACLES = Path(os.environ.get("HEADWATER_ORACLES", Path(__file__).parents[4] / "shared" / "oracles"))
GRAFANA = ORACLES / "grafana"
QUERIES = {Source.PROMETHEUS: "Dataquery", Source.CLOUDWATCH: "MetricsQuery"}
BODY = body(["flights", "returns"], "eu-central-1", title="shop-dev", alarms=["arn:aws:cloudwatch:::alarm:a"])


def validator(name: str, definition: str = "") -> Draft7Validator:
    file = GRAFANA / f"{name}.jsonschema.json"
    if not file.exists():
        pytest.skip(f"no {file}: the schemas of grafana-foundation-sdk lie beside the repository")
    schema = json.loads(file.read_text())
    return Draft7Validator({**schema, "$ref": f"#/definitions/{definition}"} if definition else schema)


@pytest.mark.parametrize("source", Source)
def test_grafanas_own_schemas_take_the_dashboard_and_each_query(source: Source) -> None:
    made = json.loads(json.dumps(dashboard(source)))
    assert [error.message for error in validator("dashboard").iter_errors(made)] == []
    queries = validator(source.value, QUERIES[source])
    found = [
        error.message
        for panel in made["panels"]
        for target in panel["targets"]
        for error in queries.iter_errors(target)
    ]
    assert found == []


@pytest.mark.parametrize("source", Source)
def test_the_schema_is_new_enough_to_be_opened(source: Source) -> None:
    # grafana/grafana#57179: the API takes a dashboard of an old schema, and then nobody can open it.
    newest = validator("dashboard").schema["definitions"]["Dashboard"]["properties"]["schemaVersion"]["default"]
    assert dashboard(source)["schemaVersion"] == newest


@pytest.mark.parametrize("source", Source)
def test_a_provisioned_dashboard_needs_no_inputs_and_finds_its_source(source: Source) -> None:
    # grafana/grafana#10786: "Datasource named ${DS_PROMETHEUS} was not found", since nobody fills inputs in.
    made = dashboard(source)
    assert not [key for key in made if key.startswith("__")]
    assert "id" not in made
    variables = {variable["name"]: variable for variable in made["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == source.value
    # A variable is there before those that ask by it.
    names = list(variables)
    for name, variable in variables.items():
        text = json.dumps({key: value for key, value in variable.items() if key != "name"})
        for used in re.findall(r"\$\{?(\w+)", text):
            assert names.index(used) < names.index(name)
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(made["panels"]))) - {"__rate_interval", "PROP"}
    assert used <= variables.keys()
    references = {json.dumps(target["datasource"]) for panel in made["panels"] for target in panel["targets"]}
    assert references == {json.dumps({"type": source.value, "uid": "${datasource}"})}


@pytest.mark.parametrize("source", Source)
def test_each_panel_is_on_the_dashboard_of_each_source_that_has_it(source: Source) -> None:
    made = dashboard(source)["panels"]
    wanted = [panel for panel in PANELS if (panel.prometheus if source is Source.PROMETHEUS else panel.cloudwatch)]
    assert [(panel["title"], panel["description"]) for panel in made] == [(panel.title, panel.help) for panel in wanted]
    assert len({panel["id"] for panel in made}) == len(made)
    for panel in made:
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"]) > 0
    assert_apart([panel["gridPos"] for panel in made], "x", "y", "w", "h")


def assert_apart(places: list[Mapping[str, int]], *keys: str) -> None:
    """Nothing lies on anything else, nor beyond the 24 columns."""
    taken: set[tuple[int, int]] = set()
    for place in places:
        x, y, width, height = (place[key] for key in keys)
        assert x + width <= 24
        cells = {(column, row) for column in range(x, x + width) for row in range(y, y + height)}
        assert not cells & taken
        taken |= cells


def test_every_panel_is_somewhere_and_says_what_it_tells() -> None:
    assert len({panel.title for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel.prometheus or panel.cloudwatch, panel.title
        assert panel.help.endswith("."), panel.title


def test_a_widget_shows_one_model_by_the_variable_and_stays_within_what_is_free() -> None:
    (variable,) = BODY["variables"]
    assert (variable["type"], variable["property"], variable["inputType"]) == ("property", "model", "select")
    assert variable["defaultValue"] == "flights"
    assert [value["value"] for value in variable["values"]] == ["flights", "returns"]
    metrics = [metric for widget in BODY["widgets"] for metric in widget["properties"].get("metrics", [])]
    assert 0 < len(metrics) <= FREE_METRICS
    for metric in metrics:
        namespace, _, *dimensions, options = metric
        assert namespace == NAMESPACE == EMITTED
        assert dict(zip(dimensions[::2], dimensions[1::2], strict=True)).keys() == {"service", "model"}
        assert dimensions[3] == "flights"
        assert re.fullmatch(r"Sum|Maximum|Minimum|Average|p\d\d", options["stat"])
        assert options["period"] % 60 == 0


def test_a_look_writes_what_the_dashboard_asks_for() -> None:
    asked = {metric.name for panel in PANELS for metric in panel.cloudwatch if metric.service == "monitoring"}
    assert metrics_of(status()) == {
        "ModelState": 3, "ModelAlarm": 1, "DriftP": 0.007, "Performance": 0.735, "PerformanceEstimated": 0.741,
        "LabelCoverage": 0.83,
    }  # fmt: skip
    assert metrics_of(status()).keys() == asked
    assert metrics_of(unknown()) == {"ModelState": 0, "ModelAlarm": 0}


def test_the_body_has_the_documented_shape() -> None:
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    assert BODY.keys() == {"start", "periodOverride", "variables", "widgets"}
    assert len(BODY["widgets"]) <= 500
    for widget in BODY["widgets"]:
        assert widget.keys() == {"type", "x", "y", "width", "height", "properties"}
        required = {"metric": {"metrics", "region"}, "text": {"markdown"}, "alarm": {"alarms"}}[widget["type"]]
        assert required <= widget["properties"].keys()
        if widget["type"] == "metric":
            assert widget["properties"]["view"] == "timeSeries"
            assert widget["properties"]["region"] == "eu-central-1"
    assert_apart(BODY["widgets"], "x", "y", "width", "height")
    text = BODY["widgets"][0]["properties"]["markdown"]
    for panel in PANELS:
        assert (f"**{panel.title}**: {panel.help}" in text) == bool(panel.cloudwatch)


def test_alarms_are_cut_where_a_widget_is_full_and_left_out_where_there_are_none() -> None:
    def kinds(count: int) -> list[Any]:
        made = body(["a"], "r", title="t", alarms=[f"arn{number}" for number in range(count)])
        return [widget["properties"]["alarms"] for widget in made["widgets"] if widget["type"] == "alarm"]

    assert kinds(0) == []
    assert [len(alarms) for alarms in kinds(250)] == [MOST_ALARMS]
    with pytest.raises(ValueError, match="a dashboard needs a model to show"):
        body([], "r", title="t")


def test_cloudwatch_keeps_the_body_and_has_the_metrics_that_predictions_write(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _metric_line("flights", 12, "run-1").write({"Predictions": 3, "MissingFeatures": 1, "Latency": 8.5})
    (line,) = capsys.readouterr().out.splitlines()
    written = {(metric.name, *sorted(metric.dimensions.items())) for metric in metrics_in(line)}
    served = {
        (name, *sorted(zip(dimensions[::2], dimensions[1::2], strict=True)))
        for widget in BODY["widgets"]
        for _, name, *dimensions, _ in widget["properties"].get("metrics", [])
        if "serving" in dimensions
    }
    assert served == written
    with new_world(monkeypatch):
        cloudwatch: Any = CLIENTS("cloudwatch")
        cloudwatch.put_dashboard(DashboardName="shop-dev-models", DashboardBody=json.dumps(BODY))
        kept = cloudwatch.get_dashboard(DashboardName="shop-dev-models")
        assert json.loads(kept["DashboardBody"]) == BODY
        with pytest.raises(ClientError):
            cloudwatch.put_dashboard(DashboardName="broken", DashboardBody="{")
