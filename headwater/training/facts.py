"""Lineage of models: a version is made by a run, from a training set, which is made from commits and views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from headwater.declare import Product
from headwater.features.facts import edges_of_view, view_node
from headwater.graph import Contribution, Edge, Known, Log, Node, NodeKind, Places, Role, Told
from headwater.lake.facts import code_node
from headwater.lake.types import DataVersion, PinnedCommit, dataset_of
from headwater.registry.errors import ArtifactInvalid, ArtifactNotFound
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import DEFINITION_FILE, ModelVersion, Package
from headwater.storage.logs import ItemLog
from headwater.versions.facts import commit_node

_VERSION = "VERSION#"


def model_node(model: str, version: int) -> Node:
    """The node of a model's version."""
    return Node("model", model, str(version))


def run_node(model: str, run_id: str) -> Node:
    """The node of a training run."""
    return Node("run", model, run_id)


def set_node(sha256: str) -> Node:
    """The node of a training set: runs that learnt from the same bytes share it."""
    return Node("set", sha256)


def _told(artifacts: ArtifactStore, item: dict[str, Any]) -> Told:
    return tell_version(ModelVersion.model_validate_json(item["document"]), artifacts)


def tell_version(entry: ModelVersion, artifacts: ArtifactStore) -> Told:
    """Edges from a version to its run, data and views, as its record, its package and its run's definition say."""
    candidate, fact = entry.candidate, f"version:{entry.model}@{entry.version}"
    run, model = run_node(entry.model, entry.run_id), model_node(entry.model, entry.version)
    made, seen = candidate.created_at, entry.registered_at
    template = Edge(model, Role.MADE_BY, run, made, seen, fact)
    edges = [template]
    if candidate.training_set is not None:
        table = set_node(candidate.training_set.sha256)
        edges += [
            template._replace(role=Role.TRAINED_ON, above=table),
            template._replace(below=run, role=Role.READ, above=table),
        ]
    else:
        table = run
    for source, commit in sorted(candidate.commits.items()):
        edges.append(template._replace(below=table, role=Role.READ, above=commit_node(dataset_of(source), commit)))
    product = _declared(entry, artifacts)
    views = None if product is None else _of_views(entry, product, artifacts, template._replace(below=table))
    edges += views or ()
    if (code := code_node(candidate.code_version)) is not None:
        edges.append(template._replace(below=run, role=Role.RAN_ON, above=code))
    if entry.commit is not None:
        # The version's files are a commit of their own.
        files = commit_node(f"models/{entry.model}", entry.commit)
        edges.append(template._replace(below=files, above=run))
    known = Known(model, made, seen, fact, _notes(entry, product))
    about = [known, Known(run, made, seen, fact, {"parameters": _words(candidate.parameters)})]
    return Told(edges, about, gone=[fact] if views is None else ())


def _declared(entry: ModelVersion, artifacts: ArtifactStore) -> Product | None:
    """The product as it was declared when the version's run was prepared; None if it isn't kept.

    That is a version of before definitions were kept, or one whose files are gone: its commits are known all the same.
    """
    try:
        return artifacts.load(entry.candidate.files[DEFINITION_FILE], Product)
    except (ArtifactNotFound, ArtifactInvalid, KeyError):
        return None


def _of_views(entry: ModelVersion, product: Product, artifacts: ArtifactStore, template: Edge) -> list[Edge] | None:
    """The views that a training set was joined from: their rows of the same data version, and what made them.

    None if the version's package can't be read: its files were deleted.
    """
    candidate = entry.candidate
    try:
        package = artifacts.load(entry.package, Package)
    except (ArtifactNotFound, ArtifactInvalid):
        return None
    versions = {feature.view: feature.version for feature in package.features if feature.version}
    pinned = {name: PinnedCommit(commit=commit, revision=1) for name, commit in candidate.commits.items()}
    edges = []
    for view in product.views:
        version = versions.get(view.name)
        if version is None:
            continue
        with suppress(KeyError):
            data = DataVersion(commits=pinned).of(view)
            edges.append(template._replace(role=Role.READ, above=view_node(view.name, version, data.id)))
            edges += edges_of_view(view.name, version, data.id, data.ids, template)
    return edges


def _notes(entry: ModelVersion, product: Product | None) -> Mapping[str, str]:
    owners = (model.owner for model in (product.models if product else ()) if model.name == entry.model)
    owner = next(filter(None, owners), "")
    metrics = {name: f"{value:.4f}" for name, value in sorted(entry.metrics.items())}
    notes = {"status": entry.status.value, "metrics": _words(metrics), "code": entry.candidate.code_version}
    return {**notes, "owner": owner} if owner else notes


def _words(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(values.items()))


def _logs(places: Places) -> Iterator[Log[Told]]:
    table, artifacts = places.table, ArtifactStore(places.artifacts_bucket, places.clients)
    for model in Registry(table).models():
        # They are numbered without gaps.
        yield ItemLog(
            name=f"training/{model}", table=table, pk=f"MODEL#{model}", prefix=_VERSION,
            tell=partial(_told, artifacts), is_ordered=True,
        )  # fmt: skip


FACTS = Contribution(
    kinds=[
        NodeKind("set", "set:<sha256>", "a training set, named by the hash of its bytes"),
        NodeKind("run", "run:<model>@<run id>", "a training run"),
        NodeKind("model", "model:<model>@<number>", "a registered version of a model"),
    ],
    logs=_logs,
)
