"""What events tell: nodes, edges and times, also of the compatibility tests' runs, against networkx."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import networkx
import pytest

from headwater.graph import Node, Role
from headwater.lineage.openlineage.errors import InvalidEvent
from headwater.lineage.openlineage.moments import moment
from headwater.lineage.openlineage.reading import told
from headwater.lineage.openlineage.receiving import receive
from tests.unit.lineage.openlineage.cases import (
    FOLDER,
    NAMES,
    SEEN,
    dataset,
    dataset_event,
    facet,
    lines,
    received,
    role_edges,
    run,
    run_event,
    scenario,
    tell,
    upstream,
    version,
)

SCENARIOS = ["airflow", "CLL", "spark_dataproc_simple_producer_test_complete"]


def plain(events: list[dict[str, Any]]) -> networkx.DiGraph:
    """Inputs, runs and outputs of events and nothing else: from what was made to what it was made from."""
    graph = networkx.DiGraph()
    for event in events:
        itself = (event["job"]["namespace"], event["job"]["name"], event["run"]["runId"])
        graph.add_edges_from((itself, (one["namespace"], one["name"])) for one in event["inputs"])
        graph.add_edges_from(((one["namespace"], one["name"]), itself) for one in event["outputs"])
    return graph


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenarios_graph_is_the_one_that_networkx_gives(name: str) -> None:
    events = scenario(name)
    edges = [edge for edge in tell(*events).edges if "told_by" not in edge.notes]
    ours = networkx.DiGraph()
    ours.add_edges_from((_plain(edge.below), _plain(edge.above)) for edge in edges)
    theirs = plain(events)
    assert set(ours.edges) == {(_joined(one), _joined(two)) for one, two in theirs.edges}
    assert len(theirs.edges) >= 5


@pytest.mark.parametrize("name", SCENARIOS)
def test_walking_a_scenario_finds_what_networkx_finds(name: str) -> None:
    events = scenario(name)
    edges = tell(*events).edges
    theirs = plain(events)
    for one in theirs.nodes:
        (start,) = {node.id for edge in edges for node in (edge.below, edge.above) if _plain(node) == _joined(one)
                    and (len(one) == 3 or not node.version)}  # fmt: skip
        found = {_plain(Node.parse(node)) for node in upstream(edges, start)}
        assert found >= {_joined(other) for other in networkx.descendants(theirs, one)}


def _joined(key: tuple[str, ...]) -> tuple[str, str]:
    return f"foreign:{key[0]}:{key[1]}", key[2] if len(key) == 3 else ""


def _plain(node: Node) -> tuple[str, str]:
    """A dataset without its version, or a run."""
    is_run = node.version and not node.version.startswith("run:")
    return node.thing, node.version if is_run else ""


@pytest.mark.parametrize("name", SCENARIOS)
def test_order_and_doubling_of_events_change_nothing(name: str) -> None:
    events = scenario(name)
    expected = {(edge[:3], edge.at, edge.fact) for edge in tell(*events).edges}
    dice = random.Random(7)
    for _ in range(5):
        several = [*events, *dice.sample(events, 5)]
        dice.shuffle(several)
        assert {(edge[:3], edge.at, edge.fact) for edge in tell(*several).edges} == expected


def test_the_simplest_scenario_is_refused_since_its_run_has_no_uuid() -> None:
    text = (FOLDER / "scenarios" / "simple_run_event" / "simple_run_event.json").read_bytes()
    with pytest.raises(InvalidEvent, match=r"run\.runId: 'run_id' is not a 'uuid'"):
        receive(text, NAMES)


def test_a_run_reads_its_inputs_and_makes_versions_of_its_outputs() -> None:
    event = run_event(inputs=[dataset("a", version=version("7")), dataset("b")], outputs=[dataset("c")])
    itself = f"foreign:scheduler:load@{run('run')}"
    assert lines(tell(event).edges) == {
        f"{itself} read foreign:warehouse:a@7",
        f"{itself} read foreign:warehouse:b",
        f"foreign:warehouse:c@run:{run('run')} made_by {itself}",
        "foreign:warehouse:a read foreign:warehouse:a@7",
        f"foreign:warehouse:c read foreign:warehouse:c@run:{run('run')}",
    }


def test_an_edge_carries_both_times_and_the_fact() -> None:
    event = run_event(inputs=[dataset("a")], at="2026-11-20T16:02:11.123456789+02:00", state="FAIL")
    (edge,) = tell(event).edges
    assert edge.at == datetime(2026, 11, 20, 14, 2, 11, 123456, tzinfo=UTC)
    assert edge.seen == SEEN
    assert edge.fact == received(event).key
    assert edge.notes == {"state": "FAIL"}


def test_a_version_that_was_read_is_the_version_that_was_made() -> None:
    first = run_event("make", of="1", outputs=[dataset("t", version=version("41"))])
    second = run_event("use", of="2", inputs=[dataset("t", version=version("41"))])
    later = run_event("make", of="3", outputs=[dataset("t", version=version("42"))])
    edges = tell(first, second, later).edges
    assert upstream(edges, f"foreign:scheduler:use@{run('2')}") == {
        "foreign:warehouse:t@41",
        f"foreign:scheduler:make@{run('1')}",
    }


def test_a_version_that_nobody_named_leads_to_all_of_them_with_their_times() -> None:
    events = [run_event("make", of=str(day), outputs=[dataset("t")], at=f"2026-11-{day}T00:00:00Z") for day in (20, 21)]
    edges = tell(*events, run_event("use", of="x", inputs=[dataset("t")], at="2026-11-20T12:00:00Z")).edges
    assert {f"foreign:scheduler:make@{run(day)}" for day in ("20", "21")} < upstream(
        edges, f"foreign:scheduler:use@{run('x')}"
    )
    until = [edge for edge in edges if edge.at <= datetime(2026, 11, 20, 12, tzinfo=UTC)]
    assert f"foreign:scheduler:make@{run('21')}" not in upstream(until, f"foreign:scheduler:use@{run('x')}")


def test_objects_in_our_buckets_are_our_own_files() -> None:
    event = run_event(
        inputs=[
            dataset("landing/flights/a.csv", "s3://lake", version=version("v.1_x-")),
            dataset("/landing/flights/b.csv", "s3a://lake/"),
            dataset("landing/flights/a.csv", "s3://lakes"),
            dataset("landing/flights/a.csv", "gs://lake"),
        ],
        outputs=[dataset("landing/weather/w.csv", "s3://lake")],
    )
    itself = f"foreign:scheduler:load@{run('run')}"
    assert lines(tell(event).edges) == {
        f"{itself} read file:s3://lake/landing/flights/a.csv?versionId=v.1_x-",
        f"{itself} read file:s3://lake/landing/flights/b.csv",
        f"{itself} read foreign:s3://lakes:landing/flights/a.csv",
        f"{itself} read foreign:gs://lake:landing/flights/a.csv",
        f"file:s3://lake/landing/weather/w.csv made_by {itself}",
    }


def test_datasets_of_our_namespace_are_our_own_data() -> None:
    commit = "77ab" * 16
    event = run_event(
        inputs=[
            dataset("sources/flights", NAMES.namespace, version=version(commit)),
            dataset("sources/flights", NAMES.namespace.replace("dev", "prod"), version=version(commit)),
            dataset("no dataset!", NAMES.namespace),
            dataset("sources/flights", NAMES.namespace, version=version("a b\n")),
        ]
    )
    above = [edge.above for edge in role_edges(tell(event).edges, Role.READ) if edge.below.kind == "foreign"]
    assert Node("data", "sources/flights", commit) in above
    assert [node.kind for node in above].count("data") == 1


def test_our_own_events_that_come_back_tell_nothing() -> None:
    event = run_event(inputs=[dataset("a")], job={"namespace": NAMES.namespace, "name": "training.flight_delay"})
    assert not any(tell(event))


def test_a_job_without_a_run_is_a_node_of_its_own() -> None:
    event = run_event(inputs=[dataset("a")], outputs=[dataset("b")])
    del event["run"], event["eventType"]
    assert lines(tell(event).edges) == {
        "foreign:scheduler:load@job:declared read foreign:warehouse:a",
        "foreign:warehouse:b made_by foreign:scheduler:load@job:declared",
    }


def test_a_parent_run_made_its_child() -> None:
    parent = facet("ParentRunFacet", run={"runId": run("dag").upper()}, job={"namespace": "airflow", "name": "dag"})
    event = run_event(run={"runId": run("task"), "facets": {"parent": parent}})
    assert lines(tell(event).edges) == {
        f"foreign:scheduler:load@{run('task')} made_by foreign:airflow:dag@{run('dag')}"
    }


def test_a_run_says_what_it_was_in_words() -> None:
    engine = facet("ProcessingEngineRunFacet", "1-1-1", name="Spark", version="4.1.1")
    failed = facet("ErrorMessageRunFacet", message="no such\ntable", programmingLanguage="JAVA")
    code = facet("SourceCodeLocationJobFacet", type="git", url="https://example.com/r", version="8f0c641")
    job = {"namespace": "scheduler", "name": "load", "facets": {"sourceCodeLocation": code}}
    facets = {"processing_engine": engine, "errorMessage": failed}
    (known,) = tell(run_event(state="FAIL", job=job, run={"runId": run("run"), "facets": facets})).nodes
    assert known.notes == {
        "job": "load", "namespace": "scheduler", "state": "FAIL", "engine": "Spark 4.1.1", "error": "no such table",
        "code": "8f0c641", "producer": "https://example.com/scheduler",
    }  # fmt: skip


def test_a_dataset_event_tells_of_the_dataset() -> None:
    owners = facet("OwnershipDatasetFacet", owners=[{"name": "team:data"}, {"name": "user:ann"}])
    told_of = tell(dataset_event(dataset("t", version=version("3"), ownership=owners)))
    assert told_of.nodes[0].node == Node("foreign", "warehouse:t", "3")
    assert told_of.nodes[0].notes["owners"] == "team:data, user:ann"


def test_a_dropped_dataset_and_a_renamed_one_say_so() -> None:
    def changed(how: str, **more: Any) -> dict[str, Any]:
        return facet("LifecycleStateChangeDatasetFacet", lifecycleStateChange=how, **more)

    before = {"namespace": "warehouse", "name": "old"}
    event = run_event(
        outputs=[
            dataset("gone", lifecycleStateChange=changed("DROP")),
            dataset("new", lifecycleStateChange=changed("RENAME", previousIdentifier=before)),
        ]
    )
    edges = tell(event).edges
    assert [edge.notes["change"] for edge in role_edges(edges, Role.MADE_BY)] == ["DROP", "RENAME"]
    assert f"foreign:warehouse:new@run:{run('run')} read foreign:warehouse:old" in lines(edges)


def test_the_lineage_facet_of_a_dataset_names_its_sources() -> None:
    source = {"namespace": "pg", "name": "public.customers", "type": "DATASET"}
    job = {"namespace": "scheduler", "name": "sync", "type": "JOB", "runId": run("s")}
    lineage = facet("LineageFacet", "1-0-0", inputs=[job], fields={"id": {"inputs": [{**source, "field": "id"}]}})
    assert lines(tell(dataset_event(dataset("t", lineage=lineage))).edges) == {
        f"foreign:warehouse:t made_by foreign:scheduler:sync@{run('s')}",
        "foreign:warehouse:t read foreign:pg:public.customers",
    }


def test_the_lineage_facet_of_a_job_names_its_targets() -> None:
    source = {"namespace": "pg", "name": "s", "type": "DATASET"}
    entries = [
        {"namespace": "warehouse", "name": "t", "type": "DATASET", "inputs": [source, {"type": "JOB"}]},
        {"type": "JOB", "inputs": [{**source, "name": "u"}]},
        {"namespace": "other", "name": "sink", "type": "JOB", "inputs": [{**source, "name": "v"}]},
    ]
    lineage = facet("LineageFacet", "1-0-0", entries=entries)
    job = {"namespace": "scheduler", "name": "load", "facets": {"lineage": lineage}}
    itself = f"foreign:scheduler:load@{run('run')}"
    assert lines(tell(run_event(job=job, outputs=[dataset("t")])).edges) == {
        f"foreign:warehouse:t@run:{run('run')} made_by {itself}",
        f"foreign:warehouse:t@run:{run('run')} read foreign:pg:s",
        f"foreign:warehouse:t read foreign:warehouse:t@run:{run('run')}",
        f"{itself} read foreign:pg:u",
        "foreign:other:sink@job:declared read foreign:pg:v",
    }


def test_a_deleted_facet_tells_nothing() -> None:
    gone = {**version("3"), "_deleted": True}
    (edge,) = tell(run_event(inputs=[dataset("t", version=gone)])).edges
    assert edge.above.version == ""


def test_a_foreign_facet_of_a_known_name_may_hold_anything() -> None:
    for value in (7, None, [], {"identifiers": {}}, "x", [None]):
        strange = {
            name: facet("https://example.com/x", datasetVersion=value, identifiers=value, fields=value, inputs=value)
            for name in ("version", "symlinks", "columnLineage", "lineage", "lifecycleStateChange")
        }
        told(received(run_event(inputs=[dataset("t", **strange)], outputs=[dataset("u", **strange)])), NAMES, seen=SEEN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T14:02:11Z", datetime(2026, 11, 20, 14, 2, 11, tzinfo=UTC)),
        ("2026-11-20t14:02:11.5z", datetime(2026, 11, 20, 14, 2, 11, 500_000, tzinfo=UTC)),
        ("2026-11-20T14:02:11.9999999Z", datetime(2026, 11, 20, 14, 2, 11, 999_999, tzinfo=UTC)),
        ("2026-11-20T00:30:00-01:00", datetime(2026, 11, 20, 1, 30, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_to_the_microsecond(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text",
    ["2026-11-20", "2026-11-20T14:02:11", "2026-11-20T14:02Z", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+23:59",
     "9999-12-31T23:59:59-01:00", "9999-12-31T23:59:60Z", "２０２６-11-20T14:02:11Z", "", "now"],
)  # fmt: skip
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|day|month|year|range|hour"):
        moment(text)
