"""Records of a Kinesis data stream land once, in their order, through resharding, expiry and crashes."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

import pytest
from botocore.exceptions import ClientError
from localcloud.moto_patches import kinesis_shards

from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import reset
from headwater.collecting.streams import kinesis
from headwater.collecting.streams.aggregation import HashRange, Packed, unpacked
from headwater.collecting.streams.rows import NoRow, rows_of
from headwater.collecting.streams.shards import MOST_SHARDS, Cursor, Position, cursor_of
from headwater.collecting.types import LONGEST_CURSOR, RunStatus
from headwater.json_values import dumps
from headwater.storage.environment import CLIENTS
from headwater.storage.roles import client_as
from tests.crashing import crash_points
from tests.unit.collecting.streams import Stream, now, read_long_ago, told
from tests.unit.collecting.world import landed, lines, store
from tests.unit.versions.cases import Killed, wired


@pytest.fixture
def stream(aws_streams: None) -> Stream:
    return Stream()


def test_records_land_once_in_their_order_and_the_next_run_goes_on(stream: Stream) -> None:
    stream.put(1, 2, 3)
    outcome = stream.collect("first")
    assert (outcome.status, outcome.rows) == (RunStatus.DONE, 3)
    stream.put(4)
    assert stream.collect("second").rows == 1
    assert stream.collect("third").rows == 0
    assert told() == [1, 2, 3, 4]


def test_a_shard_that_was_split_is_read_to_its_end_before_its_children(stream: Stream) -> None:
    stream.put(1, 2, key="a")
    stream.collect("first")
    stream.put(3, key="a")
    stream.split()
    stream.put(4, 5, key="a")
    stream.collect("second")
    assert told() == [1, 2, 3, 4, 5]
    assert '"shardId-000000000000":{"ended":true}' in _cursor()


def test_shards_that_were_merged_are_both_read_before_their_child(aws_streams: None) -> None:
    stream = Stream(shards=2)
    stream.put(*range(10))
    stream.merge(0, 1)
    stream.put(10, 11)
    stream.collect(batch_rows=1)
    assert sorted(told()) == list(range(12))
    assert told()[-2:] == [10, 11]


def test_closed_shards_that_are_gone_leave_the_cursor(stream: Stream) -> None:
    stream.put(1, key="a")
    stream.split()
    stream.put(2, key="a")
    stream.collect("first")
    stream.age(hours=25)
    stream.put(3, key="a")
    stream.collect("second")
    assert told() == [1, 2, 3]
    assert "shardId-000000000000" not in _cursor()


def test_records_that_are_gone_unread_are_told_once_what_is_left_has_landed(stream: Stream) -> None:
    stream.put(1, 2)
    stream.collect("first")
    stream.put(3)
    stream.age(hours=30)
    stream.put(4)
    read_long_ago(hours=30)
    tick = now()
    for name in ("second", "retried"):
        with pytest.raises(
            CollectFailed, match=r"records may be lost: shard shardId-000000000000 was read up to \d{4}-"
        ):
            stream.collect(name, tick=tick)
    assert told() == [1, 2, 4]
    stream.put(5)
    assert stream.collect("third").status is RunStatus.DONE
    assert told() == [1, 2, 4, 5]


def test_a_shard_that_is_gone_unread_is_told(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    stream.put(2)
    stream.split()
    stream.age(hours=30)
    stream.put(3)
    with pytest.raises(CollectFailed, match="records may be lost: shard shardId-000000000000 was read up to"):
        stream.collect("second")
    assert told() == [1, 3]


def test_a_stream_that_is_quiet_for_longer_than_it_keeps_records_loses_none(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    for day in range(1, 4):
        stream.collect(f"quiet-{day}")
        stream.age(hours=20)
        read_long_ago(hours=20)
    stream.put(2)
    assert stream.collect("last").status is RunStatus.DONE
    assert told() == [1, 2]


def test_a_record_that_is_about_to_go_does_not_land_again(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    # Nobody knows whether the last record is still there: the shard is read from a time on, and gives it again.
    stream.age(hours=23.95)
    read_long_ago(hours=23.95)
    stream.put(2)
    assert stream.collect("second").rows == 1
    assert told() == [1, 2]


def test_a_child_of_a_shard_that_is_split_while_it_is_read_waits_for_its_end(stream: Stream) -> None:
    stream.put(1, key="a")
    answers = count()

    def split(**_: object) -> None:
        if next(answers) == 0:
            stream.put(2, key="a")
            stream.split()
            stream.put(3, key="a")

    CLIENTS("kinesis").meta.events.register("after-call.kinesis.GetRecords", split)
    stream.collect("first")
    stream.collect("second")
    assert told() == [1, 2, 3]


def test_a_quiet_run_is_written_down_by_the_hour_only(stream: Stream) -> None:
    stream.put(1)
    stream.collect("first")
    before = store().state()
    stream.collect("quiet")
    later = store().state()
    assert before is not None
    assert later is not None
    assert (before.sequence, before.cursor) == (later.sequence, later.cursor)
    stream.collect("hours-later", at=now() + timedelta(hours=2))
    last = store().state()
    assert last is not None
    assert last.sequence == before.sequence + 1


def test_a_run_ends_in_time_and_the_next_call_goes_on(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis_shards, "MOST_RECORDS", 2)
    stream.put(*range(6))
    seconds = iter([900.0, 900.0])
    assert not stream.collect(left=lambda: next(seconds, 40.0)).complete
    assert told() == [0, 1, 2, 3]
    assert stream.collect().complete
    assert told() == list(range(6))


def test_what_arrives_while_a_run_reads_is_left_to_the_next(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis_shards, "MOST_RECORDS", 1)
    stream.put(1)
    # A producer that is as quick as the reader: who reads until nothing comes any more would never end.
    CLIENTS("kinesis").meta.events.register("after-call.kinesis.GetRecords", lambda **_: stream.put(9))
    stream.collect()
    assert len(told()) <= 3


def test_records_are_json_objects_whose_digits_are_kept(stream: Stream) -> None:
    stream.put_bytes(b'{"n": 12345678901234567890.123456789, "m": 1e400}\n')
    stream.put_bytes('{"a":"ü"}\r\n{"a":null}'.encode())
    stream.put_bytes(b'{\n  "b": [1,\n 2]\n}')
    stream.collect()
    assert lines(landed().values()) == [
        '{"n":12345678901234567890.123456789,"m":1E+400}',
        '{"a":"\\u00fc"}',
        '{"a":null}',
        '{"b":[1,2]}',
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[1]", r"a list, expected a JSON object: '\[1\]'"),
        (b"7", "a number, expected a JSON object"),
        (b"null", "null, expected a JSON object"),
        (b"\xff\xfe", r"no JSON: .* isn't UTF-8"),
        (b'{"a": 1, "a": 2}', "no JSON: an object has the name 'a' twice"),
        (b'{"a": NaN}', "no JSON: NaN is no JSON value"),
        (b"  ", "empty, expected a JSON object"),
        (b'{"a": 1}\nx', "no JSON"),
        (b'{"a": 1}{"a": 2}', "no JSON: Extra data"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_bytes_that_are_no_objects_are_no_rows(data: bytes, said: str) -> None:
    with pytest.raises(NoRow, match=said):
        rows_of(data)


def test_a_record_that_is_no_object_is_named_and_what_came_before_it_counts(stream: Stream) -> None:
    stream.put(1)
    number = stream.put_bytes(b"[1]")
    stream.put(2)
    for name in ("first", "second"):
        with pytest.raises(CollectFailed, match=rf"record {number} of shard shardId-000000000000 is a list.*skip="):
            stream.collect(name)
    assert told() == [1]
    stream.collect("third", skip=(number,))
    assert told() == [1, 2]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\x0a\xff\xff\xff\xff\x0f", "ends within a field"),
        (b"\x1a\x04\x08\x05\x1a\x00", "names a key that it doesn't have"),
        (b"\x1a\x02\x08\x05", "without data or partition key"),
        (b"\x0b", "of the unknown kind 3"),
        (b"\x0a", "ends within a number"),
    ],
)
def test_a_packed_record_that_cant_be_unpacked_is_told(body: bytes, said: str) -> None:
    digest = hashlib.md5(body, usedforsecurity=False).digest()
    with pytest.raises(Packed, match=said):
        unpacked(b"\xf3\x89\x9a\xc2" + body + digest, HashRange(0, 2**128 - 1))


def test_bytes_that_only_begin_like_a_packed_record_are_none(stream: Stream) -> None:
    stream.put_bytes(b"\xf3\x89\x9a\xc2" + b"x" * 40)
    with pytest.raises(CollectFailed, match=r"is no JSON: .* isn't UTF-8"):
        stream.collect()


def test_a_reset_takes_a_time_a_place_or_a_sequence_number(stream: Stream) -> None:
    _, number, _ = stream.put(1, 2, 3)
    stream.collect("first")
    cursors = {"TRIM_HORIZON": 3, "LATEST": 0, "2020-01-01T00:00:00Z": 3}
    for run, (cursor, rows) in enumerate(cursors.items()):
        reset(store(), "book", cursor, pause=lambda _: None)
        assert stream.collect(f"reset-{run}").rows == rows, cursor
    reset(store(), "book", {"shards": {"shardId-000000000000": {"after": number}}}, pause=lambda _: None)
    assert stream.collect("by-number").rows == 1
    for bad in ("yesterday", 7, {"shards": {"shardId-0": {"after": "x"}}}, "2020-01-01T00:00:00"):
        reset(store(), "book", bad, pause=lambda _: None)
        with pytest.raises(CollectFailed, match="is no cursor of a stream: expected a time with its zone"):
            stream.collect("bad")


def test_what_cant_be_read_is_told(aws_streams: None) -> None:
    absent = Stream()
    CLIENTS("kinesis").delete_stream(StreamName=absent.name)
    with pytest.raises(CollectFailed, match="stream clicks can't be read: ResourceNotFoundException: Stream clicks"):
        absent.collect()


def test_a_stream_of_another_account_is_read_by_its_arn_and_role(stream: Stream) -> None:
    role = "arn:aws:iam::222222222222:role/export"
    theirs = client_as("kinesis", role, CLIENTS, caller="theirs")
    theirs.create_stream(StreamName="theirs", ShardCount=1)
    theirs.put_record(StreamName="theirs", Data=b'{"row": 7}', PartitionKey="k")
    asked: list[dict[str, object]] = []
    CLIENTS("sts").meta.events.register(
        "provide-client-params.sts.AssumeRole", lambda params, **_: asked.append(params)
    )
    arn = "arn:aws:kinesis:eu-central-1:222222222222:stream/theirs"
    stream.collect(stream=arn, role_arn=role, external_id="shop-42")
    assert [(one["RoleArn"], one["ExternalId"]) for one in asked] == [(role, "shop-42")]
    assert told() == [7]


def test_a_roles_keys_are_asked_for_again_before_they_expire(stream: Stream) -> None:
    asked: list[object] = []

    def expire(parsed: dict[str, dict[str, object]], **_: object) -> None:
        asked.append(parsed)
        parsed["Credentials"]["Expiration"] = now() + timedelta(hours=1 if len(asked) > 1 else 0.1)

    CLIENTS("sts").meta.events.register("after-call.sts.AssumeRole", expire)
    theirs = client_as("kinesis", "arn:aws:iam::222222222222:role/export", CLIENTS, caller="theirs")
    for _ in range(3):
        theirs.list_streams()
    assert len(asked) == 2


def test_a_role_that_cant_be_assumed_is_told(stream: Stream) -> None:
    def refuse(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "AssumeRole")

    CLIENTS("sts").meta.events.register("after-call.sts.AssumeRole", refuse)
    with pytest.raises(CollectFailed, match="arn:aws:iam::222222222222:role/export can't be assumed: AccessDenied"):
        stream.collect(role_arn="arn:aws:iam::222222222222:role/export")


def test_a_cursor_holds_as_many_shards_as_are_allowed(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    number, at = "4" * 56, datetime(2026, 11, 1, 12, 0, 0, 123456, tzinfo=UTC)
    position = Position(after=number, arrived=at, read_to=at)
    shards = {f"shardId-{shard:012}": position for shard in range(MOST_SHARDS)}
    cursor = Cursor(start=at, created=at, shards=shards, lost="w" * 400, lost_at=at)
    assert len(dumps(cursor.kept())) <= LONGEST_CURSOR
    milliseconds = at.replace(microsecond=123000)
    (read,) = set(cursor_of(cursor.kept(), "LATEST", at).shards.values())
    assert read == Position(after=number, arrived=milliseconds, read_to=milliseconds)
    monkeypatch.setattr(kinesis, "MOST_SHARDS", 0)
    with pytest.raises(CollectFailed, match="stream clicks has 1 shards, closed ones too, and a cursor holds 0"):
        stream.collect()


@pytest.mark.parametrize("seed", [1, 2])
def test_split_merged_and_killed_each_row_lands_once_in_the_order_of_its_key(stream: Stream, seed: int) -> None:
    random, wire, sent = Random(seed), wired("s3", "dynamodb", "kinesis"), 0
    for step in range(25):
        for _ in range(random.randrange(5)):
            stream.put(sent, key=f"key-{sent % 3}")
            sent += 1
        _reshard(stream, random)
        if random.random() < 0.5:
            seen, last = count(), random.randrange(40)
            wire.fault = lambda _, seen=seen, last=last: "kill" if next(seen) == last else None  # type: ignore[misc]
            with suppress(Killed):
                stream.collect(f"run-{step}", batch_rows=random.choice([1, 3, 100]))
            wire.revive()
    stream.collect("last")
    rows = told()
    assert sorted(rows) == list(range(sent))
    for key in range(3):
        assert [row for row in rows if row % 3 == key] == list(range(key, sent, 3))


def _reshard(stream: Stream, random: Random) -> None:
    """Split a shard, or merge two neighbours."""
    open_ones = sorted((one.starting_hash, one._shard_id) for one in stream.moto.shards.values() if one.is_open)
    place = random.randrange(len(open_ones))
    if random.random() < 0.3:
        stream.split(open_ones[place][1])
    elif random.random() < 0.3 and place:
        stream.merge(open_ones[place - 1][1], open_ones[place][1])


def test_killed_at_any_call_every_record_lands_once(stream: Stream) -> None:
    wire = wired("s3", "dynamodb", "kinesis")
    stream.put(0)
    stream.collect("count", batch_rows=2)
    calls = len(wire.calls)
    sent = 1
    for number in crash_points(0, "kinesis"):
        if number >= calls + 6:
            break
        stream.put(*range(sent, sent + 3), key="a")
        sent += 3
        seen = count()
        wire.fault = lambda _, number=number, seen=seen: "kill" if next(seen) == number else None  # type: ignore[misc]
        with suppress(Killed):
            stream.collect(f"killed-{number}", batch_rows=2)
        wire.revive()
        stream.collect(f"next-{number}", batch_rows=2)
        assert told() == list(range(sent)), f"killed at call {number}"
        wire.revive()


def _cursor() -> str:
    state = store().state()
    assert state is not None
    return str(state.cursor)
