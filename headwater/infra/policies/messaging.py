"""Rules about what travels: topics, queues, events, schedules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headwater.infra.policies.compute import DEFAULT_TIMEOUT_SECONDS, FUNCTION
from headwater.infra.policies.documents import is_for_anyone, listed, refuses_plain_text, statements
from headwater.infra.policies.graph import Graph, Resource
from headwater.infra.policies.rule import OURS, SERVERLESS, SOLUTIONS, rule

TOPIC = "aws:sns/topic:Topic"
QUEUE = "aws:sqs/queue:Queue"
REDRIVE = "aws:sqs/redrivePolicy:RedrivePolicy"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
SCHEDULE = "aws:scheduler/schedule:Schedule"

DEFAULT_VISIBILITY_SECONDS: Final = 30
VISIBILITY_PER_TIMEOUT: Final = 6
"""By https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""


@rule("SNS3", SOLUTIONS, TOPIC)
def topic_tls(topic: Resource, graph: Graph) -> Iterator[str]:
    """A topic's policy refuses whoever publishes without TLS."""
    for policy in graph.settings(topic, "aws:sns/topicPolicy:TopicPolicy", "arn"):
        if any(refuses_plain_text(item, "*", "sns:*", "sns:Publish") for item in statements(policy, "policy")):
            return
    yield "it takes messages without TLS: deny sns:Publish where aws:SecureTransport is false"


@rule("SNSRedrivePolicy", SERVERLESS, "aws:sns/topicSubscription:TopicSubscription")
def subscription_dead_letters(subscription: Resource, _: Graph) -> Iterator[str]:
    """A message that a subscriber doesn't take becomes a dead letter."""
    if not subscription.has("redrivePolicy"):
        yield "a message that can't be delivered is lost: set redrivePolicy"


@rule("SQS2", SOLUTIONS, QUEUE)
def queue_encryption(queue: Resource, _: Graph) -> Iterator[str]:
    """A queue is encrypted, by SQS's own key or one of KMS."""
    if queue.get("sqsManagedSseEnabled") is not True and not queue.has("kmsMasterKeyId"):
        yield "it isn't encrypted: set sqsManagedSseEnabled"


@rule("SQS3", f"{SOLUTIONS}, Serverless", QUEUE)
def queue_dead_letters(queue: Resource, graph: Graph) -> Iterator[str]:
    """A queue has a dead-letter queue, or is one of another queue."""
    if _has_redrive(queue, graph):
        return
    arn = queue.get("arn")
    for other in graph.all(QUEUE, REDRIVE):
        if other.has("redrivePolicy") and other.document("redrivePolicy").get("deadLetterTargetArn") == arn:
            return
    yield "a message that nobody can read comes back for ever: set redrivePolicy"


@rule("SQS4", SOLUTIONS, QUEUE)
def queue_tls(queue: Resource, graph: Graph) -> Iterator[str]:
    """A queue's policy refuses every request without TLS."""
    for policy in graph.settings(queue, "aws:sqs/queuePolicy:QueuePolicy", "queueUrl"):
        if any(refuses_plain_text(item, "*", "sqs:*") for item in statements(policy, "policy")):
            return
    yield "it answers without TLS: deny sqs:* where aws:SecureTransport is false"


@rule("SQSVisibilityTimeout", "AWS Lambda's guide", MAPPING)
def queue_visibility(mapping: Resource, graph: Graph) -> Iterator[str]:
    """A queue that a function reads hides a message for six times the function's timeout: no message is read twice."""
    for queue in graph.all(QUEUE):
        for function in graph.all(FUNCTION):
            if not graph.names(mapping, "eventSourceArn", queue) or not graph.names(mapping, "functionName", function):
                continue
            hidden = queue.get("visibilityTimeoutSeconds", default=DEFAULT_VISIBILITY_SECONDS)
            needed = VISIBILITY_PER_TIMEOUT * function.get("timeout", default=DEFAULT_TIMEOUT_SECONDS)
            if hidden < needed:
                yield f"queue {queue.name} hides a message for {hidden:g} s, {function.name} needs {needed:g} s"


@rule("LambdaEventSourceMappingDestination", SERVERLESS, MAPPING)
def mapping_failures(mapping: Resource, graph: Graph) -> Iterator[str]:
    """Records of a stream or queue that a function fails on go to a destination or the queue's dead letters."""
    if mapping.has("destinationConfig", "onFailure", "destinationArn"):
        return
    queues = [queue for queue in graph.all(QUEUE) if graph.names(mapping, "eventSourceArn", queue)]
    if not any(_has_redrive(queue, graph) for queue in queues):
        yield "what the function fails on is lost: set destinationConfig.onFailure, or the queue's redrivePolicy"


@rule("EventBusDLQ", SERVERLESS, "aws:cloudwatch/eventTarget:EventTarget")
def target_dead_letters(target: Resource, _: Graph) -> Iterator[str]:
    """An event that a rule can't deliver becomes a dead letter."""
    if not target.has("deadLetterConfig", "arn"):
        yield "an event that can't be delivered is lost: set deadLetterConfig"


@rule(
    "EVB1", SOLUTIONS, "aws:cloudwatch/eventBusPolicy:EventBusPolicy", "aws:cloudwatch/eventPermission:EventPermission"
)
def bus_private(policy: Resource, _: Graph) -> Iterator[str]:
    """No event bus is open to everybody without a condition."""
    opened = policy.get("principal") == "*" and not policy.has("condition")
    for item in statements(policy, "policy"):
        opened |= item.get("Effect") == "Allow" and is_for_anyone(item) and not item.get("Condition")
    if opened:
        yield "everybody may put events on the bus: name the principals or set a condition"


@rule("SchedulerDLQ", OURS, SCHEDULE)
def schedule_dead_letters(schedule: Resource, _: Graph) -> Iterator[str]:
    """A start that a schedule can't make becomes a dead letter."""
    if not schedule.has("target", "deadLetterConfig", "arn"):
        yield "a start that can't be made is lost: set target.deadLetterConfig"


@rule("SchedulerRetries", OURS, SCHEDULE)
def schedule_retries(schedule: Resource, _: Graph) -> Iterator[str]:
    """A schedule says how long it tries again: by default 185 times over a day, and a late start may be a wrong one."""
    if not schedule.has("target", "retryPolicy", "maximumEventAgeInSeconds") or not schedule.has(
        "target", "retryPolicy", "maximumRetryAttempts"
    ):
        yield "it tries again for a day: set both limits of target.retryPolicy"


@rule("SchedulerTrust", OURS, SCHEDULE)
def schedule_trust(schedule: Resource, graph: Graph) -> Iterator[str]:
    """A schedule's role trusts the Scheduler of this account alone (the confused deputy)."""
    for role in graph.all("aws:iam/role:Role"):
        if not graph.names(schedule, "target.roleArn", role):
            continue
        for item in statements(role, "assumeRolePolicy"):
            keys = {key.lower() for operator in (item.get("Condition") or {}).values() for key in operator}
            service = "scheduler.amazonaws.com" in listed((item.get("Principal") or {}).get("Service"))
            if service and not keys & {"aws:sourceaccount", "aws:sourcearn"}:
                yield f"its role {role.name} can be used through anybody's schedule: trust one aws:SourceAccount"


def _has_redrive(queue: Resource, graph: Graph) -> bool:
    return queue.has("redrivePolicy") or bool(graph.settings(queue, REDRIVE, "queueUrl"))
