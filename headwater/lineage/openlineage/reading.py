"""Reading an event: what it tells of runs and datasets, as nodes and edges.

Each event is read by itself, so the order of events and doubled ones change nothing. A run's outputs are versions that
the run made: the facet ``version`` names them, else the run's own id. An input without that facet is the dataset as a
whole, a node without a version, since nobody said which version was read. The whole dataset leads to each of its
versions by an edge that says when the version came to be. Edges can run in circles: a run may read a dataset that it
changes, and a dataset may have several names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from headwater import json_values
from headwater.graph import Edge, Known, Node, Role, Told
from headwater.lineage.openlineage.moments import moment
from headwater.lineage.openlineage.naming import DatasetName, StackNames, foreign_dataset, foreign_run

RECEIVED = "lineage/in"
"""Prefix of received events."""
LONGEST_NOTE = 300


class Event(NamedTuple):
    """An event with its identity: the same event sent twice is one."""

    document: Mapping[str, Any]
    id: str
    """sha256 of the canonical JSON: members sorted, no needless space."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The event of a document."""
        return cls(document, hashlib.sha256(json_values.dumps(_sorted(document)).encode()).hexdigest())

    @property
    def at(self) -> datetime:
        """The event's time, UTC."""
        return moment(self.document["eventTime"])

    @property
    def key(self) -> str:
        """Key of the received event in S3, by the day of the event itself: sent again another day it is the same."""
        return f"{RECEIVED}/date={self.at:%Y-%m-%d}/{self.id}.json"

    @property
    def body(self) -> bytes:
        """The event as it is kept."""
        return json_values.dumps(_sorted(self.document)).encode()


def stored(body: bytes) -> Event:
    """The event that `headwater.lineage.openlineage.receiving.receive` once took in."""
    return Event.of(json_values.loads(body.decode()))


def told(event: Event, names: StackNames, *, seen: datetime) -> Told:
    """Nodes and edges of a valid event.

    Several events of a run tell the same edges; the notes of each say the run's state at the time.

    Parameters
    ----------
    event : Event
    names : StackNames
        Datasets that are Headwater's own by name become its own nodes. Events of the stack's own jobs tell nothing:
        they come back from elsewhere, and Headwater knows better.
    seen : datetime
        When the event was received.
    """
    document = event.document
    if document.get("job", {}).get("namespace") == names.namespace:
        return Told()
    reading = _Reading(event, names, seen)
    if "job" in document and ("run" in document or "dataset" not in document):
        reading.job()
    else:
        reading.dataset()
    return Told(edges=tuple(reading.edges.values()), nodes=tuple(reading.nodes))


