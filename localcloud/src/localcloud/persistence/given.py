"""What moto gives a new backend: AWS's own policies, machine images. A thousand objects each, that hardly ever change.

They are written as a reference to those of the next cloud, with what was added and taken away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.iam.models import IAMBackend, iam_backends

from localcloud.moto_patches.patches import Patches


class Standing(list[Any]):
    """A list that nobody changes."""


class Given(dict[Any, Any]):
    """A dictionary that begins with what moto gives; see `changes`."""

    def __init__(self, items: Mapping[Any, Any]) -> None:
        super().__init__(items)
        self._given = frozenset(items)
        self._set: set[Any] = set()

    def __setitem__(self, key: Any, value: Any) -> None:
        self._set.add(key)
        super().__setitem__(key, value)

    def changes(self) -> tuple[list[Any], dict[Any, Any]]:
        """The keys of what was given and is gone, and the items that were added or put in the place of one."""
        added = {key: value for key, value in self.items() if key in self._set}
        return sorted(self._given - self.keys()), added

    def apply(self, gone: list[Any], added: Mapping[Any, Any]) -> None:
        """Make to a new one the changes that another had."""
        for key in gone:
            self.pop(key, None)
        for key, value in added.items():
            self[key] = value


_ATTRIBUTES: Mapping[type, Mapping[str, type]] = MappingProxyType(
    {
        IAMBackend: {"aws_managed_policies": Standing, "managed_policies": Given},
        EC2Backend: {"amis": Given, "snapshots": Given},
    }
)


def install(patches: Patches) -> None:
    """Let moto's backends hold them, those that are there and those to come."""
    every: tuple[Any, ...] = (iam_backends, ec2_backends)
    for backends in every:
        for account in list(backends.values()):
            for backend in account.values():
                _wrap(backend)
    for kind in _ATTRIBUTES:
        patches.after_init(kind, _wrap)


def of(key: str, backend: Any) -> Iterator[tuple[str, Any]]:
    """Those of a backend, by names that they have in the next cloud as well."""
    for attribute, kind in _ATTRIBUTES.get(type(backend), {}).items():
        if type(held := getattr(backend, attribute)) is kind:
            yield f"{key}#{attribute}", held


def _wrap(backend: Any) -> None:
    for attribute, kind in _ATTRIBUTES.get(type(backend), {}).items():
        if type(held := getattr(backend, attribute)) is not kind:
            setattr(backend, attribute, kind(held))
