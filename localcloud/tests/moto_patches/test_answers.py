"""Answers that Terraform's provider reads back, and that moto gives otherwise than AWS."""

from __future__ import annotations

import json
import uuid

import pytest
from localcloud.cloud import Cloud

ROLE = "arn:aws:iam::123456789012:role/builds"


@pytest.fixture
def name() -> str:
    return f"answers-{uuid.uuid4().hex[:8]}"


def test_a_redrive_policy_has_no_white_space(cloud: Cloud, name: str) -> None:
    sqs = cloud.client("sqs")
    dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3}, indent=2)
    queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": policy})["QueueUrl"]
    attributes = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["RedrivePolicy"])["Attributes"]
    assert attributes["RedrivePolicy"] == f'{{"deadLetterTargetArn":"{arn}","maxReceiveCount":3}}'


def test_a_bucket_tells_that_its_events_go_to_eventbridge(cloud: Cloud, name: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name)
    assert "EventBridgeConfiguration" not in s3.get_bucket_notification_configuration(Bucket=name)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    assert s3.get_bucket_notification_configuration(Bucket=name)["EventBridgeConfiguration"] == {}


def test_a_build_project_is_deleted_by_its_arn(cloud: Cloud, name: str) -> None:
    codebuild = cloud.client("codebuild")
    project = codebuild.create_project(
        name=name, serviceRole=ROLE, source={"type": "S3", "location": "bucket/context.zip"},
        artifacts={"type": "NO_ARTIFACTS"},
        environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
    )["project"]  # fmt: skip
    assert codebuild.batch_get_projects(names=[project["arn"]])["projects"]
    codebuild.delete_project(name=project["arn"])
    assert name not in codebuild.list_projects()["projects"]


def test_a_stage_of_an_api_has_tags_of_its_own(cloud: Cloud, name: str) -> None:
    client = cloud.client("apigatewayv2")
    api = client.create_api(Name=name, ProtocolType="HTTP")["ApiId"]
    client.create_stage(ApiId=api, StageName="$default", Tags={"a": "1", "b": "2"})
    arn = f"arn:aws:apigateway:{cloud.region}::/apis/{api}/stages/$default"
    client.tag_resource(ResourceArn=arn, Tags={"a": "3"})
    client.untag_resource(ResourceArn=arn, TagKeys=["b"])
    client.update_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    assert client.get_tags(ResourceArn=arn)["Tags"] == {"a": "3"}
    assert client.get_stage(ApiId=api, StageName="$default")["Tags"] == {"a": "3"}
    client.delete_api(ApiId=api)


def test_the_routes_of_a_gateway_endpoint_follow_its_tables(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.78.0.0/16")["Vpc"]["VpcId"]
    one, other = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{cloud.region}.s3", RouteTableIds=[one])
    endpoint = made["VpcEndpoint"]["VpcEndpointId"]

    def leading_there() -> set[str]:
        tables = ec2.describe_route_tables(RouteTableIds=[one, other])["RouteTables"]
        return {table["RouteTableId"] for table in tables for to in table["Routes"] if to.get("GatewayId") == endpoint}

    assert leading_there() == {one}
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[other], RemoveRouteTableIds=[one])
    assert leading_there() == {other}
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert leading_there() == set()
    for table in (one, other):
        ec2.delete_route_table(RouteTableId=table)
    ec2.delete_vpc(VpcId=vpc)
