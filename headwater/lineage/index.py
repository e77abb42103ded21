"""The index of all edges in the registry table, in both directions; derived from facts, so it can be made again.

All versions of a thing share a partition, ``LINEAGE#<thing>``: one query gives what any version of a dataset was read
by. The sort key is the version, then ``UP``, ``DOWN`` or ``FACT``. It names the fact that tells the edge, so that two
facts that tell the same edge are two items, and items are equal in whatever order the facts came.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import ValidationError

from headwater.graph import Edge, Known, Node, Role, Told
from headwater.storage.table import Item, Scalar, Table
from headwater.values import Value

PREFIX = "LINEAGE#"
SENT = "openlineage/"
"""Beginning of the names of cursors that say what was sent to others, which `Index.clear` leaves alone."""
_THINGS, _CURSOR = "THING#", "CURSOR#"
_LONGEST = 512
"""Bytes of a version, or of a thing's name, in a sort key, of which DynamoDB allows 1,024 in all."""

Direction = Literal["UP", "DOWN"]


class Cursor(Value):
    """How far a log is in the index."""

    position: str = ""
    telling: int = 1
    """The `Contribution.telling` by which the log was read."""
    below: str = ""
    """Hash of the positions up to there, of a log in which an entry may appear below others."""


@dataclass(frozen=True)
class Index:
    """Reads and writes the index."""

    table: Table
    """The registry table."""

    # -- writing ------------------------------------------------------------------------------------------------

    def add(self, told: Iterable[Told]) -> int:
        """Write what facts tell; the number of items. Writing it again changes nothing. Raises `WriteRefused`."""
        items = {(item["pk"], item["sk"]): item for each in told for item in items_of(each)}
        self.table.put_all(items.values())
        return len(items)

    def cursor(self, log: str) -> Cursor:
        """How far the index has read a log."""
        item = self.table.get(PREFIX, _CURSOR + _fitting(log))
        if item is None:
            return Cursor()
        try:
            return Cursor.model_validate_json(item["document"])
        except ValidationError:
            # Another version of the library wrote it: the log is read from its beginning, which changes nothing.
            return Cursor()

    def advance(self, log: str, cursor: Cursor) -> None:
        """Note how far a log was read. Of two indexers the later write counts: the next one reads a part again."""
        item = {"pk": PREFIX, "sk": _CURSOR + _fitting(log), "log": log, "document": cursor.model_dump_json()}
        self.table.put_all([item])

    def clear(self) -> int:
        """Delete the whole index; the number of items. `Indexer.rebuild` makes it again."""
        keys = [(item["pk"], item["sk"]) for item in self.items() if not item.get("log", "").startswith(SENT)]
        # The list of things goes last: what is left of a deletion that was cut short is still found.
        keys.sort(key=lambda key: key[0] == PREFIX)
        self.table.delete_all(keys)
        return len(keys)

    # -- reading ------------------------------------------------------------------------------------------------

    def edges(self, node: Node, direction: Direction) -> tuple[Edge, ...]:
        """The edges to what ``node`` was made from (``UP``), or to what was made from it (``DOWN``).

        An edge that several facts tell is there several times; see `merged`.
        """
        found = self.table.query(PREFIX + node.thing, f"{_fitting(node.version)}#{direction}#")
        return tuple(_edge(node, item) for item in found if item["of"] == node.version)

    def of_thing(self, thing: str, direction: Direction) -> tuple[Edge, ...]:
        """The edges of every version of a thing, such as ``data:sources/flights``."""
        kind, _, name = thing.partition(":")
        return tuple(
            _edge(Node(kind, name, item["of"]), item)
            for item in self.table.query(PREFIX + thing, "")
            if _direction(item) == direction
        )

    def facts(self, node: Node) -> tuple[Known, ...]:
        """The facts about a node itself, oldest first."""
        found = self.table.query(PREFIX + node.thing, f"{_fitting(node.version)}#FACT#")
        return tuple(sorted((_known(node, item) for item in found if item["of"] == node.version), key=_when))

    def versions(self, thing: str) -> tuple[Node, ...]:
        """Every version of a thing that the index knows, by name."""
        kind, _, name = thing.partition(":")
        return tuple(
            Node(kind, name, version)
            for version in sorted({item["of"] for item in self.table.query(PREFIX + thing, "")})
        )

    def things(self, prefix: str = "") -> Iterator[str]:
        """Names of things that begin with ``prefix``, such as ``model:``, in order but for very long names."""
        for item in self.table.query(PREFIX, _THINGS + prefix):
            yield item["thing"]

    def items(self) -> Iterator[dict[str, Any]]:
        """Every item of the index as it is stored."""
        for item in self.table.query(PREFIX, ""):
            yield item
            if "thing" in item:
                yield from self.table.query(PREFIX + item["thing"], "")


