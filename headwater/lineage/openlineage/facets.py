"""Facets of the events that Headwater writes: official ones, and three of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from headwater.lineage.openlineage.columns import ColumnLineage, InputColumn
from headwater.lineage.openlineage.moments import as_text
from headwater.lineage.openlineage.naming import DatasetName
from headwater.version import __version__

Facet = Mapping[str, Any]
PRODUCER = f"https://github.com/headwater-ml/headwater/tree/v{__version__}/headwater/lineage/openlineage"
"""The program that writes the events, ``producer`` and ``_producer``."""
_OFFICIAL = "https://openlineage.io/spec/facets"
_OWN = (
    "https://raw.githubusercontent.com/headwater-ml/headwater/main/headwater/lineage/openlineage/schemas/headwater/"
    "1-0-0"
)
_VERSIONS: Mapping[str, str] = {
    "ColumnLineageDatasetFacet": "1-2-0",
    "DataQualityAssertionsDatasetFacet": "1-1-0",
    "DatasetVersionDatasetFacet": "1-0-1",
    "DocumentationDatasetFacet": "1-1-0",
    "ErrorMessageRunFacet": "1-0-1",
    "ExecutionParametersRunFacet": "1-0-0",
    "InputStatisticsInputDatasetFacet": "1-0-0",
    "JobTypeJobFacet": "2-0-4",
    "LifecycleStateChangeDatasetFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "OwnershipDatasetFacet": "1-0-1",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "SQLJobFacet": "1-1-0",
    "SchemaDatasetFacet": "1-2-0",
    "SourceCodeLocationJobFacet": "1-1-0",
}
"""The official facets that events carry, in the versions of `schemas`."""
_SSH = re.compile(r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>[^:/].*)")
"""A remote as ``ssh`` writes it, such as ``git@github.com:owner/repository.git``."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """The commit of a repository that a run's code came from."""

    repository: str
    """The remote's address; a user and a password in it are left out."""
    commit: str
    path: str = ""
    """The folder within the repository."""
    branch: str = ""
    clean: bool | None = None
    """Whether the tree was as committed; None if nobody looked."""


@dataclass(frozen=True, kw_only=True)
class Infrastructure:
    """The update of a stack that stood when a run began."""

    project: str
    stack: str
    update: str
    by: str = ""
    at: datetime | None = None


def official(name: str, /, **fields: Any) -> Facet:
    """A facet of OpenLineage's own; fields that are None are left out."""
    return _facet(f"{_OFFICIAL}/{_VERSIONS[name]}/{name}.json#/$defs/{name}", fields)


def own(name: str, /, **fields: Any) -> Facet:
    """A facet of Headwater's; fields that are None are left out."""
    return _facet(f"{_OWN}/{name}.json#/$defs/{name}", fields)


def _facet(schema: str, fields: Mapping[str, Any]) -> Facet:
    said = {name: value for name, value in fields.items() if value is not None}
    return {"_producer": PRODUCER, "_schemaURL": schema, **said}


def parameters(values: Mapping[str, Any]) -> Facet:
    """The facet ``executionParameters``."""
    listed = [{"key": name, "name": name, "value": str(value)} for name, value in sorted(values.items())]
    return official("ExecutionParametersRunFacet", parameters=listed)


def schema(columns: Mapping[str, str]) -> Facet:
    """The facet ``schema`` of columns and their types; an empty type is left out."""
    fields = [
        {"name": name, **({"type": kind} if kind else {}), "ordinal_position": place}
        for place, (name, kind) in enumerate(columns.items(), 1)
    ]
    return official("SchemaDatasetFacet", fields=fields)


def ownership(kind: str, owners: Iterable[str]) -> Facet:
    """The facet ``ownership`` of a ``Job`` or a ``Dataset``."""
    return official(f"Ownership{kind}Facet", owners=[{"name": owner, "type": "OWNER"} for owner in owners])


def column_lineage(found: ColumnLineage, name_of: Callable[[str], DatasetName]) -> Facet:
    """The facet ``columnLineage``.

    Parameters
    ----------
    found : ColumnLineage
    name_of : callable
        The dataset that a source of `found` is.
    """
    return official(
        "ColumnLineageDatasetFacet",
        fields={column: {"inputFields": _inputs(inputs, name_of)} for column, inputs in found.fields.items()},
        dataset=_inputs(found.dataset, name_of),
    )


def _inputs(inputs: Sequence[InputColumn], name_of: Callable[[str], DatasetName]) -> list[dict[str, Any]]:
    """Each input column once, with all of its transformations."""
    grouped: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for source, column, transformation in inputs:
        said = {"type": transformation.type, "subtype": transformation.value}
        grouped.setdefault((source, column), []).append(said)
    return [
        {"namespace": name_of(source).namespace, "name": name_of(source).name, "field": column, "transformations": done}
        for (source, column), done in grouped.items()
    ]


def code_location(code: Code) -> Facet:
    """The facet ``sourceCodeLocation``."""
    repository = address(code.repository)
    url, parts = repository.removesuffix(".git"), urlsplit(repository)
    if parts.hostname in {"github.com", "gitlab.com"}:
        middle = "-/tree" if parts.hostname == "gitlab.com" else "tree"
        url = "/".join(filter(None, [url, middle, code.commit, code.path.strip("/")]))
    return official(
        "SourceCodeLocationJobFacet",
        type="git",
        url=url,
        repoUrl=repository,
        version=code.commit,
        path=code.path or None,
        branch=code.branch or None,
    )


def address(remote: str) -> str:
    """The URL of a git remote, without a user or a password."""
    if "://" not in remote and (found := _SSH.fullmatch(remote)):
        host, path = found["host"], found["path"]
        return f"https://{host}/{path}" if host in {"github.com", "gitlab.com"} else f"ssh://{host}/{path}"
    parts = urlsplit(remote)
    if not parts.scheme:
        return f"file://{remote}" if remote.startswith("/") else f"file:{remote}"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def image(code_version: str, code: Code | None) -> Facet:
    """The facet ``headwater_image``: the code that ran."""
    return own("HeadwaterImageRunFacet", codeVersion=code_version, clean=code.clean if code else None)


def infrastructure(stood: Infrastructure) -> Facet:
    """The facet ``headwater_infrastructure``: what it ran on."""
    return own(
        "HeadwaterInfrastructureRunFacet",
        project=stood.project,
        stack=stood.stack,
        update=stood.update,
        by=stood.by or None,
        at=as_text(stood.at) if stood.at else None,
    )
