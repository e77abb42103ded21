"""Which IAM actions on which resources a call needs, service by service.

After the Service Authorization Reference: https://docs.aws.amazon.com/service-authorization/latest/reference/
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.ecs.models import ecs_backends

from localcloud.api_call import ApiCall
from localcloud.identity import calls, dynamodb, s3
from localcloud.identity.policy import CannotJudge
from localcloud.identity.types import Place, RequiredAction

Arguments = Mapping[str, Any]
Reader = Callable[[Place, str, Arguments], Sequence[RequiredAction]]


def required_actions(call: ApiCall, place: Place) -> Sequence[RequiredAction]:
    """All that ``call`` must be allowed; nothing for what every caller may do.

    Raises
    ------
    CannotJudge
        The service or the operation isn't known here.
    """
    if call.service == "s3":
        return s3.required_actions(call)
    operation = calls.operation(call)
    reader = _READERS.get(call.service)
    if reader is None or not operation:
        raise CannotJudge(f"{call.service or 'an unsigned service'}:{operation or call.request.path}")
    return reader(place, operation, calls.parameters(call))


@dataclass(frozen=True)
class _Named:
    """Services whose operation names the action, and one of whose parameters names the resource."""

    service: str
    parameters: tuple[str, ...]
    arn: str = "{}"
    """What a name becomes; a parameter that is an ARN already stays."""
    without: frozenset[str] = frozenset()
    """Operations without a resource of their own."""
    actions: Mapping[str, str] = field(default_factory=dict)
    """Operations whose action is called otherwise."""

    def __call__(self, place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
        action = f"{self.service}:{self.actions.get(operation, operation)}"
        if operation in self.without:
            return [RequiredAction(action, "*")]
        for parameter in self.parameters:
            if value := arguments.get(parameter):
                values = value if isinstance(value, list) else [value]
                return [RequiredAction(action, self._arn(place, str(one))) for one in values]
        raise CannotJudge(f"{action} without {' or '.join(self.parameters)}")

    def _arn(self, place: Place, value: str) -> str:
        if value.startswith("arn:"):
            return value
        return f"arn:aws:{self.service}:{place.region}:{place.account}:" + self.arn.format(value)


def _functions(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    action = "lambda:" + {"Invoke": "InvokeFunction", "InvokeAsync": "InvokeFunction"}.get(operation, operation)
    name = arguments.get("FunctionName")
    if not name:
        raise CannotJudge(action)
    arn = name if name.startswith("arn:") else f"arn:aws:lambda:{place.region}:{place.account}:function:{name}"
    qualifier = arguments.get("Qualifier")
    return [RequiredAction(action, f"{arn}:{qualifier}" if qualifier else arn)]


def _queues(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    url = arguments.get("QueueUrl") or arguments.get("QueueName")
    if not url:
        raise CannotJudge(f"sqs:{operation}")
    name = str(url).rpartition("/")[2]
    return [
        RequiredAction("sqs:" + operation.removesuffix("Batch"), f"arn:aws:sqs:{place.region}:{place.account}:{name}")
    ]


def _streams(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    if operation in ("ListStreams", "DescribeLimits", "DescribeAccountSettings"):
        return [RequiredAction(f"kinesis:{operation}", "*")]
    name = arguments.get("StreamARN") or arguments.get("StreamName")
    if not name and (iterator := arguments.get("ShardIterator")):
        try:
            name = base64.b64decode(str(iterator)).decode().split(":")[0]
        except ValueError:
            name = None
    if not name:
        raise CannotJudge(f"kinesis:{operation}")
    arn = f"arn:aws:kinesis:{place.region}:{place.account}:stream/{name}"
    return [RequiredAction(f"kinesis:{operation}", name if str(name).startswith("arn:") else arn)]


def _parameters(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    names = arguments.get("Names") or [arguments.get("Name") or arguments.get("Path")]
    if not names[0]:
        raise CannotJudge(f"ssm:{operation}")
    arn = f"arn:aws:ssm:{place.region}:{place.account}:parameter/"
    return [RequiredAction(f"ssm:{operation}", arn + str(name).partition(":")[0].lstrip("/")) for name in names]


def _logs(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    prefix = f"arn:aws:logs:{place.region}:{place.account}:log-group:"
    if operation in ("DescribeLogGroups", "StopQuery", "GetQueryResults"):
        return [RequiredAction(f"logs:{operation}", "*")]
    group = arguments.get("logGroupName") or str(arguments.get("logGroupIdentifier", "")).partition(":log-group:")[2]
    if not group:
        raise CannotJudge(f"logs:{operation}")
    stream = arguments.get("logStreamName", "")
    return [RequiredAction(f"logs:{operation}", f"{prefix}{group.removesuffix(':*')}:log-stream:{stream}")]


def _metrics(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    if operation == "PutMetricData":
        return [
            RequiredAction(
                "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": [str(arguments.get("Namespace", ""))]}
            )
        ]
    if operation in ("GetMetricData", "GetMetricStatistics", "ListMetrics"):
        return [RequiredAction(f"cloudwatch:{operation}", "*")]
    if operation == "ListDashboards":
        return [RequiredAction("cloudwatch:ListDashboards", "*")]
    if "Dashboard" in operation:
        dashboards = arguments.get("DashboardNames") or [arguments["DashboardName"]]
        arn = f"arn:aws:cloudwatch::{place.account}:dashboard/"
        return [RequiredAction(f"cloudwatch:{operation}", f"{arn}{name}") for name in dashboards]
    names = arguments.get("AlarmNames") or [arguments.get("AlarmName", "*")]
    arn = f"arn:aws:cloudwatch:{place.region}:{place.account}:alarm:"
    return [RequiredAction(f"cloudwatch:{operation}", f"{arn}{name}") for name in names]


def _events(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    prefix = f"arn:aws:events:{place.region}:{place.account}:"
    if operation == "PutEvents":
        buses = {str(entry.get("EventBusName", "default")) for entry in arguments.get("Entries", [])}
        return [
            RequiredAction("events:PutEvents", b if b.startswith("arn:") else f"{prefix}event-bus/{b}")
            for b in sorted(buses)
        ]
    if name := arguments.get("Name") or arguments.get("Rule"):
        return [RequiredAction(f"events:{operation}", f"{prefix}rule/{name}")]
    raise CannotJudge(f"events:{operation}")


def _schedules(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    name = arguments.get("Name")
    if not name or not operation.endswith("Schedule"):
        raise CannotJudge(f"scheduler:{operation}")
    group = arguments.get("GroupName") or arguments.get("groupName") or "default"
    arn = f"arn:aws:scheduler:{place.region}:{place.account}:schedule/{group}/{name}"
    required = [RequiredAction(f"scheduler:{operation}", arn)]
    if role := (arguments.get("Target") or {}).get("RoleArn"):
        # A schedule hands its target's role to the Scheduler.
        required.append(RequiredAction("iam:PassRole", role, {"iam:passedtoservice": ["scheduler.amazonaws.com"]}))
    return required


def _secrets(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    if not (name := str(arguments.get("SecretId") or "")):
        raise CannotJudge(f"secretsmanager:{operation}")
    # The service adds a hyphen and six characters to a secret's name; policies have question marks there.
    arn = f"arn:aws:secretsmanager:{place.region}:{place.account}:secret:{name}-000000"
    return [RequiredAction(f"secretsmanager:{operation}", name if name.startswith("arn:") else arn)]


def _builds(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    names = arguments.get("ids") or [arguments.get("projectName") or arguments.get("id") or arguments.get("name")]
    if not names[0]:
        raise CannotJudge(f"codebuild:{operation}")
    arn = f"arn:aws:codebuild:{place.region}:{place.account}:project/"
    projects = sorted({str(name).rpartition("/")[2].partition(":")[0] for name in names})
    return [RequiredAction(f"codebuild:{operation}", arn + project) for project in projects]


def _containers(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    prefix = f"arn:aws:ecs:{place.region}:{place.account}:"
    cluster = str(arguments.get("cluster", "default")).rpartition("/")[2]
    context = {"ecs:cluster": [f"{prefix}cluster/{cluster}"]}
    if operation in ("DescribeTasks", "StopTask"):
        tasks = arguments.get("tasks") or [arguments.get("task", "")]
        return [
            RequiredAction(f"ecs:{operation}", f"{prefix}task/{cluster}/{str(task).rpartition('/')[2]}", context)
            for task in tasks
        ]
    if operation == "ListTasks":
        return [RequiredAction("ecs:ListTasks", "*", context)]
    if operation != "RunTask":
        raise CannotJudge(f"ecs:{operation}")
    definition = ecs_backends[place.account][place.region].describe_task_definition(str(arguments["taskDefinition"]))
    required = [RequiredAction("ecs:RunTask", definition.arn, context)]
    # RunTask hands the definition's roles to the task, and its tags count as tagging.
    overrides = arguments.get("overrides") or {}
    for kind in ("task_role_arn", "execution_role_arn"):
        override = overrides.get(kind.replace("_role_arn", "RoleArn"))
        if role := override or getattr(definition, kind, None):
            required.append(RequiredAction("iam:PassRole", role, {"iam:passedtoservice": ["ecs-tasks.amazonaws.com"]}))
    if arguments.get("tags") or (arguments.get("propagateTags") == "TASK_DEFINITION" and definition.tags):
        required.append(
            RequiredAction("ecs:TagResource", f"{prefix}task/{cluster}/*", {"ecs:createaction": ["RunTask"]})
        )
    return required


def _applications(place: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    arn = f"arn:aws:emr-serverless:{place.region}:{place.account}:/applications"
    if application := arguments.get("applicationId"):
        run = arguments.get("jobRunId")
        required = [
            RequiredAction(f"emr-serverless:{operation}", f"{arn}/{application}" + (f"/jobruns/{run}" if run else ""))
        ]
        if operation == "StartJobRun":
            passed = {"iam:passedtoservice": ["emr-serverless.amazonaws.com"]}
            required.append(RequiredAction("iam:PassRole", str(arguments.get("executionRoleArn")), passed))
        return required
    raise CannotJudge(f"emr-serverless:{operation}")


def _identity(_: Place, operation: str, arguments: Arguments) -> Sequence[RequiredAction]:
    if operation == "GetCallerIdentity":
        return []  # everybody may ask who they are
    return [RequiredAction(f"sts:{operation}", str(arguments.get("RoleArn", "*")))]


_READERS: Mapping[str, Reader] = {
    "dynamodb": dynamodb.required_actions,
    "lambda": _functions,
    "sqs": _queues,
    "kinesis": _streams,
    "ssm": _parameters,
    "logs": _logs,
    "monitoring": _metrics,
    "events": _events,
    "scheduler": _schedules,
    "secretsmanager": _secrets,
    "codebuild": _builds,
    "ecs": _containers,
    "emr-serverless": _applications,
    "sts": _identity,
    "states": _Named(
        "states",
        ("executionArn", "stateMachineArn", "mapRunArn"),
        without=frozenset({"ListStateMachines", "SendTaskSuccess", "SendTaskFailure", "SendTaskHeartbeat"}),
    ),
    "sns": _Named(
        "sns", ("TopicArn", "TargetArn"), without=frozenset({"ListTopics"}), actions={"PublishBatch": "Publish"}
    ),
    "ecr": _Named(
        "ecr",
        ("repositoryName", "repositoryNames"),
        "repository/{}",
        without=frozenset({"GetAuthorizationToken"}),
    ),
    "xray": _Named(
        "xray",
        (),
        without=frozenset(
            {
                "PutTraceSegments",
                "PutTelemetryRecords",
                "GetSamplingRules",
                "GetSamplingTargets",
                "GetTraceSummaries",
                "BatchGetTraces",
            }
        ),
    ),
    "kms": _Named("kms", ("KeyId",), "key/{}"),
}
