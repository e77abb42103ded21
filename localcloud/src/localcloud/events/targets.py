"""Brings a payload to a target by its ARN: one function for each service that EventBridge can aim at."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from localcloud.events.delivery import DeliveryFailed

if TYPE_CHECKING:
    from localcloud.context import CloudContext

_TRANSIENT = frozenset({"InternalError", "InternalFailure", "ServiceException", "ServiceUnavailable", "RequestTimeout"})
_CODES = {
    "AccessDenied": "NO_PERMISSIONS",
    "AccessDeniedException": "NO_PERMISSIONS",
    "AuthorizationError": "NO_PERMISSIONS",
    "AWS.SimpleQueueService.NonExistentQueue": "NO_RESOURCE",
    "QueueDoesNotExist": "NO_RESOURCE",
    "NotFound": "NO_RESOURCE",
    "NotFoundException": "NO_RESOURCE",
    "ResourceNotFoundException": "NO_RESOURCE",
    "StateMachineDoesNotExist": "NO_RESOURCE",
    "ClusterNotFoundException": "NO_RESOURCE",
    "InvalidExecutionInput": "INVALID_JSON",
    "InvalidParameterException": "INVALID_PARAMETER",
    "InvalidParameterValue": "INVALID_PARAMETER",
    "ValidationException": "INVALID_PARAMETER",
}


@dataclass(frozen=True)
class Arn:
    """The parts of an ARN; ``resource`` may hold colons and slashes."""

    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Split ``text``; raises `DeliveryFailed` if it isn't an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn":
            raise DeliveryFailed("INVALID_PARAMETER", f"{text} is not an ARN")
        return cls(service=parts[2], region=parts[3], account=parts[4], resource=parts[5])


@dataclass(frozen=True)
class TargetRequest:
    """What goes to a target."""

    arn: str
    body: str
    """The payload as text; JSON unless the owner of the rule wrote something else."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The rest of the target's definition: ``SqsParameters``, ``EcsParameters``, ..."""


def translate(error: Exception) -> DeliveryFailed:
    """A boto3 failure in EventBridge's words."""
    if not isinstance(error, ClientError):
        return DeliveryFailed("CONNECTION_FAILURE", str(error), is_transient=True)
    code = error.response["Error"]["Code"]
    message = error.response["Error"].get("Message", "")
    if "Throttl" in code or "TooManyRequests" in code or "LimitExceeded" in code:
        return DeliveryFailed("THROTTLING", message, is_transient=True)
    is_server = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500 or code in _TRANSIENT
    return DeliveryFailed(_CODES.get(code, "SDK_CLIENT_ERROR"), message, is_transient=is_server)


def send(cloud: CloudContext, request: TargetRequest) -> None:
    """Bring ``request`` to its target.

    Raises
    ------
    DeliveryFailed
        The target refused it, isn't there, or is of a service that the local cloud can't aim at.
    """
    arn = Arn.parse(request.arn)
    sender = _SENDERS.get(arn.service)
    if sender is None:
        raise DeliveryFailed("INVALID_PARAMETER", f"the local cloud can't deliver to {arn.service} ({request.arn})")
    try:
        sender(cloud, arn, request)
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error


def queue_url(cloud: CloudContext, arn: str) -> str:
    """The URL of the queue with that ARN."""
    name = arn.rsplit(":", 1)[-1]
    try:
        return str(cloud.client("sqs").get_queue_url(QueueName=name)["QueueUrl"])
    except (ClientError, BotoCoreError) as error:
        raise translate(error) from error


def send_dead_letter(cloud: CloudContext, queue_arn: str, body: str, attributes: Mapping[str, str]) -> None:
    """Put what couldn't be delivered into a queue, with the reasons as message attributes (empty ones left out)."""
    cloud.client("sqs").send_message(
        QueueUrl=queue_url(cloud, queue_arn),
        MessageBody=body,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in attributes.items() if value
        },
    )


