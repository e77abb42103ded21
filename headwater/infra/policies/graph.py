"""The resources that rules look at: plain values, whichever engine they come from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

_IDENTITIES: Final = ("id", "arn", "name", "bucket", "url", "functionName")
"""Outputs by which one resource names another."""


class Unknown(Exception):
    """A rule asked for a value that isn't known before the deployment."""

    def __init__(self, path: str, cause: Exception | None = None) -> None:
        super().__init__(path)
        self.path = path
        self.cause = cause


@dataclass(frozen=True)
class _UnknownValue:
    cause: Exception | None = None
    """Error that the engine's SDK raised when it was asked for the value."""


UNKNOWN: Final = _UnknownValue()


def unknown(cause: Exception) -> object:
    """An unknown value that remembers how the engine's SDK says so."""
    return _UnknownValue(cause)


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource as deployed, or as a preview expects it."""

    type: str
    """Such as ``aws:s3/bucket:Bucket``; a component's is ``headwater:index:...``."""
    name: str
    """As the program calls it."""
    urn: str
    props: Mapping[str, Any] = field(default_factory=dict)
    """Outputs, in camelCase; a value that isn't known yet is `UNKNOWN`."""
    parent: str = ""
    """The parent's URN."""
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Property -> URNs of the resources that its value was made from."""

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The value at ``path``, or ``default`` if there is none; raises `Unknown`."""
        value: Any = self.props
        for position, key in enumerate(path, start=1):
            if isinstance(value, Mapping):
                value = value.get(str(key))
            elif isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return default
            if isinstance(value, _UnknownValue):
                raise Unknown(f"{self.name}.{'.'.join(map(str, path[:position]))}", value.cause)
        return default if value is None else value

    def has(self, *path: str | int) -> bool:
        """Whether there is a value at ``path`` that says something; one that isn't known yet will."""
        try:
            return self.get(*path) not in (None, "", [], {})
        except Unknown:
            return True

    def items(self, *path: str | int) -> list[Any]:
        """The list at ``path``, each item of it known; empty if there is none; raises `Unknown`."""
        found = self.get(*path, default=[])
        for item in found:
            if isinstance(item, _UnknownValue):
                raise Unknown(f"{self.name}.{'.'.join(map(str, path))}", item.cause)
        return list(found)

    def document(self, *path: str | int) -> Any:
        """The JSON at ``path``, as text or as it is; an empty mapping if there is none or it isn't JSON."""
        found = self.get(*path, default={})
        if not isinstance(found, str):
            return found
        try:
            return json.loads(found)
        except json.JSONDecodeError:
            return {}


class Graph:
    """All resources of a stack, and how they stand to each other."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.resources = tuple(resources)

    def all(self, *types: str) -> Iterator[Resource]:
        """The resources of some types."""
        return (resource for resource in self.resources if resource.type in types)

    def settings(self, target: Resource, kind: str, by: str) -> list[Resource]:
        """The resources of type ``kind`` whose property ``by`` names ``target``.

        Many settings are resources of their own on AWS: a bucket's versioning names the bucket.
        """
        return [other for other in self.all(kind) if self.names(other, by, target)]

    def names(self, resource: Resource, by: str, target: Resource) -> bool:
        """Whether the property ``by`` of ``resource`` is an id, name, ARN or URL of ``target``.

        What isn't known before the deployment is told by the dependency that the program made with it.
        """
        path = by.split(".")
        depends = target.urn in resource.property_dependencies.get(path[0], ())
        try:
            value = resource.get(*path)
        except Unknown:
            return depends
        identities = [target.props.get(key) for key in _IDENTITIES]
        if value is None or value in identities:
            return value is not None
        # Not every provider repeats a resource's id among its outputs.
        unsure = "id" not in target.props or any(isinstance(identity, _UnknownValue) for identity in identities)
        return depends and unsure


class State(Protocol):
    """A resource in the state of the embedded engine."""

    @property
    def urn(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def parent(self) -> str: ...
    @property
    def plain_inputs(self) -> Mapping[str, Any]: ...
    @property
    def plain_outputs(self) -> Mapping[str, Any]: ...
    @property
    def property_dependencies(self) -> Mapping[str, Sequence[str]]: ...


def of_states(states: Iterable[State]) -> list[Resource]:
    """The embedded engine's resources as rules see them."""
    return [
        Resource(
            type=state.type,
            name=state.name,
            urn=state.urn,
            props={"id": state.id, **state.plain_inputs, **state.plain_outputs},
            parent=state.parent,
            property_dependencies=state.property_dependencies,
        )
        for state in states
    ]
