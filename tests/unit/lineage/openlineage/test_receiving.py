"""What is taken in, what is refused, and with which words: size, JSON, schema, names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.errors import HeadwaterError, InvalidRequest
from headwater.graph import Node, Role
from headwater.lineage.openlineage.errors import EventTooLarge, InvalidEvent
from headwater.lineage.openlineage.naming import LONGEST_ID, DatasetName, foreign_dataset
from headwater.lineage.openlineage.reading import Event, stored, told
from headwater.lineage.openlineage.receiving import LARGEST, receive
from tests.unit.lineage.openlineage.cases import (
    NAMES,
    SEEN,
    dataset,
    facet,
    received,
    run_event,
    symlinks,
    tell,
    version,
)


def body(**changes: Any) -> str:
    return json.dumps({**run_event(), **changes})


def test_an_event_of_the_largest_size_is_taken_and_a_byte_more_is_not() -> None:
    whole = body(padding="")
    padded = whole.replace('"padding": ""', f'"padding": "{"x" * (LARGEST - len(whole))}"').encode()
    assert len(padded) == LARGEST
    receive(padded, NAMES)
    with pytest.raises(EventTooLarge, match="262,145 bytes, at most 262,144") as caught:
        receive(padded + b" ", NAMES)
    assert caught.value.http_status == 413


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe{}", "no UTF-8: byte 0 is 255"),
        (b"null", "a JSON object, not NoneType"),
        (b"[]", "a JSON object, not list; send one event a request"),
        (b'{"a": 1, "a": 2}', "the name 'a' twice"),
        (b'{"a": {"b": [{"c": 1, "c": 1}]}}', "the name 'c' twice"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b'{"a": -Infinity}', "-Infinity is no JSON value"),
        (b'{"a": ' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"a": ' + b"[" * 100_000, "more than 64 deep"),
        (b'{"a":' * 40_000, "more than 64 deep"),
        (b"{}", "expected run and job"),
    ],
)
def test_a_malformed_event_is_refused_with_the_reason(text: bytes, said: str) -> None:
    with pytest.raises(InvalidEvent, match=said) as caught:
        receive(text, NAMES)
    assert isinstance(caught.value, InvalidRequest)
    assert caught.value.http_status == 400


def test_brackets_within_texts_are_no_nesting() -> None:
    receive(body(padding="[{" * 1000 + '\\" "'), NAMES)


def test_an_event_within_a_byte_order_mark_is_read() -> None:
    assert receive(b"\xef\xbb\xbf" + body().encode(), NAMES).id == receive(body(), NAMES).id


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"inputs": [dataset("a"), dataset("")]}, r"inputs\[1\]"),
        ({"outputs": [dataset("")]}, r"outputs\[0\]"),
        ({"job": {"namespace": "a", "name": ""}}, "job"),
    ],
)
def test_a_name_that_is_empty_is_refused(change: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidEvent, match=f"^{where}: the name is empty"):
        receive(body(**change), NAMES)


@pytest.mark.parametrize("name", ["model:flight_delay", "view:delays", "set:" + "0" * 64, "run:flight_delay"])
def test_nobody_else_says_how_headwaters_own_versions_were_made(name: str) -> None:
    own = dataset(name, NAMES.namespace, version=version("2"))
    with pytest.raises(InvalidEvent, match="which only Headwater does"):
        receive(body(outputs=[own]), NAMES)
    # Reading one is everybody's right.
    (edge,) = tell(run_event(inputs=[own])).edges
    assert edge.above == Node(name.partition(":")[0], name.partition(":")[2], "2")


def test_another_name_of_one_of_headwaters_own_versions_is_refused() -> None:
    renamed = dataset("t", symlinks=symlinks((NAMES.namespace, "model:flight_delay")))
    with pytest.raises(InvalidEvent, match="which only Headwater does"):
        receive(body(inputs=[renamed]), NAMES)


def test_half_of_a_surrogate_pair_is_refused_in_a_name_and_kept_elsewhere() -> None:
    lone = "\\ud83d"
    with pytest.raises(InvalidEvent, match="half of a surrogate pair"):
        receive(body(inputs=[dataset("NAME")]).replace("NAME", lone), NAMES)
    event = receive(body(sql="TEXT").replace("TEXT", lone), NAMES)
    assert stored(event.body) == event


HOSTILE = [
    "a#b", "a@b", "a:b", "a%40b", "a\nb", "a\x00b", "a\x1b[31mb", "a\u202eb", "a\u2028b", "../../etc", "x" * 5000,
    "ä" * 3000, "DOWN#read#model:x@1", "?versionId=1", "a b", "<script>", "' OR 1=1 --", "\u200b", "💧", "-", ".",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_becomes_a_node_that_can_be_read_back(name: str) -> None:
    for edge in tell(run_event(named=name, inputs=[dataset(name)], outputs=[dataset(name, name)])).edges:
        for node in edge[0], edge[2]:
            assert Node.parse(node.id) == node
            assert "#" not in node.id
            assert node.id.isprintable()
            assert len(node.id.encode()) <= LONGEST_ID


def test_hostile_names_stay_different_names() -> None:
    pairs = [(space, name) for space in HOSTILE for name in HOSTILE]
    pairs += [("a:b", "c"), ("a", "b:c"), ("a", "b%3Ac"), ("x" * 5001, "a"), ("x" * 5000, "xa")]
    events = [run_event(inputs=[dataset(name, space)]) for space, name in pairs]
    assert len({tell(event).edges[0].above for event in events}) == len(set(pairs))


def test_notes_show_no_control_characters() -> None:
    engine = facet("ProcessingEngineRunFacet", "1-1-1", name="\x1b]0;title\x07Spark\n", version="4\u202e1" * 1000)
    event = run_event(run={"runId": "f69a6e9b-9bac-3c9a-9cf6-eacb70ecc9a9", "facets": {"processing_engine": engine}})
    (known,) = tell(event).nodes
    assert all(note.isprintable() and len(note) <= 300 for note in known.notes.values())
    assert known.notes["engine"].startswith("]0;title Spark 4 1")


def test_the_same_event_twice_is_one_fact() -> None:
    event = run_event(inputs=[dataset("a")])
    shuffled = json.dumps(dict(reversed(event.items())), indent=3)
    first, second = received(event), receive(shuffled, NAMES)
    assert first.id == second.id
    assert first.key == second.key == f"lineage/in/date=2026-11-20/{first.id}.json"
    assert first.body == second.body
    assert received({**event, "eventType": "FAIL"}).id != first.id


def test_a_number_keeps_its_digits_in_the_fact() -> None:
    event = receive(body().replace("}", ', "n": 0.10000000000000000001}', 1), NAMES)
    assert b"0.10000000000000000001" in event.body
    assert stored(event.body).id == event.id


def test_a_stored_event_tells_what_the_received_one_told() -> None:
    event = received(run_event(inputs=[dataset("a")], outputs=[dataset("b", version=version("3"))]))
    assert told(stored(event.body), NAMES, seen=SEEN) == told(event, NAMES, seen=SEEN)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def answered(text: str | bytes) -> Event | None:
    """The event, read to the end, or None if it was refused with an error for people."""
    event, refusal = None, None
    try:
        event = receive(text, NAMES)
    except HeadwaterError as error:
        refusal = error
    if event is None:
        assert refusal is not None
        assert refusal.http_status in {400, 413}
        assert refusal.message.isprintable()
        return None
    for edge in told(event, NAMES, seen=SEEN).edges:
        assert Node.parse(edge.below.id) == edge.below
        assert Node.parse(edge.above.id) == edge.above
    return event


@given(JSON)
def test_any_json_is_read_or_refused_with_a_clear_error(value: Any) -> None:
    answered(json.dumps(value))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_a_clear_error(value: bytes) -> None:
    answered(value)


FACETS = st.dictionaries(
    st.sampled_from(["version", "symlinks", "lineage", "columnLineage", "lifecycleStateChange", "parent", "x"]),
    st.builds(
        lambda url, fields: {"_producer": "https://a", "_schemaURL": url, **fields},
        st.sampled_from(["https://a/b", "https://openlineage.io/spec/facets/1-0-0/SymlinksDatasetFacet.json"]),
        st.dictionaries(
            st.sampled_from(["datasetVersion", "identifiers", "inputs", "fields", "dataset", "run", "job", "entries",
                             "_deleted", "previousIdentifier"]),
            JSON, max_size=3,
        ),
    ),
    max_size=3,
)  # fmt: skip
DATASET = st.builds(
    lambda namespace, name, held: {"namespace": namespace, "name": name, "facets": held},
    st.sampled_from(["s3://lake", "s3a://lake/", NAMES.namespace, "w"]) | st.text(max_size=20),
    st.sampled_from(["sources/flights", "landing/a.csv", "model:m"]) | st.text(min_size=1, max_size=20),
    FACETS,
)


@given(inputs=st.lists(DATASET, max_size=3), outputs=st.lists(DATASET, max_size=3), held=FACETS, name=st.text())
def test_any_event_is_read_or_refused_with_a_clear_error(
    inputs: list[Any], outputs: list[Any], held: dict[str, Any], name: str
) -> None:
    event = run_event(inputs=inputs, outputs=outputs, job={"namespace": "a", "name": name, "facets": held})
    event["run"]["facets"] = held
    if found := answered(json.dumps(event)):
        edges = told(found, NAMES, seen=SEEN).edges
        assert len({(edge.below, edge.role, edge.above) for edge in edges}) == len(edges)
        (run,) = (node.node for node in told(found, NAMES, seen=SEEN).nodes)
        above = {edge.above.thing for edge in edges if edge.below == run and edge.role is Role.READ}
        names = [DatasetName(one["namespace"], one["name"]) for one in inputs]
        assert above >= {(NAMES.node_of(name) or foreign_dataset(name)).thing for name in names}
