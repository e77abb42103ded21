"""Grants to read streams and queues that a collector names."""

from __future__ import annotations

from headwater.declare import Kinesis, Sqs
from headwater.infra.platform.grants import Grant, allow, merge, use_key
from headwater.infra.platform.platform import Platform

_ACTIONS = {
    "kinesis": [
        f"kinesis:{name}" for name in ("DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    ],
    "sqs": [
        f"sqs:{name}"
        for name in ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage")
    ],
}


def read_stream(platform: Platform, reads: Kinesis | Sqs) -> Grant:
    """To read a stream, or to receive and delete a queue's messages; or to assume the role that may."""
    if reads.role_arn is not None:
        return allow(["sts:AssumeRole"], reads.role_arn)
    account = platform.account
    if isinstance(reads, Kinesis):
        name, service, resource = reads.stream, "kinesis", f"stream/{reads.stream}"
    else:
        name, service, resource = reads.queue, "sqs", reads.queue
    arn = name if name.startswith("arn:") else account.arn(service, resource)
    key = use_key(reads.kms_key or "", service, reads.region or account.region, ["kms:Decrypt"])
    return merge(allow(_ACTIONS[service], arn), key)
