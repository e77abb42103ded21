"""Small graphs for each rule: some that break it, one that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from headwater.infra.policies import Resource

Made = Sequence[Resource]


def made(kind: str, name: str = "it", /, *, about: Resource | None = None, by: str = "", **props: Any) -> Resource:
    """A resource; with ``about`` its property ``by`` is made from an output of that one, as a program does it."""
    dependencies: dict[str, list[str]] = {}
    if about is not None:
        head, *rest = by.split(".")
        value: Any = next(about.props[key] for key in ("bucket", "url", "arn", "id") if key in about.props)
        for key in reversed(rest):
            value = {key: value}
        # What else is set below the same property stays.
        props[head] = {**props[head], **value} if head in props else value
        dependencies[head] = [about.urn]
    urn = f"urn:pulumi:local::headwater::{kind}::{name}"
    return Resource(type=kind, name=name, urn=urn, props=props, property_dependencies=dependencies)


def statement(**more: Any) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **more}]})


def refusal(action: str, *resources: str, **more: Any) -> str:
    """A policy that refuses whoever comes without TLS."""
    condition = {"Bool": {"aws:SecureTransport": "false"}}
    spelled = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resources, "Condition": condition}
    return statement(**{**spelled, **more})


BUCKET = made("aws:s3/bucket:Bucket", "lake", bucket="lake", arn="arn:aws:s3:::lake")
OTHER = made("aws:s3/bucket:Bucket", "other", bucket="other", arn="arn:aws:s3:::other")


def beside(kind: str, about: Resource = BUCKET, by: str = "bucket", **props: Any) -> Resource:
    """A setting of ``about`` that is a resource of its own."""
    return made(kind, about.name, about=about, by=by, **props)


_LOGGING, _BLOCK = "aws:s3/bucketLogging:BucketLogging", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
_POLICY, _VERSIONS = "aws:s3/bucketPolicy:BucketPolicy", "aws:s3/bucketVersioning:BucketVersioning"
_ENCRYPTION = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
_ALL_BLOCKED = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
_TABLE, _KEY = "aws:dynamodb/table:Table", "aws:kms/key:Key"
_IMAGES = "aws:ecr/repositoryPolicy:RepositoryPolicy"

FUNCTION = made(
    "aws:lambda/function:Function", "predict", name="predict", arn="arn:aws:lambda:::function:predict", timeout=60
)
_FUNCTION, _CONFIG = FUNCTION.type, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
_GROUP, _PERMISSION = "aws:cloudwatch/logGroup:LogGroup", "aws:lambda/permission:Permission"
_TO_QUEUE = {"onFailure": {"destination": "arn:aws:sqs:::dead"}}
_MACHINE, _TASK, _CLUSTER = (
    "aws:sfn/stateMachine:StateMachine",
    "aws:ecs/taskDefinition:TaskDefinition",
    "aws:ecs/cluster:Cluster",
)
_PROJECT = "aws:codebuild/project:Project"

TOPIC = made("aws:sns/topic:Topic", "alarms", arn="arn:aws:sns:::alarms")
DEAD = made("aws:sqs/queue:Queue", "dead", arn="arn:aws:sqs:::dead", url="https://sqs/dead")
QUEUE = made(
    "aws:sqs/queue:Queue",
    "work",
    arn="arn:aws:sqs:::work",
    url="https://sqs/work",
    visibilityTimeoutSeconds=360,
    redrivePolicy=json.dumps({"deadLetterTargetArn": "arn:aws:sqs:::dead", "maxReceiveCount": 3}),
)
_TOPIC_POLICY, _QUEUE_POLICY = "aws:sns/topicPolicy:TopicPolicy", "aws:sqs/queuePolicy:QueuePolicy"
_SUBSCRIPTION, _TARGET = "aws:sns/topicSubscription:TopicSubscription", "aws:cloudwatch/eventTarget:EventTarget"
_BUS, _SCHEDULE = "aws:cloudwatch/eventBusPolicy:EventBusPolicy", "aws:scheduler/schedule:Schedule"


def mapping(queue: Resource, function: Resource = FUNCTION, **props: Any) -> Resource:
    """A function that reads a queue."""
    return Resource(
        type="aws:lambda/eventSourceMapping:EventSourceMapping",
        name="reads",
        urn="urn:reads",
        props={"eventSourceArn": queue.props["arn"], "functionName": function.props["arn"], **props},
        property_dependencies={"eventSourceArn": [queue.urn], "functionName": [function.urn]},
    )


def queue(hidden: float | None = None) -> Resource:
    """A queue without dead letters."""
    more = {} if hidden is None else {"visibilityTimeoutSeconds": hidden}
    return made("aws:sqs/queue:Queue", "work", arn="arn:aws:sqs:::work", url="https://sqs/work", **more)


def role(trust: str = "", **props: Any) -> Resource:
    """A role."""
    return made("aws:iam/role:Role", "role", arn="arn:aws:iam::1:role/role", assumeRolePolicy=trust, **props)


def trusting(service: str, **more: Any) -> str:
    """A trust policy."""
    return statement(**{"Principal": {"Service": service}, "Action": "sts:AssumeRole", **more})


def allowing(action: Any, resource: Any, **more: Any) -> Resource:
    """An inline policy."""
    return made("aws:iam/rolePolicy:RolePolicy", "role", policy=statement(Action=action, Resource=resource, **more))


SCHEDULER = "scheduler.amazonaws.com"
_TARGET_PROPS = {
    "deadLetterConfig": {"arn": "arn:aws:sqs:::dead"},
    "retryPolicy": {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 1},
}
_OURS = role(trusting(SCHEDULER, Condition={"StringEquals": {"aws:SourceAccount": "1"}}))
_ANYBODYS = role(trusting(SCHEDULER))
_SECURITY, _STAGE, _ROUTE = (
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:apigatewayv2/stage:Stage",
    "aws:apigatewayv2/route:Route",
)
_VPC = made("aws:ec2/vpc:Vpc", "network", id="vpc-1")
_MANAGED = "arn:aws:iam::aws:policy/AdministratorAccess"
_FOUR = {"Project": "headwater", "Stack": "local", "Capability": "lake", "ManagedBy": "pulumi"}


def containers(*definitions: Mapping[str, Any]) -> Resource:
    """A task definition."""
    return made(_TASK, "task", containerDefinitions=json.dumps(definitions))


BROKEN: Mapping[str, Sequence[Made]] = {
    "S1": [[BUCKET], [BUCKET, OTHER, beside(_LOGGING, OTHER, targetBucket="logs")], [BUCKET, beside(_LOGGING)]],
    "S2": [[BUCKET], [BUCKET, beside(_BLOCK, **{**_ALL_BLOCKED, "blockPublicPolicy": False})]],
    "S10": [
        [BUCKET],
        [BUCKET, beside(_POLICY, policy=refusal("s3:*", "arn:aws:s3:::lake"))],
        [BUCKET, beside(_POLICY, policy=refusal("s3:GetObject", "arn:aws:s3:::lake", "arn:aws:s3:::lake/*"))],
        [BUCKET, beside(_POLICY, policy=refusal("s3:*", "*", Principal={"AWS": "arn:aws:iam::1:root"}))],
        [BUCKET, beside(_POLICY, policy=refusal("s3:*", "*", Condition={}))],
        [BUCKET, beside(_POLICY, policy=refusal("s3:*", "*", Effect="Allow"))],
    ],
    "BucketVersioning": [[BUCKET], [BUCKET, beside(_VERSIONS, versioningConfiguration={"status": "Suspended"})]],
    "BucketEncryption": [[BUCKET], [BUCKET, beside(_ENCRYPTION, rules=[{"bucketKeyEnabled": True}])]],
    "DDB3": [[made(_TABLE)], [made(_TABLE, pointInTimeRecovery={"enabled": False})]],
    "KMS5": [[made(_KEY)], [made(_KEY, enableKeyRotation=False, customerMasterKeySpec="SYMMETRIC_DEFAULT")]],
    "ECR1": [[made(_IMAGES, policy=statement(Principal=who, Action="ecr:*"))] for who in ("*", {"AWS": ["*"]})],
    "L1": [[made(_FUNCTION, runtime="python3.9")]],
    "LambdaTracing": [[made(_FUNCTION)], [made(_FUNCTION, tracingConfig={"mode": "PassThrough"})]],
    "LambdaDefaultMemorySize": [[made(_FUNCTION)], [made(_FUNCTION, memorySize=128)]],
    "LambdaDefaultTimeout": [[made(_FUNCTION)], [made(_FUNCTION, timeout=3)]],
    "LambdaDLQ": [
        [FUNCTION],
        [FUNCTION, beside(_CONFIG, FUNCTION, "functionName", maximumRetryAttempts=1)],
        [FUNCTION, made(_CONFIG, functionName="another", destinationConfig=_TO_QUEUE)],
    ],
    "LambdaAsyncFailureDestination": [[made(_CONFIG)], [made(_CONFIG, destinationConfig={"onSuccess": {}})]],
    "LambdaLogRetention": [[FUNCTION], [FUNCTION, made(_GROUP, name="/aws/lambda/another")]],
    "CloudWatchLogGroupRetentionPeriod": [[made(_GROUP)], [made(_GROUP, retentionInDays=0)]],
    "LambdaPermissionSource": [[made(_PERMISSION, principal=who)] for who in ("*", "s3.amazonaws.com")],
    "SF1": [
        [made(_MACHINE)],
        [made(_MACHINE, loggingConfiguration={"level": "ERROR", "logDestination": "arn:logs"})],
        [made(_MACHINE, loggingConfiguration={"level": "ALL"})],
    ],
    "SF2": [[made(_MACHINE)], [made(_MACHINE, tracingConfiguration={"enabled": False})]],
    "ECS2": [[containers({"name": "a"}, {"name": "b", "environment": [{"name": "TOKEN", "value": "x"}]})]],
    "ECS4": [[made(_CLUSTER)], [made(_CLUSTER, settings=[{"name": "containerInsights", "value": "disabled"}])]],
    "ECS7": [[containers({"name": "a", "logConfiguration": {"logDriver": "awslogs"}}, {"name": "b"})]],
    "CB3": [[made(_PROJECT, environment={"privilegedMode": True})]],
    "CB4": [[made(_PROJECT)], [made(_PROJECT, encryptionKey="arn:aws:kms:us-east-1:1:alias/aws/s3")]],
    "CB5": [[made(_PROJECT)], [made(_PROJECT, environment={"image": "somebody/builder:latest"})]],
    "SNS3": [[TOPIC], [TOPIC, beside(_TOPIC_POLICY, TOPIC, "arn", policy=refusal("sns:Subscribe", "*"))]],
    "SNSRedrivePolicy": [[made(_SUBSCRIPTION)], [made(_SUBSCRIPTION, redrivePolicy="")]],
    "SQS2": [[queue()], [made("aws:sqs/queue:Queue", sqsManagedSseEnabled=False)]],
    "SQS3": [[queue()], [queue(), DEAD]],
    "SQS4": [[QUEUE], [QUEUE, beside(_QUEUE_POLICY, QUEUE, "queueUrl", policy=refusal("sqs:SendMessage", "*"))]],
    "SQSVisibilityTimeout": [[FUNCTION, work, mapping(work)] for work in (queue(), queue(359))],
    "LambdaEventSourceMappingDestination": [
        [FUNCTION, queue(), mapping(queue())],
        [made("aws:lambda/eventSourceMapping:EventSourceMapping", eventSourceArn="arn:aws:kinesis:::stream/s")],
    ],
    "EventBusDLQ": [[made(_TARGET)], [made(_TARGET, deadLetterConfig={})]],
    "EVB1": [
        [made(_BUS, policy=statement(Principal="*", Action="events:PutEvents"))],
        [made("aws:cloudwatch/eventPermission:EventPermission", principal="*")],
    ],
    "SchedulerDLQ": [[made(_SCHEDULE, target={"arn": "arn:machine"})]],
    "SchedulerRetries": [
        [made(_SCHEDULE, target={"arn": "arn:machine"})],
        [made(_SCHEDULE, target={"retryPolicy": {"maximumRetryAttempts": 1}})],
    ],
    "SchedulerTrust": [[_ANYBODYS, made(_SCHEDULE, about=_ANYBODYS, by="target.roleArn")]],
    "IAM4": [
        [role(managedPolicyArns=[_MANAGED])],
        [made("aws:iam/rolePolicyAttachment:RolePolicyAttachment", policyArn=_MANAGED)],
    ],
    "IAM5": [
        [allowing("s3:*", "arn:aws:s3:::lake")],
        [allowing(["sns:Publish"], "*")],
        [allowing("s3:GetObject", ["arn:aws:s3:::lake", "arn:aws:s3:::lake/*"])],
        [made("aws:iam/policy:Policy", policy=statement(NotAction="iam:*", Resource="arn:aws:s3:::lake"))],
        [role(inlinePolicies=[{"name": "all", "policy": statement(Action="*", Resource="arn:aws:s3:::lake")}])],
    ],
    "RoleTrust": [
        [role(statement(Principal={"AWS": "*"}, Action="sts:AssumeRole"))],
        [role(statement(Principal={"Service": ["ec2.amazonaws.com", "ecs.amazonaws.com"]}, Action="sts:AssumeRole"))],
        [role()],
    ],
    "VPC3": [
        [made("aws:ec2/networkAcl:NetworkAcl", "closed")],
        [made("aws:ec2/networkAclRule:NetworkAclRule", "closed")],
    ],
    "VPC7": [[_VPC], [_VPC, made("aws:ec2/flowLog:FlowLog", vpcId="vpc-2")]],
    "EC23": [
        [made(_SECURITY, ingress=[{"cidrBlocks": ["10.0.0.0/8"]}, {"cidrBlocks": ["0.0.0.0/0"]}])],
        [made(_SECURITY, ingress=[{"ipv6CidrBlocks": ["::/0"]}])],
        [made("aws:ec2/securityGroupRule:SecurityGroupRule", type="ingress", cidrBlocks=["0.0.0.0/0"])],
        [made("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", cidrIpv4="0.0.0.0/0")],
    ],
    "EC27": [[made(_SECURITY)], [made(_SECURITY, description="Managed by Pulumi")]],
    "APIG1": [[made(_STAGE)], [made(_STAGE, accessLogSettings={"format": "{}"})]],
    "APIG4": [[made(_ROUTE, routeKey="GET /"), made(_ROUTE, routeKey="GET /x", authorizationType="NONE")]],
    "APIGWStructuredLogging": [
        [made(_STAGE)],
        [made(_STAGE, accessLogSettings={"format": "$context.requestId $context.status"})],
        [made(_STAGE, accessLogSettings={"format": '"text"'})],
    ],
    "APIGWDefaultThrottling": [
        [made(_STAGE)],
        [made(_STAGE, defaultRouteSettings={"throttlingRateLimit": 10, "throttlingBurstLimit": 0})],
    ],
    "Tags": [[BUCKET], [made("aws:sqs/queue:Queue", tags={**_FOUR, "Capability": ""})]],
}

KEPT: Mapping[str, Made] = {
    "S1": [BUCKET, beside(_LOGGING, targetBucket="logs")],
    "S2": [BUCKET, beside(_BLOCK, **_ALL_BLOCKED)],
    "S10": [BUCKET, beside(_POLICY, policy=refusal("s3:*", "arn:aws:s3:::lake", "arn:aws:s3:::lake/*"))],
    "BucketVersioning": [BUCKET, beside(_VERSIONS, versioningConfiguration={"status": "Enabled"})],
    "BucketEncryption": [
        BUCKET,
        beside(_ENCRYPTION, rules=[{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]),
    ],
    "DDB3": [made(_TABLE, pointInTimeRecovery={"enabled": True})],
    "KMS5": [made(_KEY, enableKeyRotation=True), made(_KEY, "signs", customerMasterKeySpec="RSA_2048")],
    "ECR1": [made(_IMAGES, policy=statement(Principal={"AWS": "arn:aws:iam::1:root"}, Action="ecr:BatchGetImage"))],
    "L1": [made(_FUNCTION, runtime="python3.14"), made(_FUNCTION, "other", runtime="provided.al2023")],
    "LambdaTracing": [made(_FUNCTION, tracingConfig={"mode": "Active"})],
    "LambdaDefaultMemorySize": [made(_FUNCTION, memorySize=256)],
    "LambdaDefaultTimeout": [FUNCTION],
    "LambdaDLQ": [FUNCTION, beside(_CONFIG, FUNCTION, "functionName", destinationConfig=_TO_QUEUE)],
    "LambdaAsyncFailureDestination": [made(_CONFIG, destinationConfig=_TO_QUEUE)],
    "LambdaLogRetention": [FUNCTION, made(_GROUP, name="/aws/lambda/predict")],
    "CloudWatchLogGroupRetentionPeriod": [made(_GROUP, retentionInDays=7)],
    "LambdaPermissionSource": [made(_PERMISSION, principal="s3.amazonaws.com", sourceArn="arn:aws:s3:::lake")],
    "SF1": [made(_MACHINE, loggingConfiguration={"level": "ALL", "logDestination": "arn:logs"})],
    "SF2": [made(_MACHINE, tracingConfiguration={"enabled": True})],
    "ECS2": [containers({"name": "a", "environment": []}, {"name": "b"})],
    "ECS4": [made(_CLUSTER, settings=[{"name": "containerInsights", "value": "enabled"}])],
    "ECS7": [containers({"name": "a", "logConfiguration": {"logDriver": "awslogs"}})],
    "CB3": [made(_PROJECT, environment={"privilegedMode": False}), made(_PROJECT, "plain")],
    "CB4": [made(_PROJECT, encryptionKey="arn:aws:kms:::key/1")],
    "CB5": [made(_PROJECT, environment={"image": "aws/codebuild/standard:7.0"})],
    "SNS3": [TOPIC, beside(_TOPIC_POLICY, TOPIC, "arn", policy=refusal("sns:Publish", "arn:aws:sns:::alarms"))],
    "SNSRedrivePolicy": [made(_SUBSCRIPTION, redrivePolicy='{"deadLetterTargetArn": "arn:aws:sqs:::dead"}')],
    "SQS2": [
        made("aws:sqs/queue:Queue", "a", sqsManagedSseEnabled=True),
        made("aws:sqs/queue:Queue", kmsMasterKeyId="k"),
    ],
    "SQS3": [QUEUE, DEAD],
    "SQS4": [QUEUE, beside(_QUEUE_POLICY, QUEUE, "queueUrl", policy=refusal("sqs:*", "arn:aws:sqs:::work"))],
    "SQSVisibilityTimeout": [FUNCTION, QUEUE, mapping(QUEUE)],
    "LambdaEventSourceMappingDestination": [
        FUNCTION,
        QUEUE,
        mapping(QUEUE),
        made(
            "aws:lambda/eventSourceMapping:EventSourceMapping",
            eventSourceArn="arn:aws:kinesis:::stream/s",
            destinationConfig={"onFailure": {"destinationArn": "arn:aws:sqs:::dead"}},
        ),
    ],
    "EventBusDLQ": [made(_TARGET, deadLetterConfig={"arn": "arn:aws:sqs:::dead"})],
    "EVB1": [
        made(_BUS, policy=statement(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
        made("aws:cloudwatch/eventPermission:EventPermission", principal="123456789012"),
    ],
    "SchedulerDLQ": [made(_SCHEDULE, target=_TARGET_PROPS)],
    "SchedulerRetries": [made(_SCHEDULE, target=_TARGET_PROPS)],
    "SchedulerTrust": [_OURS, made(_SCHEDULE, about=_OURS, by="target.roleArn", target=_TARGET_PROPS)],
    "IAM4": [
        role(managedPolicyArns=["arn:aws:iam::1:policy/ours"]),
        made("aws:iam/rolePolicyAttachment:RolePolicyAttachment", policyArn="arn:aws:iam::1:policy/ours"),
    ],
    "IAM5": [
        allowing("s3:GetObject", "arn:aws:s3:::lake/one"),
        allowing("s3:*", "*", Effect="Deny"),
        role(inlinePolicies=[{"name": "one", "policy": statement(Action="sns:Publish", Resource="arn:aws:sns:::a")}]),
    ],
    "RoleTrust": [role(trusting("lambda.amazonaws.com"))],
    "VPC3": [_VPC],
    "VPC7": [_VPC, made("aws:ec2/flowLog:FlowLog", about=_VPC, by="vpcId")],
    "EC23": [
        made(_SECURITY, ingress=[{"cidrBlocks": ["10.0.0.0/8"], "securityGroups": ["sg-1"]}]),
        made("aws:ec2/securityGroupRule:SecurityGroupRule", type="egress", cidrBlocks=["0.0.0.0/0"]),
        made("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", cidrIpv4="10.0.0.0/8"),
    ],
    "EC27": [made(_SECURITY, description="Tasks: HTTPS goes out")],
    "APIG1": [made(_STAGE, accessLogSettings={"destinationArn": "arn:logs"})],
    "APIG4": [made(_ROUTE, routeKey="GET /", authorizationType="AWS_IAM")],
    "APIGWStructuredLogging": [made(_STAGE, accessLogSettings={"format": '{"id": "$context.requestId"}'})],
    "APIGWDefaultThrottling": [
        made(_STAGE, defaultRouteSettings={"throttlingRateLimit": 10, "throttlingBurstLimit": 20})
    ],
    "Tags": [
        made("aws:sqs/queue:Queue", tags=_FOUR),
        made(_ROUTE, routeKey="GET /"),
        made("headwater:index:PrivateBucket"),
    ],
}
