"""DynamoDB refuses and repeats as on AWS."""

# ruff: noqa: S608 - PartiQL over a table of the test's own
from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud


@pytest.fixture
def table(cloud: Cloud) -> str:
    """A table keyed by pk."""
    name = f"corrected-{uuid.uuid4().hex[:8]}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def item(key: str, **more: Any) -> dict[str, Any]:
    return {"pk": {"S": key}} | more


def put_once(table: str, key: str) -> list[dict[str, Any]]:
    return [{"Put": {"TableName": table, "Item": item(key), "ConditionExpression": "attribute_not_exists(pk)"}}]


def refusal(raised: pytest.ExceptionInfo[ClientError]) -> tuple[str, str]:
    error = raised.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_transaction_sent_again_with_its_token_succeeds_without_writing(cloud: Cloud, table: str) -> None:
    dynamodb, token = cloud.client("dynamodb"), uuid.uuid4().hex
    dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    dynamodb.delete_item(TableName=table, Key=item("a"))
    dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    assert "Item" not in dynamodb.get_item(TableName=table, Key=item("a"))


def test_a_token_is_not_for_another_transaction(cloud: Cloud, table: str) -> None:
    dynamodb, token = cloud.client("dynamodb"), uuid.uuid4().hex
    dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    with pytest.raises(ClientError) as raised:
        dynamodb.transact_write_items(TransactItems=put_once(table, "b"), ClientRequestToken=token)
    assert refusal(raised)[0] == "IdempotentParameterMismatchException"


def test_a_cancelled_transaction_may_be_tried_again_with_its_token(cloud: Cloud, table: str) -> None:
    dynamodb, token = cloud.client("dynamodb"), uuid.uuid4().hex
    dynamodb.put_item(TableName=table, Item=item("a"))
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    dynamodb.delete_item(TableName=table, Key=item("a"))
    dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    assert "Item" in dynamodb.get_item(TableName=table, Key=item("a"))


def test_a_token_is_forgotten_after_ten_minutes(cloud: Cloud, table: str) -> None:
    dynamodb, token = cloud.client("dynamodb"), uuid.uuid4().hex
    dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)
    cloud.clock.advance(timedelta(minutes=11))
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=put_once(table, "a"), ClientRequestToken=token)


def test_batches_have_their_limits(cloud: Cloud, table: str) -> None:
    dynamodb = cloud.client("dynamodb")
    writes = [{"PutRequest": {"Item": item(str(number))}} for number in range(26)]
    with pytest.raises(ClientError) as raised:
        dynamodb.batch_write_item(RequestItems={table: writes})
    assert refusal(raised) == ("ValidationException", "Too many items requested for the BatchWriteItem call")
    dynamodb.batch_write_item(RequestItems={table: writes[:25]})
    with pytest.raises(ClientError) as raised:
        dynamodb.batch_get_item(RequestItems={table: {"Keys": [item(str(number)) for number in range(101)]}})
    assert refusal(raised)[0] == "ValidationException"


def test_an_item_above_400_kb_is_refused(cloud: Cloud, table: str) -> None:
    with pytest.raises(ClientError) as raised:
        cloud.client("dynamodb").put_item(TableName=table, Item=item("a", v={"S": "x" * 410 * 1024}))
    assert refusal(raised) == ("ValidationException", "Item size has exceeded the maximum allowed size")


@pytest.mark.parametrize("number", ["1" * 39, "0." + "3" * 39, "-1." + "7" * 38])
def test_a_number_of_more_than_38_digits_is_refused(cloud: Cloud, table: str, number: str) -> None:
    with pytest.raises(ClientError) as raised:
        cloud.client("dynamodb").put_item(TableName=table, Item=item("a", v={"M": {"deep": {"N": number}}}))
    assert "more than 38 significant digits" in refusal(raised)[1]


@pytest.mark.parametrize("number", ["1" * 38, "0." + "3" * 38, "1" + "0" * 60, "-0.5"])
def test_a_number_of_38_digits_is_kept(cloud: Cloud, table: str, number: str) -> None:
    cloud.client("dynamodb").put_item(TableName=table, Item=item("a", v={"N": number}))


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("put_item", {"Item": item("a"), "ConditionExpression": "attribute_not_exists(pk)"}),
        ("delete_item", {"Key": item("a"), "ConditionExpression": "attribute_not_exists(pk)"}),
        ("query", {"KeyConditionExpression": "pk = :pk"}),
    ],
)
def test_a_value_that_no_expression_uses_is_refused(
    cloud: Cloud, table: str, operation: str, arguments: dict[str, Any]
) -> None:
    values = {":unused": {"N": "1"}} | ({":pk": {"S": "a"}} if operation == "query" else {})
    with pytest.raises(ClientError) as raised:
        getattr(cloud.client("dynamodb"), operation)(TableName=table, ExpressionAttributeValues=values, **arguments)
    assert "ExpressionAttributeValues unused in expressions: keys: {:unused}" in refusal(raised)[1]


