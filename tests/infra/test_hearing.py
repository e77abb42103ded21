"""Whatever fails, an alarm hears of it: few alarms, and none that a new function could be forgotten by."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headwater.infra.policies import of_states
from headwater.infra.policies.graph import Resource
from tests.infra.cases import Graph
from tests.infra.hearing import ALARM, FUNCTION, MACHINE, PERMISSION, QUEUE, SUBSCRIPTION, TOPIC, unheard

pytestmark = pytest.mark.cloud

CONFIGURED = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"


@pytest.fixture(scope="module")
def resources(graph: Graph) -> Sequence[Resource]:
    return of_states(graph.deployment.resources)


def test_an_alarm_hears_of_whatever_fails(resources: Sequence[Resource]) -> None:
    assert unheard(resources) == []


def test_the_functions_have_no_alarms_of_their_own_but_one_for_all(resources: Sequence[Resource]) -> None:
    of_functions = [
        one.get("metricName") for one in resources if one.type == ALARM and one.get("namespace") == "AWS/Lambda"
    ]
    assert of_functions == ["Throttles"]


def test_a_dead_letter_is_told_by_e_mail_too_since_a_broken_manager_tells_nobody(resources: Sequence[Resource]) -> None:
    topics = {one.name: one.get("arn") for one in resources if one.type == TOPIC}
    (alarm,) = [one for one in resources if one.type == ALARM and one.name == "dead-letters"]
    assert alarm.items("alarmActions") == [topics["alarms"], topics["notifications"]]
    protocols = [
        one.get("protocol")
        for one in resources
        if one.type == SUBSCRIPTION and one.get("topic") == topics["notifications"]
    ]
    assert protocols == ["email"]
    policies = {one.get("arn"): one for one in resources if one.type == "aws:sns/topicPolicy:TopicPolicy"}
    allowed = policies[topics["notifications"]].document("policy")["Statement"]
    assert [one["Principal"] for one in allowed if one["Effect"] == "Allow"] == [
        {"Service": "cloudwatch.amazonaws.com"}
    ]


def without(kind: str, **having: object) -> Callable[[Resource], Resource | None]:
    """Drops the resources of a type that have these properties."""

    def keep(one: Resource) -> Resource | None:
        return None if one.type == kind and all(one.get(key) == value for key, value in having.items()) else one

    return keep


def changed(kind: str, **props: Any) -> Callable[[Resource], Resource | None]:
    """Other properties for all resources of a type."""
    return lambda one: replace(one, props={**one.props, **props}) if one.type == kind else one


@pytest.mark.parametrize(
    ("damage", "missed"),
    [
        (without(ALARM, metricName="ExecutionsFailed"), "ingestion: no alarm on ExecutionsFailed"),
        (without(ALARM, metricName="ExecutionsTimedOut"), "training: no alarm on ExecutionsTimedOut"),
        (without(ALARM, metricName="5xx"), "serving: no alarm on 5xx"),
        (without(ALARM, metricName="Throttles"), "serving-predict: no alarm on its throttles"),
        (
            without(ALARM, metricName="ApproximateNumberOfMessagesVisible"),
            "lake-intake: uploads: its dead letters aren't watched",
        ),
        (changed(ALARM, actionsEnabled=False), "training: no alarm on ExecutionsFailed"),
        (without(SUBSCRIPTION), "training: no alarm on ExecutionsFailed"),
        (
            without(CONFIGURED),
            "features-stream: an event that it failed on is kept nowhere that an alarm looks",
        ),
        (changed("aws:iam/rolePolicy:RolePolicy", policy="{}"), "lake-intake: its role may not send dead letters"),
        (changed(MACHINE, roleArn="role/nobody"), "lake-ingest: nothing in the stack calls it"),
        (changed(MACHINE, roleArn="role/nobody"), "containers-task: no state machine runs it"),
        (without(PERMISSION), "lineage-ask: nothing in the stack calls it"),
        (changed(PERMISSION, principal="iot.amazonaws.com"), "called by iot, and nothing says who hears of that"),
        (changed(QUEUE, redrivePolicy="{}"), "features-stream: features-stream: its dead letters aren't watched"),
    ],
    ids=lambda case: case if isinstance(case, str) else "",
)
def test_what_is_taken_away_is_missed(
    resources: Sequence[Resource], damage: Callable[[Resource], Resource | None], missed: str
) -> None:
    left = [kept for one in resources if (kept := damage(one)) is not None]
    assert any(problem.startswith(missed) or missed in problem for problem in unheard(left)), unheard(left)


def test_a_new_function_that_nothing_calls_or_that_only_its_like_calls_is_missed(
    resources: Sequence[Resource],
) -> None:
    (some,) = [one for one in resources if one.type == FUNCTION and one.name == "lake-sweep"]
    (config,) = [one for one in resources if one.type == CONFIGURED and one.name == "lake-sweep"]
    (policy,) = [one for one in resources if one.type == "aws:iam/rolePolicy:RolePolicy" and one.name == "lake-sweep"]

    def made(name: str, calls: str) -> list[Resource]:
        may = {"Action": ["lambda:InvokeFunction"], "Resource": [f"arn:{calls}"]}
        document = policy.document("policy")
        allowed = json.dumps({"Statement": [*document["Statement"], may]})
        return [
            replace(some, name=name, props={**some.props, "arn": f"arn:{name}", "name": name, "role": f"role/{name}"}),
            replace(config, props={**config.props, "functionName": name}),
            replace(policy, props={**policy.props, "role": name, "policy": allowed}),
        ]

    alone = unheard([*resources, *made("new", "nobody")])
    assert alone == ["new: nothing in the stack calls it, so nothing hears that it failed"]
    both = unheard([*resources, *made("one", "other"), *made("other", "one")])
    assert both == [f"{name}: only functions call it that nothing hears of" for name in ("one", "other")]
