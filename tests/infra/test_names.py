"""No name is longer than AWS takes it: at the longest stack's name, with the longest names of products."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from localcloud.engine import ResourceState

from headwater.declare import Catalog
from headwater.declare.collectors import LONGEST_NAME
from headwater.infra.platform.tags import cut
from tests.infra.cases import previewed
from tests.infra.test_collecting import COLLECTORS

LONGEST = "s" + "o" * 12 + "-" + "l" * 13 + "g"  # 28 characters
NAME_LENGTH = 48

# AWS's API references, as of 2026: input of the resource -> what its name may be.
ALLOWED: Mapping[tuple[str, str], str] = {
    ("aws:apigatewayv2/api:Api", "name"): r".{1,128}",
    ("aws:apigatewayv2/stage:Stage", "name"): r"[A-Za-z0-9_$-]{1,128}",
    ("aws:cloudwatch/dashboard:Dashboard", "dashboardName"): r"[A-Za-z0-9_-]{1,255}",
    ("aws:cloudwatch/eventRule:EventRule", "name"): r"[.\-_A-Za-z0-9]{1,64}",
    ("aws:cloudwatch/eventTarget:EventTarget", "targetId"): r"[.\-_A-Za-z0-9]{1,64}",
    ("aws:cloudwatch/logGroup:LogGroup", "name"): r"[.\-_/#A-Za-z0-9]{1,512}",
    ("aws:cloudwatch/metricAlarm:MetricAlarm", "name"): r"[\x20-\x7e]{1,255}",
    ("aws:codebuild/project:Project", "name"): r"[A-Za-z0-9][A-Za-z0-9_-]{1,149}",
    ("aws:dynamodb/table:Table", "name"): r"[a-zA-Z0-9_.-]{3,255}",
    ("aws:ec2/securityGroup:SecurityGroup", "name"): r"(?!sg-)[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}",
    ("aws:ecr/repository:Repository", "name"): r"(?=.{2,256}$)[a-z0-9]+(?:[._\-/][a-z0-9]+)*",
    ("aws:ecs/cluster:Cluster", "name"): r"[A-Za-z0-9_-]{1,255}",
    ("aws:ecs/taskDefinition:TaskDefinition", "family"): r"[A-Za-z0-9_-]{1,255}",
    ("aws:emrserverless/application:Application", "name"): r"[A-Za-z0-9._/#-]{1,64}",
    ("aws:iam/role:Role", "name"): r"[\w+=,.@-]{1,64}",
    ("aws:iam/rolePolicy:RolePolicy", "name"): r"[\w+=,.@-]{1,128}",
    ("aws:lambda/function:Function", "name"): r"[a-zA-Z0-9_-]{1,64}",
    ("aws:lambda/permission:Permission", "statementId"): r"[a-zA-Z0-9_-]{1,100}",
    ("aws:s3/bucket:Bucket", "bucket"): r"(?!xn--|sthree-|amzn-s3-demo-)(?!.*(?:-s3alias|--ol-s3|--x-s3)$)(?!.*\.\.)"
    r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    ("aws:scheduler/schedule:Schedule", "name"): r"[0-9a-zA-Z_.-]{1,64}",
    ("aws:scheduler/scheduleGroup:ScheduleGroup", "name"): r"[0-9a-zA-Z_.-]{1,64}",
    ("aws:sfn/stateMachine:StateMachine", "name"): r"[A-Za-z0-9_-]{1,80}",
    ("aws:sns/topic:Topic", "name"): r"[A-Za-z0-9_-]{1,256}",
    ("aws:sqs/queue:Queue", "name"): r"[A-Za-z0-9_-]{1,80}",
    # With the ARN's prefix at most 1,011 characters, fifteen levels.
    ("aws:ssm/parameter:Parameter", "name"): r"(?=.{1,1011}$)(?:/(?!aws|ssm)[a-zA-Z0-9_.-]+){1,15}",
}
NAMES = {"dashboardName", "name", "bucket", "family", "statementId", "targetId"}
DESCRIPTIONS: Mapping[str, int] = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": 1024,
    "aws:cloudwatch/eventRule:EventRule": 512,
    "aws:lambda/function:Function": 256,
    "aws:scheduler/schedule:Schedule": 512,
    "aws:ssm/parameter:Parameter": 1024,
}


def long(name: str) -> str:
    """The name, made as long as a product's name is allowed to be here."""
    return f"{name}_{'x' * NAME_LENGTH}"[:NAME_LENGTH]


