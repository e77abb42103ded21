"""What Fargate does for a task with its execution role: fetch the image and write the log.

A missing grant there only shows when a task starts, so it must show here too.
"""

from __future__ import annotations

import re

from localcloud.containers.runner import Container
from localcloud.context import CloudContext
from localcloud.identity import Identity

_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[\w-]+)\.amazonaws\.com/(?P<name>[^:@]+)")
_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")


def missing(cloud: CloudContext, role: str | None, container: Container, stream: str) -> str:
    """Why ``container`` can't be started with ``role``, in AWS's words; empty if it can."""
    match = _ECR.match(container.image)
    if role is None:
        wants = "ECR images" if match else "log driver awslogs" if container.log else ""
        return f"Fargate requires task definition to have execution role ARN to support {wants}." if wants else ""
    if match:
        if problem := _refused(cloud, role, "ecr:GetAuthorizationToken", "*"):
            return f"ResourceInitializationError: unable to retrieve ecr registry auth: {problem}"
        repository = f"arn:aws:ecr:{match['region']}:{match['account']}:repository/{match['name']}"
        for action in _PULL:
            if problem := _refused(cloud, role, action, repository):
                return f"CannotPullContainerError: pull image manifest has been retried 1 time(s): {problem}"
    if container.log:
        arn = f"arn:aws:logs:{cloud.region}:{cloud.account_id}:log-group:{container.log.get('awslogs-group')}"
        for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
            if problem := _refused(cloud, role, action, f"{arn}:log-stream:{stream}"):
                return f"ResourceInitializationError: failed to validate logger args: {problem}"
    return ""


def _refused(cloud: CloudContext, role: str, action: str, resource: str) -> str:
    return cloud.emulator(Identity).refusal(role, action, resource)
