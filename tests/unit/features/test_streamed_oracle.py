"""Streamed rows against a plain oracle: in any order, killed at any write, and beside others."""

# ruff: noqa: S608 - tables are named by the tests
from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.features.offline.engine import DuckDB
from headwater.features.offline.point_in_time import historical
from headwater.features.offline.rows import add_streamed, compute
from headwater.features.stream.lines import ENTITY, FEATURES, marks
from tests.crashing import Killed
from tests.unit.features.shop import SECOND, features, land
from tests.unit.features.streams import WRITES, Row, amounts, check_parity, commit, stream, upload
from tests.unit.features.test_point_in_time import is_known
from tests.unit.lake.world import World, new_world
from tests.unit.versions.cases import Fault, wired

# -- the oracle -------------------------------------------------------------------------------------------------------


def oracle(computed: Sequence[Row], streamed: Sequence[Row], shop: str, hour: int, ttl: int | None = 8) -> float | None:
    """The documented rule: by event, then by available time, then computed before streamed, then by value."""

    def rank(row: tuple[Row, bool]) -> tuple[Any, ...]:
        (_, event, available, amount), is_computed = row
        return event, available, is_computed, (0, 0.0) if amount is None else (1, amount)

    rows = [(row, True) for row in computed] + [(row, False) for row in streamed]
    known = [entry for entry in rows if entry[0][0] == shop and is_known(*entry[0][1:3], hour)]
    newest = max(known, key=rank, default=None)
    return newest[0][3] if newest and (ttl is None or hour - newest[0][1] <= ttl) else None


SHOPS, HOURS = ("a", "b"), range(9)
shops, values = st.sampled_from(SHOPS), st.sampled_from([None, 0.0, 1.0, 2.5])
rows = st.lists(st.tuples(shops, st.integers(0, 8), st.integers(0, 8), values), max_size=14)


@settings(max_examples=60, deadline=None)
@given(rows, rows)
def test_computed_and_streamed_rows_together_answer_by_one_rule(computed: list[Row], streamed: list[Row]) -> None:
    view = SECOND.model_copy(update={"features": SECOND.features[:1], "sql": "FROM raw", "ttl": timedelta(hours=8)})
    entity, named = marks(view)
    times = "TIMESTAMP '2013-01-01' + to_hours(event) AS event_time, TIMESTAMP '2013-01-01' + to_hours(av) AS"
    with duckdb.connect(config={"threads": 1}) as connection:
        for table, given in (("raw", computed), ("streamed", streamed)):
            connection.execute("CREATE OR REPLACE TABLE given (shop VARCHAR, event INT, av INT, amount DOUBLE)")
            if given:
                connection.executemany("INSERT INTO given VALUES (?, ?, ?, ?)", given)
            connection.execute(
                f"CREATE TABLE {table} AS SELECT shop, {times} available_time, amount, '{entity}' AS {ENTITY}, "
                f"'{named}' AS {FEATURES} FROM given"
            )
        compute(connection, view, "computed")
        add_streamed(DuckDB(connection), view, "computed", "streamed", "rows")
        connection.execute(
            "CREATE TABLE asked AS SELECT s AS shop, h, TIMESTAMP '2013-01-01' + to_hours(h) AS asked_at "
            f"FROM unnest({list(SHOPS)}) AS a(s), unnest({list(HOURS)}) AS b(h) ORDER BY s, h"
        )
        found = historical(connection, "asked", {"last_sale": view}, {"last_sale": "rows"}, ["last_sale.amount"])
        answers = found.project("shop, h, last_sale__amount").fetchall()
    assert answers == [(shop, hour, oracle(computed, streamed, shop, hour)) for shop in SHOPS for hour in HOURS]


