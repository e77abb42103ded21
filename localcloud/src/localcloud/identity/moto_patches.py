"""Bucket policies whose conditions count: moto denies whatever a condition doesn't hold for.

A statement whose condition doesn't hold doesn't apply. A call to the local cloud stays on this machine and counts as
encrypted, so the usual "deny without TLS" statement never applies here; a condition on a key that a plain S3 call
doesn't carry doesn't hold either.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

from localcloud.identity.policy import holds
from localcloud.moto_patches.patches import Patches

_CALL = {"aws:securetransport": ("true",)}


def apply(patches: Patches) -> None:
    """Let moto's buckets judge by `permission`."""
    patches.set(FakeBucket, "get_permission", lambda self, action, resource: permission(self.policy, action, resource))


def permission(policy: bytes | None, action: str, resource: str) -> Any:
    """What ``policy`` says of ``action`` (such as ``s3:PutObject``) on ``resource``, for a call over TLS."""
    if policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(policy)
    statements = document["Statement"] if isinstance(document["Statement"], list) else [document["Statement"]]
    applying = [
        {name: value for name, value in statement.items() if name != "Condition"}
        for statement in statements
        if holds(statement.get("Condition", {}), _CALL)
    ]
    return IAMPolicy(json.dumps({**document, "Statement": applying})).is_action_permitted(action, resource)
