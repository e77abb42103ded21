"""A materialisation that is split into shards ends as one clean run in one process does, whatever happens to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headwater.features.errors import MaterialisationStuck, OnlineStoreBusy
from headwater.features.online.handoff import HandOver, assignment
from headwater.features.online.materialising import Materialised, MaterialiseOptions
from headwater.features.online.progress import Progress, ProgressOf, Run
from headwater.features.online.records import Materialisations
from headwater.features.online.sharding import Assignment, Finished, Shard, Sharding, Split
from headwater.features.online.store import OnlineStore
from headwater.lake.service import Lake
from headwater.lake.store import Objects
from headwater.storage.environment import CLIENTS
from headwater.storage.executions import Executions
from headwater.storage.table import Table
from tests.unit.features.test_materialise import (
    CATALOG,
    LAST,
    NOW,
    amounts,
    correct,
    features,
    land,
    restore,
    watch,
)
from tests.unit.features.test_online import THROTTLED, before
from tests.unit.lake.world import FEATURES, LAKE, REGISTRY, World

Writes = Callable[[list[Shard]], Sequence[Shard]]


@pytest.fixture
def arn(world: World) -> str:
    """Of a machine."""
    return world.materialisation()


def progress() -> Progress:
    return ProgressOf(Table(REGISTRY, CLIENTS), LAST.name, LAST.version).read()


def hand_over(arn: str, **others: Any) -> HandOver:
    return HandOver(executions=Executions(arn, CLIENTS), **{"above": 0, **others})


def in_progress() -> Assignment:
    """What an execution is told of the one run that is under way."""
    (run,) = progress().in_progress
    return Assignment.model_validate_json(json.dumps(assignment(LAST.name, LAST.version, run)))


class Machine:
    """The machine's steps, one after the other, as headwater/infra/features/sharded_materialisation.asl.json has."""

    def __init__(self) -> None:
        self.sharding = Sharding(Table(REGISTRY, CLIENTS), Objects(LAKE, CLIENTS))
        self.online = OnlineStore(FEATURES, CLIENTS, pause=lambda _: None)

    def run(self, told: Assignment, *, size: int = 1, order: Writes = lambda shards: shards) -> Finished:
        split = self.split(told, size)
        written = sum(self.sharding.write(shard, self.online).written for shard in order(self.shards(split)))
        return self.sharding.finish(told, split, written)

    def split(self, told: Assignment, size: int = 1) -> Split:
        split = features().split(told, shard_entities=size)
        return Split.model_validate_json(split.model_dump_json())

    def shards(self, split: Split) -> list[Shard]:
        if not split.manifest:
            return []
        where = split.manifest
        body = CLIENTS("s3").get_object(Bucket=where.bucket, Key=where.key, VersionId=where.version_id)["Body"].read()
        shards = [Shard.model_validate(entry) for entry in json.loads(body)]
        assert (len(shards), sum(shard.entities for shard in shards)) == (split.shards, split.entities)
        return shards


def test_a_run_in_shards_ends_as_one_process_ends_it(world: World, arn: str) -> None:
    for name in ("1.csv", "2.csv"):
        land(world, name)
    before = tables()
    clean = features().materialise("last_sale")
    expected, record, completed = (
        world.online(),
        Materialisations(Table(REGISTRY, CLIENTS)).all("last_sale"),
        progress(),
    )
    restore(before)
    done = features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn)))
    assert (done.complete, done.written, world.online()) == (False, 0, {})
    assert done.execution.startswith(f"last_sale-{LAST.version}-{clean.data_version[:12]}-")
    finished = Machine().run(in_progress())
    assert (finished.complete, finished.entities, finished.written) == (True, clean.entities, clean.written)
    assert (world.online(), progress()) == (expected, completed)
    assert Materialisations(Table(REGISTRY, CLIENTS)).all("last_sale") == record
    # Nothing is left to do: neither for the machine nor for who calls again.
    again = features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn)))
    assert (again.complete, again.written, again.execution) == (True, 0, "")


def tables() -> dict[str, list[dict[str, Any]]]:
    return {table: CLIENTS("dynamodb").scan(TableName=table)["Items"] for table in (REGISTRY, FEATURES)}


def test_only_what_changed_is_split_and_what_was_done_before_is_not(world: World, arn: str) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    land(world, "2.csv")
    features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn)))
    told = in_progress()
    # Of two entities only the sale of shop a is another one.
    assert [shard.entities for shard in Machine().shards(Machine().split(told))] == [1]
    ProgressOf(Table(REGISTRY, CLIENTS), LAST.name, LAST.version).note(told.run, ("a",))
    split = Machine().split(told)
    assert (split.shards, split.counted.entities) == (0, 2)
    assert Machine().sharding.finish(told, split, 0).complete


