"""Streamed rows become commits, and the offline rows of their view: the same answers as online, whatever happens."""

# ruff: noqa: S608 - tables are named by the tests
from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas
import pytest

from headwater.declare import Feature
from headwater.features.errors import InvalidView
from headwater.features.offline.rows import offline_key
from headwater.features.stream.commits import StreamCommitter
from headwater.handlers.features import commit_stream as collect
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.lake.types import DataVersion
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.errors import HookRefused, RevisionNotFound
from tests.unit.features.shop import FILES, SECOND, features, land, products
from tests.unit.features.streams import DATASET, TICK, amounts, at, check_parity, commit, lake, stream
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import FEATURES as TABLE
from tests.unit.lake.world import LAKE, REGISTRY, World

# -- the way from a call to a training row ----------------------------------------------------------------------------


def test_a_streamed_row_is_offline_from_its_commit_on_and_not_written_online_again(world: World) -> None:
    land(world, "2.csv")
    features().materialise("last_sale")
    before = lake().pin(["sales"], ["last_sale"])
    assert before == lake().pin(["sales"])
    assert stream(("a", 8, 8, 7.0), ("new", 8, 8, 5.0)) == 2
    assert amounts(["a", "new"], [7, 8]) == [30.0, 30.0, None, None]
    assert commit() == 1
    assert amounts(["a", "new"], [7, 8]) == [30.0, 7.0, None, 5.0]
    online = world.rows_online(SECOND)
    assert features().materialise("last_sale").written == 2  # the same values, of committed data by now
    assert world.rows_online(SECOND) == online == {
        "shop|a": {"amount": 7.0, "thrice": None}, "shop|b": {"amount": None, "thrice": None},
        "shop|c": {"amount": 60.0, "thrice": 180.0}, "shop|new": {"amount": 5.0, "thrice": None},
    }  # fmt: skip
    assert features().materialise("last_sale").written == 0
    # What was pinned before stays what it was.
    assert amounts(["a", "new"], [8], as_of=before) == [30.0, None]


def test_a_commit_is_a_dataset_s_like_any_other_and_nothing_waits_after_it(world: World) -> None:
    land(world, "2.csv")
    stream(("a", 8, 8, 7.0), ("a", 8, 8, 7.0))
    stream(("b", 9, 9, None))
    assert commit() == 2
    assert world.keys(prefix="arrived/") == []
    assert "Versions" not in CLIENTS("s3").list_object_versions(Bucket=LAKE, Prefix="arrived/")
    dataset = lake().versions.dataset(DATASET)
    (logged,) = dataset.log()
    assert (logged.commit.message, logged.commit.author) == ("2 streamed calls: 2 rows", "streaming")
    assert logged.commit.meta == {"view_version": SECOND.version, "calls": "2", "rows": "2"}
    (entry,) = dataset.files()
    assert entry.path.startswith(f"{SECOND.version}/")
    assert commit() == 0


def test_the_function_commits_all_views_and_stops_before_its_time_is_up(world: World) -> None:
    collect.collector.cache_clear()  # type: ignore[attr-defined]
    stream(("a", 8, 8, 7.0))
    found = collect.handler({}, Late())
    assert (found["complete"], found["views"][0]["calls"]) == (False, 0)
    found = collect.handler({}, Context())
    assert (found["complete"], found["views"][0]["view"], found["views"][0]["calls"]) == (True, "last_sale", 1)
    assert collect.handler({}, Context()) == {"views": [], "complete": True}


class Late(Context):
    """A function's last minute."""

    def get_remaining_time_in_millis(self) -> int:
        """Less than is kept for what is under way."""
        return 60_000


def test_a_rule_that_refuses_keeps_the_rows_waiting_and_other_views_committing(world: World) -> None:
    stream(("a", 8, 8, 7.0))
    Arrivals(LAKE, CLIENTS).put("another", "0" * 12, b'{"shop": "a", "__entity": "shop", "__features": ",x,"}\n')
    lake().versions.dataset(DATASET).hooks.add("pre-commit", "never", "tests.unit.features.test_streamed:never")
    with pytest.raises(HookRefused):
        commit()
    assert [key.split("/")[1] for key in world.keys(prefix="arrived/")] == ["last_sale"]


