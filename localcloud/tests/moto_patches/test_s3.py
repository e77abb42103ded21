"""Conditional writes, which moto has, and parts and listings of S3, which it answers otherwise than AWS."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A versioned bucket."""
    name = f"corrected-{uuid.uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=name)
    cloud.client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return name


def code(raised: pytest.ExceptionInfo[ClientError]) -> str:
    return str(raised.value.response["Error"]["Code"])


def test_a_write_if_nothing_is_there_wins_once(cloud: Cloud, bucket: str) -> None:
    s3, put = cloud.client("s3"), {"Bucket": bucket, "Key": "k", "IfNoneMatch": "*"}
    s3.put_object(Body=b"1", **put)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Body=b"2", **put)
    assert code(raised) == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Body=b"3", **put)  # a delete marker is nothing


def test_a_multipart_upload_can_be_conditional_too(cloud: Cloud, bucket: str) -> None:
    s3 = cloud.client("s3")

    def upload() -> None:
        place: dict[str, Any] = {"Bucket": bucket, "Key": "k"}
        place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
        tag = s3.upload_part(PartNumber=1, Body=b"x", **place)["ETag"]
        parts = {"Parts": [{"ETag": tag, "PartNumber": 1}]}
        s3.complete_multipart_upload(MultipartUpload=parts, IfNoneMatch="*", **place)

    upload()
    with pytest.raises(ClientError) as raised:
        upload()
    assert code(raised) == "PreconditionFailed"


def test_a_write_if_nothing_changed_is_refused_after_a_change(cloud: Cloud, bucket: str) -> None:
    s3, place = cloud.client("s3"), {"Bucket": bucket, "Key": "k"}
    first = s3.put_object(Body=b"1", **place)["ETag"]
    s3.put_object(Body=b"2", IfMatch=first, **place)
    with pytest.raises(ClientError) as raised:
        s3.put_object(Body=b"3", IfMatch=first, **place)
    assert code(raised) == "PreconditionFailed"


def test_a_part_of_an_object_can_be_read_and_its_composite_checksum_counts_the_parts(cloud: Cloud, bucket: str) -> None:
    s3, place = cloud.client("s3"), {"Bucket": bucket, "Key": "k"}
    upload = s3.create_multipart_upload(ChecksumAlgorithm="SHA256", **place)["UploadId"]
    bodies = [b"x" * (5 << 20), b"last"]
    tags = [
        s3.upload_part(UploadId=upload, PartNumber=n, Body=body, ChecksumAlgorithm="SHA256", **place)["ETag"]
        for n, body in enumerate(bodies, start=1)
    ]
    parts = [{"ETag": tag, "PartNumber": n} for n, tag in enumerate(tags, start=1)]
    s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": parts}, **place)
    seen = s3.head_object(ChecksumMode="ENABLED", **place)
    assert (seen["ChecksumSHA256"][-2:], seen["ChecksumType"]) == ("-2", "COMPOSITE")
    part = s3.get_object(PartNumber=2, **place)
    assert (part["Body"].read(), part["PartsCount"]) == (b"last", 2)
    assert s3.get_object(**place)["ContentLength"] == sum(map(len, bodies))


def test_keys_that_xml_cannot_hold_are_listed_encoded(cloud: Cloud, bucket: str) -> None:
    s3, keys = cloud.client("s3"), ["a/nul\0", "a/\x01", "a/b c+%25&<", "a/d/é"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"1")
    s3.delete_object(Bucket=bucket, Key=keys[0])
    # botocore asks for encoded keys by itself and decodes them.
    first = s3.list_object_versions(Bucket=bucket, Prefix="a/", MaxKeys=2)
    more = s3.list_object_versions(Bucket=bucket, Prefix="a/", KeyMarker=first["NextKeyMarker"],
                                   VersionIdMarker=first["NextVersionIdMarker"])  # fmt: skip
    pages = (first, more)
    assert sorted(entry["Key"] for page in pages for entry in page.get("Versions", ())) == sorted(keys)
    assert [entry["Key"] for page in pages for entry in page.get("DeleteMarkers", ())] == keys[:1]
    folders = s3.list_object_versions(Bucket=bucket, Prefix="a/", Delimiter="/")
    assert folders["CommonPrefixes"] == [{"Prefix": "a/d/"}]


def test_a_listing_of_versions_reads_no_bytes(cloud: Cloud, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto.s3.models import FakeKey

    s3 = cloud.client("s3")
    for body in (b"old", b"new"):
        s3.put_object(Bucket=bucket, Key="k", Body=body)
    s3.delete_object(Bucket=bucket, Key="k")

    def refuse(self: FakeKey) -> bytes:
        raise AssertionError("a listing read what a version holds")

    with monkeypatch.context() as patch:
        patch.setattr(FakeKey, "value", property(refuse))
        found = s3.list_object_versions(Bucket=bucket)
    listed = found["Versions"]
    assert [marker["IsLatest"] for marker in found["DeleteMarkers"]] == [True]
    assert [(entry["IsLatest"], entry["Size"]) for entry in listed] == [(False, 3), (False, 3)]
    assert len({entry["ETag"] for entry in listed}) == 2
    read = [s3.get_object(Bucket=bucket, Key="k", VersionId=entry["VersionId"])["Body"].read() for entry in listed]
    assert read == [b"new", b"old"]


def test_a_listing_goes_on_after_its_marker_whether_or_not_that_key_is_there(cloud: Cloud, bucket: str) -> None:
    s3 = cloud.client("s3")
    for key in ("a", "b", "b", "d", "f"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    s3.delete_object(Bucket=bucket, Key="d")

    def after(marker: str) -> list[str]:
        page = s3.list_object_versions(Bucket=bucket, KeyMarker=marker)
        return sorted(entry["Key"] for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, ()))

    assert after("a") == ["b", "b", "d", "d", "f"]
    assert after("b") == after("c") == ["d", "d", "f"]
    assert after("A") == ["a", "b", "b", "d", "d", "f"]
    assert after("f") == after("z") == []
