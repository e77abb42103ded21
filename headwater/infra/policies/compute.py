"""Rules about what runs: functions, containers, builds, state machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headwater.infra.policies.graph import Graph, Resource
from headwater.infra.policies.rule import OURS, SERVERLESS, SOLUTIONS, rule

FUNCTION = "aws:lambda/function:Function"
LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
INVOKE_CONFIG = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
MACHINE = "aws:sfn/stateMachine:StateMachine"
PROJECT = "aws:codebuild/project:Project"

LATEST_PYTHON: Final = "3.14"
DEFAULT_MEMORY_MIB: Final = 128
DEFAULT_TIMEOUT_SECONDS: Final = 3
_AWS_KEY: Final = "alias/aws/s3"  # CodeBuild's own choice


@rule("L1", f"{SOLUTIONS}, Serverless", FUNCTION)
def runtime(function: Resource, _: Graph) -> Iterator[str]:
    """A function in Python runs on the newest runtime that Lambda has."""
    given = str(function.get("runtime", default=""))
    if given.startswith("python") and given != f"python{LATEST_PYTHON}":
        yield f"it runs on {given}: python{LATEST_PYTHON} is the newest"


@rule("LambdaTracing", SERVERLESS, FUNCTION)
def tracing(function: Resource, _: Graph) -> Iterator[str]:
    """A function's calls are traced by X-Ray."""
    if function.get("tracingConfig", "mode") != "Active":
        yield "it isn't traced: set tracingConfig.mode to Active"


@rule("LambdaDefaultMemorySize", SERVERLESS, FUNCTION)
def memory(function: Resource, _: Graph) -> Iterator[str]:
    """A function's memory was thought about: it isn't Lambda's default of 128 MiB."""
    if function.get("memorySize", default=DEFAULT_MEMORY_MIB) == DEFAULT_MEMORY_MIB:
        yield f"its memory is Lambda's default, {DEFAULT_MEMORY_MIB} MiB: set memorySize"


@rule("LambdaDefaultTimeout", SERVERLESS, FUNCTION)
def timeout(function: Resource, _: Graph) -> Iterator[str]:
    """A function's timeout was thought about: it isn't Lambda's default of 3 seconds."""
    if function.get("timeout", default=DEFAULT_TIMEOUT_SECONDS) == DEFAULT_TIMEOUT_SECONDS:
        yield f"its timeout is Lambda's default, {DEFAULT_TIMEOUT_SECONDS} s: set timeout"


@rule("LambdaDLQ", SERVERLESS, FUNCTION)
def failed_events(function: Resource, graph: Graph) -> Iterator[str]:
    """An event that a function fails on, called asynchronously, goes to a destination or a dead-letter queue."""
    configured = graph.settings(function, INVOKE_CONFIG, "functionName")
    if not function.has("deadLetterConfig", "targetArn") and not any(map(_has_destination, configured)):
        yield "an asynchronous event that it fails on is lost: add a FunctionEventInvokeConfig with onFailure"


@rule("LambdaAsyncFailureDestination", SERVERLESS, INVOKE_CONFIG)
def failure_destination(config: Resource, _: Graph) -> Iterator[str]:
    """Settings for asynchronous events name a failure destination."""
    if not _has_destination(config):
        yield "it names no destination for failed events: set destinationConfig.onFailure"


@rule("LambdaLogRetention", OURS, FUNCTION)
def function_logs(function: Resource, graph: Graph) -> Iterator[str]:
    """A function logs to a group of the stack; one that Lambda makes itself keeps everything for ever."""
    group = function.get("loggingConfig", "logGroup", default=f"/aws/lambda/{function.get('name')}")
    if group not in {other.get("name") for other in graph.all(LOG_GROUP)}:
        yield f"its log group {group} isn't declared: add a LogGroup of that name"


@rule("CloudWatchLogGroupRetentionPeriod", SERVERLESS, LOG_GROUP)
def log_retention(group: Resource, _: Graph) -> Iterator[str]:
    """A log group forgets after a while."""
    if not group.get("retentionInDays", default=0):
        yield "it keeps everything for ever: set retentionInDays"


@rule("LambdaPermissionSource", OURS, "aws:lambda/permission:Permission")
def permission_source(permission: Resource, _: Graph) -> Iterator[str]:
    """A service may call a function for one source of ours alone, and nobody else may by a permission."""
    if permission.get("principal") == "*":
        yield "everybody may call the function: name the service"
    elif str(permission.get("principal")).endswith(".amazonaws.com") and not permission.has("sourceArn"):
        yield "the service may call the function for anybody's resource: set sourceArn"


@rule("SF1", SOLUTIONS, MACHINE)
def machine_logs(machine: Resource, _: Graph) -> Iterator[str]:
    """A state machine logs every event of its runs."""
    if machine.get("loggingConfiguration", "level") != "ALL" or not machine.has(
        "loggingConfiguration", "logDestination"
    ):
        yield "it doesn't log every event: set loggingConfiguration with level ALL and a logDestination"


@rule("SF2", f"{SOLUTIONS}, Serverless", MACHINE)
def machine_tracing(machine: Resource, _: Graph) -> Iterator[str]:
    """A state machine's runs are traced by X-Ray."""
    if machine.get("tracingConfiguration", "enabled") is not True:
        yield "it isn't traced: enable tracingConfiguration"


@rule("ECS2", SOLUTIONS, TASK)
def task_environment(task: Resource, _: Graph) -> Iterator[str]:
    """A task's containers get no environment variables from its definition, where everyone who sees it reads them."""
    for container in task.document("containerDefinitions"):
        if container.get("environment"):
            names = ", ".join(sorted(variable["name"] for variable in container["environment"]))
            yield f"container {container.get('name')} has variables in the definition: {names}"


@rule("ECS4", SOLUTIONS, "aws:ecs/cluster:Cluster")
def cluster_insights(cluster: Resource, _: Graph) -> Iterator[str]:
    """A cluster has Container Insights."""
    count = len(cluster.items("settings"))
    settings = {cluster.get("settings", n, "name"): cluster.get("settings", n, "value") for n in range(count)}
    if settings.get("containerInsights") not in ("enabled", "enhanced"):
        yield "nothing measures its tasks: set containerInsights to enabled"


@rule("ECS7", SOLUTIONS, TASK)
def task_logs(task: Resource, _: Graph) -> Iterator[str]:
    """Every container of a task logs somewhere."""
    for container in task.document("containerDefinitions"):
        if not (container.get("logConfiguration") or {}).get("logDriver"):
            yield f"container {container.get('name')} logs nowhere: set logConfiguration"


@rule("CB3", SOLUTIONS, PROJECT)
def build_privileges(project: Resource, _: Graph) -> Iterator[str]:
    """A build isn't privileged."""
    if project.get("environment", "privilegedMode") is True:
        yield "its builds are privileged"


@rule("CB4", SOLUTIONS, PROJECT)
def build_key(project: Resource, _: Graph) -> Iterator[str]:
    """A build encrypts what it leaves with a key of KMS that was chosen for it."""
    if str(project.get("encryptionKey", default=_AWS_KEY)).endswith(_AWS_KEY):
        yield "it names no key: set encryptionKey"


@rule("CB5", SOLUTIONS, PROJECT)
def build_image(project: Resource, _: Graph) -> Iterator[str]:
    """A build runs on one of CodeBuild's own images."""
    image = str(project.get("environment", "image", default=""))
    if not image.startswith("aws/codebuild/"):
        yield f"it runs on {image or 'no image'}: use one of CodeBuild's"


def _has_destination(config: Resource) -> bool:
    return config.has("destinationConfig", "onFailure", "destination")
