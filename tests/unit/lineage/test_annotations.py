"""Notes and owners on nodes: kept for ever, told by lineage, refused where nobody could read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from headwater.graph import Node
from headwater.lineage.annotations import LONGEST_OWNER, LONGEST_TEXT, Annotations, InvalidAnnotation
from headwater.lineage.errors import UnknownNode
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.service import Versions
from tests.unit.lake.world import LAKE, REGISTRY
from tests.unit.lineage.conftest import FIRST, Lived


def test_notes_and_owners_are_told_of_the_whole_version(lived: Lived) -> None:
    head = Versions(LAKE, Table(REGISTRY, CLIENTS), CLIENTS).dataset("sources/visits").resolve()
    note = lived.service.annotate("sources/visits", note="two shops lack a till", by="ann")
    lived.service.annotate(f"data:sources/visits@{head[:8]}", owner="team-shops", by="bob")
    assert note.node == f"data:sources/visits@{head}"
    told = [dict(fact.notes) for fact in lived.service.facts(Node.parse(note.node))]
    assert told[-2:] == [{"by": "ann", "text": "two shops lack a till"}, {"by": "bob", "owner": "team-shops"}]


def test_a_second_write_of_the_same_id_is_one(lived: Lived) -> None:
    first = lived.service.annotate("buys@1", note="too eager", by="ann", write_id="note-1")
    again = lived.service.annotate("buys@1", note="another text", by="bob", write_id="note-1")
    assert again == first
    told = [fact for fact in lived.service.facts(Node("model", "buys", "1")) if fact.fact == "annotation:note-1"]
    assert [fact.notes["text"] for fact in told] == ["too eager"]


def test_annotations_are_a_log_in_the_order_of_time(lived: Lived) -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)
    # The first has no fraction of a second, which text without microseconds would sort last.
    times = [start, start + timedelta(microseconds=5), start + timedelta(seconds=1)]
    for number in (2, 0, 1):
        log = Annotations(Table(REGISTRY, CLIENTS), now=lambda number=number: times[number])  # type: ignore[misc]
        log.add(Node("model", "buys", "2"), text=f"note {number}", write_id=f"ordered-{number}")
    told = [tell().nodes[0] for _, tell in Annotations(Table(REGISTRY, CLIENTS)).entries("AT#2030")]
    assert [known.notes["text"] for known in told] == ["note 0", "note 1", "note 2"]
    assert [known.at for known in told] == [known.seen for known in told] == times


def test_an_index_that_is_made_again_holds_the_annotations(lived: Lived) -> None:
    lived.service.annotate("buys@2", note="kept", write_id="kept")
    service = lived.service
    service.rebuild()
    assert service.verify().differing == 0
    assert "annotation:kept" in [fact.fact for fact in service.facts(Node("model", "buys", "2"))]


@pytest.mark.parametrize("text", ["a\nb", "\x1b[31mred", "a\u202eb", "a\u2028b", "\x00", "\ud800"])
def test_text_that_a_terminal_would_show_otherwise_is_refused(lived: Lived, text: str) -> None:
    with pytest.raises(InvalidAnnotation, match=r"control character U\+"):
        lived.service.annotate("buys@1", note=text)
    with pytest.raises(InvalidAnnotation, match="the owner holds"):
        lived.service.annotate("buys@1", owner=text)


def test_text_is_bounded_and_something_has_to_be_said(lived: Lived) -> None:
    service = lived.service
    assert len(service.annotate("buys@1", note="ä" * LONGEST_TEXT, write_id="long").text) == LONGEST_TEXT
    with pytest.raises(InvalidAnnotation, match=r"the text has 2,001 characters, expected at most 2,000"):
        service.annotate("buys@1", note="a" * (LONGEST_TEXT + 1))
    with pytest.raises(InvalidAnnotation, match="the owner has 201 characters"):
        service.annotate("buys@1", owner="a" * (LONGEST_OWNER + 1))
    with pytest.raises(InvalidAnnotation, match="nothing to write down on model:buys@1"):
        service.annotate("buys@1", note="  ")
    with pytest.raises(InvalidAnnotation, match="write id"):
        service.annotate("buys@1", note="a", write_id="a b" * 1000)


def test_a_node_that_no_fact_tells_of_is_refused(lived: Lived) -> None:
    service = lived.service
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    for unknown in ("set:0000", f"prediction:buys/{today}@99999999-9999-4999-8999-999999999999"):
        with pytest.raises(UnknownNode):
            service.annotate(unknown, note="a")
    assert service.annotate(f"prediction:buys/{today}@{FIRST}", note="asked by the regulator").node.endswith(FIRST)


def test_declared_owners_are_told_of_definitions_and_models(lived: Lived) -> None:
    service = lived.service
    (definition,) = service.index.versions("definition:view/habits")
    owners = {
        node.id: [fact.notes.get("owner") for fact in service.facts(node) if not fact.fact.startswith("annotation:")]
        for node in (definition, Node("model", "buys", "1"))
    }
    assert owners == {definition.id: ["shops@example.org"], "model:buys@1": ["buyers@example.org"]}
