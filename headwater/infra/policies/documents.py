"""Policy documents of IAM and of resources, as rules read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headwater.infra.policies.graph import Resource

_NO_TLS = ({"Bool": {"aws:SecureTransport": "false"}}, {"Bool": {"aws:SecureTransport": False}})


def statements(resource: Resource, *path: str | int) -> list[Mapping[str, Any]]:
    """The statements of the document at ``path``; raises `Unknown`."""
    document = resource.document(*path)
    found = document.get("Statement", []) if isinstance(document, Mapping) else []
    return [found] if isinstance(found, Mapping) else list(found)


def listed(value: Any) -> list[Any]:
    """A value that IAM lets be one or many."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def is_for_anyone(statement: Mapping[str, Any]) -> bool:
    """Whether the principal is everybody."""
    principal = statement.get("Principal")
    return principal == "*" or (isinstance(principal, Mapping) and "*" in listed(principal.get("AWS")))


def refuses_plain_text(statement: Mapping[str, Any], *actions: str) -> bool:
    """Whether everybody who comes without TLS is denied one of ``actions``, under no further condition."""
    return (
        statement.get("Effect") == "Deny"
        and is_for_anyone(statement)
        and bool(set(actions) & set(listed(statement.get("Action"))))
        and statement.get("Condition") in _NO_TLS
    )


def wildcards(statement: Mapping[str, Any]) -> Iterator[str]:
    """Wildcards of a statement: an action, a resource, or an action on everything."""
    if statement.get("Effect") != "Allow":
        return
    actions = listed(statement.get("Action"))
    yield from (str(action) for action in actions if "*" in str(action))
    yield from (key for key in ("NotAction", "NotResource") if key in statement)
    for resource in map(str, listed(statement.get("Resource"))):
        if resource == "*":
            yield from (f"{action} on *" for action in actions if "*" not in str(action))
        elif "*" in resource:
            yield resource