def never(_: object) -> None:
    """A rule."""
    raise HookRefused("never")


def test_what_is_sent_again_after_its_commit_changes_no_answer(world: World) -> None:
    land(world, "2.csv")
    stream(("a", 8, 8, 7.0))
    commit()
    answers = amounts(["a", "b"], range(12))
    stream(("a", 8, 8, 7.0))
    assert commit() == 1
    assert amounts(["a", "b"], range(12)) == answers
    # It counts again where the first commit was taken back.
    dataset = lake().versions.dataset(DATASET)
    for entry in dataset.log():
        dataset.revert(entry.id)
    assert amounts(["a"], [8]) == [30.0]
    stream(("a", 8, 8, 7.0))
    commit()
    assert amounts(["a"], [8]) == [7.0]


def test_many_files_become_one_and_older_commits_keep_theirs(world: World) -> None:
    land(world, "2.csv")
    pinned: list[tuple[DataVersion, list[Any]]] = []
    files = []
    for hour in range(5):
        stream(("a", hour, hour, float(hour)), ("a", 0, 0, 0.0))
        commit(most_files=3, most_calls=1)
        version = lake().pin(["sales"], ["last_sale"])
        pinned.append((version, amounts(["a"], range(8), as_of=version)))
        files.append(len(list(lake().versions.dataset(DATASET).files())))
    assert files == [1, 2, 3, 1, 2]
    for key in world.keys(prefix="features/"):
        CLIENTS("s3").delete_object(Bucket=LAKE, Key=key)
    for version, answers in pinned:
        assert amounts(["a"], range(8), as_of=version) == answers
    assert pinned[-1][1] == [0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 4.0, 4.0]


def test_a_view_that_nothing_was_streamed_to_keeps_its_rows_names(world: World) -> None:
    land(world, "2.csv")
    version = lake().pin(["sales"])
    other = lake().at(["sales"], "main", ["last_sale", "unseen"])
    assert offline_key(SECOND, version) == offline_key(SECOND, other) == (
        f"features/last_sale/{version.id}-{SECOND.version}-3.parquet"
    )  # fmt: skip
    stream(("a", 8, 8, 7.0))
    commit()
    both = lake().pin(["sales"], ["last_sale"])
    assert (both.only(["sales"]).id, both.revision) == (version.id, version.revision + 1)
    assert offline_key(SECOND, both) != offline_key(SECOND, version)


def test_sources_are_neither_fetched_nor_computed_anew_for_what_was_streamed(world: World) -> None:
    land(world, "2.csv")
    features().materialise("last_sale")
    fetched: list[str] = []
    CLIENTS("s3").meta.events.register(
        "before-parameter-build.s3.GetObject", lambda params, **_: fetched.append(params["Key"].split("/")[0])
    )
    stream(("a", 8, 8, 7.0))
    commit()
    assert features().materialise("last_sale").written == 1
    assert "streamed" in fetched
    assert "curated" not in fetched


# -- as of which data, as known when ----------------------------------------------------------------------------------


def test_data_as_of_a_time_or_a_revision_hold_what_was_streamed_and_committed_then(world: World) -> None:
    then = datetime(2026, 1, 1, tzinfo=UTC)

    def world_lake() -> Lake:
        return Lake(products(), CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=lambda: then)

    world_lake().ingest(world.upload("landing/sales/2.csv", FILES["2.csv"]))
    for hour, amount in ((8, 7.0), (9, 9.0)):
        then += timedelta(days=1)
        stream(("a", 8, hour, amount))  # the second one corrects the first, and is known an hour later
        StreamCommitter(world_lake(), Arrivals(LAKE, CLIENTS)).commit("last_sale")
    days = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    assert [amounts(["a"], [8, 9], as_of=day) for day in days] == [[30.0, 30.0], [7.0, 7.0], [7.0, 9.0]]
    assert [amounts(["a"], [9], as_known_at=day) for day in days] == [[30.0], [7.0], [9.0]]
    assert amounts(["a"], [9], as_of="main", as_known_at=at(8)) == [30.0]
    assert amounts(["a"], [9], as_of="main", as_known_at=at(8) + TICK) == [7.0]
    first = next(entry.id for entry in lake().versions.dataset(DATASET).log("main~1"))
    assert amounts(["a"], [9], as_of={DATASET: first}) == [7.0]
    with pytest.raises(RevisionNotFound, match="'streamed/last_sale' has no branch, tag or commit 'nosuch'"):
        amounts(["a"], [9], as_of={DATASET: "nosuch"})
    # A revision of the sources alone holds nothing that was streamed.
    lake().versions.dataset("sources/sales").tag("release")
    assert amounts(["a"], [9], as_of="release") == [30.0]


