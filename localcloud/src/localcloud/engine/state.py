"""The state of a stack, in memory and in Pulumi's own checkpoint format (version 3)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from localcloud.engine.errors import StateError
from localcloud.engine.secrets import Secrets
from localcloud.provider.values import Properties, decode, encode, plain

STACK_TYPE: Final = "pulumi:pulumi:Stack"
PROVIDER_TYPE: Final = "pulumi:providers:"


@dataclass(frozen=True)
class ResourceState:
    """One resource as last deployed. ``inputs`` are as checked; both they and ``outputs`` may hold secrets."""

    urn: str
    type: str
    custom: bool
    id: str = ""
    inputs: Properties = field(default_factory=dict)
    outputs: Properties = field(default_factory=dict)
    parent: str = ""
    provider: str = ""
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict)
    protect: bool = False
    external: bool = False  # read by the program, not made by it
    delete: bool = False  # replaced; waits for its deletion
    retain_on_delete: bool = False
    deleted_with: str = ""
    init_errors: Sequence[str] = ()  # made, but not wholly: the next deployment updates it
    additional_secret_outputs: Sequence[str] = ()
    created: str = ""
    modified: str = ""

    @property
    def name(self) -> str:
        """The name that the program gave."""
        return self.urn.split("::", 3)[3]

    @property
    def plain_inputs(self) -> Properties:
        """Inputs for a provider: no marks of secrecy."""
        found: Properties = plain(self.inputs)
        return found

    @property
    def plain_outputs(self) -> Properties:
        """Outputs for a provider: no marks of secrecy."""
        found: Properties = plain(self.outputs)
        return found

    def needs(self) -> set[str]:
        """Resources that must outlive this one."""
        provider = {self.provider.rsplit("::", 1)[0]} if self.provider else set()
        return {*self.dependencies, *provider, *([self.parent] if self.parent else ())}


# Attribute -> key in the checkpoint; what is empty is left out there.
_OPTIONAL: Final = {
    "id": "id",
    "parent": "parent",
    "provider": "provider",
    "protect": "protect",
    "external": "external",
    "delete": "delete",
    "retain_on_delete": "retainOnDelete",
    "deleted_with": "deletedWith",
    "created": "created",
    "modified": "modified",
}
_LISTS: Final = {
    "dependencies": "dependencies",
    "init_errors": "initErrors",
    "additional_secret_outputs": "additionalSecretOutputs",
}


def now() -> str:
    """This moment, as the checkpoint spells times."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def to_checkpoint(
    stack: str, resources: Iterable[ResourceState], pending: Iterable[ResourceState], secrets: Secrets
) -> dict[str, Any]:
    """The checkpoint file.

    Parameters
    ----------
    stack : str
        ``organization/<project>/<stack>``.
    resources : iterable of ResourceState
        Each after what it depends on.
    pending : iterable of ResourceState
        Resources whose creation has begun and isn't known to have ended.
    secrets : Secrets
        Encrypts what is secret.
    """
    spelled = [_spell(resource, secrets) for resource in resources]
    begun = [{"resource": _spell(resource, secrets), "type": "creating"} for resource in pending]
    engine = _engine_version()
    latest: dict[str, Any] = {
        "manifest": {"time": now(), "magic": hashlib.sha256(engine.encode()).hexdigest(), "version": engine},
        "resources": spelled,
        "metadata": {},
    }
    if begun:
        latest["pending_operations"] = begun
    if secrets.described():
        latest["secrets_providers"] = secrets.described()
    return {"version": 3, "checkpoint": {"stack": stack, "latest": latest}}


def from_checkpoint(
    checkpoint: Any, passphrase: str, base: Path | None
) -> tuple[list[ResourceState], list[ResourceState], Secrets]:
    """The resources, the pending creations and the secrets of a checkpoint file.

    Raises
    ------
    StateError
        It isn't a checkpoint of version 3, or its secrets don't open.
    """
    try:
        if checkpoint["version"] != 3:
            raise StateError(f"the stack's state has version {checkpoint['version']}; 3 is known")
        latest = checkpoint["checkpoint"].get("latest") or {}
        provider = latest.get("secrets_providers") or {}
        if provider.get("type") not in (None, "passphrase"):
            raise StateError(
                f"the stack's secrets are kept by {provider['type']!r}; the embedded engine knows passphrase"
            )
        secrets = Secrets(passphrase, (provider.get("state") or {}).get("salt", ""))
        resources = [_read(resource, secrets, base) for resource in latest.get("resources") or ()]
        pending = [_read(entry["resource"], secrets, base) for entry in latest.get("pending_operations") or ()]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateError(f"the stack's state isn't a Pulumi checkpoint: {type(error).__name__} {error}") from error
    return resources, pending, secrets


def without_secrets(stack: str, checkpoint: Any) -> list[ResourceState]:
    """The resources of another stack's checkpoint file, secrets left shut; raises `StateError` if it isn't one."""
    try:
        resources = (checkpoint["checkpoint"].get("latest") or {}).get("resources") or ()
        return [_read(resource, None, None) for resource in resources]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StateError(
            f"the state of the other stack {stack} isn't a Pulumi checkpoint, so what it owns is unknown; mend or "
            f"delete its file in the bucket of states: {type(error).__name__} {error}"
        ) from error


@cache
def _engine_version() -> str:
    return f"v{version('pulumi')}"


def _spell(resource: ResourceState, secrets: Secrets) -> dict[str, Any]:
    spelled: dict[str, Any] = {"urn": resource.urn, "custom": resource.custom, "type": resource.type}
    spelled |= {key: getattr(resource, name) for name, key in _OPTIONAL.items() if getattr(resource, name)}
    spelled |= {key: list(getattr(resource, name)) for name, key in _LISTS.items() if getattr(resource, name)}
    spelled["inputs"] = encode(resource.inputs, encrypt=secrets.encrypt)
    spelled["outputs"] = encode(resource.outputs, encrypt=secrets.encrypt)
    if resource.property_dependencies:
        spelled["propertyDependencies"] = {name: list(urns) for name, urns in resource.property_dependencies.items()}
    return spelled


def _read(spelled: Mapping[str, Any], secrets: Secrets | None, base: Path | None) -> ResourceState:
    decrypt = secrets.decrypt if secrets else None
    optional: dict[str, Any] = {name: spelled[key] for name, key in _OPTIONAL.items() if key in spelled}
    optional |= {name: tuple(spelled[key]) for name, key in _LISTS.items() if spelled.get(key)}
    return ResourceState(
        urn=spelled["urn"],
        type=spelled["type"],
        custom=bool(spelled["custom"]),
        inputs=decode(spelled.get("inputs") or {}, base=base, decrypt=decrypt),
        outputs=decode(spelled.get("outputs") or {}, base=base, decrypt=decrypt),
        property_dependencies=spelled.get("propertyDependencies") or {},
        **optional,
    )
