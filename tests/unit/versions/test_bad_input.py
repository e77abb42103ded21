"""What S3 may hold or refuse: a clear error or the documented answer, and nothing lost."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from headwater.storage.clients import error_code
from headwater.storage.environment import CLIENTS
from headwater.versions.errors import (
    BucketNotVersioned,
    InvalidName,
    NothingToCommit,
    NotPinnable,
    NotReadable,
    VersionGone,
)
from headwater.versions.store import Objects
from tests.unit.versions.cases import LAKE, World, make_bucket


def test_a_bucket_without_versioning_cannot_be_imported(world: World) -> None:
    make_bucket("plain", versioned=False)
    world.s3.put_object(Bucket="plain", Key="a", Body=b"1")
    with pytest.raises(BucketNotVersioned, match=r"'plain': versioning is not enabled") as raised:
        world.data.import_prefix("s3://plain/", "x")
    assert "put-bucket-versioning" in raised.value.next_steps[0]
    assert world.data.refs() == ()


def test_an_object_from_before_versioning_has_no_version_that_stays(world: World) -> None:
    make_bucket("late", versioned=False)
    world.s3.put_object(Bucket="late", Key="old", Body=b"1")
    world.s3.put_bucket_versioning(Bucket="late", VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(NotPinnable, match="s3://late/old was written before"):
        world.data.import_prefix("s3://late/", "x")
    world.s3.put_bucket_versioning(Bucket="late", VersioningConfiguration={"Status": "Suspended"})
    with pytest.raises(BucketNotVersioned, match="versioning is suspended"):
        world.open().dataset("flights").import_prefix("s3://late/", "x")


@pytest.mark.parametrize("uri", ["late/x", "s3://", "s3:///x", "https://x"])
def test_a_place_that_is_none_is_refused(world: World, uri: str) -> None:
    with pytest.raises(InvalidName, match="expected s3://bucket/folder"):
        world.data.import_prefix(uri, "x")


@pytest.mark.parametrize("uri", ["s3://lake/data/flights@main/", "s3://lake/versions/", "s3://lake"])
def test_what_gc_may_take_is_not_imported(world: World, uri: str) -> None:
    with pytest.raises(NotPinnable):
        world.data.import_prefix(uri, "x")


NAMES = [
    "nul\0",
    "\x01\x1f\ufffe",
    "ünïcode",
    "two words",
    "..",
    "a/../b",
    "%2e",
    "#",
    "+",
    "&<>\"'",
    "\U0001f600",
    "/",
    "a//b",
    "?x=1",
]


def test_keys_of_every_kind_are_committed_as_they_are_and_siblings_are_not(world: World) -> None:
    make_bucket("odd")
    for name in NAMES:
        world.s3.put_object(Bucket="odd", Key=f"in/{name}", Body=name.encode())
    for sibling in ("in", "in2/x", "ina", "i"):
        world.s3.put_object(Bucket="odd", Key=sibling, Body=b"sibling")
    world.s3.put_object(Bucket="odd", Key="in/", Body=b"")  # the console's mark for the folder
    world.data.import_prefix("s3://odd/in", "odd names")
    assert world.content() == {name: name for name in NAMES}
    with pytest.raises(NothingToCommit):
        world.data.import_prefix("s3://odd/in", "again")
    assert list(world.data.verify(read_bytes=True)) == []


def test_one_object_that_may_not_be_read_is_named_and_nothing_is_committed(world: World) -> None:
    world.commit({"a": "1", "b": "2"})
    world.stage({"b": "two", "secret": "3"})
    forbid(world, "/secret")
    with pytest.raises(NotReadable, match="not allowed to read s3://lake/data/flights@main/secret"):
        world.data.commit("more")
    assert world.content() == {"a": "1", "b": "2"}


def test_verify_names_each_object_that_is_gone_changed_or_forbidden(world: World) -> None:
    world.commit({name: name for name in ("gone", "marked", "changed", "secret", "right", "short")})
    entries = {entry.path: entry for entry in world.data.files()}
    world.s3.delete_object(Bucket=LAKE, Key=entries["gone"].key, VersionId=entries["gone"].version_id)
    world.s3.delete_object(Bucket=LAKE, Key=entries["marked"].key)  # only a delete marker: the version is there
    lies = [entries["changed"]._replace(checksum="AAAA"), entries["short"]._replace(size=1)]
    world.data.commit("lies", edits=[(entry.path, entry) for entry in lies])
    forbid(world, "/secret")
    for read_bytes in (False, True):
        problems = {found.entry.path: found for found in world.data.verify(read_bytes=read_bytes)}
        assert {path: found.kind for path, found in problems.items()} == {
            "gone": "gone", "changed": "changed", "secret": "denied", "short": "changed"}  # fmt: skip
        assert "has 5 bytes, committed were 1" in problems["short"].message
        assert f"no version {entries['gone'].version_id}" in problems["gone"].message


@pytest.mark.parametrize(("code", "gone"), [("InvalidArgument", True), ("ExpiredToken", False)])
def test_an_answer_to_head_that_says_nothing_is_asked_for_its_reason(world: World, code: str, gone: bool) -> None:
    """Of credentials that expired S3 says the same to HEAD as of a version that can't be: 400, without a word."""
    world.commit({"a": "1"})
    said = f"<Error><Code>{code}</Code><Message>so it is</Message></Error>".encode()

    def refuse(event_name: str, request: Any, **_: Any) -> AWSResponse:
        return AWSResponse(request.url, 400, {}, _Raw(b"" if event_name.endswith("HeadObject") else said))

    entries = list(world.data.files())
    for operation in ("HeadObject", "GetObject"):
        world.s3.meta.events.register_first(f"before-send.s3.{operation}", refuse)
    objects = Objects(LAKE, CLIENTS, timedelta(days=7))
    (found,) = objects.look(entries)
    assert isinstance(found, VersionGone if gone else ClientError)
    assert gone or error_code(found) == code