class History:
    """What happened to a world, and what must have come of it."""

    def __init__(self, world: World) -> None:
        self.world, self.wire = world, wired("s3", "dynamodb")
        self.sold: dict[tuple[str, int], float | None] = {}
        self.streamed: list[Row] = []
        self.files = count()

    def upload(self, given: list[Row]) -> None:
        sold = {(shop, event): amount for shop, event, _, amount in given}
        upload(self.world, f"{next(self.files)}.csv", [(*key, amount) for key, amount in sold.items()])
        self.sold |= sold

    def do(self, verb: str, given: list[Row], fault: Fault, number: int) -> None:
        """Do something that isn't an upload's, which meets a fault at its n-th write; who streams sends again."""
        verbs: dict[str, Callable[[], object]] = {
            "stream": lambda: stream(*given),
            "upload": lambda: self.upload(given),
            "commit": lambda: commit(most_calls=2, most_files=2),
            "materialise": lambda: features().materialise("last_sale") if self.sold else None,
        }
        seen = count()
        if verb != "upload":
            self.wire.fault = lambda operation: fault if operation in WRITES and next(seen) == number else None
        try:
            verbs[verb]()
        except Killed:
            self.wire.revive()
            if verb == "stream":
                stream(*given)
        self.wire.revive()
        if verb == "stream":
            self.streamed += given

    def check(self) -> None:
        """Offline and online are what the oracle says of all that happened."""
        computed = [(shop, sold, sold + 1, amount) for (shop, sold), amount in self.sold.items()]
        asked = [(shop, hour) for shop in SHOPS for hour in HOURS]
        expected = [oracle(computed, self.streamed, shop, hour) for shop, hour in asked]
        assert amounts(SHOPS, HOURS, after=timedelta(0)) == expected
        online = {key: row["amount"] for key, row in self.world.rows_online(SECOND).items()}
        newest = {f"shop|{shop}": oracle(computed, self.streamed, shop, 10, None) for shop in SHOPS}
        assert online == {key: value for key, value in newest.items() if key in online}
        told = {shop for shop, _, known, _ in [*computed, *self.streamed] if known <= 9}
        assert online.keys() == {f"shop|{shop}" for shop in told}
        assert check_parity().different == 0


some = st.lists(st.tuples(shops, st.integers(0, 8), st.integers(0, 9), values), min_size=1, max_size=4)
steps = st.tuples(
    st.sampled_from(["stream", "stream", "upload", "commit", "materialise"]),
    some,
    st.sampled_from([None, "kill", "resend", "drop"]),
    st.integers(0, 6),
)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=3, max_size=8))
def test_in_whatever_order_offline_and_online_end_as_the_oracle_says(
    monkeypatch: pytest.MonkeyPatch, happened: list[tuple[str, list[Row], Fault, int]]
) -> None:
    with new_world(monkeypatch) as world:
        history = History(world)
        for step in [*happened, ("upload", [("a", 0, 1, 1.0)], None, 0), ("commit", [], None, 0)]:
            history.do(*step)
            # Before anything is committed as after it: no false alarm. One that was killed may be under way.
            if step[0] == "materialise" and step[2] != "kill" and history.sold:
                assert check_parity().different == 0
        features().materialise("last_sale")
        history.check()


def test_killed_at_any_write_nothing_is_lost_and_nothing_counts_twice(world: World) -> None:
    history = History(world)
    history.upload([("a", 0, 1, 1.0), ("b", 3, 4, 2.0)])
    features().materialise("last_sale")
    for number in count():
        for shop in SHOPS:
            history.do("stream", [(shop, number, number, float(number))], "kill", number)
        seen = count()
        history.wire.fault = lambda operation: "kill" if operation in WRITES and next(seen) == number else None  # noqa: B023
        try:
            commit()
            died = False
        except Killed:
            died = True
        history.wire.revive()
        commit()
        if not died:
            break
    # Each time the rows were of another hour, so that each has an answer of its own.
    features().materialise("last_sale")
    history.check()
    # The file, a range, a root, a commit, the branch, and the deletion.
    assert number == 6


def test_of_two_that_commit_at_once_both_may_win(world: World) -> None:
    land(world, "2.csv")
    stream(("a", 7, 7, 7.0))
    stream(("b", 8, 8, 8.0))
    wire, others = wired("s3", "dynamodb"), []

    def meanwhile(operation: str) -> Fault:
        if operation == "TransactWriteItems" and not others:
            others.append(None)
            stream(("c", 9, 9, 9.0))
            others.append(commit())
        return None

    wire.fault = meanwhile
    commit()
    assert others[1] == 3
    assert amounts(["a", "b", "c"], [9]) == [7.0, 8.0, 9.0]
    assert world.keys(prefix="arrived/") == []
