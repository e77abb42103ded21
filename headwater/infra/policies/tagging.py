"""The rule that every resource says whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from headwater.infra.policies.graph import Graph, Resource
from headwater.infra.policies.rule import OURS, rule

REQUIRED: Final = ("Project", "Stack", "Capability", "ManagedBy")
UNTAGGED: Final = frozenset(
    {
        "aws:apigatewayv2/integration:Integration",
        "aws:apigatewayv2/route:Route",
        "aws:cloudwatch/dashboard:Dashboard",
        "aws:cloudwatch/eventBusPolicy:EventBusPolicy",
        "aws:cloudwatch/eventPermission:EventPermission",
        "aws:cloudwatch/eventTarget:EventTarget",
        "aws:ec2/networkAclRule:NetworkAclRule",
        "aws:ec2/route:Route",
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "aws:ecr/registryPolicy:RegistryPolicy",
        "aws:ecr/repositoryPolicy:RepositoryPolicy",
        "aws:iam/groupPolicy:GroupPolicy",
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        "aws:iam/policyAttachment:PolicyAttachment",
        "aws:iam/rolePolicy:RolePolicy",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "aws:iam/userPolicy:UserPolicy",
        "aws:iam/userPolicyAttachment:UserPolicyAttachment",
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
        "aws:sqs/redrivePolicy:RedrivePolicy",
    }
)
"""AWS takes no tags for these: they are settings of another resource, or objects that carry their owner's."""


@rule("Tags", OURS)
def tags(resource: Resource, _: Graph) -> Iterator[str]:
    """Everything that can carry tags says which project, stack and capability it is of, and that Pulumi manages it."""
    if resource.type in UNTAGGED:
        return
    missing = [tag for tag in REQUIRED if not resource.has("tags", tag)]
    if missing:
        yield f"it lacks the tags {', '.join(missing)}: use headwater.infra.platform.tags.tags"
