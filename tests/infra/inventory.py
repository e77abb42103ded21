"""What a cloud has, by its services' own lists: whatever an engine's state says."""

from __future__ import annotations

import re
from collections.abc import Mapping

from localcloud.provider import Aws

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
    ("emr-serverless", "list_applications", "applications", "name"),
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
        if not item["Key"].startswith("infrastructure/")  # what the history keeps of each update, as its events come
    ]
    return {**found, "s3.objects": sorted(objects)}
