"""Collectors as an optional part: what a project that declares some of each kind gets, and what their function may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pulumi
import pytest
from localcloud.engine import ResourceState
from localcloud.provider.values import UNKNOWN as UNKNOWN_TO_THE_ENGINE

from headwater.declare import S3, Catalog, Code, Collector, Http, Kinesis, Schedule, Sql, Sqs
from headwater.infra.collecting import Collectors, _read_bucket
from headwater.infra.platform.grants import Grant
from headwater.infra.platform.secrets import read_secrets
from headwater.infra.platform.streams import read_stream
from headwater.infra.policies import UNKNOWN, judge, of_states
from headwater.schedules.store import DEFINITIONS
from tests.infra.cases import previewed
from tests.infra.hearing import FUNCTION, MACHINE

ROLE = "arn:aws:iam::222222222222:role/export"
KEY = "arn:aws:kms:eu-central-1:123456789012:key/0a1b"
HOURLY = Schedule(every="1h")
COLLECTORS = (
    Collector(name="orders", source="weather", schedule=HOURLY, reads=Sql(url_secret="ssm:/shop/db", table="orders")),
    Collector(
        name="rain",
        source="flights",
        schedule=HOURLY,
        reads=Http(url="https://rain.example.com/", secret_headers={"Authorization": "secretsmanager:rain"}),
    ),
    Collector(name="exports", source="weather", schedule=HOURLY, reads=S3(bucket="exports", prefix="out/")),
    Collector(
        name="theirs",
        source="weather",
        schedule=Schedule(every="1h", overlap="replace"),
        reads=S3(bucket="theirs", role_arn=ROLE),
    ),
    Collector(name="clicks", source="weather", schedule=HOURLY, reads=Kinesis(stream="clicks", kms_key=KEY)),
    Collector(name="returns", source="weather", schedule=HOURLY, reads=Sqs(queue="returns.fifo")),
    Collector(
        name="own",
        source="weather",
        schedule=HOURLY,
        reads=Code(function="functions.own:collect", secret_names={"token": "ssm:/own/token"}),
    ),
    Collector(
        name="ledger",
        source="weather",
        schedule=HOURLY,
        reads=Sql(url_secret="secretsmanager:books/db", table="entries"),
        runs_in="container",
        ports=(6432,),
    ),
)
TASK, GROUP = "aws:ecs/taskDefinition:TaskDefinition", "aws:ec2/securityGroup:SecurityGroup"
POLICY = "aws:iam/rolePolicy:RolePolicy"


def collecting(catalog: Catalog) -> Catalog:
    """The catalog with collectors."""
    return catalog.model_copy(update={"collectors": {one.name: one for one in COLLECTORS}})


@pytest.fixture(scope="module")
def resources(aws: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[ResourceState, ...]:
    """Everything of a stack whose products have collectors, as its program declares it."""
    folder = tmp_path_factory.mktemp("collecting")
    return tuple(previewed(folder, "collecting", "tests.infra.test_collecting:collecting", aws))


@pytest.mark.cloud
def test_what_runs_collectors_follows_every_policy(resources: tuple[ResourceState, ...]) -> None:
    expected = [replace(one, props=_as_rules_see(one.props)) for one in of_states(resources)]
    assert [str(violation) for violation in judge(expected).violations] == []
    names = {(one.type, one.name) for one in resources}
    assert {(FUNCTION, "collecting-collect"), (MACHINE, "collectors")} <= names
    kept = {one.plain_inputs["key"] for one in resources if one.type == "aws:s3/bucketObjectv2:BucketObjectv2"}
    assert {f"{DEFINITIONS}{one.schedule_name}.json" for one in COLLECTORS} <= kept


@pytest.mark.cloud
def test_what_runs_in_a_container_has_a_role_and_a_way_out_of_its_own(resources: tuple[ResourceState, ...]) -> None:
    tasks = {one.name: one.plain_inputs for one in resources if one.type == TASK}
    assert tasks.keys() == {"containers-task", "collecting-task"}
    assert {one["cpu"] for one in tasks.values()} == {"2048"}
    groups = {one.name: one.plain_inputs for one in resources if one.type == GROUP}
    ports = {name: [rule["fromPort"] for rule in group["egress"]] for name, group in groups.items()}
    assert ports == {"network": [443], "network-collecting": [443, 6432]}
    assert not any(group.get("ingress") for group in groups.values())


def _as_rules_see(value: Any) -> Any:
    """A value of a preview, whose unknown parts are the engine's, with those that rules know."""
    if isinstance(value, type(UNKNOWN_TO_THE_ENGINE)):
        return UNKNOWN
    if isinstance(value, Mapping):
        return {key: _as_rules_see(item) for key, item in value.items()}
    return [_as_rules_see(item) for item in value] if isinstance(value, list | tuple) else value


def allowed(grant: Grant) -> dict[str, list[str]]:
    return {action: [*one.document()["Resource"]] for one in grant.statements for action in one.document()["Action"]}


def platform() -> Any:
    """As much of a platform as these grants ask for."""
    account = SimpleNamespace(
        partition="aws", region="eu-central-1", arn=lambda service, rest: f"arn:aws:{service}:eu-central-1:1:{rest}"
    )
    return SimpleNamespace(account=account, config=SimpleNamespace(kms_key_arn=None))


def test_a_bucket_is_read_below_its_prefix_or_by_the_role_and_nothing_else() -> None:
    assert allowed(_read_bucket(platform(), S3(bucket="exports", prefix="out/"))) == {
        "s3:ListBucket": ["arn:aws:s3:::exports"],
        "s3:GetObject": ["arn:aws:s3:::exports/out/*"],
    }
    assert allowed(_read_bucket(platform(), S3(bucket="theirs", role_arn=ROLE))) == {"sts:AssumeRole": [ROLE]}


def test_a_stream_and_a_queue_are_read_and_nothing_else() -> None:
    ours, names = "arn:aws:kinesis:eu-central-1:1:stream/clicks", ("DescribeStreamSummary", "GetRecords")
    assert allowed(read_stream(platform(), Kinesis(stream="clicks", kms_key=KEY))) == {
        **{f"kinesis:{name}": [ours] for name in (*names, "GetShardIterator", "ListShards")},
        "kms:Decrypt": [KEY],
    }
    actions = ("ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage")
    theirs = "arn:aws:sqs:us-east-1:222222222222:returns"
    assert allowed(read_stream(platform(), Sqs(queue=theirs))) == {f"sqs:{name}": [theirs] for name in actions}
    for reads in (Kinesis(stream="clicks", role_arn=ROLE), Sqs(queue="returns", role_arn=ROLE)):
        assert allowed(read_stream(platform(), reads)) == {"sts:AssumeRole": [ROLE]}


def test_the_secrets_that_collectors_name_may_be_read_and_no_others() -> None:
    found = allowed(read_secrets(platform(), {place for one in COLLECTORS[:-1] for place in one.reads.secrets}))
    assert found == {
        "ssm:GetParameter": [f"arn:aws:ssm:eu-central-1:1:parameter/{name}" for name in ("own/token", "shop/db")],
        "secretsmanager:GetSecretValue": ["arn:aws:secretsmanager:eu-central-1:1:secret:rain-??????"],
    }


def test_a_program_that_gives_collectors_no_containers_is_told_what_it_lacks() -> None:
    products = SimpleNamespace(collectors={one.name: one for one in COLLECTORS})
    with pytest.raises(pulumi.RunError, match=r"run in containers \(ledger\), and nothing runs those: .*containers="):
        Collectors("collectors", cast(Any, SimpleNamespace(products=products)))