# -- another definition -----------------------------------------------------------------------------------------------


def test_rows_of_another_definition_count_if_it_had_all_that_this_one_has(world: World) -> None:
    land(world, "2.csv")
    stream(("a", 8, 8, 7.0))
    commit()
    less = SECOND.model_copy(update={"features": SECOND.features[:1], "ttl": timedelta(hours=9)})
    more = SECOND.model_copy(
        update={"features": (*SECOND.features, Feature(name="one")), "sql": f"SELECT *, 1 AS one FROM ({SECOND.sql})"}
    )
    keyed = SECOND.model_copy(
        update={"entity": ("shop", "till"), "sql": f"SELECT *, 1 AS till FROM ({SECOND.sql})"}
    )  # fmt: skip
    assert len({view.version for view in (SECOND, less, more, keyed)}) == 4
    assert [amounts(["a"], [8], view=view) for view in (SECOND, less, more)] == [[7.0], [7.0], [30.0]]
    asked = pandas.DataFrame({"shop": ["a"], "till": [1], "asked_at": [at(8)]})
    assert features(keyed).historical(asked, ["last_sale.amount"])["last_sale__amount"].to_pylist() == [30.0]
    # Nor is one that is of two keys one of the first of them.
    stream(("a", 8, 9, 8.0), view=keyed, till=1)
    commit()
    assert amounts(["a"], [9]) == [7.0]
    # From then on there are rows of both.
    stream(("a", 9, 9, 9.0), view=more)
    commit()
    assert [amounts(["a"], [8, 9], view=view) for view in (less, more)] == [[7.0, 9.0], [30.0, 9.0]]


def test_a_check_that_was_declared_later_holds_for_streamed_rows_too(world: World) -> None:
    land(world, "2.csv")
    stream(("a", 8, 8, 99.0))
    commit()
    low = SECOND.model_copy(update={"features": (Feature(name="amount", maximum=60), SECOND.features[1])})
    assert low.version == SECOND.version
    for _ in range(2):
        with pytest.raises(InvalidView, match="1 of 4 rows are outside up to 60, such as 99 for shop 'a'"):
            amounts(["a"], [8], view=low)
        amounts(["a"], [8])


# -- the parity check -------------------------------------------------------------------------------------------------


def test_parity_compares_entities_that_were_only_streamed_once_they_were_committed(world: World) -> None:
    land(world, "2.csv")
    features().materialise("last_sale")
    stream(("new", 8, 8, 5.0))
    # The same event as an uploaded row, corrected: it may be under way until it was materialised.
    stream(("a", 3, 9, 31.0))
    for committed in (False, True):
        found = check_parity()
        assert (found.sampled, found.equal, found.in_flight, found.different) == (3, 2, 1, 0), committed
        commit()
    features().materialise("last_sale")
    found = check_parity()
    assert (found.sampled, found.equal, found.in_flight, found.different) == (4, 4, 0, 0)
    CLIENTS("dynamodb").delete_item(TableName=TABLE, Key={"pk": {"S": "shop|new"}})
    (mismatch,) = (entry for entry in check_parity().mismatches if entry.feature == "amount")
    assert (mismatch.entity, mismatch.online, mismatch.offline) == (("new",), None, 5.0)
