"""Who hears when a function, a task or a machine fails, as the resources of a stack say: no name is known here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from headwater.infra.policies.graph import Graph, Resource

FUNCTION, MACHINE = "aws:lambda/function:Function", "aws:sfn/stateMachine:StateMachine"
ALARM, TOPIC, QUEUE = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:sns/topic:Topic", "aws:sqs/queue:Queue"
SUBSCRIPTION, PERMISSION = "aws:sns/topicSubscription:TopicSubscription", "aws:lambda/permission:Permission"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CALLS = "lambda:InvokeFunction"
POLICY, API = "aws:iam/rolePolicy:RolePolicy", "aws:apigatewayv2/api:Api"


def unheard(resources: Iterable[Resource]) -> list[str]:
    """What may fail without an alarm, a sentence each; empty if everything is heard of."""
    return sorted(set(_Stack(resources).problems()))


class _Stack:
    """A stack's resources, and the questions that are asked of them."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.graph = Graph(resources)
        self.functions = {one.get("arn"): one for one in self.graph.all(FUNCTION)}
        self._allowed: list[tuple[str, set[str], set[str]]] = [
            (policy.get("role"), set(one["Action"]), set(one["Resource"]))
            for policy in self.graph.all(POLICY)
            for one in policy.document("policy").get("Statement", [])
        ]
        """Role, actions and resources of each statement."""
        self._callers = {arn: list(self._calls(one)) for arn, one in self.functions.items()}

    def problems(self) -> Iterator[str]:
        for machine in self.graph.all(MACHINE):
            yield from self._machine(machine)
        for api in self.graph.all(API):
            yield from self._api(api)
        machines = [str(one.get("roleArn")).rpartition("/")[2] for one in self.graph.all(MACHINE)]
        for task in self.graph.all(TASK):
            if not any(self._may(role, "ecs:RunTask", task.get("arn")) for role in machines):
                yield f"{task.name}: no state machine runs it, so nothing hears that it failed"
        for arn, function in self.functions.items():
            name = function.name
            if not self._callers[arn]:
                yield f"{name}: nothing in the stack calls it, so nothing hears that it failed"
            for _, problem in self._callers[arn]:
                if problem:
                    yield f"{name}: {problem}"
            yield from self._gives_up(function)
            if not self.has_alarm("AWS/Lambda", "Throttles", {}) and not self.has_alarm(
                "AWS/Lambda", "Throttles", {"FunctionName": function.get("name")}
            ):
                yield f"{name}: no alarm on its throttles"
        for arn in self.functions.keys() - self._reached():
            if self._callers[arn]:
                yield f"{self.functions[arn].name}: only functions call it that nothing hears of"

    def _reached(self) -> set[str]:
        """The functions whose failures end in an alarm, directly or by the function that waits for them."""
        reached: set[str] = set()
        while True:
            more = {
                arn
                for arn, callers in self._callers.items()
                if arn not in reached and any(not by or by in reached for by, _ in callers)
            }
            if not more:
                return reached
            reached |= more

    # Alarms

    def has_alarm(self, namespace: str, metric: str, dimensions: dict[str, Any]) -> bool:
        """Whether an alarm on exactly this metric tells a topic that something listens to."""
        heard = {one.get("topic") for one in self.graph.all(SUBSCRIPTION)}
        for alarm in self.graph.all(ALARM):
            watched = (alarm.get("namespace"), alarm.get("metricName"), dict(alarm.get("dimensions", default={})))
            tells = set(alarm.items("alarmActions")) & heard
            if watched == (namespace, metric, dimensions) and tells and alarm.get("actionsEnabled", default=True):
                return True
        return False

    def is_watched(self, queue_arn: object) -> bool:
        """Whether a message in the queue raises an alarm."""
        named = [queue for queue in self.graph.all(QUEUE) if queue.get("arn") == queue_arn]
        metric = "ApproximateNumberOfMessagesVisible"
        return any(self.has_alarm("AWS/SQS", metric, {"QueueName": queue.get("name")}) for queue in named)

    def _machine(self, machine: Resource) -> Iterator[str]:
        for metric in ("ExecutionsFailed", "ExecutionsTimedOut"):
            if not self.has_alarm("AWS/States", metric, {"StateMachineArn": machine.get("arn")}):
                yield f"{machine.name}: no alarm on {metric}"

    def _api(self, api: Resource) -> Iterator[str]:
        if not self.has_alarm("AWS/ApiGateway", "5xx", {"ApiId": api.get("id")}):
            yield f"{api.name}: no alarm on 5xx"

    # Who calls a function: the ARN of a function that waits for the answer or "", and what is wrong with that

    def _calls(self, function: Resource) -> Iterator[tuple[str, str]]:
        arn, name = function.get("arn"), function.get("name")
        for machine in self.graph.all(MACHINE):
            # The alarms of the machine itself are asked for beside this.
            if self._may(str(machine.get("roleArn")).rpartition("/")[2], CALLS, arn):
                yield "", ""
        for permission in self.graph.all(PERMISSION):
            if permission.get("function") in (arn, name):
                yield "", self._permitted(permission, arn)
        for mapping in self.graph.all("aws:lambda/eventSourceMapping:EventSourceMapping"):
            if mapping.get("functionName") in (arn, name):
                yield "", self._from_queue(mapping.get("eventSourceArn"))
        for schedule in self.graph.all("aws:scheduler/schedule:Schedule"):
            if schedule.get("target", "arn") == arn:
                yield "", self._dead(schedule, "target", "deadLetterConfig", "arn")
        for call in self.graph.all("aws:lambda/invocation:Invocation"):
            if call.get("functionName") in (arn, name):
                # Whoever deploys hears.
                yield "", ""
        yield from ((caller, "") for caller in self._waiting(arn))

    def _permitted(self, permission: Resource, arn: str) -> str:
        service, source = permission.get("principal").partition(".")[0], permission.get("sourceArn")
        if service == "apigateway":
            known = [api for api in self.graph.all(API) if str(source).startswith(str(api.get("executionArn")))]
            return "" if known else f"{permission.name}: the API {source} isn't of this stack"
        if service == "events":
            rules = {one.get("name") for one in self.graph.all("aws:cloudwatch/eventRule:EventRule")
                     if one.get("arn") == source}  # fmt: skip
            told = [one for one in self.graph.all("aws:cloudwatch/eventTarget:EventTarget")
                    if one.get("arn") == arn and one.get("rule") in rules]  # fmt: skip
            lost = [self._dead(target, "deadLetterConfig", "arn") for target in told]
            return next(filter(None, lost), "") if told else f"{permission.name}: no rule calls it"
        if service == "sns":
            told = [one for one in self.graph.all(SUBSCRIPTION)
                    if one.get("topic") == source and one.get("endpoint") == arn]  # fmt: skip
            policies = [one.document("redrivePolicy").get("deadLetterTargetArn") for one in told]
            watched = policies and all(map(self.is_watched, policies))
            return "" if watched else f"{permission.name}: what can't be delivered isn't kept where an alarm looks"
        return f"{permission.name}: called by {service}, and nothing says who hears of that"

    def _from_queue(self, source: object) -> str:
        for queue in self.graph.all(QUEUE):
            if queue.get("arn") == source:
                target = queue.document("redrivePolicy").get("deadLetterTargetArn")
                return "" if self.is_watched(target) else f"{queue.name}: its dead letters aren't watched"
        return f"{source} isn't a queue of this stack"

    def _dead(self, resource: Resource, *path: str) -> str:
        watched = self.is_watched(resource.get(*path))
        return "" if watched else f"{resource.name}: its dead letters aren't watched"

    def _waiting(self, arn: str) -> Iterator[str]:
        """The other functions whose role may invoke the function."""
        by_role = {str(one.get("role")).rpartition("/")[2]: callee for callee, one in self.functions.items()}
        yield from (caller for role, caller in by_role.items() if caller != arn and self._may(role, CALLS, arn))

    def _may(self, role: str, action: str, arn: object) -> bool:
        return any(
            whose == role and action in actions and arn in resources for whose, actions, resources in self._allowed
        )

    def _gives_up(self, function: Resource) -> Iterator[str]:
        """An asynchronous event must come to where an alarm looks, and the function's role must let it."""
        configs = [
            one
            for one in self.graph.all("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
            if one.get("functionName") in (function.get("name"), function.get("arn"))
        ]
        targets = [one.get("destinationConfig", "onFailure", "destination") for one in configs]
        if not [target for target in targets if self.is_watched(target)]:
            yield f"{function.name}: an event that it failed on is kept nowhere that an alarm looks"
        role = str(function.get("role")).rpartition("/")[2]
        own = [(actions, resources) for whose, actions, resources in self._allowed if whose == role]
        for target in targets:
            if not any("sqs:SendMessage" in actions and target in resources for actions, resources in own):
                yield f"{function.name}: its role may not send dead letters"
