"""Headwater's facts as events: valid by the official schemas, and the same after openlineage-python's own classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.declare import load_catalog, number
from headwater.features.definitions import Definition as ViewDefinition
from headwater.features.online.records import Materialisation
from headwater.graph import Node, Told
from headwater.lake.definitions import definition_of
from headwater.lake.types import Ingestion, IngestionStatus, Upload
from headwater.lineage.openlineage.columns import source_columns, view_columns
from headwater.lineage.openlineage.events import EVENTS, OLEvent, RunContext, event_body, event_key, run_uuid
from headwater.lineage.openlineage.facets import Code, Infrastructure, address, code_location
from headwater.lineage.openlineage.naming import DatasetName
from headwater.lineage.openlineage.projection import (
    alias_event,
    ingestion_events,
    materialisation_events,
    training_events,
)
from headwater.lineage.openlineage.reading import told
from headwater.lineage.openlineage.receiving import receive
from headwater.lineage.openlineage.validation import problems
from headwater.registry.types import AliasMove, ModelVersion, Output, Package, Status, TrainingSet
from headwater.values import Pointer
from tests.unit.lineage.openlineage.cases import NAMES, SEEN
from tests.unit.lineage.openlineage.client_classes import there_and_back
from tests.unit.registry.cases import candidate

AT = datetime(2026, 11, 20, 14, 2, 11, tzinfo=UTC)
COMMIT, OTHER_COMMIT = "77ab" * 16, "10fe" * 16
CATALOG = load_catalog("pipelines")
CONTEXT = RunContext(
    started_at=AT - timedelta(minutes=3),
    parent=("retraining.flight_delay", "2026-11-20"),
    owner="flights team",
    code=Code(repository="git@github.com:owner/flights.git", commit="8f0c641", path="pipelines/flights", clean=False),
    infrastructure=Infrastructure(project="flights", stack="dev", update="5d21", by="ann@host", at=AT),
)


def pointer(key: str, bucket: str = "lake") -> Pointer:
    return Pointer(bucket=bucket, key=key, version_id="v.1")


def ingestion(**changes: Any) -> Ingestion:
    upload = Upload(bucket="lake", key="landing/flights/2013-02.csv", version_id="u-1", size=4096, sequencer="0A")
    return Ingestion(
        source="flights", file="2013-02.csv", upload=upload, status=IngestionStatus.INGESTED, rows_in=100, rows_out=98,
        rows_rejected=2, reasons=("dep_time outside 0..2359 in rows 17, 90",), contract="FLIGHTS-12ab",
        code_version="c0ffee", curated=pointer("curated/flights@d1/2013-02.csv.parquet"),
        quarantine=pointer("quarantine/flights/2013-02.jsonl"), commit=COMMIT, at=AT,
    ).model_copy(update=changes)  # fmt: skip


def materialisation() -> Materialisation:
    return Materialisation(
        view="origin_delays", version="9b1e" * 3, data_version="d" * 64, commits={"flights": COMMIT}, revision=7,
        rows=1000, entities=3, written=3, newest_event=AT, at=AT, last_at=AT + timedelta(hours=1),
    )  # fmt: skip


def package() -> Package:
    return Package(
        model="flight_delay", run_id="run-1", description="Late or not?", task="classification", positive="late",
        inputs=(number("distance", "Miles"),), columns=("distance",), onnx=pointer("runs/model.onnx", "artifacts"),
        sha256="41d0" * 16, output=Output(name="probabilities", column=1), data_version="d" * 64,
        commits={"flights": COMMIT, "weather": OTHER_COMMIT}, metrics={"roc_auc": 0.72}, code_version="sha256:aa71",
        created_at=AT,
    )  # fmt: skip


def model_version(*, passed: bool = True) -> ModelVersion:
    table = TrainingSet(at=pointer("runs/set.parquet", "artifacts"), sha256="8c22" * 16, written_by="duckdb 1.4")
    made = candidate(
        model="flight_delay", passed=passed, commits={"flights": COMMIT, "weather": OTHER_COMMIT}, training_set=table,
        parameters={"learning_rate": 0.1, "max_leaf_nodes": 31}, rows={"train": 900, "holdout": 100},
        code_version="sha256:aa71", champion_version=3,
    )  # fmt: skip
    status = Status.READY if passed else Status.REJECTED
    return ModelVersion(model="flight_delay", version=4, status=status, registered_at=AT, candidate=made)


def move(**changes: Any) -> AliasMove:
    return AliasMove(
        model="flight_delay", alias="production", sequence=2, before=3, to=4, at=AT, by="ann", why="better",
        write_id="w",
    ).model_copy(update=changes)  # fmt: skip


def with_columns(context: RunContext) -> list[OLEvent]:
    source = CATALOG.sources["flights"]
    definition, view = definition_of(source), CATALOG.views["origin_delays"]
    landed = {"flights": definition.columns}
    views = ViewDefinition(version=view.version, view=view, sources=(source,), at=AT)
    curated, made = source_columns(source, landed["flights"]), view_columns(view, [source], landed)
    return [
        *ingestion_events(NAMES, ingestion(), definition=definition, columns=curated, context=context),
        *materialisation_events(NAMES, materialisation(), definition=views, columns=made, context=context),
    ]


def all_events(context: RunContext) -> list[OLEvent]:
    """An event of each kind, of each state."""
    refused = ingestion(status=IngestionStatus.REFUSED, rows_out=0, curated=None, commit=None)
    view = Node("view", "origin_delays", f"{'9b1e' * 3}/{'d' * 64}")
    return [
        *with_columns(context),
        *ingestion_events(NAMES, ingestion(reasons=(), rows_rejected=0, quarantine=None), context=context),
        *ingestion_events(NAMES, refused, context=context),
        *materialisation_events(NAMES, materialisation(), context=context),
        *training_events(NAMES, model_version(), package(), also_read=[view], context=context),
        *training_events(NAMES, model_version(passed=False), package(), context=context),
        alias_event(NAMES, move(), context=context),
        alias_event(NAMES, move(before=None, sequence=1), context=context),
        alias_event(NAMES, move(to=None, sequence=3), context=context),
    ]


EVERY = [*all_events(RunContext()), *all_events(CONTEXT)]


@pytest.mark.parametrize("event", EVERY, ids=lambda event: f"{event['job']['name']}-{event['eventType']}")
def test_an_event_of_ours_is_valid_to_the_last_facet(event: OLEvent) -> None:
    assert problems(json.loads(event_body(event))) == ()


@pytest.mark.parametrize("event", EVERY, ids=lambda event: f"{event['job']['name']}-{event['eventType']}")
def test_an_event_of_ours_survives_the_clients_own_classes(event: OLEvent) -> None:
    assert there_and_back(event) == json.loads(event_body(event))


@pytest.mark.parametrize("event", EVERY, ids=lambda event: f"{event['job']['name']}-{event['eventType']}")
def test_an_event_of_ours_can_be_received_and_tells_nothing_new(event: OLEvent) -> None:
    assert told(receive(event_body(event), NAMES), NAMES, seen=SEEN) == Told()


@pytest.mark.parametrize("event", EVERY, ids=lambda event: f"{event['job']['name']}-{event['eventType']}")
def test_an_event_of_another_stack_is_a_foreign_one(event: OLEvent) -> None:
    text = event_body(event).replace(b"/eu-west-1/dev", b"/eu-west-1/prod")
    (known, *_) = told(receive(text, NAMES), NAMES, seen=SEEN).nodes
    assert known.node.name == f"headwater://123456789012/eu-west-1/prod:{event['job']['name']}"


def only(events: Sequence[OLEvent]) -> OLEvent:
    (event,) = events
    return event


def names(datasets: Sequence[Any]) -> list[tuple[str, str, str]]:
    return [
        (one["namespace"], one["name"], one["facets"].get("version", {}).get("datasetVersion", "")) for one in datasets
    ]


OURS = "headwater://123456789012/eu-west-1/dev"


def test_an_ingestion_reads_the_upload_and_makes_files_and_a_commit() -> None:
    event = only(ingestion_events(NAMES, ingestion()))
    assert (event["job"]["namespace"], event["job"]["name"]) == (OURS, "ingestion.flights")
    assert names(event["inputs"]) == [("s3://lake", "landing/flights/2013-02.csv", "u-1")]
    assert names(event["outputs"]) == [
        (OURS, "sources/flights", COMMIT),
        ("s3://lake", "curated/flights@d1/2013-02.csv.parquet", "v.1"),
        ("s3://lake", "quarantine/flights/2013-02.jsonl", "v.1"),
    ]
    assert event["eventTime"] == "2026-11-20T14:02:11.000000Z"
    assert event["outputs"][1]["outputFacets"]["outputStatistics"]["rowCount"] == 98


def test_rejected_rows_are_assertions_that_failed() -> None:
    (read,) = only(ingestion_events(NAMES, ingestion()))["inputs"]
    whole, reason = read["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert (whole["success"], whole["actual"], whole["severity"]) == (False, "2", "warn")
    assert (reason["success"], reason["description"]) == (False, "dep_time outside 0..2359 in rows 17, 90")
    (clean,) = only(ingestion_events(NAMES, ingestion(reasons=(), rows_rejected=0)))["inputs"]
    (whole,) = clean["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert whole["success"]


def test_a_refused_file_is_a_failed_run_with_the_reasons() -> None:
    refused = ingestion(status=IngestionStatus.REFUSED, commit=None, curated=None, reasons=("no header", "empty"))
    event = only(ingestion_events(NAMES, refused))
    assert event["eventType"] == "FAIL"
    assert event["run"]["facets"]["errorMessage"]["message"] == "no header; empty"
    assert [one["name"] for one in event["outputs"]] == ["quarantine/flights/2013-02.jsonl"]


def test_columns_are_told_from_the_file_to_the_view() -> None:
    ingested, materialised = with_columns(RunContext())
    columns = ingested["outputs"][0]["facets"]["columnLineage"]
    fields = columns["fields"]["sched_dep"]["inputFields"]
    assert [(one["namespace"], one["name"], one["field"]) for one in fields] == [
        ("s3://lake", "landing/flights/2013-02.csv", "minute"),
        ("s3://lake", "landing/flights/2013-02.csv", "time_hour"),
    ]
    assert fields[0]["transformations"] == [{"type": "DIRECT", "subtype": "TRANSFORMATION"}]
    assert {one["field"] for one in columns["dataset"]} == set(CATALOG.sources["flights"].keys)
    late = materialised["outputs"][0]["facets"]["columnLineage"]["fields"]["late_rate_6h"]["inputFields"]
    assert {(one["namespace"], one["name"]) for one in late} == {(OURS, "sources/flights")}
    assert {(one["field"], way["subtype"]) for one in late for way in one["transformations"]} == {
        ("arr_delay", "AGGREGATION"), ("origin", "WINDOW"), ("landed_at", "WINDOW"),
    }  # fmt: skip


def test_a_materialisation_reads_commits_and_makes_a_view() -> None:
    event = only(materialisation_events(NAMES, materialisation()))
    assert names(event["inputs"]) == [(OURS, "sources/flights", COMMIT)]
    assert names(event["outputs"]) == [(OURS, "view:origin_delays", f"{'9b1e' * 3}/{'d' * 64}")]
    later = materialisation().model_copy(update={"last_at": AT + timedelta(days=1), "entities": 4})
    assert event_body(only(materialisation_events(NAMES, later))) == event_body(event)


def test_a_training_reads_commits_and_its_set_and_makes_a_version() -> None:
    view = Node("view", "origin_delays", "a/b")
    started, event = training_events(NAMES, model_version(), package(), also_read=[view], context=CONTEXT)
    assert [one["eventType"] for one in (started, event)] == ["START", "COMPLETE"]
    assert started["run"]["runId"] == event["run"]["runId"] == run_uuid(NAMES, "training.flight_delay", "run-1")
    assert names(event["inputs"]) == [
        (OURS, "sources/flights", COMMIT), (OURS, "sources/weather", OTHER_COMMIT), (OURS, f"set:{'8c22' * 16}", ""),
        (OURS, "view:origin_delays", "a/b"),
    ]  # fmt: skip
    assert names(event["outputs"])[0] == (OURS, "model:flight_delay", "4")
    model = event["outputs"][0]["facets"]["headwater_model"]
    assert (model["version"], model["status"], model["championVersion"]) == (4, "READY", 3)
    values = {one["key"]: one["value"] for one in event["run"]["facets"]["executionParameters"]["parameters"]}
    assert values == {"learning_rate": "0.1", "max_leaf_nodes": "31", "rows.train": "900", "rows.holdout": "100"}
    assert event["run"]["facets"]["headwater_image"]["clean"] is False
    assert event["run"]["facets"]["headwater_infrastructure"]["update"] == "5d21"


def test_a_rejected_version_is_a_completed_run_with_the_gate_it_failed() -> None:
    event = only(training_events(NAMES, model_version(passed=False), package()))
    model = event["outputs"][0]["facets"]["headwater_model"]
    assert (event["eventType"], model["status"], model["gates"][0]["passed"]) == ("COMPLETE", "REJECTED", False)


def test_an_alias_reads_the_version_it_moves_to() -> None:
    event = alias_event(NAMES, move())
    assert names(event["inputs"]) == [(OURS, "model:flight_delay", "4")]
    assert names(event["outputs"]) == [(OURS, "alias:flight_delay/production", "4")]
    removed = alias_event(NAMES, move(to=None))
    assert removed["inputs"] == []
    assert removed["outputs"][0]["facets"]["lifecycleStateChange"]["lifecycleStateChange"] == "DROP"
    assert NAMES.node_of(DatasetName(OURS, "alias:flight_delay/production", "4")) is None


def test_a_fact_told_twice_is_the_same_bytes_under_the_same_key() -> None:
    assert [event_body(one) for one in all_events(CONTEXT)] == [event_body(one) for one in all_events(CONTEXT)]
    event = alias_event(NAMES, move())
    assert event_key(event) == f"{EVENTS}/date=2026-11-20/{event['run']['runId']}-COMPLETE.json"


def test_runs_of_different_stacks_jobs_and_names_have_different_ids() -> None:
    ids = {run_uuid(NAMES, job, name) for job in ("training.a", "training.b") for name in ("1", "2")}
    other = type(NAMES)(account="123456789012", region="eu-west-1", stack="prod")
    assert len(ids | {run_uuid(other, "training.a", "1")}) == 5
    assert {UUID(one).version for one in ids} == {5}


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        alias_event(NAMES, move(at=AT.replace(tzinfo=None)))


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("git@github.com:owner/flights.git", "https://github.com/owner/flights.git"),
        ("https://ann:s3cret@git.example.com/owner/flights.git", "https://git.example.com/owner/flights.git"),
        ("https://token@github.com/owner/flights", "https://github.com/owner/flights"),
        ("https://git.example.com/r?access_token=s3cret#x", "https://git.example.com/r"),
        ("ssh://git@git.example.com:2222/r.git", "ssh://git.example.com:2222/r.git"),
        ("git@git.example.com:r.git", "ssh://git.example.com/r.git"),
        ("/srv/git/r.git", "file:///srv/git/r.git"),
        ("../r", "file:../r"),
    ],
)
def test_a_remotes_address_has_no_user_and_no_password(remote: str, expected: str) -> None:
    assert address(remote) == expected
    location = code_location(Code(repository=remote, commit="8f0c641", path="a"))
    assert "s3cret" not in json.dumps(location)
    event = alias_event(NAMES, move(), context=RunContext(code=Code(repository=remote, commit="8f0c641")))
    assert problems(event) == ()


def test_a_commit_is_found_on_github() -> None:
    location = code_location(Code(repository="git@github.com:owner/flights.git", commit="8f0c641", path="pipelines/"))
    assert location["url"] == "https://github.com/owner/flights/tree/8f0c641/pipelines"


NODES = st.one_of(
    st.builds(lambda key, version: Node("file", f"s3://lake/{key}", version),
              st.text("abc/._-@#%: é", min_size=1, max_size=30).filter(lambda key: not key.startswith("/")),
              st.text("aZ09._-", max_size=20).map(lambda text: f"v{text}")),
    st.builds(lambda name, version: Node("data", f"sources/{name}", version),
              st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
    st.builds(lambda kind, name, version: Node(kind, name, version),
              st.sampled_from(["view", "model", "run", "image", "bundle", "code", "infra"]),
              st.from_regex(r"[a-z][a-z0-9_/-]{0,9}", fullmatch=True),
              st.from_regex(r"[0-9a-z][0-9a-z:/.+-]{0,20}", fullmatch=True)),
)  # fmt: skip


@given(NODES)
def test_a_node_of_ours_comes_back_from_its_name_in_openlineage(node: Node) -> None:
    assert NAMES.node_of(NAMES.dataset_of(node)) == node
