"""Bucket policies whose conditions count: moto denies whatever a condition doesn't hold for.

A statement whose condition doesn't hold doesn't apply. A call to the local cloud stays on this machine and counts as
encrypted, so the usual "deny without TLS" statement never applies here; a condition on a key that a plain S3 call
doesn't carry doesn't hold either.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

from headwater.local.mends.patch import Patches

_CALL = {"aws:securetransport": "true"}


def mend(patches: Patches) -> None:
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
        if _holds(statement.get("Condition", {}))
    ]
    return IAMPolicy(json.dumps({**document, "Statement": applying})).is_action_permitted(action, resource)


def _holds(conditions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Every operator and every key of a condition must hold."""
    return all(
        _matches(operator, _CALL.get(key.lower()), expected)
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _matches(operator: str, actual: str | None, expected: Any) -> bool:
    if operator == "Null":
        return (actual is None) == (str(expected).lower() == "true")
    if actual is None:
        # The negated operators hold for a key that isn't there, as do all with IfExists.
        return operator.endswith("IfExists") or "Not" in operator
    wanted = [str(value).lower() for value in (expected if isinstance(expected, list) else [expected])]
    return (actual in wanted) != ("Not" in operator)
