"""The history: whatever order events come in, it is the same; whatever happens to the files, it remembers."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headwater.history.errors import (
    AmbiguousUpdate,
    FileUnreadable,
    NothingExistedYet,
    StateBucketMissing,
    StateUnknown,
    UpdateNotFound,
)
from headwater.history.service import UpdateHistory
from headwater.history.store import GraphStore, HistoryTable, StateBucket
from headwater.history.types import HistoryFile, StackName
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.history.world import ARTIFACTS, NOON, OF, STATE, World, cli_checkpoint, with_delay
from tests.unit.registry.cases import TABLE

EMPTY = {"version": 3, "checkpoint": {"stack": "organization/small/local", "latest": {"resources": []}}}


def eventful(world: World) -> World:
    """Updates by two people, one that fails, a change behind Pulumi's back, a removed stack and its successor."""
    world.update(cli_checkpoint(), message="first")
    world.update(with_delay(90), by="bob", result="failed", config={"small:a": "1", "small:key": {"secure": "v1:x:y"}})
    world.save(with_delay(120))  # pulumi stack import: no history
    world.wait(seconds=30)
    world.update(with_delay(30), zipped=True)
    world.update(EMPTY, kind="destroy")
    world.remove_stack()
    world.update(cli_checkpoint())
    world.update(with_delay(7), of=StackName(project="small", stack="other"))
    return world


def test_an_update_is_known_with_who_when_why_and_what_was_left(world: World) -> None:
    world.update(cli_checkpoint())
    world.tell()
    (update,) = world.history.updates(OF)
    assert (update.kind, update.result, update.message) == ("update", "succeeded", "first")
    assert (update.started_at, update.ended_at - update.started_at) == (NOON, timedelta(seconds=10))
    assert (update.by, update.author) == ("ada@laptop", "Ada <a@example.org>")
    assert (update.commit[:7], update.dirty, update.branch) == ("c6a1c60", True, "master")
    assert (update.run_by, update.cli, update.providers) == ("auto.inline", "3.259.0", {"aws": "7.51.1"})
    assert (update.changes, update.resources, update.problems) == ({"create": 4}, 5, ())
    assert len(world.history.graph(update).resources) == 5


def test_what_an_eventful_history_comes_to(world: World) -> None:
    eventful(world).tell()
    updates = world.history.updates(OF)
    assert [update.kind for update in updates] == ["update", "update", "update", "destroy", "update"]
    assert [update.by.partition("@")[0] for update in updates] == ["ada", "bob", "ada", "ada", "ada"]
    assert [update.jumped for update in updates] == [None, False, True, False, False]
    assert updates[0].digest == updates[4].digest != updates[1].digest
    assert (updates[1].config, updates[1].secret_config) == ({"small:a": "1"}, ("small:key",))
    assert [update.resources for update in updates] == [5, 5, 5, 0, 5]
    assert world.history.stacks() == [OF, StackName(project="small", stack="other")]
    changed = world.history.changes(OF, updates[2])
    assert changed is not None
    assert changed.changed[0].properties[0].before == 120  # what was imported, not what the update before had left


def test_no_ciphertext_reaches_the_table_or_the_artifacts(world: World) -> None:
    eventful(world).tell()
    assert "v1:" not in json.dumps(world.contents())
    for entry in CLIENTS("s3").list_objects_v2(Bucket=ARTIFACTS)["Contents"]:
        name = entry["Key"].removeprefix("infrastructure/").removesuffix(".json.gz")
        assert "v1:" not in repr(GraphStore(ARTIFACTS, CLIENTS).load(name).resources)


def test_events_twice_late_and_in_any_order_give_the_same_history(world: World) -> None:
    world.update(cli_checkpoint())
    world.save(with_delay(120))  # pulumi stack import
    world.wait(seconds=30)
    world.update(with_delay(30), by="bob", zipped=True)
    world.update(EMPTY, kind="destroy")
    world.remove_stack()
    world.tell()
    expected = world.contents()
    assert [update.jumped for update in world.history.updates(OF)] == [None, True, False]

    @settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.permutations(world.keys), st.lists(st.sampled_from(world.keys), max_size=3))
    @example(list(reversed(world.keys)), world.keys[:2])
    def holds(order: list[str], again: list[str]) -> None:
        world.forget()
        world.tell([*again[:1], *order, *again[1:]])
        assert world.contents() == expected

    holds()


def test_a_sync_gives_what_events_give_however_many_of_them_were_lost(world: World) -> None:
    eventful(world).tell()
    expected = world.contents()
    for seen in (0, 1, 7):
        world.forget()
        world.tell(world.keys[:seen])
        synced = world.history.sync()
        assert (synced.files, synced.new) == (12, 12 - seen)
        assert world.contents() == expected
        assert world.history.sync().new == 0