def _send_to_lambda(cloud: CloudContext, _: Arn, request: TargetRequest) -> None:
    cloud.client("lambda").invoke(FunctionName=request.arn, InvocationType="Event", Payload=request.body.encode())


def _send_to_states(cloud: CloudContext, _: Arn, request: TargetRequest) -> None:
    cloud.client("stepfunctions").start_execution(
        stateMachineArn=request.arn, name=str(uuid.uuid4()), input=request.body
    )


def _send_to_sns(cloud: CloudContext, _: Arn, request: TargetRequest) -> None:
    cloud.client("sns").publish(TopicArn=request.arn, Message=request.body)


def _send_to_sqs(cloud: CloudContext, _: Arn, request: TargetRequest) -> None:
    group = request.options.get("SqsParameters", {}).get("MessageGroupId")
    cloud.client("sqs").send_message(
        QueueUrl=queue_url(cloud, request.arn),
        MessageBody=request.body,
        **({"MessageGroupId": group} if group else {}),
    )


def _send_to_logs(cloud: CloudContext, arn: Arn, request: TargetRequest) -> None:
    logs = cloud.client("logs")
    group = arn.resource.removeprefix("log-group:").removesuffix(":*")
    stream = str(uuid.uuid4())
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    # Logs live in real time: they refuse what lies more than two hours ahead, as a moved clock does.
    milliseconds = time.time_ns() // 1_000_000
    logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": milliseconds, "message": request.body}],
    )


def _send_to_ecs(cloud: CloudContext, arn: Arn, request: TargetRequest) -> None:
    """The payload is an ``overrides`` object, as AWS takes it; anything else is sent along as no override."""
    options = request.options.get("EcsParameters", {})
    try:
        overrides = json.loads(request.body)
    except ValueError:
        overrides = {}
    known = {"containerOverrides", "taskRoleArn", "executionRoleArn", "cpu", "memory", "ephemeralStorage"}
    overrides = {key: overrides[key] for key in known & set(overrides)} if isinstance(overrides, dict) else {}
    network = options.get("NetworkConfiguration", {}).get("awsvpcConfiguration") or options.get(
        "NetworkConfiguration", {}
    ).get("AwsvpcConfiguration")
    arguments: dict[str, Any] = {
        "cluster": arn.resource.removeprefix("cluster/"),
        "taskDefinition": options.get("TaskDefinitionArn"),
        "count": options.get("TaskCount", 1),
        "launchType": options.get("LaunchType", "FARGATE"),
        "overrides": overrides,
    }
    if network:
        names = {"Subnets": "subnets", "SecurityGroups": "securityGroups", "AssignPublicIp": "assignPublicIp"}
        arguments["networkConfiguration"] = {
            "awsvpcConfiguration": {names[key]: value for key, value in network.items() if key in names}
        }
    cloud.client("ecs").run_task(**arguments)


def _send_to_codebuild(cloud: CloudContext, arn: Arn, _: TargetRequest) -> None:
    cloud.client("codebuild").start_build(projectName=arn.resource.removeprefix("project/"))


def _send_to_kinesis(cloud: CloudContext, arn: Arn, request: TargetRequest) -> None:
    cloud.client("kinesis").put_record(
        StreamName=arn.resource.removeprefix("stream/"), Data=request.body.encode(), PartitionKey=str(uuid.uuid4())
    )


def _send_to_firehose(cloud: CloudContext, arn: Arn, request: TargetRequest) -> None:
    cloud.client("firehose").put_record(
        DeliveryStreamName=arn.resource.removeprefix("deliverystream/"), Record={"Data": request.body.encode()}
    )


_SENDERS: dict[str, Callable[[CloudContext, Arn, TargetRequest], None]] = {
    "lambda": _send_to_lambda,
    "states": _send_to_states,
    "sns": _send_to_sns,
    "sqs": _send_to_sqs,
    "logs": _send_to_logs,
    "ecs": _send_to_ecs,
    "codebuild": _send_to_codebuild,
    "kinesis": _send_to_kinesis,
    "firehose": _send_to_firehose,
}
