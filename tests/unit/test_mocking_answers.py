"""What makes moto quick changes none of its answers: the same calls are made of moto with and without."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from tests.mocking import mocked

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
PARTITIONS = ("a", "b", "ä", "")


def value(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    """An attribute of any type; numbers that are equal are written in several ways."""
    whole: list[Callable[[], dict[str, Any]]] = [
        lambda: {"S": chance.choice(["", "x", "ü", "x" * 300, "1"])},
        lambda: {"N": chance.choice(["1", "1.0", "-7", "1e2", "100", "0.5"])},
        lambda: {"B": chance.randbytes(4)},
        lambda: {"BOOL": chance.random() < 0.5},
        lambda: {"NULL": True},
        lambda: {"SS": chance.sample(["x", "y", "ü"], 2)},
        lambda: {"NS": chance.sample(["1", "2.5", "-3"], 2)},
        lambda: {"BS": [chance.randbytes(2), chance.randbytes(3)]},
    ]
    parts: list[Callable[[], dict[str, Any]]] = [
        lambda: {"L": [value(chance, depth + 1) for _ in range(chance.randrange(3))]},
        lambda: {"M": {name: value(chance, depth + 1) for name in chance.sample(["x", "s", "n.m", "Items"], 2)}},
    ]
    return chance.choice(whole + parts * (depth < 2))()


def tables(dynamodb: Any) -> None:
    for name, kind in (("texts", "S"), ("numbers", "N"), ("bytes", "B")):
        dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": kind},
                {"AttributeName": "of", "AttributeType": "S"},
            ],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": "by-of",
                    "KeySchema": [{"AttributeName": "of", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "ALL"},
                }
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    dynamodb.create_table(
        TableName="one-key",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def changes(chance: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in range(60):
        sort = {
            "texts": {"S": chance.choice(["1", "10", "9", "ä", "z", f"{number}"])},
            "numbers": {"N": chance.choice(["1", "1.0", "10", "9", "-2", f"{number}"])},
            "bytes": {"B": chance.randbytes(1)},
        }
        names = chance.sample(["v", "w", "of.x", "Table"], 2)
        more = {name: value(chance) for name in names} | {"of": {"S": chance.choice("uvw")}}
        key = {"pk": {"S": chance.choice(PARTITIONS[:3])}}
        for table, sk in sort.items():
            yield "put_item", {"TableName": table, "Item": key | {"sk": sk} | more, "ReturnValues": "ALL_OLD"}
            once = {"TableName": table, "Item": key | {"sk": sk}, "ConditionExpression": "attribute_not_exists(pk)"}
            other = {"TableName": "one-key", "Item": key | {"times": {"N": f"{number}"}}}
            yield "transact_write_items", {"TransactItems": [{"Put": other}, {"Put": once}]}
            if number % 7 == 0:
                yield "delete_item", {"TableName": table, "Key": key | {"sk": sk}, "ReturnValues": "ALL_OLD"}
            yield (
                "update_item",
                {
                    "TableName": table,
                    "Key": key | {"sk": sk},
                    "UpdateExpression": "SET #v = :v ADD seen :one",
                    "ExpressionAttributeNames": {"#v": "v"},
                    "ExpressionAttributeValues": {":v": value(chance), ":one": {"N": "1"}},
                    "ReturnValues": "ALL_NEW",
                },
            )


def questions() -> Iterator[tuple[str, dict[str, Any]]]:
    bounds = {"texts": ({"S": "10"}, {"S": "9"}), "numbers": ({"N": "1"}, {"N": "9"}), "bytes": ({"B": b"\x20"},) * 2}
    for table, (low, high) in bounds.items():
        for comparison in (
            "",
            " AND sk = :low",
            " AND sk < :high",
            " AND sk >= :low",
            " AND sk BETWEEN :low AND :high",
        ):
            values: dict[str, Any] = {":pk": {"S": "a"}}
            values |= {name: one for name, one in ((":low", low), (":high", high)) if name in comparison}
            for more in (
                {"ScanIndexForward": False},
                {"Limit": 3},
                {"ProjectionExpression": "sk, w"},
                {"FilterExpression": "attribute_exists(w)", "Select": "COUNT"},
            ):
                yield (
                    "query",
                    {
                        "TableName": table,
                        "KeyConditionExpression": f"pk = :pk{comparison}",
                        "ExpressionAttributeValues": values,
                    }
                    | more,
                )
        for of in ("u", "nobody"):
            by: dict[str, Any] = {"KeyConditionExpression": "#of = :of", "ExpressionAttributeNames": {"#of": "of"}}
            by["ExpressionAttributeValues"] = {":of": {"S": of}}
            yield "query", {"TableName": table, "IndexName": "by-of"} | by
        yield "scan", {"TableName": table, "Limit": 20}
        yield "describe_table", {"TableName": table}
        yield "batch_get_item", {"RequestItems": {table: {"Keys": [{"pk": {"S": "a"}, "sk": low}]}}}
    yield "scan", {"TableName": "one-key"}
    yield "scan", {"TableName": "texts", "FilterExpression": "v = w"}
    yield "get_item", {"TableName": "one-key", "Key": {"pk": {"S": "nobody"}}}
    yield "get_item", {"TableName": "nowhere", "Key": {"pk": {"S": "a"}}}


def asked(client: Any, call: str, given: dict[str, Any]) -> Any:
    """The answer, page after page, or the refusal; without what differs from call to call."""
    try:
        answer = getattr(client, call)(**given)
    except ClientError as error:
        return error.response["Error"], error.response.get("CancellationReasons")
    del answer["ResponseMetadata"]
    if "LastEvaluatedKey" in answer and call in {"query", "scan"}:
        return answer, asked(client, call, given | {"ExclusiveStartKey": answer["LastEvaluatedKey"]})
    for name in ("CreationDateTime", "TableId"):
        answer.get("Table", {}).pop(name, None)
    return answer


def of_tables() -> list[Any]:
    dynamodb = boto3.client("dynamodb", region_name="us-east-1", **KEYS)
    tables(dynamodb)
    return [asked(dynamodb, *call) for call in [*changes(random.Random(1)), *questions()]]


def of_other_services() -> list[Any]:
    """A bucket, a queue, a schedule and a machine: XML and JSON, members of objects and of dicts."""
    made: list[Any] = []
    s3 = boto3.client("s3", region_name="us-east-1", **KEYS)
    s3.create_bucket(Bucket="one")
    s3.put_bucket_versioning(Bucket="one", VersioningConfiguration={"Status": "Enabled"})
    for number in range(5):
        s3.put_object(Bucket="one", Key=f"a/{number % 3}/ü", Body=b"x" * number, Metadata={"n": f"{number}"})
    for call in ("list_objects_v2", "list_object_versions"):
        answer = asked(s3, call, {"Bucket": "one", "Prefix": "a/", "MaxKeys": 4})
        for one in (answer, *answer.get("Contents", []), *answer.get("Versions", [])):
            for name in ("LastModified", "VersionId", "NextVersionIdMarker"):
                one.pop(name, None)
        made.append(answer)
    made += [
        asked(s3, "get_bucket_versioning", {"Bucket": "one"}),
        asked(s3, "head_object", {"Bucket": "n", "Key": "n"}),
    ]
    iam = boto3.client("iam", region_name="us-east-1", **KEYS)
    made.append(asked(iam, "get_role", {"RoleName": "nobody"}))
    sqs = boto3.client("sqs", region_name="us-east-1", **KEYS)
    url = sqs.create_queue(QueueName="q", Attributes={"VisibilityTimeout": "7"})["QueueUrl"]
    made.append(asked(sqs, "get_queue_attributes", {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}))
    return made


@pytest.mark.parametrize("asking", [of_tables, of_other_services])
def test_the_quick_moto_answers_as_moto(asking: Callable[[], list[Any]]) -> None:
    def answers(within: AbstractContextManager[Any]) -> list[Any]:
        with within:
            return asking()

    assert answers(mocked()) == answers(mock_aws())