def test_an_event_that_comes_while_the_update_still_holds_its_lock_tells_the_same(world: World) -> None:
    lock = {"pid": 1, "username": "eve", "hostname": "ci", "timestamp": NOON.isoformat()}
    world.write(f".pulumi/locks/organization/{OF}/x.json", json.dumps(lock).encode())
    world.wait(seconds=5)
    world.update(cli_checkpoint())  # whose own lock came later: somebody who would have given up
    world.tell()
    assert world.history.updates(OF)[0].by == "eve@ci"
    world.delete(f".pulumi/locks/organization/{OF}/x.json")
    before = world.contents()
    world.forget()
    world.tell()
    assert world.contents() == before


def test_what_is_known_is_not_forgotten_when_old_versions_expire(world: World) -> None:
    eventful(world).tell()
    before = world.contents()
    for kind in ("Versions", "DeleteMarkers"):
        for entry in CLIENTS("s3").list_object_versions(Bucket=STATE).get(kind, ()):
            if not entry["Key"].startswith(".pulumi/history/"):
                CLIENTS("s3").delete_object(Bucket=STATE, Key=entry["Key"], VersionId=entry["VersionId"])
    world.history.sync()
    world.tell()
    assert world.contents() == before


def test_an_update_is_listed_before_its_checkpoint_is_there(world: World) -> None:
    world.update(cli_checkpoint())
    world.tell(world.keys[:1])
    (update,) = world.history.updates(OF)
    assert update.problems == ("its checkpoint is missing: Pulumi was interrupted, or the event is still on its way",)
    with pytest.raises(StateUnknown, match="its checkpoint is missing"):
        world.history.graph(update)
    world.tell(world.keys[1:])
    assert world.history.updates(OF)[0].problems == ()


CORRUPT_HISTORIES = {
    b"{half": "not JSON",
    b"[]": "AttributeError",
    b"{}": "KeyError",
    b"\x1f\x8bnonsense": "not JSON",
    b"\x28\xb5\x2f\xfdx": "zstd",
    b'{"kind": 1, "result": "x", "startTime": 1, "endTime": 1}': "kind",
}


def test_a_corrupt_history_file_is_an_update_of_which_little_is_known(world: World) -> None:
    for body in CORRUPT_HISTORIES:
        world.update(cli_checkpoint(), history=body)
    world.tell()
    for update, says in zip(world.history.updates(OF), CORRUPT_HISTORIES.values(), strict=True):
        assert (update.kind, update.result) == ("unknown", "unknown")
        assert says in update.problems[0]
        assert "\n" not in update.problems[0]
        assert update.digest  # its checkpoint could be read
    assert world.history.updates(OF)[0].ended_at == NOON + timedelta(seconds=10)  # when the file was written


def test_a_corrupt_checkpoint_is_said_to_be_one(world: World) -> None:
    corrupt = [b"not json", b'{"version": 2}', b"[]", b"\x28\xb5\x2f\xfdx"]
    for body in corrupt:
        world.update(body)
    world.tell()
    updates = world.history.updates(OF)
    assert len(updates) == len(corrupt)
    for update in updates:
        assert "the checkpoint can't be read" in update.problems[0]
        with pytest.raises(StateUnknown, match="the checkpoint can't be read"):
            world.history.graph(update)


def test_an_update_is_named_by_its_id_a_prefix_or_its_place(world: World) -> None:
    eventful(world).tell()
    updates = world.history.updates(OF)
    find = world.history.find
    for place, update in enumerate(reversed(updates)):
        assert find(OF, update.id) == find(OF, update.id[:8]) == find(OF, f"latest~{place}") == update
    assert find(OF, "latest") == updates[-1]
    for unknown in ("zzzzzz", "lates", "latest~5", updates[0].id[:3], "", "latest~-1"):
        with pytest.raises(UpdateNotFound, match="stack small/local"):
            find(OF, unknown)
    with pytest.raises(UpdateNotFound, match="knows no update of stack small/none"):
        find(StackName(project="small", stack="none"), "latest")


