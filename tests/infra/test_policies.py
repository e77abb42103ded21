"""Each rule of `headwater.infra.policies` on graphs made by hand: what breaks it, keeps it, or can't be known yet."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from headwater.infra.policies import EXEMPTIONS, RULES, UNKNOWN, Resource, exempt, judge
from tests.infra.policy_cases import BROKEN, KEPT, made


def violated(graph: Sequence[Resource], rule: str) -> list[str]:
    return [str(violation) for violation in judge(graph, [RULES[rule]]).violations]


def test_every_rule_has_a_graph_that_breaks_it_and_one_that_keeps_it() -> None:
    assert BROKEN.keys() == RULES.keys()
    assert KEPT.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("rule", "graph"),
    [
        pytest.param(rule, graph, id=f"{rule}-{number}")
        for rule, graphs in BROKEN.items()
        for number, graph in enumerate(graphs)
    ],
)
def test_what_breaks_a_rule_is_found_with_its_name_and_what_to_do(rule: str, graph: Sequence[Resource]) -> None:
    found = violated(graph, rule)
    assert found
    for line in found:
        assert line.startswith(f"{rule}: ")
        assert any(resource.name in line for resource in graph)
        assert len(line) > len(f"{rule}: ") + 20


@pytest.mark.parametrize("rule", list(RULES))
def test_what_keeps_a_rule_is_left_alone(rule: str) -> None:
    assert violated(KEPT[rule], rule) == []


def with_one_unknown(value: Any) -> Iterator[Any]:
    """Copies of a value in each of which something is unknown: all of it, an entry, an entry of an entry, ..."""
    yield UNKNOWN
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: unsure} for unsure in with_one_unknown(item))
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from ([*value[:position], unsure, *value[position + 1 :]] for unsure in with_one_unknown(item))


@pytest.mark.parametrize("rule", list(RULES))
def test_a_value_that_a_preview_does_not_know_yet_is_never_a_violation(rule: str) -> None:
    graph = KEPT[rule]
    for position, resource in enumerate(graph):
        for props in list(with_one_unknown(dict(resource.props)))[1:]:
            unsure = replace(resource, props=props)
            assert violated([*graph[:position], unsure, *graph[position + 1 :]], rule) == [], props


def test_a_rule_that_needs_an_unknown_value_says_which() -> None:
    bucket = made("aws:s3/bucket:Bucket", "lake", bucket="lake", arn=UNKNOWN)
    policy = made("aws:s3/bucketPolicy:BucketPolicy", "lake", about=bucket, by="bucket", policy=UNKNOWN)
    report = judge([bucket, policy], [RULES["S10"]])
    assert report.violations == []
    assert [(rule.id, resource.name, str(reason)) for rule, resource, reason in report.undecided] == [
        ("S10", "lake", "lake.policy")
    ]


def component(*exemptions: dict[str, Any], name: str = "storage") -> Resource:
    return made("headwater:index:PrivateBucket", name, **{EXEMPTIONS: list(exemptions)})


def test_a_component_excuses_its_own_children_and_nobody_elses() -> None:
    parent = component(exempt("S1", "it holds the logs"))
    mine = replace(made("aws:s3/bucket:Bucket", "mine", bucket="mine"), parent=parent.urn)
    other = made("aws:s3/bucket:Bucket", "other", bucket="other")
    report = judge([parent, mine, other], [RULES["S1"]])
    assert [violation.resource.name for violation in report.violations] == ["other"]
    assert [(violation.resource.name, exemption.reason) for violation, exemption in report.excused] == [
        ("mine", "it holds the logs")
    ]
    assert report.unused == []


def test_an_exemption_of_some_findings_leaves_the_others() -> None:
    parent = component(exempt("IAM5", "named by who writes them", of=["arn:aws:s3:::lake/*"]), name="role")
    allowed = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::lake/*", "arn:aws:s3:::*"]}
    policy = made("aws:iam/rolePolicy:RolePolicy", "role", policy=json.dumps({"Statement": allowed}))
    report = judge([parent, replace(policy, parent=parent.urn)], [RULES["IAM5"]])
    assert ["arn:aws:s3:::*:" in violation.message for violation in report.violations] == [True]
    assert len(report.excused) == 1


def test_an_exemption_from_asking_who_calls_opens_one_route() -> None:
    parent = component(exempt("APIG4", "it takes a token", of=["GET /metrics/scrape"]), name="scrape")
    kind = "aws:apigatewayv2/route:Route"
    open_route, other = (
        replace(made(kind, name, routeKey=key, authorizationType="NONE"), parent=parent.urn)
        for name, key in (("scrape", "GET /metrics/scrape"), ("card", "GET /models/{model}"))
    )
    report = judge([parent, open_route, other], [RULES["APIG4"]])
    assert [violation.resource.name for violation in report.violations] == ["card"]
    assert [violation.resource.name for violation, _ in report.excused] == ["scrape"]


def test_an_exemption_of_no_findings_excuses_nothing() -> None:
    parent = component(exempt("S1", "for nothing", of=[]))
    bucket = replace(made("aws:s3/bucket:Bucket", "mine", bucket="mine"), parent=parent.urn)
    report = judge([parent, bucket], [RULES["S1"]])
    assert len(report.violations) == 1
    assert [exemption.reason for exemption in report.unused] == ["for nothing"]


def test_an_exemption_that_nothing_needs_is_told_once_all_is_known() -> None:
    parent = component(exempt("BucketVersioning", "nobody reads old ones"))
    bucket = replace(made("aws:s3/bucket:Bucket", "lake", bucket="lake"), parent=parent.urn)
    enabled = made("aws:s3/bucketVersioning:BucketVersioning", "lake", about=bucket, by="bucket")

    def unused(status: object) -> list[str]:
        setting = replace(enabled, props={**enabled.props, "versioningConfiguration": {"status": status}})
        return [exemption.reason for exemption in judge([parent, bucket, setting]).unused]

    assert unused("Enabled") == ["nobody reads old ones"]
    assert unused("Suspended") == []
    assert unused(UNKNOWN) == []


def test_nothing_that_aws_answers_excuses_anything() -> None:
    impostor = made("aws:s3/bucket:Bucket", "parent", bucket="parent", **{EXEMPTIONS: [exempt("S1", "says who?")]})
    bucket = replace(made("aws:s3/bucket:Bucket", "mine", bucket="mine"), parent=impostor.urn)
    assert len(judge([impostor, bucket], [RULES["S1"]]).violations) == 2


def test_an_exemption_needs_a_rule_and_a_reason() -> None:
    with pytest.raises(ValueError, match="there is no rule 'S99' to be exempt from"):
        exempt("S99", "because")
    with pytest.raises(ValueError, match="an exemption from S1 needs a reason"):
        exempt("S1", " ")