class _Reading:
    """Collects what one event tells."""

    def __init__(self, event: Event, names: StackNames, seen: datetime) -> None:
        self._document, self._names = event.document, names
        self._at, self._seen, self._fact = event.at, seen, event.key
        self.edges: dict[tuple[Node, Role, Node], Edge] = {}
        self.nodes: list[Known] = []

    def job(self) -> None:
        """Read a RunEvent, or a JobEvent, which has no run."""
        document, job = self._document, self._document["job"]
        run = document.get("run", {})
        itself = foreign_run(job["namespace"], job["name"], run.get("runId", ""))
        state = {"state": document["eventType"]} if "eventType" in document else {}
        self._know(itself, {"job": job["name"], "namespace": job["namespace"], **state, **_of_run(run, job)})
        # OpenLineage's Airflow integration once called the facet parentRun.
        parent = _facet(run, "parent") or _facet(run, "parentRun")
        if above := _text(parent, "run", "runId"):
            where = (_text(parent, "job", "namespace"), _text(parent, "job", "name"))
            self._edge(itself, Role.MADE_BY, foreign_run(*where, above), told_by="parent")
        for dataset in document.get("inputs", ()):
            self._edge(itself, Role.READ, self._node(_name(dataset)), **state)
            self._other_names(dataset)
        outputs: dict[tuple[str, str], Node] = {}
        for dataset in document.get("outputs", ()):
            name = _name(dataset)
            made = outputs[name.namespace, name.name] = self._node(name, run.get("runId", ""))
            changed = _facet(dataset, "lifecycleStateChange")
            change = {"change": word} if (word := _text(changed, "lifecycleStateChange")) else {}
            self._edge(made, Role.MADE_BY, itself, **state, **change)
            before = [_text(changed, "previousIdentifier", part) for part in ("namespace", "name")]
            if before[1]:
                self._edge(made, Role.READ, self._node(DatasetName(*before)), told_by="lifecycleStateChange")
            self._other_names(dataset)
            self._explicit(made, _facet(dataset, "lineage"), itself)
        for source in self._sources_of_columns():
            self._edge(itself, Role.READ, self._node(source), told_by="columnLineage", **state)
        for entry in _list(_facet(job, "lineage"), "entries"):
            named = DatasetName(_text(entry, "namespace"), _text(entry, "name"))
            if entry.get("type") == "JOB":
                target = foreign_run(*named[:2], _text(entry, "runId")) if named.name else itself
            else:
                target = outputs.get(named[:2]) or self._node(named)
            self._explicit(target, entry, itself)

    def dataset(self) -> None:
        """Read a DatasetEvent."""
        dataset = self._document["dataset"]
        name = _name(dataset)
        itself = self._node(name)
        owners = ", ".join(_text(owner, "name") for owner in _list(_facet(dataset, "ownership"), "owners"))
        words = {"owners": owners, "description": _text(_facet(dataset, "documentation"), "description")}
        self._know(itself, {"dataset": name.name, "namespace": name.namespace, **words})
        self._other_names(dataset)
        self._explicit(itself, _facet(dataset, "lineage"), None)
        for source in _columns_of(dataset):
            if source[:2] != name[:2]:
                self._edge(itself, Role.READ, self._node(source), told_by="columnLineage")

    def _other_names(self, dataset: Mapping[str, Any]) -> None:
        """Read the facet ``symlinks``: a dataset and its other names are the same rows, so each leads to the other."""
        itself = self._node(_name(dataset)._replace(version=""))
        for other in _list(_facet(dataset, "symlinks"), "identifiers"):
            name = DatasetName(_text(other, "namespace"), _text(other, "name"))
            if name.name and (named := self._node(name)) != itself:
                self._edge(itself, Role.READ, named, told_by="symlinks")
                self._edge(named, Role.READ, itself, told_by="symlinks")

    def _sources_of_columns(self) -> Iterator[DatasetName]:
        """Datasets that columns come from, although the event doesn't list them among the inputs."""
        listed = {_name(one)[:2] for one in self._document.get("inputs", ())}
        for dataset in self._document.get("outputs", ()):
            own = _name(dataset)[:2]
            yield from (source for source in _columns_of(dataset) if source[:2] not in listed and source[:2] != own)

    def _explicit(self, target: Node, entry: Mapping[str, Any], itself: Node | None) -> None:
        """Read the inputs of the facet ``lineage``, or of one of its entries."""
        fields = entry.get("fields")
        inputs = [
            *_list(entry, "inputs"),
            *(
                one
                for field in (fields.values() if isinstance(fields, Mapping) else ())
                for one in _list(field, "inputs")
            ),
        ]
        for source in inputs:
            namespace, name = _text(source, "namespace"), _text(source, "name")
            if source.get("type") == "JOB":
                above = foreign_run(namespace, name, _text(source, "runId")) if name else itself
                role = Role.MADE_BY
            else:
                above, role = (self._node(DatasetName(namespace, name)) if name else None), Role.READ
            if above is not None and above != target:
                self._edge(target, role, above, told_by="lineage")

    def _node(self, name: DatasetName, made_by: str = "") -> Node:
        """The node of a dataset; a version of a foreign one is told to be one."""
        if own := self._names.node_of(name):
            return own
        made = foreign_dataset(name, made_by)
        if made.version:
            self._edge(foreign_dataset(name._replace(version="")), Role.READ, made, told_by="version")
        return made

    def _edge(self, below: Node, role: Role, above: Node, **notes: str) -> None:
        said = {name: _shown(text) for name, text in notes.items()}
        made = Edge(below, role, above, self._at, self._seen, self._fact, said)
        self.edges.setdefault((below, role, above), made)

    def _know(self, node: Node, notes: Mapping[str, str]) -> None:
        said = {name: _shown(text) for name, text in notes.items() if text}
        said["producer"] = _shown(self._document["producer"])
        self.nodes.append(Known(node, self._at, self._seen, self._fact, said))


def _of_run(run: Mapping[str, Any], job: Mapping[str, Any]) -> dict[str, str]:
    """Words about a run, from its facets and its job's."""
    engine, code = _facet(run, "processing_engine"), _facet(job, "sourceCodeLocation")
    return {
        "engine": f"{_text(engine, 'name')} {_text(engine, 'version')}".strip(),
        "error": _text(_facet(run, "errorMessage"), "message"),
        "code": _text(code, "version") or _text(code, "url"),
    }


def _name(dataset: Mapping[str, Any]) -> DatasetName:
    version = _text(_facet(dataset, "version"), "datasetVersion")
    return DatasetName(dataset["namespace"], dataset["name"], version)


def _columns_of(dataset: Mapping[str, Any]) -> Iterator[DatasetName]:
    """Datasets that the facet ``columnLineage`` names as inputs, each once."""
    facet = _facet(dataset, "columnLineage")
    fields = facet.get("fields")
    listed = fields.values() if isinstance(fields, Mapping) else ()
    inputs = [*_list(facet, "dataset"), *(one for field in listed for one in _list(field, "inputFields"))]
    found = (DatasetName(_text(one, "namespace"), _text(one, "name")) for one in inputs)
    yield from dict.fromkeys(name for name in found if name.name)


# Facets with a schema of somebody else may hold anything: what isn't as expected counts as absent.
def _facet(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = holder.get("facets", {}).get(name, {})
    return {} if found.get("_deleted") is True else found


def _text(value: Any, *path: str) -> str:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _list(value: Any, name: str) -> list[Mapping[str, Any]]:
    found = value.get(name) if isinstance(value, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


def _shown(text: str) -> str:
    """A text as a terminal can show it, on one line and not too long."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return line if len(line) <= LONGEST_NOTE else f"{line[: LONGEST_NOTE - 1]}…"