def test_a_run_stays_with_its_execution_and_a_failed_one_is_followed_by_another(world: World, arn: str) -> None:
    land(world, "1.csv")
    asked: list[Materialised] = []

    def ask() -> Materialised:
        # The time moves, the run's name doesn't.
        asked.append(
            features(NOW + timedelta(hours=len(asked))).materialise(
                "last_sale", options=MaterialiseOptions(hand_over=few)
            )
        )
        return asked[-1]

    few = hand_over(arn, above=1)
    first = ask()
    read = watch("GetObject", "s3")
    assert ask().execution == first.execution
    # Nothing was computed to find that out.
    assert all("/versions/" in request.url for request in read)
    steps = CLIENTS("stepfunctions")
    steps.stop_execution(executionArn=f"{arn.replace('stateMachine', 'execution')}:{first.execution}")
    second = ask()
    assert (first.execution[-2:], second.execution[-2:]) == ("-1", "-2")
    assert first.execution[:-2] == second.execution[:-2]
    assert ask().execution == second.execution
    assert len(steps.list_executions(stateMachineArn=arn)["executions"]) == 2
    # Where there is no machine at hand, whoever calls does it; the execution finds nothing to do any more.
    told = in_progress()
    split = Machine().split(told)
    assert features().materialise("last_sale").complete
    late = [Machine().sharding.write(shard, Machine().online) for shard in Machine().shards(split)]
    assert [(done.needed, done.written) for done in late] == [(False, 0)] * 2
    assert not Machine().sharding.finish(told, split, 0).complete
    assert Machine().split(told) == Split()
    assert not progress().in_progress


def test_executions_that_all_ended_are_named_in_the_error() -> None:
    class Ended(Executions):
        def __init__(self) -> None:
            self.asked: list[str] = []

        def start(self, name: str, given: object) -> bool:
            self.asked.append(name)
            return False

    ended, run = Ended(), Run(data_version="d" * 64, revision=1, commits={}, moment=5, full=True, attempts=3)
    with pytest.raises(MaterialisationStuck, match=r"executions 3 to 22 of .*-5-full-3 have all ended"):
        HandOver(executions=ended, above=0).start("v" * 99, "a" * 12, run)
    assert len(set(ended.asked)) == 20
    assert max(map(len, ended.asked)) <= 80


def test_a_late_call_hands_over_its_rest_unless_it_is_called_again_at_once(world: World, arn: str) -> None:
    for name in ("1.csv", "2.csv"):
        land(world, name)
        land(world, name, "other")
    late = MaterialiseOptions(stop=lambda: True, hand_over=hand_over(arn, above=9, unfinished=True))
    done = features().materialise_all(late)
    assert [(entry.view, entry.complete, bool(entry.execution)) for entry in done] == [
        ("last_sale", False, True),
        ("both", False, True),
    ]
    waiting = MaterialiseOptions(stop=lambda: True, hand_over=hand_over(late.hand_over.executions.arn, above=9))  # type: ignore[union-attr]
    (last,) = features().materialise_source("other", waiting)
    assert (last.view, last.complete, last.execution) == ("both", False, "")


def test_newer_data_wait_for_an_execution_and_are_taken_up_when_it_ended(world: World, arn: str) -> None:
    land(world, "1.csv")
    options = MaterialiseOptions(hand_over=hand_over(arn))
    first = features().materialise("last_sale", options=options)
    told = in_progress()
    correct(world, 7)
    waiting = features().materialise("last_sale", options=options)
    assert (waiting.execution, waiting.data_version) == (first.execution, told.run.data_version)
    assert Machine().run(told).complete
    assert amounts(world) == {"a": 1.0, "b": 2.0}
    # Shop a alone is left to do.
    assert (
        features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn, above=1))).written == 1
    )
    assert amounts(world) == {"a": 7.0, "b": 2.0}


def test_a_failed_execution_gives_way_to_newer_data_at_every_step(world: World, arn: str) -> None:
    land(world, "1.csv")
    machine, options = Machine(), MaterialiseOptions(hand_over=hand_over(arn))
    failed = features().materialise("last_sale", options=options).execution
    old = in_progress()
    split = machine.split(old)
    first, *rest = machine.shards(split)
    assert machine.sharding.write(first, machine.online).written == 1
    CLIENTS("stepfunctions").stop_execution(executionArn=f"{arn.replace('stateMachine', 'execution')}:{failed}")
    correct(world, 7)
    # From when the newer data are taken up, long before they are online.
    assert features().materialise("last_sale", options=options).execution != failed
    new = next(run for run in progress().in_progress if run.revision > old.run.revision)
    assert not any(machine.sharding.write(shard, machine.online).needed for shard in rest)
    assert not machine.sharding.finish(old, split, 1).complete
    assert machine.split(old) == Split()
    told = Assignment.model_validate(assignment(LAST.name, LAST.version, new))
    assert machine.run(told).complete
    assert amounts(world) == {"a": 7.0, "b": 2.0}
    known = progress()
    assert (known.in_progress, known.completed and known.completed.data_version) == ((), new.data_version)


