"""Users' reports on other consumers of OpenLineage, each with the answer that is right here."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.graph import Node
from headwater.lineage.openlineage.errors import InvalidEvent
from headwater.lineage.openlineage.naming import LONGEST_ID
from tests.unit.lineage.openlineage.cases import (
    dataset,
    dataset_event,
    facet,
    lines,
    received,
    run,
    run_event,
    symlinks,
    tell,
    upstream,
)


def of_run(name: str, job: str = "load") -> str:
    return f"foreign:scheduler:{job}@{run(name)}"


def test_a_symlink_that_comes_later_joins_what_was_apart() -> None:
    """Marquez#2738: two lineages stayed apart after a DatasetEvent had said that their inputs are one."""
    made = run_event("make", of="0", outputs=[dataset("input2", "ns1")])
    first = run_event("job1", of="1", inputs=[dataset("input1", "ns1")])
    edges = [*tell(made, first).edges]
    assert of_run("0", "make") not in upstream(edges, of_run("1", "job1"))
    edges += tell(dataset_event(dataset("input1", "ns1", symlinks=symlinks(("ns1", "input2"))))).edges
    assert of_run("0", "make") in upstream(edges, of_run("1", "job1"))


def test_a_path_and_its_table_are_one_whichever_is_named() -> None:
    """OpenMetadata#28261, OpenLineage#3558: Spark writes to a path, others read the Glue table."""
    table = ("arn:aws:glue:eu-west-1:1", "table/db/t")
    wrote = run_event("write", of="1", outputs=[dataset("db/t", "s3://other", symlinks=symlinks(table))])
    read = run_event("read", of="2", inputs=[dataset(table[1], table[0])])
    assert of_run("1", "write") in upstream(tell(wrote, read).edges, of_run("2", "read"))


def test_an_earlier_output_stays_after_a_run_that_made_another_one() -> None:
    """OpenLineage#1965, Marquez#2543: only the job's latest run counted, older outputs lost their lineage."""
    edges = tell(
        run_event("collect", of="1", outputs=[dataset("t_a")]), run_event("collect", of="2", outputs=[dataset("t_b")])
    ).edges
    assert of_run("1", "collect") in upstream(edges, "foreign:warehouse:t_a")
    assert of_run("2", "collect") not in upstream(edges, "foreign:warehouse:t_a")


def test_events_sent_twice_break_no_graph() -> None:
    """Marquez#2708: the graph broke when START and COMPLETE were sent again."""
    events = [
        run_event(state="START", inputs=[dataset("a")]),
        run_event(inputs=[dataset("a")], outputs=[dataset("b")]),
    ]
    assert set(map(str, tell(*events, *events).edges)) == set(map(str, tell(*events).edges))


@pytest.mark.parametrize("sides", [{"inputs": [dataset("a")]}, {"outputs": [dataset("a")]}, {}])
def test_an_event_with_one_side_or_none_keeps_what_it_says(sides: dict[str, Any]) -> None:
    """OpenMetadata#26434: an event without inputs, or without outputs, gave no lineage at all."""
    told = tell(run_event(**sides))
    assert len(told.nodes) == 1
    assert bool(told.edges) == bool(sides)


def test_inputs_of_the_first_event_and_outputs_of_the_last_are_one_runs() -> None:
    """Purview-ADB-Lineage-Solution-Accelerator#236, OpenLineage#2203: events of a run add up."""
    edges = tell(run_event(state="START", inputs=[dataset("a")]), run_event(outputs=[dataset("b")])).edges
    assert "foreign:warehouse:a" in upstream(edges, "foreign:warehouse:b")


def test_a_run_without_its_first_event_is_read() -> None:
    """Purview-ADB-Lineage-Solution-Accelerator#241: no lineage since START was missing."""
    edges = tell(run_event(state="COMPLETE", inputs=[dataset("a")], outputs=[dataset("b")])).edges
    assert "foreign:warehouse:a" in upstream(edges, "foreign:warehouse:b")


def test_a_parent_is_optional() -> None:
    """OpenMetadata#24213: "Event malformed!" for each event without the facet parent."""
    assert tell(run_event(inputs=[dataset("a")])).edges