def test_a_prefix_of_two_updates_is_refused_with_both(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    eventful(world).tell()
    first, second = (update.model_copy(update={"id": f"abcd{number}"}) for number, update in
                     enumerate(world.history.updates(OF)[:2]))  # fmt: skip

    class Two(UpdateHistory):
        def updates(self, of: StackName):  # type: ignore[no-untyped-def]
            return (first, second)

    with pytest.raises(AmbiguousUpdate, match="'abcd' begins the ids of 2 updates: abcd0, abcd1"):
        Two(StateBucket(STATE, CLIENTS), HistoryTable(Table(TABLE, CLIENTS)), GraphStore(ARTIFACTS, CLIENTS)).find(
            OF, "abcd"
        )


def test_what_existed_at_a_time_is_what_the_last_update_had_left(world: World) -> None:
    world.update(cli_checkpoint())
    world.update(EMPTY, kind="destroy")
    world.tell()
    first, second = world.history.updates(OF)
    assert world.history.at(OF, first.ended_at).update == first
    between = world.history.at(OF, second.started_at + timedelta(seconds=5))
    assert (between.update, between.during, len(between.resources)) == (first, second, 5)
    assert world.history.at(OF, NOON + timedelta(days=9)).resources == ()
    with pytest.raises(NothingExistedYet, match="the first one ended at 2013-05-01T12:00:10"):
        world.history.at(OF, NOON)


def test_the_history_of_another_backend_can_be_added_as_often_as_one_likes(world: World) -> None:
    exported = json.dumps([
        {"version": 2, "kind": "update", "startTime": "2013-05-01T13:00:00.000Z", "endTime": "2013-05-01T13:01:00.000Z",
         "message": "two", "result": "succeeded", "environment": {"git.head": "c0ffee"}, "resourceChanges": {"same": 4},
         "config": {"a:b": {"value": "1", "secret": False}, "a:o": {"value": "{}", "objectValue": {"x": 1}},
                    "a:s": {"value": "shown", "secret": True}}},
        {"version": 1, "kind": "update", "startTime": "2013-05-01T12:00:00.000Z", "endTime": "2013-05-01T12:00:10.000Z",
         "message": "first", "result": "succeeded", "environment": {}, "config": {}},
        {"version": 3, "kind": "update", "startTime": "2013-05-01T14:00:00.000Z", "result": "in-progress",
         "message": "", "environment": {}, "config": {}},
    ])  # fmt: skip
    assert world.history.import_history(OF, exported).new == 2
    assert world.history.import_history(OF, exported).new == 0
    first, second = world.history.updates(OF)
    assert (first.message, second.message, second.source) == ("first", "two", "export")
    assert (second.config, second.secret_config) == ({"a:b": "1", "a:o": {"x": 1}}, ("a:s",))
    assert "shown" not in json.dumps(world.contents())
    with pytest.raises(StateUnknown):
        world.history.graph(second)
    # The first one's files turn up in the state bucket: still one update, now with what it left.
    world.update(cli_checkpoint())
    world.tell()
    first, second = world.history.updates(OF)
    assert (first.source, bool(first.digest), second.source) == ("backend", True, "export")


def test_what_is_no_exported_history_is_refused_whole(world: World) -> None:
    for text in ("", "{}", "[1]", '[{"kind": "update"}]', "[[]]"):
        with pytest.raises(FileUnreadable):
            world.history.import_history(OF, text)
    assert world.contents() == []


def test_a_state_bucket_that_is_not_there_is_named(world: World) -> None:
    lost = UpdateHistory(
        StateBucket("nowhere", CLIENTS), HistoryTable(Table(TABLE, CLIENTS)), GraphStore(ARTIFACTS, CLIENTS)
    )
    with pytest.raises(StateBucketMissing, match="there is no state bucket 'nowhere'"):
        lost.sync()


def test_an_event_of_a_file_that_was_removed_for_good_changes_nothing(world: World) -> None:
    file = HistoryFile.parse(f".pulumi/history/{OF}/local-1367409610000000000.history.json")
    assert file is not None
    assert world.history.record(file) is False
    assert world.contents() == []


@pytest.mark.parametrize(
    "key",
    [".pulumi/stacks/small/local.json", ".pulumi/history/small/local/local-x.history.json",
     ".pulumi/history/local/local-1.history.json", ".pulumi/history/small/local/other-1.history.json",
     ".pulumi/history/small/local/local-1.history.json.bak", "x/.pulumi/history/small/local/local-1.history.json"],
)  # fmt: skip
def test_other_keys_are_no_files_of_updates(key: str) -> None:
    assert HistoryFile.parse(key) is None


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_stacks_name_may_hold_dots_and_hyphens(suffix: str) -> None:
    file = HistoryFile.parse(f".pulumi/history/a-b/c.d-1/c.d-1-17.checkpoint.json{suffix}")
    assert file is not None
    assert (str(file.of), file.ns, file.part) == ("a-b/c.d-1", 17, "checkpoint")