def renamed(catalog: Catalog) -> Catalog:
    """The catalog with names of 48 characters."""
    models = {long(name): model.model_copy(update={"name": long(name)}) for name, model in catalog.models.items()}
    views = {long(name): view.model_copy(update={"name": long(name)}) for name, view in catalog.views.items()}
    sources = {long(name): source.model_copy(update={"name": long(name)}) for name, source in catalog.sources.items()}
    collector = COLLECTORS[0].model_copy(update={"name": long("c")[:LONGEST_NAME], "source": min(sources)})
    collectors = {collector.name: collector}
    return catalog.model_copy(update={"models": models, "views": views, "sources": sources, "collectors": collectors})


@pytest.fixture(scope="package")
def longest(aws: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[ResourceState]:
    """Everything of a stack with the longest names, as its program declares it."""
    config = {"headwater:stateBucket": "state"}
    made = previewed(tmp_path_factory.mktemp("names"), LONGEST, "tests.infra.test_names:renamed", aws, **config)
    return [resource for resource in made if resource.custom and resource.type.startswith("aws:")]


def test_every_name_is_one_that_aws_takes(longest: list[ResourceState]) -> None:
    wrong, seen = [], set()
    for resource in longest:
        for name in NAMES & resource.inputs.keys():
            value = resource.plain_inputs[name]
            rule = ALLOWED.get((resource.type, name))
            if rule is None or not isinstance(value, str):
                continue
            seen.add(resource.type)
            if not re.fullmatch(rule, value):
                wrong.append(f"{resource.type} {resource.name}: {value!r} ({len(value)} characters)")
    assert wrong == []
    assert seen == {kind for kind, _ in ALLOWED}


def test_every_named_type_has_a_rule(longest: list[ResourceState]) -> None:
    named = {resource.type for resource in longest if {"name", "family", "statementId"} & resource.inputs.keys()}
    assert named <= {kind for kind, _ in ALLOWED}


def test_no_description_and_no_tag_is_longer_than_aws_takes(longest: list[ResourceState]) -> None:
    for resource in longest:
        inputs = resource.plain_inputs
        text = inputs.get("alarmDescription") or inputs.get("description")
        if isinstance(text, str):
            assert len(text) <= DESCRIPTIONS.get(resource.type, 255), f"{resource.name}: {text}"
        assert all(len(value) <= 256 for value in (inputs.get("tags") or {}).values() if isinstance(value, str))


def test_names_of_one_type_are_all_different(longest: list[ResourceState]) -> None:
    kinds: dict[str, list[str]] = {}
    for resource in longest:
        if (resource.type, "name") in ALLOWED and resource.type not in (
            "aws:iam/rolePolicy:RolePolicy", "aws:apigatewayv2/stage:Stage", "aws:scheduler/schedule:Schedule",
        ):  # fmt: skip
            kinds.setdefault(resource.type, []).append(resource.plain_inputs["name"])
    assert [name for names in kinds.values() for name in names if names.count(name) > 1] == []


@given(st.text("abc-_", max_size=90), st.text("abc-_", max_size=90), st.sampled_from([63, 64, 80, 128]))
def test_a_cut_name_fits_stays_readable_and_differs(one: str, two: str, limit: int) -> None:
    assert len(cut(one, limit)) <= limit
    assert cut(one, limit) == cut(one, limit)
    assert (cut(one, limit) == one) is (len(one) <= limit)
    if one != two:
        assert cut(one, limit) != cut(two, limit)