def test_a_parent_by_its_old_name_is_a_parent() -> None:
    """OpenLineage#1036: Airflow's integration called the facet parentRun."""
    old = facet(
        "https://raw.githubusercontent.com/OpenLineage/OpenLineage/main/spec/OpenLineage.json#/definitions/"
        "ParentRunFacet",
        run={"runId": run("dag")},
        job={"namespace": "airflow", "name": "dag"},
    )
    told = tell(run_event(run={"runId": run("task"), "facets": {"parentRun": old}}))
    assert lines(told.edges) == {f"{of_run('task')} made_by foreign:airflow:dag@{run('dag')}"}


def test_a_parents_id_that_is_no_uuid_is_kept_as_it_is() -> None:
    """OpenLineage PR#664, PR#131: schedule times stood where a run's id belongs; nothing is made up for them."""
    parent = facet("ParentRunFacet", run={"runId": "scheduled__2022"}, job={"namespace": "airflow", "name": "dag"})
    told = tell(run_event(run={"runId": run("task"), "facets": {"parent": parent}}))
    assert lines(told.edges) == {f"{of_run('task')} made_by foreign:airflow:dag@scheduled__2022"}


@pytest.mark.parametrize(
    "at", ["2024-07-02T12:23:22.829392", "2021-11-05T10:28:18.969066Z[Europe/London]", "2022-04-18 17:50:04Z"]
)
def test_a_time_without_an_offset_or_with_a_zones_name_is_refused_by_its_place(at: str) -> None:
    """OpenLineage#2858, Marquez#1757: naive times of FAIL events; "Unable to process JSON" without a word on why.

    Marquez PR#1670 takes the server's own zone, which is a guess: such an event is refused.
    """
    with pytest.raises(InvalidEvent, match=r"eventTime: '.*' is not a 'date-time'"):
        received(run_event(at=at))


def test_nanoseconds_are_taken() -> None:
    """Marquez PR#1670: Great Expectations sends nanoseconds."""
    assert received(run_event(at="2021-09-29T01:02:03.123456789Z")).at.microsecond == 123456


def test_a_member_among_the_facets_that_is_none_is_told_by_its_path() -> None:
    """Marquez#1757: ``"additionalProperties": {}`` beside the facets."""
    with pytest.raises(InvalidEvent, match=r"run\.facets\.additionalProperties: '_producer' is a required property"):
        received(run_event(run={"runId": run("x"), "facets": {"additionalProperties": {}}}))


def test_a_facet_that_comes_once_is_not_lost_with_the_next_event() -> None:
    """Marquez#1567, PR#1718: COMPLETE without nominalTime overwrote what START had said: each event stays its own."""
    nominal = facet("NominalTimeRunFacet", nominalStartTime="2026-11-20T00:00:00Z")
    start = run_event(state="START", run={"runId": run("x"), "facets": {"nominalTime": nominal}})
    assert len({node.fact for node in tell(start, run_event(of="x")).nodes}) == 2


def test_a_nominal_time_that_is_none_does_not_cost_the_lineage() -> None:
    """Debezium PR#6507 and Marquez#1757: nominal times in all forms; nothing here depends on them."""
    nominal = facet("NominalTimeRunFacet", nominalStartTime="2021-11-05T10:28:10.076Z[Europe/London]")
    assert tell(run_event(run={"runId": run("x"), "facets": {"nominalTime": nominal}}, inputs=[dataset("a")])).edges


def test_an_at_sign_in_a_namespace_is_a_character_like_others() -> None:
    """Marquez#1793, OpenLineage#426: 'abfss://landingzone@…' was refused with a 500."""
    (edge,) = tell(run_event(inputs=[dataset("/raw/x", "abfss://zone@account.dfs.core.windows.net")])).edges
    assert edge.above.version == ""
    assert Node.parse(edge.above.id) == edge.above


def test_colons_in_names_confuse_no_node() -> None:
    """Marquez PR#2725: pages went blank over the colon between namespace and name."""
    edges = tell(
        run_event(
            inputs=[dataset("thin:@localhost:1521:orcl", "jdbc:oracle"), dataset("x", "a:b"), dataset("b:x", "a")]
        )
    ).edges
    assert len({edge.above.id for edge in edges}) == 3
    assert all(Node.parse(edge.above.id) == edge.above for edge in edges)


