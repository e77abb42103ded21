"""Credentials of a role for a process, in the variables that every AWS client reads."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

from localcloud.context import CloudContext


def role_environment(cloud: CloudContext, role_arn: str | None) -> dict[str, str]:
    """What leads a process to this cloud, as that role; without a role it has no key, as on AWS."""
    variables = cloud.environment()
    if role_arn:
        return variables | cloud.credentials_for(role_arn)
    return {
        name: value for name, value in variables.items() if name not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    }


def role_client(cloud: CloudContext, role_arn: str, service: str) -> Any:
    """A client that calls as the role."""
    variables = role_environment(cloud, role_arn)
    return boto3.client(  # type: ignore[call-overload]
        service,
        region_name=cloud.region,
        endpoint_url=cloud.endpoint,
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=variables.get("AWS_SESSION_TOKEN"),
        config=Config(retries={"total_max_attempts": 1}),
    )
