"""What the project relies on in S3: conditional writes. Moto has them; this test says so if it ever loses them."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from headwater.local.cloud import Cloud


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A versioned bucket."""
    name = f"mended-{uuid.uuid4().hex[:8]}"
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
