"""AWS's limits: what is just within one passes, what is just beyond is refused with AWS's code."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.limits.rules import event_bytes, unzipped

ROLE = "arn:aws:iam::123456789012:role/limits"
NAME = f"limits-{uuid.uuid4().hex[:8]}"


def refusal_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, str]:
    """Code and message of a call that is refused."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_role_name_has_64_characters_of_few_kinds(cloud: Cloud) -> None:
    iam, trust = cloud.client("iam"), json.dumps({"Version": "2012-10-17", "Statement": []})
    iam.create_role(RoleName=f"{NAME:a<64}", AssumeRolePolicyDocument=trust)
    code, message = refusal_of(iam.create_role, RoleName="a" * 65, AssumeRolePolicyDocument=trust)
    assert code == "ValidationError"
    rule = "Member must have length less than or equal to 64"
    assert message == (
        f"1 validation error detected: Value '{'a' * 65}' at 'roleName' failed to satisfy constraint: {rule}"
    )
    code, message = refusal_of(iam.create_role, RoleName="a b", AssumeRolePolicyDocument=trust)
    assert code == "ValidationError"
    assert r"Member must satisfy regular expression pattern: [\w+=,.@-]+" in message


def test_a_parameter_holds_4_kb_and_an_advanced_one_8(cloud: Cloud) -> None:
    put = cloud.client("ssm").put_parameter
    name = f"/{NAME}"
    put(Name=name, Value="x" * 4096, Type="String")
    assert refusal_of(put, Name=name, Value="x" * 4097, Type="String", Overwrite=True)[0] == "ValidationException"
    put(Name=f"{name}/more", Value="x" * 8192, Type="String", Tier="Advanced")
    code, _ = refusal_of(put, Name=f"{name}/most", Value="x" * 8193, Type="String", Tier="Advanced")
    assert code == "ValidationException"


def test_an_executions_input_holds_256_kib(cloud: Cloud) -> None:
    states = cloud.client("stepfunctions")
    definition = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": True}}})
    machine = states.create_state_machine(name=NAME, definition=definition, roleArn=ROLE)["stateMachineArn"]
    states.start_execution(stateMachineArn=machine, input=json.dumps("x" * 262_142))
    for given in ("x" * 262_143, "ü" * 131_072):
        text = json.dumps(given, ensure_ascii=False)
        code, _ = refusal_of(states.start_execution, stateMachineArn=machine, input=text)
        assert code == "ValidationException"


def test_a_request_holds_ten_events_and_a_mebibyte(cloud: Cloud) -> None:
    put = cloud.client("events").put_events
    event = {"Source": "limits", "DetailType": "d", "Detail": "{}"}
    put(Entries=[event] * 10)
    assert refusal_of(put, Entries=[event] * 11)[0] == "ValidationException"
    large = {**event, "Detail": json.dumps({"a": "x" * 600_000})}
    put(Entries=[large])
    code, message = refusal_of(put, Entries=[large] * 2)
    assert (code, message) == (
        "ValidationException",
        "Total size of the entries in the request is over the limit.",
    )
    assert event_bytes({**event, "Time": 0, "Resources": ["ü"]}) == 14 + len("limits") + 1 + 2 + 2


def test_a_rule_has_five_targets(cloud: Cloud) -> None:
    events = cloud.client("events")
    events.put_rule(Name=NAME, ScheduleExpression="rate(1 day)", State="DISABLED")
    targets = [{"Id": str(n), "Arn": f"arn:aws:sqs:us-east-1:123456789012:{NAME}"} for n in range(6)]
    assert refusal_of(events.put_targets, Rule=NAME, Targets=targets)[0] == "LimitExceededException"
    events.put_targets(Rule=NAME, Targets=targets[:5])
    events.put_targets(Rule=NAME, Targets=targets[2:5])
    assert refusal_of(events.put_targets, Rule=NAME, Targets=targets[5:])[0] == "LimitExceededException"


def test_a_call_brings_a_thousand_metrics_compressed_or_not(cloud: Cloud) -> None:
    put, metric = cloud.client("cloudwatch").put_metric_data, {"MetricName": "m", "Value": 1}
    put(Namespace=NAME, MetricData=[metric] * 1000)
    assert refusal_of(put, Namespace=NAME, MetricData=[metric] * 1001)[0] == "InvalidParameterValue"


def test_a_key_of_s3_has_1024_bytes(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=NAME)
    s3.put_object(Bucket=NAME, Key="ü" * 512)
    assert refusal_of(s3.put_object, Bucket=NAME, Key="ü" * 512 + "a")[0] == "KeyTooLongError"


def test_an_item_of_dynamodb_holds_400_kb(cloud: Cloud) -> None:
    table = cloud.client("dynamodb")
    table.create_table(
        TableName=NAME, BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )  # fmt: skip
    table.put_item(TableName=NAME, Item={"pk": {"S": "a"}, "v": {"S": "x" * (409_600 - 4)}})
    item = {"pk": {"S": "a"}, "v": {"S": "x" * (409_600 - 3)}}
    assert refusal_of(table.put_item, TableName=NAME, Item=item)[0] == "ValidationException"
    puts = [{"Put": {"TableName": NAME, "Item": {"pk": {"S": str(n)}}}} for n in range(101)]
    assert refusal_of(table.transact_write_items, TransactItems=puts)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"Description": "d" * 257}, "ValidationException"),
        ({"Timeout": 901}, "ValidationException"),
        ({"MemorySize": 10_241}, "ValidationException"),
        ({"FunctionName": "f" * 65}, "ValidationException"),
        ({"Environment": {"Variables": {"AA": "x" * 4096}}}, "InvalidParameterValueException"),
    ],
)
def test_a_function_is_refused_beyond_lambdas_limits(cloud: Cloud, given: dict[str, Any], code: str) -> None:
    function = {"FunctionName": NAME, "Runtime": "python3.11", "Role": ROLE, "Handler": "h.h", "Code": {"ZipFile": b""}}
    assert refusal_of(cloud.client("lambda").create_function, **(function | given))[0] == code


def test_a_functions_files_have_250_mb_unzipped() -> None:
    def archive(megabytes: int) -> bytes:
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
            for number in range(megabytes // 10):
                written.writestr(f"{number}.bin", bytes(10 * 1024 * 1024))
        return content.getvalue()

    assert unzipped(archive(250)) is None
    refused = unzipped(archive(260))
    assert refused is not None
    assert refused.message == "Unzipped size must be smaller than 262144000 bytes"


def test_a_batch_of_log_events_holds_a_mebibyte(cloud: Cloud) -> None:
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=NAME)
    logs.create_log_stream(logGroupName=NAME, logStreamName="s")
    now = int(cloud.clock.now().timestamp() * 1000)
    events = [{"timestamp": now, "message": "x" * 400_000}] * 3
    code, message = refusal_of(logs.put_log_events, logGroupName=NAME, logStreamName="s", logEvents=events)
    assert (code, message) == (
        "InvalidParameterException",
        "Upload too large: 1200078 bytes exceeds limit of 1048576",
    )
