"""Moto's backends by name: ``moto.s3.models:s3_backends/123456789012/aws``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from moto.core.base_backend import BackendDict
from moto.iam.models import iam_backends

from localcloud.persistence import given
from localcloud.persistence.calls import EVERYTHING

PART = "backends"

_names: dict[int, tuple[Any, str]] = {}


def of(services: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """The backends of ``services`` that are in use: names of moto's packages, or the keys that this tells."""
    wanted = set(services)
    # Moto declares the list of all backends by one backend's type variable, and ignores this error itself.
    for backends in list(BackendDict._instances):  # type: ignore[misc]
        module = backends.backend.__module__
        for account, region, backend in list(backends.iter_backends()):
            key = f"{_name(backends)}/{account}/{region}"
            if EVERYTHING in wanted or module.split(".")[1] in wanted or key in wanted:
                yield key, backend


def named(key: str, backend: Any) -> Iterator[tuple[str, Any]]:
    """A backend, and what moto gives a new one, by the names that they have in the next cloud as well."""
    yield key, backend
    yield from given.of(key, backend)


def keys_of(services: Iterable[str]) -> list[str]:
    """Their keys alone."""
    return [key for key, _ in of(services)]


def find(key: str) -> Any:
    """The backend of a key, made if it isn't there.

    Raises
    ------
    LookupError
        Moto has no such backend.
    """
    name, account, region = key.split("/")
    module, _, variable = name.partition(":")
    try:
        return getattr(import_module(module), variable)[account][region]
    except (ImportError, AttributeError) as error:
        raise LookupError(f"moto has no {name}") from error


def managed_policies() -> Mapping[str, Any]:
    """AWS's own policies by ARN: moto has two megabytes of them, which never change."""
    return {
        arn: policy
        for account in list(iam_backends.values())
        for backend in account.values()
        for arn, policy in backend.managed_policies.items()
        if type(policy).__name__ == "AWSManagedPolicy"
    }


def _name(backends: Any) -> str:
    known = _names.get(id(backends))
    if known is not None and known[0] is backends:
        return known[1]
    first = backends.backend.__module__
    modules = [first, *(name for name in list(sys.modules) if name.startswith("moto."))]
    for module in modules:
        for variable, value in vars(import_module(module)).items():
            if value is backends:
                _names[id(backends)] = (backends, f"{module}:{variable}")
                return f"{module}:{variable}"
    raise LookupError(f"nobody in moto holds the backends of {backends.service_name}")