def test_a_full_run_refills_a_table_while_newer_data_go_on(world: World, arn: str) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    CLIENTS("dynamodb").delete_item(TableName=FEATURES, Key={"pk": {"S": "shop|b"}})
    machine = Machine()
    features().materialise("last_sale", options=MaterialiseOptions(full=True, hand_over=hand_over(arn)))
    told = in_progress()
    split = machine.split(told)
    correct(world, 7)
    newer = features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn, above=1)))
    assert (newer.complete, newer.written, amounts(world)) == (True, 1, {"a": 7.0})
    written = sum(machine.sharding.write(shard, machine.online).written for shard in machine.shards(split))
    assert machine.sharding.finish(told, split, written).complete
    assert (written, amounts(world)) == (1, {"a": 7.0, "b": 2.0})
    known = progress()
    assert (known.in_progress, known.completed and known.completed.data_version) == ((), newer.data_version)


def test_a_run_killed_at_any_call_and_repeated_ends_as_if_never_killed(world: World, arn: str) -> None:
    land(world, "1.csv")
    features().materialise("last_sale")
    correct(world, 9)
    features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn)))
    before, told = tables(), in_progress()
    assert Machine().run(told).complete
    expected, record, calls, dies = world.online(), progress(), count(), [-1]

    def die(**_: object) -> None:
        if next(calls) == dies[0]:
            raise KeyboardInterrupt

    # Between two writes it makes no difference where it dies.
    for service, write in (
        ("s3", "PutObject"),
        ("dynamodb", "BatchExecuteStatement"),
        ("dynamodb", "TransactWriteItems"),
    ):
        CLIENTS(service).meta.events.register(f"before-send.{service}.{write}", die)
    for call in count():
        restore(before)
        calls, dies[0] = count(), call
        try:
            Machine().run(told)
        except KeyboardInterrupt:
            dies[0] = -1
            Machine().run(told)
        else:
            break
        finally:
            dies[0] = -1
        assert (world.online(), progress()) == (expected, record), call
    # A shard, the list of shards, an online item, the record and the progress.
    assert call == 5


def test_a_shard_that_stays_throttled_says_so_and_done_again_writes_the_rest(world: World, arn: str) -> None:
    land(world, "1.csv")
    features().materialise("last_sale", options=MaterialiseOptions(hand_over=hand_over(arn)))
    told, machine = in_progress(), Machine()
    split = machine.split(told, size=2)
    (shard,) = machine.shards(split)
    answers = iter([THROTTLED] * 5)
    before("BatchExecuteStatement", lambda _: next(answers, None))
    with pytest.raises(OnlineStoreBusy):
        machine.sharding.write(shard, machine.online)
    assert machine.sharding.write(shard, machine.online).written == 2
    assert machine.sharding.write(shard, machine.online).written == 0
    assert machine.sharding.finish(told, split, 2).complete
    assert amounts(world) == {"a": 1.0, "b": 2.0}


EVENTS = st.tuples(st.sampled_from("abcd"), st.integers(0, 6), st.sampled_from([None, -1.0, 0.0, 2.5]))


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=2, max_size=2),
    st.integers(1, 3),
    st.randoms(use_true_random=False),
)
def test_shards_of_any_size_in_any_order_and_more_than_once_are_one_clean_run(
    world: World, arn: str, files: list[list[tuple[str, int, float | None]]], size: int, random: Any
) -> None:
    restore({REGISTRY: [], FEATURES: []})
    over = hand_over(arn, at_once=True)
    lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS))
    now = datetime(2013, 1, 1, 9, 30, tzinfo=UTC)
    for number, events in enumerate(files):
        lines = [f"{shop},2013-01-01T{at:02}:00:00,{'' if value is None else value}" for shop, at, value in events]
        lake.ingest(world.upload(f"landing/sales/{number}.csv", "\n".join(["shop,sold,amount", *lines, ""])))
        before = tables()
        features(now).materialise("last_sale")
        expected = world.online()
        restore(before)
        if features(now).materialise("last_sale", options=MaterialiseOptions(hand_over=over)).execution:

            def twice(shards: list[Shard]) -> list[Shard]:
                both = shards * 2
                random.shuffle(both)
                return both

            assert Machine().run(in_progress(), size=size, order=twice).complete
        assert world.online() == expected