def items_of(told: Told) -> Iterator[Item]:
    """The items that hold what a fact tells: a pure function."""
    things = set()
    for edge in told.edges:
        yield _item(edge.below, "UP", edge.role, edge.above, edge)
        yield _item(edge.above, "DOWN", edge.role, edge.below, edge)
        things |= {edge.below.thing, edge.above.thing}
    for known in told.nodes:
        yield {
            **_keys(known.node, f"FACT#{_digest(known.fact)}"),
            **_times(known),
        }
        things.add(known.node.thing)
    for thing in things:
        yield {"pk": PREFIX, "sk": _THINGS + _fitting(thing), "thing": thing}


def merged(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Each edge once, with its earliest times, in the order of nodes and roles."""
    found: dict[tuple[Node, str, Node], Edge] = {}
    for edge in edges:
        key = (edge.below, edge.role.value, edge.above)
        if (known := found.get(key)) is None:
            found[key] = edge
        else:
            first, other = sorted((known, edge), key=lambda each: (each.at, each.seen, each.fact))
            found[key] = first._replace(seen=min(first.seen, other.seen))
    return tuple(found[key] for key in sorted(found))


def _item(node: Node, direction: Direction, role: Role, other: Node, edge: Edge) -> Item:
    # The hash keeps the key short: the other node may be a file with a name of a thousand bytes.
    rest = f"{direction}#{role.value}#{_digest(f'{other.id} {edge.fact}')}"
    return {**_keys(node, rest), "role": role.value, "other": other.id, **_times(edge)}


def _keys(node: Node, rest: str) -> dict[str, Scalar]:
    return {"pk": PREFIX + node.thing, "sk": f"{_fitting(node.version)}#{rest}", "of": node.version}


def _times(told: Edge | Known) -> dict[str, Scalar]:
    return {
        "at": told.at.isoformat(),
        "seen": told.seen.isoformat(),
        "fact": told.fact,
        "notes": json.dumps(dict(told.notes), sort_keys=True, ensure_ascii=False) if told.notes else None,
    }


def _direction(item: dict[str, Any]) -> str:
    version = _fitting(item["of"])
    return str(item["sk"][len(version) + 1 :].partition("#")[0])


def _edge(node: Node, item: dict[str, Any]) -> Edge:
    other = Node.parse(item["other"])
    below, above = (node, other) if _direction(item) == "UP" else (other, node)
    at, seen, fact, notes = _read(item)
    return Edge(below, Role(item["role"]), above, at, seen, fact, notes)


def _known(node: Node, item: dict[str, Any]) -> Known:
    return Known(node, *_read(item))


def _read(item: dict[str, Any]) -> tuple[datetime, datetime, str, dict[str, str]]:
    notes = json.loads(item["notes"]) if item["notes"] else {}
    return datetime.fromisoformat(item["at"]), datetime.fromisoformat(item["seen"]), item["fact"], notes


def _when(known: Known) -> tuple[datetime, str]:
    return known.at, known.fact


def _fitting(text: str) -> str:
    encoded = text.encode("utf-8", "surrogatepass")
    return text if len(encoded) <= _LONGEST else f"{text[:64]}~{hashlib.sha256(encoded).hexdigest()}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
