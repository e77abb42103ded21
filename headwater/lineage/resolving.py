"""From what a person writes to the node that is meant, such as ``flight_delay@2``, ``sources/flights`` or a file."""

from __future__ import annotations

import re
from itertools import islice

from headwater.graph import Node, Places
from headwater.lineage.contributions import kinds
from headwater.lineage.errors import AmbiguousNode, UnknownNode
from headwater.lineage.index import Index
from headwater.registry.service import PRODUCTION, Registry
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions
from headwater.versions.types import MAIN

_REQUEST = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHOWN, _LOOKED_AT = 8, 5000
"""Names that an error shows, and those that are looked through for them: there may be a million files."""


class Resolver:
    """Finds nodes by what people call them."""

    def __init__(self, index: Index, places: Places) -> None:
        self._index, self._places = index, places
        table = places.table
        self._registry, self._versions = Registry(table), Versions(places.lake_bucket, table, places.clients)

    def resolve(self, text: str) -> Node:
        """The node that ``text`` names.

        Parameters
        ----------
        text : str
            A node's id, of whose version the first characters are enough; ``<model>@<version or alias>``;
            ``<dataset>@<revision>``, such as ``sources/flights@main~1``. Without ``@`` the version that serves, or that
            ``main`` points at, is meant.

        Raises
        ------
        UnknownNode, AmbiguousNode
            No node, or more than one, is called that.
        """
        if text.partition(":")[0] in kinds():
            return self._whole(Node.parse(text))
        if _REQUEST.fullmatch(text):
            raise UnknownNode(f"{text} names a prediction", next_steps=[f"headwater lineage why {text}"])
        name, _, version = text.partition("@")
        if name in self._registry.models():
            return Node("model", name, str(self._number(name, version or PRODUCTION)))
        if name in self._versions.datasets():
            return self._commit(self._versions.dataset(name), version or MAIN)
        raise self._unknown(text)

    def file(self, dataset: str, file: str, version: str = "") -> tuple[Node, ...]:
        """The versions of an uploaded file, or of a path in a dataset; oldest first.

        Parameters
        ----------
        dataset : str
            ``sources/<name>``, a source's bare name, or another dataset.
        file : str
            The file's name as it was uploaded, or a path in the dataset.
        version : str
            First characters of an S3 version id; by default all versions.

        Raises
        ------
        UnknownNode
        """
        source = dataset.removeprefix("sources/")
        places = [f"file:s3://{self._places.lake_bucket}/landing/{source}/{file}"]
        places += [
            edge.above.thing for edge in self._index.of_thing(f"data:{dataset}", "UP") if edge.notes.get("path") == file
        ]
        nodes = [node for thing in dict.fromkeys(places) for node in self._index.versions(thing)]
        found = [node for node in nodes if node.version.startswith(version)]
        if not found:
            raise UnknownNode(
                f"dataset {dataset!r} never held a file {file!r}" + (f" of version {version}…" if version else ""),
                next_steps=[f"headwater data ls {dataset}", "headwater ingestions list"],
            )
        return tuple(sorted(found, key=self._first_seen))

    def _first_seen(self, node: Node) -> tuple[str, str]:
        """The time of the first fact that tells of a node."""
        facts = [known.at for known in self._index.facts(node)]
        edges = [edge.at for edge in self._index.edges(node, "DOWN")]
        return min((time.isoformat() for time in (*facts, *edges)), default=""), node.version

    def _whole(self, node: Node) -> Node:
        """The node whose version begins as the given one's."""
        if not kinds()[node.kind].indexed:
            return node
        found = [known for known in self._index.versions(node.thing) if known.version.startswith(node.version)]
        if node in found or len(found) == 1:
            return node if node in found else found[0]
        if found:
            shown = ", ".join(known.id for known in found[:_SHOWN])
            raise AmbiguousNode(f"{node.id} may be any of {len(found)}: {shown}; give more of the version")
        if not node.version:
            # A thing that is named by its hash: the first characters are enough, too.
            things = list(self._index.things(node.thing))
            if len(things) == 1 and len(versions := self._index.versions(things[0])) == 1:
                return versions[0]
        raise self._unknown(node.id)

    def _number(self, model: str, version: str) -> int:
        number = version.removeprefix("v")
        if number.isdecimal():
            return self._registry.version(model, int(number)).version
        return self._registry.resolve(model, version).version

    def _commit(self, dataset: Dataset, revision: str) -> Node:
        return Node("data", dataset.name, dataset.resolve(revision))

    def _unknown(self, text: str) -> UnknownNode:
        word = text.partition(":")[2] or text
        looked_at = islice(self._index.things(), _LOOKED_AT)
        near = [thing for thing in looked_at if word.partition("@")[0].lower() in thing.lower()]
        there = (
            f"did you mean {', '.join(near[:_SHOWN])}?" if near else "expected a node's id, MODEL@VERSION or DATASET"
        )
        return UnknownNode(f"no fact tells of {text!r}; {there}", next_steps=["headwater lineage search WORD"])
