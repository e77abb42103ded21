"""The whole stack, deployed by the embedded engine and by the Pulumi CLI: there must be no difference."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from headwater.local import automation
from headwater.local.engine import ResourceState, deploy, destroy
from headwater.local.provider import Aws
from tests.clouds import cloud_beside
from tests.infra.cases import CONFIG, ROOT, STACK, Graph

pytestmark = pytest.mark.cloud

# Every service that the stack has something of: operation, path to the list, what names an item there.
LISTED = (
    ("apigatewayv2", "get_apis", "Items", "Name"),
    ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    ("codebuild", "list_projects", "projects", ""),
    ("dynamodb", "list_tables", "TableNames", ""),
    ("ec2", "describe_security_groups", "SecurityGroups", "GroupName"),
    ("ec2", "describe_subnets", "Subnets", "CidrBlock"),
    ("ec2", "describe_vpcs", "Vpcs", "CidrBlock"),
    ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "ServiceName"),
    ("ec2", "describe_internet_gateways", "InternetGateways", "OwnerId"),
    ("ec2", "describe_route_tables", "RouteTables", "OwnerId"),
    ("ecr", "describe_repositories", "repositories", "repositoryName"),
    ("ecs", "list_task_definitions", "taskDefinitionArns", ""),
    ("events", "list_rules", "Rules", "Name"),
    ("iam", "list_policies", "Policies", "PolicyName"),
    ("iam", "list_roles", "Roles", "RoleName"),
    ("kms", "list_aliases", "Aliases", "AliasName"),
    ("lambda", "list_functions", "Functions", "FunctionName"),
    ("logs", "describe_log_groups", "logGroups", "logGroupName"),
    ("s3", "list_buckets", "Buckets", "Name"),
    ("scheduler", "list_schedules", "Schedules", "Name"),
    ("scheduler", "list_schedule_groups", "ScheduleGroups", "Name"),
    ("sns", "list_subscriptions", "Subscriptions", "Endpoint"),
    ("sns", "list_topics", "Topics", "TopicArn"),
    ("sqs", "list_queues", "QueueUrls", ""),
    ("ssm", "describe_parameters", "Parameters", "Name"),
    ("stepfunctions", "list_state_machines", "stateMachines", "name"),
)
NEEDED = {("iam", "list_policies"): {"Scope": "Local"}}


def inventory(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """What the cloud has, as its services tell."""
    aws, found = Aws(environment), {}
    for service, operation, path, name in LISTED:
        items = getattr(aws.client(service), operation)(**NEEDED.get((service, operation), {})).get(path, [])
        # Moto lists what was deleted a moment ago; AWS soon doesn't.
        items = [item for item in items if not isinstance(item, dict) or item.get("State") != "deleted"]
        names = [str(item.get(name, "") if name else item) for item in items]
        found[f"{service}.{operation}"] = sorted(re.sub(r"127\.0\.0\.1:\d+", "cloud", entry) for entry in names)
    ecs = aws.client("ecs")
    clusters = ecs.describe_clusters(clusters=ecs.list_clusters()["clusterArns"])["clusters"]
    found["ecs.clusters"] = [cluster["clusterName"] for cluster in clusters if cluster["status"] == "ACTIVE"]
    s3 = aws.client("s3")
    objects = [
        f"{bucket}/{item['Key']}"
        for bucket in found["s3.list_buckets"]
        if bucket != "state" and "-access-logs-" not in bucket
        for item in s3.list_objects_v2(Bucket=bucket).get("Contents", ())
    ]
    return {**found, "s3.objects": sorted(objects)}


def graph_of(resources: tuple[ResourceState, ...]) -> dict[str, Any]:
    """Each resource by its URN: type, parent, dependencies and inputs, with names instead of what is drawn by lot."""
    drawn = {state.id: f"<{state.name}>" for state in resources if state.custom and len(state.id) > 7}
    by_length = sorted((re.escape(identity) for identity in drawn), key=len, reverse=True)
    pattern = re.compile("|".join(by_length))

    def named(value: Any) -> Any:
        text = pattern.sub(lambda match: drawn[match[0]], json.dumps(value, sort_keys=True, default=repr))
        return json.loads(re.sub(r"127\.0\.0\.1:\d+", "cloud", text))

    return {
        state.urn: {
            "type": state.type,
            "parent": state.parent,
            "dependencies": sorted(state.dependencies),
            "properties": {name: sorted(urns) for name, urns in state.property_dependencies.items() if urns},
            "inputs": named(state.plain_inputs) if state.custom else None,
            "protect": state.protect,
        }
        for state in resources
        if not state.type.startswith("pulumi:providers:")
    }


@pytest.fixture(scope="module")
def cli() -> automation.Cli:
    """The CLI, if there is one (tests/pulumi/conftest.py says the same)."""
    try:
        return automation.find()
    except automation.NoPulumi as missing:
        if os.environ.get("HEADWATER_TEST_PULUMI") == "required":
            raise
        pytest.skip(f"{missing}: make pulumi")


@pytest.fixture(scope="module")
def beside(cli: automation.Cli, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mapping[str, str], Path]]:
    """A second cloud, for the CLI, and its folder."""
    folder = tmp_path_factory.mktemp("engines")
    with cloud_beside(folder) as cloud:
        yield cloud.environment(), folder


def test_both_engines_leave_the_same_stack(
    graph: Graph, aws: Mapping[str, str], beside: tuple[Mapping[str, str], Path], cli: automation.Cli
) -> None:
    environment, folder = beside
    empty = inventory(environment)

    with_cli: dict[str, Any] = {"cli": cli, "folder": folder, "environment": environment, "config": CONFIG}
    deployed = automation.deploy(ROOT, STACK, **with_cli)
    ours, theirs = graph_of(graph.deployment.resources), graph_of(deployed.resources)
    assert theirs.keys() == ours.keys()
    differ = [urn for urn in ours if theirs[urn] != ours[urn]]
    assert [theirs[urn] for urn in differ] == [ours[urn] for urn in differ]
    assert inventory(environment) == inventory(aws)
    assert deployed.changes == graph.deployment.changes

    # Unchanged code changes nothing, whichever engine looks; and what the cloud says is what was deployed.
    assert automation.deploy(ROOT, STACK, **with_cli, refresh=True).changes.keys() == {"same"}
    assert deploy(ROOT, STACK, environment=environment, config=CONFIG).changes.keys() == {"same"}

    gone = automation.destroy(ROOT, STACK, **with_cli)
    assert gone.changes == {"delete": deployed.changes["create"]}
    left = inventory(environment)
    left["s3.list_buckets"].remove("state")
    assert left == empty
    assert destroy(ROOT, STACK, environment=environment, config=CONFIG).changes == {}
