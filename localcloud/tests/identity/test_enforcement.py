"""A role may do what its policies say, and the refusal reads like the service's own."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from localcloud.cloud import Cloud
from localcloud.identity import Identity

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Role:
    """A role and the clients that act as it."""

    cloud: Cloud
    arn: str

    def client(self, service: str) -> Any:
        credentials = self.cloud.credentials_for(self.arn)
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.cloud.region,
            endpoint_url=self.cloud.endpoint,
            aws_access_key_id=credentials["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=credentials["AWS_SECRET_ACCESS_KEY"],
        )


Make = Callable[..., Role]


@pytest.fixture
def role(cloud: Cloud) -> Make:
    """Makes a role of (actions, resources, condition) statements."""

    def make(*statements: tuple[str | list[str], str | list[str]] | Mapping[str, Any]) -> Role:
        name = f"role-{uuid.uuid4().hex[:8]}"
        iam = cloud.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        document = [
            {"Effect": "Allow"} | (dict(one) if isinstance(one, Mapping) else {"Action": one[0], "Resource": one[1]})
            for one in statements
        ]
        if document:
            policy = json.dumps({"Version": "2012-10-17", "Statement": document})
            iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
        return Role(cloud, arn)

    return make


@contextmanager
def refused(action: str, code: str = "AccessDeniedException") -> Iterator[None]:
    """Expects AWS's own refusal, naming the action."""
    with pytest.raises(ClientError) as raised:
        yield
    error = raised.value.response["Error"]
    assert error["Code"] == code
    assert action in error["Message"]


@pytest.fixture
def bucket(cloud: Cloud) -> str:
    """A bucket with one object."""
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    cloud.client("s3").create_bucket(Bucket=name)
    cloud.client("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    cloud.client("s3").put_object(Bucket=name, Key="a/1", Body=b"x")
    return name


@pytest.fixture
def table(cloud: Cloud) -> str:
    """A table of pk and sk."""
    name = f"table-{uuid.uuid4().hex[:8]}"
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def test_the_developers_own_key_may_do_everything(cloud: Cloud, bucket: str) -> None:
    assert cloud.client("s3").get_object(Bucket=bucket, Key="a/1")["Body"].read() == b"x"


def test_a_role_reads_only_the_prefix_it_was_granted(role: Make, bucket: str) -> None:
    s3 = role(("s3:GetObject", f"arn:aws:s3:::{bucket}/a/*")).client("s3")
    assert s3.get_object(Bucket=bucket, Key="a/1")["Body"].read() == b"x"
    with refused("s3:GetObject", "AccessDenied"):
        s3.get_object(Bucket=bucket, Key="b/1")
    with refused("s3:PutObject", "AccessDenied"):
        s3.put_object(Bucket=bucket, Key="a/2", Body=b"y")


def test_a_version_needs_a_permission_of_its_own(cloud: Cloud, role: Make, bucket: str) -> None:
    version = cloud.client("s3").head_object(Bucket=bucket, Key="a/1")["VersionId"]
    with refused("s3:GetObjectVersion", "AccessDenied"):
        role(("s3:GetObject", "*")).client("s3").get_object(Bucket=bucket, Key="a/1", VersionId=version)
    role(("s3:GetObjectVersion", "*")).client("s3").get_object(Bucket=bucket, Key="a/1", VersionId=version)


def test_a_missing_object_is_a_refusal_to_who_may_not_list(role: Make, bucket: str) -> None:
    reads = ("s3:GetObject", f"arn:aws:s3:::{bucket}/*")
    with refused("", "AccessDenied"):
        role(reads).client("s3").get_object(Bucket=bucket, Key="nothing")
    with refused("", "NoSuchKey"):
        role(reads, ("s3:ListBucket", f"arn:aws:s3:::{bucket}")).client("s3").get_object(Bucket=bucket, Key="nothing")


def test_a_listing_can_be_limited_to_a_prefix(role: Make, bucket: str) -> None:
    condition = {"StringLike": {"s3:prefix": "a/*"}}
    s3 = role({"Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}", "Condition": condition}).client("s3")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="a/")["KeyCount"] == 1
    with refused("s3:ListBucket", "AccessDenied"):
        s3.list_objects_v2(Bucket=bucket)


def test_a_copy_reads_one_object_and_writes_another(role: Make, bucket: str) -> None:
    write = ("s3:PutObject", f"arn:aws:s3:::{bucket}/*")
    copy = {"Bucket": bucket, "Key": "copy", "CopySource": f"{bucket}/a/1"}
    with refused("s3:GetObject", "AccessDenied"):
        role(write).client("s3").copy_object(**copy)
    role(write, ("s3:GetObject", f"arn:aws:s3:::{bucket}/a/1")).client("s3").copy_object(**copy)


