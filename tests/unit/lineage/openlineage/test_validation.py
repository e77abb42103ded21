"""The official schemas, held against the specification's own examples, and events with mistakes."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from headwater.lineage.openlineage import facets as ours
from headwater.lineage.openlineage import validation
from headwater.lineage.openlineage.validation import EventKind, facets, kind_of, problems, schema_of
from tests.unit.lineage.openlineage.cases import FOLDER, dataset, dataset_event, facet, run_event, scenario, version

SCHEMAS = Path(validation.__file__).parent / "schemas"
EXAMPLES = sorted((FOLDER / "examples").glob("*/*.json"))


def official(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / "facets" / f"{name}.json").read_bytes())
    return found


def holding(example: Path) -> dict[str, Any]:
    """An event with an example's facet, which names the schema of the example's folder."""
    ((key, value),) = json.loads(example.read_bytes()).items()
    named = {**value, "_schemaURL": official(example.parent.name)["$id"]}
    return run_event(inputs=[dataset("orders", **{key: named})])


def test_the_official_full_example_is_a_valid_run_event() -> None:
    event = json.loads((FOLDER / "examples" / "example_full_event.json").read_bytes())
    assert kind_of(event) is EventKind.RUN
    assert problems(event) == ()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_an_official_example_of_a_facet_is_valid(example: Path) -> None:
    assert problems(holding(example)) == ()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_facet_without_its_producer_is_no_facet(example: Path) -> None:
    event = holding(example)
    ((_, value),) = event["inputs"][0]["facets"].items()
    del value["_producer"]
    assert "'_producer' is a required property" in problems(event)[0]


def test_every_facet_of_the_specification_has_its_schema_here() -> None:
    for path in (SCHEMAS / "facets").glob("*.json"):
        assert schema_of(official(path.stem)["$id"]), path.stem


def test_facets_that_are_written_name_the_schemas_that_lie_here() -> None:
    for name, number in ours._VERSIONS.items():
        assert f"/{number}/{name}.json" in official(name)["$id"]
    for path in (SCHEMAS / "headwater" / "1-0-0").glob("*.json"):
        assert json.loads(path.read_bytes())["$id"] == f"{ours._OWN}/{path.name}"


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a schema was fetched")

    monkeypatch.setattr(socket, "socket", refuse)
    validation._validator.cache_clear()
    for example in EXAMPLES:
        problems(holding(example))


@pytest.mark.parametrize("name", ["airflow", "CLL", "spark_dataproc_simple_producer_test_complete"])
def test_events_of_the_compatibility_tests_are_valid_as_received(name: str) -> None:
    assert [problems(event, received=True) for event in scenario(name)] == [()] * len(scenario(name))


def test_a_uri_that_is_none_counts_only_in_events_of_our_own() -> None:
    event = run_event(inputs=[dataset("t", dataSource=facet("DatasourceDatasetFacet", name="t", uri="file"))])
    assert problems(event, received=True) == ()
    assert problems(event) == ("inputs[0].facets.dataSource.uri: 'file' is not a 'uri'",)


def test_three_kinds_of_events_are_told_apart() -> None:
    job = {name: value for name, value in run_event().items() if name not in {"run", "eventType"}}
    found = [kind_of(event) for event in (run_event(), job, dataset_event(dataset("t")))]
    assert found == [EventKind.RUN, EventKind.JOB, EventKind.DATASET]
    assert problems(job) == ()
    assert kind_of({**job, "dataset": dataset("t")}) is None
    assert "not dataset, job" in problems({**job, "dataset": dataset("t")})[0]
    assert "not none of them" in problems({})[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"eventTime": "2026-11-20T14:02:11"}, "eventTime: '2026-11-20T14:02:11' is not a 'date-time'"),
        ({"eventTime": "2026-02-30T14:02:11Z"}, "eventTime: '2026-02-30T14:02:11Z' is not a 'date-time'"),
        ({"run": {"runId": "run_id"}}, "run.runId: 'run_id' is not a 'uuid'"),
        ({"run": {"runId": 7}}, "run.runId: 7 is not of type 'string'"),
        ({"run": None}, "run: None is not of type 'object'"),
        ({"job": {"name": "a"}}, "job: 'namespace' is a required property"),
        ({"inputs": None}, "inputs: None is not of type 'array'"),
        ({"eventType": "DONE"}, "eventType: 'DONE' is not one of"),
        ({"job": {"namespace": "a", "name": "b", "facets": {"sql": None}}}, "job.facets.sql: None is not of type"),
        ({"inputs": [dataset("t", version=facet("DatasetVersionDatasetFacet", datasetVersion=7))]},
         "inputs[0].facets.version.datasetVersion: 7 is not of type 'string'"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(change: dict[str, Any], said: str) -> None:
    for received in (True, False):
        (told,) = problems({**run_event(), **change}, received=received)
        assert told.startswith(said)


def test_a_facet_of_somebody_else_needs_only_its_producer_and_schema() -> None:
    foreign = facet("https://example.com/schemas/1-0-0/SQLJobFacet.json", query=["no", "text"])
    assert problems(run_event(inputs=[dataset("t", sql=foreign)])) == ()


def test_a_facet_of_another_model_of_its_schema_is_not_judged() -> None:
    assert problems(run_event(inputs=[dataset("t", version=facet("DatasetVersionDatasetFacet", "2-0-0"))])) == ()
    assert problems(run_event(inputs=[dataset("t", version=facet("DatasetVersionDatasetFacet", "1-9-9"))])) != ()


def test_of_many_mistakes_twenty_are_told_and_the_rest_is_counted() -> None:
    found = problems(run_event(inputs=[{"namespace": "a"}] * 1000))
    assert len(found) == 21
    assert found[-1] == "and 980 more"


def test_a_long_value_does_not_make_a_long_message() -> None:
    (told,) = problems(run_event(eventType="\x1b[31m" + "x" * 100_000))
    assert len(told) < 700
    assert told.isascii()
    assert told.isprintable()


def test_an_event_that_is_nested_too_deep_is_refused_before_a_schema_follows_it() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    assert problems({**run_event(), "x": deep}) == (
        "the event: objects and arrays lie more than 64 deep in each other",
    )


def test_facets_are_found_wherever_they_may_stand() -> None:
    one = facet("https://example.com/any")
    event = run_event(
        inputs=[{**dataset("t", a=one), "inputFacets": {"b": one}}],
        outputs=[{**dataset("u"), "outputFacets": {"c": one}}],
        job={"namespace": "a", "name": "b", "facets": {"d": one}},
    )
    assert [path for path, _ in facets(event)] == [
        "job.facets.d", "inputs[0].facets.a", "inputs[0].inputFacets.b", "outputs[0].outputFacets.c",
    ]  # fmt: skip


def test_a_version_is_a_facet_like_others() -> None:
    assert problems(run_event(outputs=[dataset("t", version=version("3"))])) == ()
