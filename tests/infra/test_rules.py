"""Rules over all resources of the deployed stack, whoever adds one. Ids in brackets are cdk-nag's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import boto3
import pytest

from infra.description import OUTPUTS
from infra.grants import unexplained_wildcards
from tests.infra.cases import Graph

pytestmark = pytest.mark.cloud

BUCKET, FUNCTION, QUEUE = "aws:s3/bucket:Bucket", "aws:lambda/function:Function", "aws:sqs/queue:Queue"
LOG_GROUP, ALARM = "aws:cloudwatch/logGroup:LogGroup", "aws:cloudwatch/metricAlarm:MetricAlarm"

# AWS takes no tags for these: they are settings of another resource, or objects that carry their owner's.
UNTAGGED = {
    "aws:apigatewayv2/integration:Integration",
    "aws:apigatewayv2/route:Route",
    "aws:cloudwatch/eventTarget:EventTarget",
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ecr/lifecyclePolicy:LifecyclePolicy",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "aws:lambda/invocation:Invocation",
    "aws:lambda/permission:Permission",
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
    "aws:s3/bucketLogging:BucketLogging",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketPolicy:BucketPolicy",
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
    "aws:s3/bucketVersioning:BucketVersioning",
    "aws:scheduler/schedule:Schedule",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:sqs/queuePolicy:QueuePolicy",
}


def refuses_plain_text(policy: str) -> bool:
    return any(
        statement["Effect"] == "Deny"
        and statement["Principal"] in ("*", {"AWS": "*"})
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in json.loads(policy)["Statement"]
    )


def test_everything_that_can_carry_tags_says_whose_it_is(graph: Graph) -> None:
    for resource in graph.custom():
        if resource.type in UNTAGGED:
            continue
        tags = resource.plain_inputs.get("tags", {})
        assert {"Project", "Stack", "Capability", "ManagedBy", "CostCentre"} <= tags.keys(), resource.urn


def test_names_say_which_stack_it_is(graph: Graph) -> None:
    for resource in graph.custom():
        name = resource.plain_inputs.get("name") or resource.plain_inputs.get("bucket")
        # A schedule's group, a policy's role and a subnet's VPC carry the name.
        if name and resource.type not in UNTAGGED and name != "$default":
            assert "headwater-local-" in name or name == "/headwater/local", resource.urn


def test_buckets_keep_versions_encrypted_private_logged_and_over_tls_alone(graph: Graph) -> None:  # [S1 S2 S10]
    for bucket in graph.all(BUCKET):
        versioning = graph.beside(bucket, "aws:s3/bucketVersioning:BucketVersioning").plain_inputs
        assert versioning["versioningConfiguration"]["status"] == "Enabled", bucket.name
        encryption = graph.beside(
            bucket, "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
        ).plain_inputs
        assert encryption["rules"][0]["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256", bucket.name
        block = graph.beside(bucket, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").plain_inputs
        for setting in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"):
            assert block[setting] is True, bucket.name
        assert refuses_plain_text(graph.beside(bucket, "aws:s3/bucketPolicy:BucketPolicy").plain_inputs["policy"])
        if bucket.name != "access-logs":
            graph.beside(bucket, "aws:s3/bucketLogging:BucketLogging")


def test_only_quarantine_and_access_logs_ever_expire(graph: Graph) -> None:
    expiring = {}
    for lifecycle in graph.all("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"):
        rules = lifecycle.plain_inputs["rules"]
        assert any("abortIncompleteMultipartUpload" in rule for rule in rules), lifecycle.name
        for rule in rules:
            if {"expiration", "noncurrentVersionExpiration", "transitions"} & rule.keys():
                expiring[lifecycle.name] = rule["filter"]["prefix"]
    assert expiring == {"lake": "quarantine/", "access-logs": ""}


def test_tables_are_on_demand_and_can_be_brought_back(graph: Graph) -> None:  # [DDB3]
    tables = graph.outputs("aws:dynamodb/table:Table")
    for table in tables.values():
        assert table["billingMode"] == "PAY_PER_REQUEST"
        assert table["pointInTimeRecovery"]["enabled"] is True
        assert table["hashKey"] == "pk"
    assert tables["registry"]["rangeKey"] == "sk"
    assert not tables["features"].get("rangeKey")
    assert tables["features"]["ttl"] == {"attributeName": "expires", "enabled": True}


def test_queues_and_topics_are_encrypted_or_explained_and_over_tls_alone(graph: Graph) -> None:  # [SNS3 SQS2 SQS3 SQS4]
    for queue in graph.all(QUEUE):
        assert queue.plain_inputs["sqsManagedSseEnabled"] is True
        assert refuses_plain_text(graph.beside(queue, "aws:sqs/queuePolicy:QueuePolicy").plain_inputs["policy"])
    # Each queue is a dead-letter queue itself; another one needs its own.
    assert [queue.name for queue in graph.all(QUEUE)] == ["dead-letters"]
    for topic in graph.all("aws:sns/topic:Topic"):
        assert refuses_plain_text(graph.beside(topic, "aws:sns/topicPolicy:TopicPolicy").plain_inputs["policy"])


def test_policies_name_their_resources(graph: Graph) -> None:  # [IAM5]
    for policy in graph.all("aws:iam/rolePolicy:RolePolicy"):
        assert unexplained_wildcards(policy.plain_inputs["policy"]) == [], policy.name


def test_roles_have_no_managed_policies_and_one_service_each(graph: Graph) -> None:  # [IAM4]
    for role in graph.all("aws:iam/role:Role"):
        assert not role.plain_inputs.get("managedPolicyArns"), role.name
        (trust,) = json.loads(role.plain_inputs["assumeRolePolicy"])["Statement"]
        assert list(trust["Principal"]) == ["Service"], role.name
    assert not [resource for resource in graph.custom() if "rolePolicyAttachment" in resource.type]


def test_no_two_functions_share_a_role(graph: Graph) -> None:
    roles = [function["role"] for function in graph.outputs(FUNCTION).values()]
    assert len(set(roles)) == len(roles)


def test_every_log_group_forgets_after_a_while(graph: Graph) -> None:
    for group in graph.all(LOG_GROUP):
        assert group.plain_inputs["retentionInDays"] == 7, group.name


def test_every_function_is_limited_traced_and_logs_to_a_group_of_its_own(graph: Graph) -> None:  # [L1]
    groups = {group["name"] for group in graph.outputs(LOG_GROUP).values()}
    for function in graph.all(FUNCTION):
        given = function.plain_inputs
        assert given["memorySize"] >= 256, function.name
        assert 0 < given["timeout"] <= 900, function.name
        assert given["tracingConfig"] == {"mode": "Active"}, function.name
        assert given["loggingConfig"]["logGroup"] == f"/aws/lambda/{given['name']}", function.name
        assert given["loggingConfig"]["logGroup"] in groups
        assert given["runtime"] in {"python3.11", "python3.12", "python3.13", "python3.14"}
        assert given["environment"]["variables"]["POWERTOOLS_METRICS_NAMESPACE"] == "Headwater"


def test_whatever_is_asynchronous_ends_in_the_dead_letters(graph: Graph) -> None:
    (queue,) = graph.outputs(QUEUE).values()
    for function in graph.all(FUNCTION):
        failed = graph.beside(function, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig").plain_inputs
        assert failed["destinationConfig"]["onFailure"]["destination"] == queue["arn"], function.name
    for target in graph.all("aws:cloudwatch/eventTarget:EventTarget"):
        assert target.plain_inputs["deadLetterConfig"]["arn"] == queue["arn"]
    for schedule in graph.all("aws:scheduler/schedule:Schedule"):
        assert schedule.plain_inputs["target"]["deadLetterConfig"]["arn"] == queue["arn"]
    for subscription in graph.all("aws:sns/topicSubscription:TopicSubscription"):
        if subscription.plain_inputs["protocol"] == "lambda":
            policy = json.loads(subscription.plain_inputs["redrivePolicy"])
            assert policy == {"deadLetterTargetArn": queue["arn"]}


def test_every_alarm_reaches_the_topic_when_it_begins_and_when_it_ends(graph: Graph) -> None:
    topic = graph.outputs("aws:sns/topic:Topic")["alarms"]["arn"]
    for alarm in graph.all(ALARM):
        assert alarm.plain_inputs["alarmActions"] == alarm.plain_inputs["okActions"] == [topic], alarm.name
        assert alarm.plain_inputs["treatMissingData"] == "notBreaching", alarm.name
        assert len(alarm.plain_inputs["alarmDescription"]) > 20, alarm.name


def test_what_can_fail_is_watched(graph: Graph) -> None:
    watched = {
        (alarm["metricName"], value)
        for alarm in graph.outputs(ALARM).values()
        for value in alarm.get("dimensions", {}).values()
    }
    for function in graph.outputs(FUNCTION).values():
        assert {("Errors", function["name"]), ("Throttles", function["name"])} <= watched
    for machine in graph.outputs("aws:sfn/stateMachine:StateMachine").values():
        assert {("ExecutionsFailed", machine["arn"]), ("ExecutionsTimedOut", machine["arn"])} <= watched
    (api,) = graph.outputs("aws:apigatewayv2/api:Api").values()
    assert {("5xx", api["id"]), ("Latency", api["id"])} <= watched
    (queue,) = graph.outputs(QUEUE).values()
    assert ("ApproximateNumberOfMessagesVisible", queue["name"]) in watched


def test_state_machines_log_everything_and_trace(graph: Graph) -> None:  # [SF1 SF2]
    for machine in graph.all("aws:sfn/stateMachine:StateMachine"):
        assert machine.plain_inputs["loggingConfiguration"]["level"] == "ALL"
        assert machine.plain_inputs["loggingConfiguration"]["includeExecutionData"] is True
        assert machine.plain_inputs["tracingConfiguration"] == {"enabled": True}
        assert "${" not in machine.plain_inputs["definition"]


def test_the_api_asks_who_is_calling_limits_and_logs(graph: Graph) -> None:  # [APIG1 APIG4]
    for route in graph.all("aws:apigatewayv2/route:Route"):
        assert route.plain_inputs["authorizationType"] == "AWS_IAM"
    (stage,) = graph.all("aws:apigatewayv2/stage:Stage")
    assert stage.plain_inputs["defaultRouteSettings"]["throttlingRateLimit"] > 0
    assert stage.plain_inputs["defaultRouteSettings"]["throttlingBurstLimit"] > 0
    assert json.loads(stage.plain_inputs["accessLogSettings"]["format"])["request_id"] == "$context.requestId"


def test_services_may_invoke_functions_only_for_one_source(graph: Graph) -> None:
    for permission in graph.all("aws:lambda/permission:Permission"):
        assert permission.plain_inputs["sourceArn"].startswith("arn:"), permission.name


def test_nobody_comes_in_and_no_gateway_costs_money(graph: Graph) -> None:  # [VPC3 EC23 EC27]
    kinds = {resource.type for resource in graph.custom()}
    assert not {kind for kind in kinds if "natGateway" in kind or "networkAcl" in kind or "eip" in kind.lower()}
    for kind in ("aws:ec2/securityGroup:SecurityGroup", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"):
        for group in graph.all(kind):
            assert not group.plain_inputs.get("ingress"), group.name
            for rule in group.plain_inputs.get("egress") or []:
                assert (rule["fromPort"], rule["toPort"]) == (443, 443)
                assert rule["description"]
    assert {endpoint.plain_inputs["vpcEndpointType"] for endpoint in graph.all("aws:ec2/vpcEndpoint:VpcEndpoint")} == {
        "Gateway"
    }


def test_containers_run_an_image_by_digest_that_nobody_can_move(graph: Graph) -> None:  # [ECR1 ECS4 ECS7]
    (repository,) = graph.all("aws:ecr/repository:Repository")
    assert repository.plain_inputs["imageTagMutability"] == "IMMUTABLE"
    assert repository.plain_inputs["imageScanningConfiguration"] == {"scanOnPush": True}
    (task,) = graph.all("aws:ecs/taskDefinition:TaskDefinition")
    for container in json.loads(task.plain_inputs["containerDefinitions"]):
        assert "@sha256:" in container["image"]
        assert container["logConfiguration"]["logDriver"] == "awslogs"
        assert not container.get("privileged")
        assert {variable["name"] for variable in container["environment"]} <= {
            "HEADWATER_CODE_VERSION",
            "HEADWATER_LAKE_BUCKET",
            "HEADWATER_ARTIFACTS_BUCKET",
            "HEADWATER_REGISTRY_TABLE",
        }
    (cluster,) = graph.all("aws:ecs/cluster:Cluster")
    assert {"name": "containerInsights", "value": "enabled"} in cluster.plain_inputs["settings"]


def test_each_model_that_declares_it_is_trained_again_on_its_schedule(graph: Graph) -> None:
    from headwater.model import load_catalog

    declared = {model.name: model.retrain for model in load_catalog().models.values() if model.retrain}
    found = {
        schedule.plain_inputs["name"]: schedule.plain_inputs
        for schedule in graph.all("aws:scheduler/schedule:Schedule")
    }
    assert found.keys() == declared.keys()
    for name, retrain in declared.items():
        assert retrain is not None
        assert found[name]["scheduleExpression"] == retrain.expression
        assert json.loads(found[name]["target"]["input"]) == {"model": name, "reason": "schedule"}


def test_clients_find_the_outputs_by_the_stacks_name(graph: Graph, aws: Mapping[str, str]) -> None:
    outputs = graph.deployment.outputs
    assert outputs.keys() == set(OUTPUTS)
    ssm = boto3.client(
        "ssm",
        endpoint_url=aws["AWS_ENDPOINT_URL"],
        region_name=aws["AWS_REGION"],
        aws_access_key_id=aws["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=aws["AWS_SECRET_ACCESS_KEY"],
    )
    described: dict[str, Any] = json.loads(ssm.get_parameter(Name="/headwater/local")["Parameter"]["Value"])
    assert described == outputs


def test_functions_run_from_the_bundles_that_were_uploaded(graph: Graph) -> None:
    keys = {uploaded["key"] for uploaded in graph.outputs("aws:s3/bucketObjectv2:BucketObjectv2").values()}
    functions = graph.outputs(FUNCTION)
    assert len(functions) == 12
    for function in functions.values():
        assert function["s3Key"] in keys
        assert function["s3Key"].startswith("code/")


def test_webhooks_are_secret(graph: Graph) -> None:
    (manager,) = [function for function in graph.all(FUNCTION) if function.name == "alarms-manage"]
    assert "chat.example.com" not in repr(manager.inputs) or manager.inputs != manager.plain_inputs
    assert manager.plain_inputs["environment"]["variables"]["HEADWATER_WEBHOOKS"] == "https://chat.example.com/hook"