def test_deleting_many_objects_asks_for_each(role: Make, bucket: str) -> None:
    s3 = role(("s3:DeleteObject", f"arn:aws:s3:::{bucket}/a/*")).client("s3")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/1"}]})
    with refused("s3:DeleteObject", "AccessDenied"):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a/1"}, {"Key": "b"}]})


def test_a_transaction_needs_what_its_parts_need(role: Make, table: str) -> None:
    item = {"pk": {"S": "A"}, "sk": {"S": "1"}}
    parts = [
        {"Put": {"TableName": table, "Item": item}},
        {
            "ConditionCheck": {
                "TableName": table,
                "Key": {"pk": {"S": "B"}, "sk": {"S": "1"}},
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        },
    ]
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}"
    with refused("dynamodb:ConditionCheckItem"):
        role(("dynamodb:PutItem", arn)).client("dynamodb").transact_write_items(TransactItems=parts)
    both = role((["dynamodb:PutItem", "dynamodb:ConditionCheckItem"], arn)).client("dynamodb")
    both.transact_write_items(TransactItems=parts)


def test_leading_keys_limit_a_role_to_some_items(role: Make, table: str) -> None:
    statement = {
        "Action": ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchGetItem"],
        "Resource": f"arn:aws:dynamodb:us-east-1:123456789012:table/{table}",
        "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ALARM#*"]}},
    }
    dynamodb = role(statement).client("dynamodb")
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "ALARM#1"}, "sk": {"S": "STATE"}})
    with refused("dynamodb:PutItem"):
        dynamodb.put_item(TableName=table, Item={"pk": {"S": "MODEL#1"}, "sk": {"S": "STATE"}})

    def query(pk: str) -> Any:
        return dynamodb.query(
            TableName=table,
            KeyConditionExpression="#p = :p AND begins_with(sk, :s)",
            ExpressionAttributeNames={"#p": "pk"},
            ExpressionAttributeValues={":p": {"S": pk}, ":s": {"S": "S"}},
        )

    assert query("ALARM#1")["Count"] == 1
    with refused("dynamodb:Query"):
        query("MODEL#1")
    with refused("dynamodb:BatchGetItem"):
        keys = [{"pk": {"S": name}, "sk": {"S": "STATE"}} for name in ("ALARM#1", "MODEL#1")]
        dynamodb.batch_get_item(RequestItems={table: {"Keys": keys}})