def test_a_name_of_any_length_is_taken() -> None:
    """Marquez#1758: 500, value too long for type character varying(64)."""
    told = tell(run_event(named="j" * 10_000, inputs=[dataset("d" * 10_000, "n" * 10_000)]))
    assert all(len(node.id.encode()) <= LONGEST_ID for edge in told.edges for node in (edge.below, edge.above))


def test_a_path_that_starts_with_a_digit_is_a_path() -> None:
    """Marquez#3108: a dataset whose S3 prefix starts with a digit didn't load."""
    (edge,) = tell(run_event(inputs=[dataset("2026/11/part-0", "s3://other")])).edges
    assert edge.above.id == "foreign:s3://other:2026/11/part-0"


def test_s3_is_one_store_whatever_hadoop_calls_it() -> None:
    """OpenLineage#2938: s3, s3a, and a slash before the key, all of one table in one event."""
    spellings = [("s3://data", "t"), ("s3a://data", "/t"), ("s3n://data/", "/t"), ("s3://data", "/t")]
    edges = tell(run_event(inputs=[dataset(name, namespace) for namespace, name in spellings])).edges
    assert {edge.above.id for edge in edges} == {"foreign:s3://data:t"}


def test_a_bucket_stays_in_the_name() -> None:
    """DataHub#17862: of gs://bucket the bucket was dropped, so equal keys of two buckets were one dataset."""
    edges = tell(run_event(inputs=[dataset("k", "gs://one"), dataset("k", "gs://two")])).edges
    assert len({edge.above for edge in edges}) == 2


def test_names_in_another_case_are_other_names() -> None:
    """DataHub PR#18004, PR#18938: lower-casing joins what is apart elsewhere; a symlink says it for certain."""
    edges = tell(run_event(inputs=[dataset("DB.T"), dataset("db.t")])).edges
    assert len({edge.above for edge in edges}) == 2
    joined = tell(run_event("make", of="m", outputs=[dataset("db.t")]),
                  run_event(inputs=[dataset("DB.T", symlinks=symlinks(("warehouse", "db.t")))])).edges  # fmt: skip
    assert of_run("m", "make") in upstream(joined, of_run("run"))


def test_one_run_id_in_two_jobs_is_two_runs() -> None:
    """Marquez PR#2519, OpenLineage#29: the graphs of two jobs melted, since both had used one runId."""
    edges = tell(
        run_event("etl_menus", of="same", outputs=[dataset("menus")]),
        run_event("my-job", of="same", outputs=[dataset("mine")]),
    ).edges
    assert of_run("same", "my-job") not in upstream(edges, "foreign:warehouse:menus")


def test_malformed_symlinks_are_refused_by_their_place() -> None:
    """OpenMetadata PR#28360: identifiers that are no list raised AttributeError."""
    broken = facet("SymlinksDatasetFacet", identifiers={"namespace": "a"})
    with pytest.raises(InvalidEvent, match=r"inputs\[0\]\.facets\.symlinks\.identifiers: .* not of type 'array'"):
        received(run_event(inputs=[dataset("t", symlinks=broken)]))


def test_a_symlink_makes_no_dataset_that_nothing_leads_to() -> None:
    """Marquez#2645: a symlink made an empty namespace."""
    edges = tell(run_event(inputs=[dataset("t", symlinks=symlinks(("s3://x", "p")))])).edges
    assert "foreign:s3://x:p" in upstream(edges, of_run("run"))


def test_a_dataset_without_a_name_is_refused_by_its_place() -> None:
    """Airflow PR#39677: AthenaOperator sent an empty dataset name."""
    with pytest.raises(InvalidEvent, match=r"outputs\[0\]: the name is empty"):
        received(run_event(outputs=[dataset("", "s3://bucket")]))


def test_columns_of_a_dataset_that_is_no_input_are_lineage_too() -> None:
    """ilum-cloud/marquez#3: column lineage was there, the dataset's was not."""
    source = {"namespace": "warehouse", "name": "a", "field": "x"}
    columns = facet("ColumnLineageDatasetFacet", "1-2-0", fields={"y": {"inputFields": [source]}})
    edges = tell(run_event(outputs=[dataset("b", columnLineage=columns)])).edges
    assert "foreign:warehouse:a" in upstream(edges, "foreign:warehouse:b")
    (told,) = (edge for edge in edges if edge.above.id == "foreign:warehouse:a")
    assert told.notes["told_by"] == "columnLineage"
