"""What the program wants of one resource: a registration as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pulumi.runtime.proto import alias_pb2, resource_pb2

from localcloud.engine.state import STACK_TYPE
from localcloud.provider.values import Properties, from_struct


@dataclass(frozen=True)
class Goal:
    """One registration."""

    urn: str
    type: str
    name: str
    custom: bool
    inputs: Properties  # as the program gave them, secrets marked
    parent: str = ""
    provider: str = ""
    version: str = ""
    dependencies: Sequence[str] = ()
    property_dependencies: Mapping[str, Sequence[str]] | None = None
    protect: bool = False
    ignore_changes: Sequence[str] = ()
    replace_on_changes: Sequence[str] = ()
    delete_before_replace: bool | None = None
    additional_secret_outputs: Sequence[str] = ()
    import_id: str = ""
    retain_on_delete: bool = False
    deleted_with: str = ""
    aliases: Sequence[str] = ()  # URNs that the resource had before


def make_urn(stack: str, project: str, parent: str, kind: str, name: str) -> str:
    """The resource's URN: its type is qualified by those of its parents, the stack aside."""
    parents = parent.split("::")[2] if parent else ""
    qualified = kind if parents in ("", STACK_TYPE) else f"{parents}${kind}"
    return f"urn:pulumi:{stack}::{project}::{qualified}::{name}"


def read_goal(request: resource_pb2.RegisterResourceRequest, stack: str, project: str, base: Path) -> Goal:
    """The goal behind a registration.

    Parameters
    ----------
    request : RegisterResourceRequest
        As the SDK sent it.
    stack, project : str
        Names, for the URN.
    base : Path
        The program's directory, from which relative paths of assets count.
    """
    return Goal(
        urn=make_urn(stack, project, request.parent, request.type, request.name),
        type=request.type,
        name=request.name,
        custom=request.custom,
        inputs=from_struct(request.object, base=base),
        parent=request.parent,
        provider=request.provider,
        version=request.version,
        dependencies=tuple(request.dependencies),
        property_dependencies={name: list(value.urns) for name, value in request.propertyDependencies.items()},
        protect=request.protect,
        ignore_changes=tuple(request.ignoreChanges),
        replace_on_changes=tuple(request.replaceOnChanges),
        delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
        additional_secret_outputs=tuple(request.additionalSecretOutputs),
        import_id=request.importId,
        retain_on_delete=request.retainOnDelete,
        deleted_with=request.deletedWith,
        aliases=[
            *request.aliasURNs,
            *(_alias_urn(alias, request, stack, project) for alias in request.aliases),
        ],
    )


def _alias_urn(alias: alias_pb2.Alias, request: resource_pb2.RegisterResourceRequest, stack: str, project: str) -> str:
    if alias.urn:
        return alias.urn
    spec = alias.spec
    parent = "" if spec.noParent else spec.parentUrn or request.parent
    return make_urn(
        spec.stack or stack, spec.project or project, parent, spec.type or request.type, spec.name or request.name
    )