OTHERS: Sequence[tuple[str, str, str, Mapping[str, Any], str, str]] = [
    (
        "lambda:InvokeFunction",
        "lambda",
        "invoke",
        {"FunctionName": "f", "Payload": b"{}"},
        "arn:aws:lambda:us-east-1:123456789012:function:f",
        "AccessDeniedException",
    ),
    (
        "states:StartExecution",
        "stepfunctions",
        "start_execution",
        {"stateMachineArn": "arn:aws:states:us-east-1:123456789012:stateMachine:m"},
        "arn:aws:states:us-east-1:123456789012:stateMachine:m",
        "AccessDeniedException",
    ),
    (
        "sns:Publish",
        "sns",
        "publish",
        {"TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Message": "m"},
        "arn:aws:sns:us-east-1:123456789012:t",
        "AuthorizationError",
    ),
    (
        "sqs:SendMessage",
        "sqs",
        "send_message",
        {"QueueUrl": "http://localhost/123456789012/q", "MessageBody": "m"},
        "arn:aws:sqs:us-east-1:123456789012:q",
        "AccessDeniedException",
    ),
    (
        "kinesis:ListShards",
        "kinesis",
        "list_shards",
        {"StreamName": "s"},
        "arn:aws:kinesis:us-east-1:123456789012:stream/s",
        "AccessDeniedException",
    ),
    (
        "kinesis:GetRecords",
        "kinesis",
        "get_records",
        {"ShardIterator": base64.b64encode(b"s:shardId-000000000000:0:0").decode()},
        "arn:aws:kinesis:us-east-1:123456789012:stream/s",
        "AccessDeniedException",
    ),
    (
        "ssm:GetParameter",
        "ssm",
        "get_parameter",
        {"Name": "/shop/dev"},
        "arn:aws:ssm:us-east-1:123456789012:parameter/shop/dev",
        "AccessDeniedException",
    ),
    (
        "cloudwatch:PutMetricData",
        "cloudwatch",
        "put_metric_data",
        {"Namespace": "Shop", "MetricData": [{"MetricName": "m", "Value": 1}]},
        "*",
        "AccessDeniedException",
    ),
    (
        "cloudwatch:PutDashboard",
        "cloudwatch",
        "put_dashboard",
        {"DashboardName": "shop", "DashboardBody": '{"widgets": []}'},
        "arn:aws:cloudwatch::123456789012:dashboard/shop",
        "AccessDeniedException",
    ),
    (
        "codebuild:StartBuild",
        "codebuild",
        "start_build",
        {"projectName": "p"},
        "arn:aws:codebuild:us-east-1:123456789012:project/p",
        "AccessDeniedException",
    ),
    (
        "ecr:PutImage",
        "ecr",
        "put_image",
        {"repositoryName": "repo", "imageManifest": "{}"},
        "arn:aws:ecr:us-east-1:123456789012:repository/repo",
        "AccessDeniedException",
    ),
    (
        "logs:PutLogEvents",
        "logs",
        "put_log_events",
        {"logGroupName": "/g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}]},
        "arn:aws:logs:us-east-1:123456789012:log-group:/g:*",
        "AccessDeniedException",
    ),
    (
        "xray:PutTraceSegments",
        "xray",
        "put_trace_segments",
        {"TraceSegmentDocuments": ["{}"]},
        "*",
        "AccessDeniedException",
    ),
]


@pytest.mark.parametrize(
    ("action", "service", "method", "arguments", "resource", "code"), OTHERS, ids=lambda v: str(v)[:40]
)
def test_every_service_knows_its_refusal_and_its_grant(
    role: Make, action: str, service: str, method: str, arguments: Mapping[str, Any], resource: str, code: str
) -> None:
    with refused(action, code):
        getattr(role().client(service), method)(**arguments)
    try:
        getattr(role((action, resource)).client(service), method)(**arguments)
    except ClientError as error:  # there is no such function, topic, …: but it was allowed to ask
        assert error.response["Error"]["Code"] != code  # noqa: PT017 - only one of the two outcomes is an error


def test_what_the_local_cloud_cant_judge_is_refused_and_says_so(role: Make) -> None:
    with refused("the local cloud can't judge"):
        role(("*", "*")).client("scheduler").list_schedules()
    with refused("the local cloud can't judge", "AccessDenied"):
        role(("*", "*")).client("iam").list_users()


def test_everybody_may_ask_who_they_are(role: Make) -> None:
    assert role().client("sts").get_caller_identity()["Account"] == "123456789012"


def test_a_managed_policy_counts_like_an_inline_one(cloud: Cloud, role: Make) -> None:
    one = role()
    arn = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"
    cloud.client("iam").attach_role_policy(RoleName=one.arn.rpartition("/")[2], PolicyArn=arn)
    one.client("xray").put_trace_segments(TraceSegmentDocuments=[json.dumps({"id": "1", "trace_id": "1", "name": "n"})])


def test_a_role_that_doesnt_exist_may_do_nothing(cloud: Cloud) -> None:
    with refused("doesn't exist"):
        Role(cloud, "arn:aws:iam::123456789012:role/nobody").client("ssm").get_parameter(Name="/a")


def test_calls_are_recorded_for_tests_of_least_privilege(cloud: Cloud, role: Make, bucket: str) -> None:
    one = role(("s3:GetObject", "*"))
    one.client("s3").get_object(Bucket=bucket, Key="a/1")
    with refused("s3:PutObject", "AccessDenied"):
        one.client("s3").put_object(Bucket=bucket, Key="k", Body=b"")
    calls = cloud.emulator(Identity).calls(one.arn)
    assert [(call.action, call.resource, call.allowed) for call in calls] == [
        ("s3:GetObject", f"arn:aws:s3:::{bucket}/a/1", True),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/k", False),
    ]


def test_a_schedule_needs_its_own_arn_and_the_right_to_pass_its_role(cloud: Cloud, role: Make) -> None:
    cloud.client("scheduler").create_schedule_group(Name="timers")
    passed = role().arn
    schedules = "arn:aws:scheduler:us-east-1:123456789012:schedule/timers/*"
    asked = {
        "Name": "one",
        "GroupName": "timers",
        "ScheduleExpression": "at(2099-01-01T00:00:00)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q", "RoleArn": passed},
    }
    with refused("iam:PassRole"):
        role(("scheduler:CreateSchedule", schedules)).client("scheduler").create_schedule(**asked)
    with refused("scheduler:CreateSchedule"):
        role(("iam:PassRole", passed)).client("scheduler").create_schedule(**asked)
    both = role(("scheduler:CreateSchedule", schedules), ("iam:PassRole", passed))
    assert both.client("scheduler").create_schedule(**asked)["ScheduleArn"].endswith("schedule/timers/one")


def test_a_secret_is_read_by_the_arn_with_six_more_characters(cloud: Cloud, role: Make) -> None:
    cloud.client("secretsmanager").create_secret(Name="pager", SecretString="k")
    reader = role(
        ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:123456789012:secret:pager-??????")
    )
    assert reader.client("secretsmanager").get_secret_value(SecretId="pager")["SecretString"] == "k"
    with refused("secretsmanager:GetSecretValue"):
        reader.client("secretsmanager").get_secret_value(SecretId="other")
