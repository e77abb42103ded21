"""The index holds what facts tell, whatever their order; walks equal NetworkX's."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import networkx
import pytest

from headwater.graph import Node, Told
from headwater.lineage.index import Index
from headwater.lineage.indexer import Indexer
from headwater.lineage.walking import Moment, Walker
from headwater.storage.table import Table
from tests.unit.lineage.memory import PLACES, START, Facts, MemoryTable, contribution, random_facts


def indexed(facts: list[Told]) -> tuple[MemoryTable, Index]:
    table = MemoryTable()
    index = Index(cast(Table, table))
    Indexer(index, contribution(Facts(facts)), PLACES).catch_up()
    return table, index


def graph_of(facts: list[Told], moment: Moment) -> networkx.DiGraph:
    graph = networkx.DiGraph()
    for told in facts:
        graph.add_edges_from((edge.below, edge.above) for edge in told.edges if moment.has(edge))
    return graph


def without_cursors(table: MemoryTable) -> dict[tuple[str, str], dict[str, Any]]:
    return {key: item for key, item in table.items.items() if "log" not in item}


@pytest.mark.parametrize("block", range(10))
def test_walks_and_paths_are_those_of_networkx(block: int) -> None:
    for seed in range(block * 100, (block + 1) * 100):
        facts = random_facts(seed)
        _, index = indexed(facts)
        walker = Walker(index, {}, PLACES)
        chosen = random.Random(seed)
        moment = chosen.choice(
            [
                Moment(),
                Moment(at=START + timedelta(hours=chosen.randrange(250))),
                Moment(known=START + timedelta(hours=chosen.randrange(250))),
            ]
        )
        graph = graph_of(facts, moment)
        node = chosen.choice([edge.below for told in facts for edge in told.edges])
        other = chosen.choice([edge.above for told in facts for edge in told.edges])
        graph.add_nodes_from([node, other])
        up, down = (set(walker.walk(node, side, moment=moment).nodes[1:]) for side in ("UP", "DOWN"))
        assert up == networkx.descendants(graph, node), seed
        assert down == networkx.ancestors(graph, node), seed
        way = walker.path(node, other, moment)
        lengths = [
            networkx.shortest_path_length(graph, *pair)
            for pair in ((node, other), (other, node))
            if networkx.has_path(graph, *pair)
        ]
        assert (None if way is None else len(way)) == (lengths[0] if lengths else None), seed


def test_a_walk_stops_at_its_depth_and_shows_only_the_kinds_asked_for() -> None:
    facts = random_facts(7)
    _, index = indexed(facts)
    walker, graph = Walker(index, {}, PLACES), graph_of(facts, Moment())
    for node in graph:
        for depth in (1, 2, 3):
            near = networkx.single_source_shortest_path_length(graph, node, cutoff=depth)
            assert set(walker.walk(node, "UP", depth=depth).nodes) == set(near)
    hidden = walker.walk(next(iter(graph)), "UP", kinds=["other"])
    assert hidden.nodes == (next(iter(graph)),)
    assert hidden.edges == ()


def test_a_thousand_orders_and_doublings_of_facts_give_one_index() -> None:
    facts = random_facts(1)
    table, _ = indexed(facts)
    expected = without_cursors(table)
    for seed in range(1000):
        chosen = random.Random(seed)
        shuffled = [*facts, *chosen.sample(facts, 10)]
        chosen.shuffle(shuffled)
        assert without_cursors(indexed(shuffled)[0]) == expected


def test_an_index_that_is_deleted_and_made_again_is_the_same_byte_for_byte() -> None:
    table, index = indexed(random_facts(2))
    before = dict(table.items)
    indexer = Indexer(index, contribution(Facts(random_facts(2))), PLACES)
    assert indexer.check().differing == 0
    assert index.clear() == len(before)
    assert table.items == {}
    indexer.rebuild()
    assert table.items == before


def test_only_news_are_read_the_next_time() -> None:
    facts = random_facts(3)
    table, log = MemoryTable(), Facts(facts[:30])
    indexer = Indexer(Index(cast(Table, table)), contribution(log), PLACES)
    assert indexer.catch_up().facts == 30
    log.told += facts[30:]
    log.calls = 0
    assert indexer.catch_up().facts == 10 == log.calls
    assert indexer.catch_up().facts == 0
    assert without_cursors(table) == without_cursors(indexed(facts)[0])


def test_a_fact_that_appears_below_others_is_found() -> None:
    facts = random_facts(4)

    class Late(Facts):
        def entries(self, after: str) -> Any:
            numbers = {id(told): number for number, told in enumerate(facts)}
            listed = sorted((f"{numbers[id(told)]:06d}", told) for told in self.told)
            return ((position, lambda told=told: self._tell(told)) for position, told in listed if position > after)

    table, log = MemoryTable(), Late([told for told in facts if told is not facts[5]], is_ordered=False)
    indexer = Indexer(Index(cast(Table, table)), contribution(log), PLACES)
    indexer.catch_up()
    log.calls = 0
    assert indexer.catch_up().facts == 0 == log.calls
    log.told.append(facts[5])
    indexer.catch_up()
    assert without_cursors(table) == without_cursors(indexed(facts)[0])


def test_a_crash_between_fact_and_index_leaves_nothing_out() -> None:
    facts, expected = random_facts(5), without_cursors(indexed(random_facts(5))[0])

    class Crash(Exception):
        pass

    for allowed in range(6):
        table, writes = MemoryTable(), [0]
        real = table.put_all

        def put_all(items: Any, *, real: Any = real, writes: list[int] = writes, allowed: int = allowed) -> None:
            if writes[0] == allowed:
                raise Crash
            writes[0] += 1
            real(items)

        table.put_all = put_all  # type: ignore[method-assign]
        index = Index(cast(Table, table))
        log = contribution(Facts(facts[:20], "one"), Facts(facts[20:], "two"))
        try:
            Indexer(index, log, PLACES).catch_up()
        except Crash:
            table.put_all = real  # type: ignore[method-assign]
            Indexer(index, log, PLACES).catch_up()
        assert without_cursors(table) == expected


def test_a_caller_that_must_stop_is_told_that_more_is_left() -> None:
    table = MemoryTable()
    indexer = Indexer(
        Index(cast(Table, table)), contribution(Facts(random_facts(6), "one"), Facts(random_facts(8), "two")), PLACES
    )
    assert not indexer.catch_up(stop=lambda: True).complete
    assert indexer.catch_up().complete


def test_what_was_changed_in_the_index_is_told() -> None:
    table, index = indexed(random_facts(9))
    indexer = Indexer(index, contribution(Facts(random_facts(9))), PLACES)
    edges = [key for key, item in table.items.items() if "role" in item]
    del table.items[edges[0]]
    table.items[edges[1]]["at"] = "2020-01-01T00:00:00+00:00"
    found = indexer.check()
    assert found.missing == (f"{edges[0][0]} {edges[0][1]}",)
    assert found.surplus == (f"{edges[1][0]} {edges[1][1]}",)
    assert found.differing == 2


def test_names_of_a_thousand_bytes_fit_into_keys() -> None:
    long = Node("file", f"s3://lake/{'ä' * 500}", "v" * 1000)
    told = random_facts(10)[0]
    edge = told.edges[0]._replace(above=long)
    table, index = indexed([Told([edge])])
    assert max(len(sk.encode()) for _, sk in table.items) <= 1024
    assert [found.above for found in index.edges(edge.below, "UP")] == [long]
    assert [found.below for found in index.edges(long, "DOWN")] == [edge.below]
    assert index.versions(long.thing) == (long,)


def test_facts_that_tell_more_by_a_newer_library_are_read_anew() -> None:
    facts = random_facts(11)
    table, log = MemoryTable(), Facts(facts)
    index = Index(cast(Table, table))
    Indexer(index, contribution(log), PLACES).catch_up()
    log.calls = 0
    newer = {name: replace(entry, telling=2) for name, entry in contribution(log).items()}
    assert Indexer(index, newer, PLACES).catch_up().facts == len(facts) == log.calls
    assert Indexer(index, newer, PLACES).catch_up().facts == 0