def test_a_cancelled_transaction_leaves_every_item_and_the_stream_as_they_were(cloud: Cloud, table: str) -> None:
    dynamodb = cloud.client("dynamodb")
    dynamodb.update_table(
        TableName=table, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    before = [item("changed", n={"N": "1"}), item("deleted", n={"N": "2"}), item("replaced", n={"N": "3"})]
    for one in before:
        dynamodb.put_item(TableName=table, Item=one)
    writes: list[dict[str, Any]] = [
        {"Update": {"TableName": table, "Key": item("changed"), "UpdateExpression": "SET n = :n",
                    "ExpressionAttributeValues": {":n": {"N": "9"}}}},
        {"Delete": {"TableName": table, "Key": item("deleted")}},
        {"Put": {"TableName": table, "Item": item("replaced", n={"N": "9"})}},
        {"Put": {"TableName": table, "Item": item("new")}},
        {"ConditionCheck": {"TableName": table, "Key": item("other"), "ConditionExpression": "attribute_exists(pk)"}},
    ]  # fmt: skip
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException):
        dynamodb.transact_write_items(TransactItems=writes)
    assert sorted(dynamodb.scan(TableName=table)["Items"], key=lambda found: found["pk"]["S"]) == before
    streams = cloud.client("dynamodbstreams")
    stream = streams.list_streams(TableName=table)["Streams"][0]["StreamArn"]
    (shard,) = streams.describe_stream(StreamArn=stream)["StreamDescription"]["Shards"]
    start = streams.get_shard_iterator(StreamArn=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [record["eventName"] for record in records] == ["INSERT"] * 3
    dynamodb.transact_write_items(TransactItems=writes[:-1])
    assert {found["pk"]["S"] for found in dynamodb.scan(TableName=table)["Items"]} == {"changed", "replaced", "new"}


def test_a_transaction_copies_what_it_names_and_not_the_table(cloud: Cloud, table: str) -> None:
    """Moto's copies of whole tables made n transactions cost n² and filled the memory."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.dynamodb.models import dynamodb_backends

    held = dynamodb_backends[DEFAULT_ACCOUNT_ID][cloud.client("dynamodb").meta.region_name].tables[table]
    held.__dict__["copied"] = _RefusesToBeCopied()
    cloud.client("dynamodb").transact_write_items(TransactItems=put_once(table, "a"))
    assert held.get_item(*_key_of("a")) is not None


class _RefusesToBeCopied:
    def __deepcopy__(self, memo: dict[int, Any]) -> None:
        raise AssertionError("the table was copied")


def _key_of(text: str) -> tuple[Any]:
    from moto.dynamodb.models.dynamo_type import DynamoType

    return (DynamoType({"S": text}),)


def execute(cloud: Cloud, *statements: tuple[str, list[dict[str, Any]]]) -> list[str]:
    """What became of each statement: nothing, or the error's code."""
    entries = [{"Statement": statement, "Parameters": parameters} for statement, parameters in statements]
    answer = cloud.client("dynamodb").batch_execute_statement(Statements=entries)
    return [response.get("Error", {}).get("Code", "") for response in answer["Responses"]]


def test_each_statement_of_a_batch_has_its_condition_and_binary_compares_by_bytes(cloud: Cloud, table: str) -> None:
    insert = f"INSERT INTO \"{table}\" VALUE {{'pk': ?, 'v': ?}}"
    older = f'UPDATE "{table}" SET "v" = ? WHERE "pk" = ? AND "v" < ?'
    # As text base64 orders otherwise: / comes before A there and after it as bytes.
    small, large = {"B": b"\x00\x10"}, {"B": b"\xff\xf0"}
    assert execute(cloud, (insert, [{"S": "a"}, small]), (insert, [{"S": "b"}, large])) == ["", ""]
    assert execute(
        cloud,
        (insert, [{"S": "a"}, large]),
        (older, [large, {"S": "a"}, large]),
        (older, [small, {"S": "b"}, small]),
        (older, [large, {"S": "nosuch"}, large]),
    ) == ["DuplicateItem", "", "ConditionalCheckFailed", "ConditionalCheckFailed"]
    kept = cloud.client("dynamodb").scan(TableName=table)["Items"]
    assert {entry["pk"]["S"]: entry["v"]["B"] for entry in kept} == {"a": b"\xff\xf0", "b": b"\xff\xf0"}


def test_a_condition_asks_for_what_is_missing_and_numbers_compare_as_numbers(cloud: Cloud, table: str) -> None:
    cloud.client("dynamodb").put_item(TableName=table, Item=item("a", expires={"N": "9"}))
    later = f'UPDATE "{table}" SET "v" = ? SET "expires" = ? WHERE "pk" = ? AND "expires" <= ? AND "v" IS MISSING'
    parameters = [{"B": b"1"}, {"N": "10"}, {"S": "a"}, {"N": "10"}]
    assert execute(cloud, (later, parameters)) == [""]
    assert execute(cloud, (later, parameters)) == ["ConditionalCheckFailed"]
    assert cloud.client("dynamodb").get_item(TableName=table, Key=item("a"))["Item"]["expires"] == {"N": "10"}


def test_a_statement_without_the_key_and_too_many_statements_are_refused(cloud: Cloud, table: str) -> None:
    everything = f'UPDATE "{table}" SET "v" = ? WHERE "v" IS MISSING'
    assert execute(cloud, (everything, [{"S": "x"}])) == ["ValidationError"]
    assert execute(cloud, (everything.replace(table, "nosuch"), [{"S": "x"}])) == ["ResourceNotFound"]
    with pytest.raises(ClientError, match="less than or equal to 25"):
        execute(cloud, *[(everything, [{"S": "x"}])] * 26)
