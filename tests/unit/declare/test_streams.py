"""Streams and queues are named as AWS names them, or refused in one line."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.declare import Collector, Kinesis, Schedule, Sqs

ROLE = "arn:aws:iam::222222222222:role/export"
KEY = "arn:aws:kms:eu-central-1:222222222222:key/0a1b-2c"


@pytest.mark.parametrize(
    ("reads", "region"),
    [
        (Kinesis(stream="shop_clicks.v2-a"), None),
        (
            Kinesis(stream="arn:aws:kinesis:us-east-1:222222222222:stream/clicks", role_arn=ROLE, external_id="x"),
            "us-east-1",
        ),
        (Kinesis(stream="clicks", start="LATEST", kms_key=KEY), None),
        (Sqs(queue="returns.fifo"), None),
        (Sqs(queue="arn:aws-cn:sqs:cn-north-1:222222222222:returns.fifo"), "cn-north-1"),
    ],
)
def test_names_and_arns_are_taken(reads: Kinesis | Sqs, region: str | None) -> None:
    assert reads.region == region
    collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=reads)
    assert Collector.model_validate_json(collector.model_dump_json()) == collector


def test_a_time_is_kept_with_its_zone() -> None:
    reads = Kinesis(stream="clicks", start=datetime(2026, 11, 1, tzinfo=UTC))
    assert Kinesis.model_validate_json(reads.model_dump_json()).start == datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (Kinesis, {"stream": "my clicks"}, "'my clicks' is neither a stream's name nor its ARN"),
        (Kinesis, {"stream": ""}, "'' is neither a stream's name"),
        (Kinesis, {"stream": "arn:aws:sqs:us-east-1:222222222222:clicks"}, "is neither a stream's name nor its ARN"),
        (Kinesis, {"stream": "clicks", "start": "EARLIEST"}, "should be 'TRIM_HORIZON' or 'LATEST'"),
        (Kinesis, {"stream": "clicks", "start": datetime(2026, 11, 1)}, "should have timezone info"),  # noqa: DTZ001
        (Kinesis, {"stream": "clicks", "skip": ("first",)}, "should match pattern"),
        (Kinesis, {"stream": "clicks", "external_id": "x"}, "external_id goes with role_arn"),
        (Kinesis, {"stream": "clicks", "kms_key": KEY, "role_arn": ROLE}, "give the role the right"),
        (Kinesis, {"stream": "clicks", "kms_key": "alias/shop"}, "should match pattern"),
        (Sqs, {"queue": "https://sqs.us-east-1.amazonaws.com/222222222222/returns"}, "is neither a queue's name"),
        (Sqs, {"queue": "returns.lifo"}, "'returns.lifo' is neither a queue's name nor its ARN"),
        (Sqs, {"queue": "r" * 81}, "is neither a queue's name"),
        (Sqs, {"queue": "returns", "unwrap": "sqs"}, "should be 'sns' or 'eventbridge'"),
        (Sqs, {"queue": "returns", "batch_rows": 200_000}, "less than or equal to 100000"),
    ],
)
def test_what_is_no_stream_or_queue_is_refused(kind: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        kind(**given)
