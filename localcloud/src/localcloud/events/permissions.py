"""May an AWS service invoke a function? Lambda asks the function's resource policy, and so do we."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from localcloud.events.delivery import DeliveryFailed

if TYPE_CHECKING:
    from localcloud.context import CloudContext


def check_may_invoke(cloud: CloudContext, function_arn: str, service: str, source_arn: str) -> None:
    """Return if ``service`` (such as ``"events.amazonaws.com"``) may invoke the function for ``source_arn``.

    Raises
    ------
    DeliveryFailed
        The function's policy doesn't allow it; AWS never tells whether the function is there at all.
    """
    name, _, qualifier = function_arn.split(":function:", 1)[-1].partition(":")
    try:
        answer = cloud.client("lambda").get_policy(
            FunctionName=name, **({"Qualifier": qualifier} if qualifier and qualifier != "$LATEST" else {})
        )
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status >= 500:
            raise DeliveryFailed("INTERNAL_ERROR", str(error), is_transient=True) from error
        statements: Sequence[Mapping[str, Any]] = ()
    else:
        statements = json.loads(answer["Policy"])["Statement"]
    if not is_allowed(statements, service=service, source_arn=source_arn, account=cloud.account_id):
        raise DeliveryFailed(
            "NO_PERMISSIONS", f"the policy of {function_arn} doesn't let {service} invoke it for {source_arn}"
        )


def is_allowed(statements: Sequence[Mapping[str, Any]], *, service: str, source_arn: str, account: str) -> bool:
    """Whether a statement allows that service and source to invoke; conditions on anything else don't hold."""
    context = {"aws:sourcearn": source_arn, "aws:sourceaccount": account}
    return any(
        statement.get("Effect") == "Allow"
        and _names(statement.get("Principal"), service)
        and any(fnmatchcase("lambda:InvokeFunction", action) for action in _list(statement.get("Action", ())))
        and all(
            _holds(operator, context.get(key.lower()), _list(wanted))
            for operator, conditions in statement.get("Condition", {}).items()
            for key, wanted in conditions.items()
        )
        for statement in statements
    )


def _names(principal: Any, service: str) -> bool:
    if isinstance(principal, Mapping):
        return service in _list(principal.get("Service", ())) or "*" in _list(principal.get("AWS", ()))
    return principal in ("*", service)


def _holds(operator: str, value: str | None, wanted: Sequence[str]) -> bool:
    if value is None:
        return operator.endswith("IfExists")
    kind = operator.removesuffix("IfExists")
    if kind in ("ArnLike", "ArnEquals", "StringLike"):
        return any(fnmatchcase(value, pattern.replace("[", "[[]")) for pattern in wanted)
    if kind == "StringEquals":
        return value in wanted
    return False


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
