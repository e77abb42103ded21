"""A resource that gets another logical name and keeps its physical one must not end up deleted."""

from __future__ import annotations

import contextlib

import boto3
import pytest
from localcloud.engine.errors import DeployError
from localcloud.testing import Program


@pytest.mark.parametrize("text", ['aws.s3.Bucket("{}", bucket="same-name")', 'aws.sqs.Queue("{}", name="same-name")'])
def test_a_new_logical_name_does_not_lose_the_resource(program: Program, text: str) -> None:
    program.write(text.format("one")).deploy()
    with contextlib.suppress(DeployError):
        program.write(text.format("two")).deploy()
    settings = {
        "endpoint_url": program.environment["AWS_ENDPOINT_URL"],
        "region_name": "us-east-1",
        "aws_access_key_id": "x",
        "aws_secret_access_key": "y",
    }
    buckets = [entry["Name"] for entry in boto3.client("s3", **settings).list_buckets()["Buckets"]]
    queues = boto3.client("sqs", **settings).list_queues().get("QueueUrls", [])
    assert "same-name" in buckets or any(url.endswith("/same-name") for url in queues)