def test_checksums_are_s3s_own_where_it_has_a_strong_one_and_else_computed_once(world: World) -> None:
    key = world.data.staging_area().partition("/")[2]
    world.s3.put_object(Bucket=LAKE, Key=key + "own", Body=b"1", ChecksumAlgorithm="SHA256")
    world.s3.put_object(Bucket=LAKE, Key=key + "weak", Body=b"1", ChecksumAlgorithm="CRC32")
    upload = world.s3.create_multipart_upload(Bucket=LAKE, Key=key + "parts", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = [
        world.s3.upload_part(Bucket=LAKE, Key=key + "parts", UploadId=upload, PartNumber=number, Body=body,
                             ChecksumAlgorithm="SHA256")
        for number, body in ((1, b"x" * (5 << 20)), (2, b"y"))
    ]  # fmt: skip
    world.s3.complete_multipart_upload(
        Bucket=LAKE, Key=key + "parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": n, "ETag": part["ETag"]} for n, part in enumerate(parts, start=1)]},
    )  # fmt: skip
    world.wire.calls.clear()
    world.data.commit("three")
    entries = {entry.path: entry for entry in world.data.files()}
    assert entries["own"].content == entries["weak"].content
    assert entries["parts"].checksum.endswith("-2")
    assert list(world.data.verify()) == []
    world.wire.calls.clear()
    world.stage({"more": "2"})
    world.data.commit("again")
    assert world.wire.calls.count("HeadObject") == 1  # nothing is asked or computed a second time


def forbid(world: World, suffix: str) -> None:
    """S3 answers 403 for objects whose URL ends so."""

    def refuse(request: object, **_: object) -> AWSResponse | None:
        path = str(getattr(request, "url", "")).partition("?")[0]
        if not path.endswith(suffix):
            return None
        body = b"" if getattr(request, "method", "") == "HEAD" else b"<Error><Code>AccessDenied</Code></Error>"
        return AWSResponse(path, 403, {"content-type": "application/xml"}, _Raw(body))

    events = world.s3.meta.events
    events.register_first("before-send.s3.HeadObject", refuse)
    events.register_first("before-send.s3.GetObject", refuse)


class _Raw(io.BytesIO):
    def stream(self, **_: object) -> object:
        yield self.read()


def test_an_error_that_is_none_of_ours_is_shown_as_it_is(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchBucket"):
        world.data.import_prefix("s3://nowhere/x", "x")
