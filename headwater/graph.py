"""Nodes, edges and facts: the words in which each capability tells lineage what was made from what.

A capability's ``facts.py`` names its kinds of nodes and turns its append-only logs into edges; `headwater.lineage`
finds those files by itself. Nodes are versions that never change. What moves (a branch, an alias, the deployed
infrastructure) is no node: its log tells where it pointed at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Literal, NamedTuple, Protocol, TypeVar

from headwater.errors import InvalidRequest
from headwater.storage.clients import Clients
from headwater.storage.table import Table

_VERSION_OF_FILE = "?versionId="


class Role(StrEnum):
    """How a node stands to one that it was made from: read ``below`` role ``above``, as in *set read data*."""

    READ = "read"
    DEFINED_BY = "defined_by"
    MADE_BY = "made_by"
    TRAINED_ON = "trained_on"
    RAN_ON = "ran_on"
    BUILT_FROM = "built_from"
    DEPLOYED = "deployed"
    ANSWERED_BY = "answered_by"


ROLES: Mapping[Role, str] = {
    Role.READ: "its rows or bytes come from there",
    Role.DEFINED_BY: "a declaration says how it was computed",
    Role.MADE_BY: "a run, a program or a person made it",
    Role.TRAINED_ON: "a model learnt from that table",
    Role.RAN_ON: "a run used that image, that bundle of code or that infrastructure",
    Role.BUILT_FROM: "it was built from that tree of code",
    Role.DEPLOYED: "an update of the infrastructure brought it, or left it, in the stack",
    Role.ANSWERED_BY: "a prediction, or all that a figure is of, is the answer of that model version",
}


class Node(NamedTuple):
    """One version of a thing."""

    kind: str
    name: str
    version: str = ""
    """Empty of a thing that has but one version, such as a table that is named by its hash."""

    @property
    def id(self) -> str:
        """The node as text, such as ``model:flight_delay@2`` or ``file:s3://lake/landing/a.csv?versionId=x``."""
        if not self.version:
            return f"{self.kind}:{self.name}"
        between = _VERSION_OF_FILE if self.kind == "file" else "@"
        return f"{self.kind}:{self.name}{between}{self.version}"

    @property
    def thing(self) -> str:
        """The thing that this is a version of, such as ``model:flight_delay``."""
        return f"{self.kind}:{self.name}"

    def __str__(self) -> str:
        return self.id

    @classmethod
    def parse(cls, text: str) -> Node:
        """The node that ``text`` names; raises `InvalidNode`."""
        kind, colon, rest = text.partition(":")
        if not (colon and rest and kind.isidentifier()):
            raise InvalidNode(f"{text!r} is no node: expected KIND:NAME@VERSION, such as model:flight_delay@2")
        if kind == "file":
            name, _, version = rest.partition(_VERSION_OF_FILE)
        else:
            name, at, version = rest.rpartition("@")
            if not at:
                name, version = rest, ""
        if not name:
            raise InvalidNode(f"{text!r} is no node: it has no name between {kind}: and @")
        return cls(kind, name, version)


class InvalidNode(InvalidRequest):
    """A text that names no node."""


class Edge(NamedTuple):
    """``below`` was made from ``above``."""

    below: Node
    role: Role
    above: Node
    at: datetime
    """When it came to be (valid time), UTC."""
    seen: datetime
    """When it was written down (recorded time), UTC; a fact that came late has a later one."""
    fact: str
    """The record that says so, such as ``MODEL#flight_delay/VERSION#00000002``."""
    notes: Mapping[str, str] = {}
    """More about the edge, such as the path of a file in its dataset."""


class Known(NamedTuple):
    """A fact about a node itself."""

    node: Node
    at: datetime
    seen: datetime
    fact: str
    notes: Mapping[str, str] = {}
    """In words for people: who made it, from which commit, whether the tree was clean."""


class Told(NamedTuple):
    """The edges and nodes of one fact."""

    edges: Sequence[Edge] = ()
    nodes: Sequence[Known] = ()
    gone: Sequence[str] = ()
    """Facts that can't be read whole any more, since gc or a person deleted objects that belong to them."""


T_co = TypeVar("T_co", covariant=True)


class Log(Protocol[T_co]):
    """An append-only log of facts, in the order of positions that compare as text."""

    @property
    def name(self) -> str:
        """Names the log among all of the stack."""

    @property
    def is_ordered(self) -> bool:
        """Whether an entry never appears below one that is there already, as with sequence numbers."""

    def entries(self, after: str) -> Iterator[tuple[str, Callable[[], T_co]]]:
        """Positions above ``after`` with what the fact there tells; reading that may cost calls to AWS."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a stack keeps its facts."""

    registry_table: str
    lake_bucket: str
    artifacts_bucket: str
    clients: Clients
    predictions_bucket: str = ""
    project: str = ""
    stack: str = ""
    account: str = ""
    region: str = ""

    @cached_property
    def table(self) -> Table:
        """The table with the records of everything."""
        return Table(self.registry_table, self.clients)


class Reads(Protocol):
    """Reads edges that are kept."""

    def edges(self, node: Node, direction: Literal["UP", "DOWN"]) -> tuple[Edge, ...]:
        """The edges to what ``node`` was made from (``UP``), or to what was made from it (``DOWN``)."""

    def of_thing(self, thing: str, direction: Literal["UP", "DOWN"]) -> tuple[Edge, ...]:
        """The edges of every version of a thing, such as ``data:sources/flights``."""


class NodeKind(NamedTuple):
    """A kind of node, for people."""

    name: str
    form: str
    """Such as ``model:<model>@<version>``."""
    description: str
    indexed: bool = True
    """Whether the index holds its nodes; those of other kinds are named whole, and read from their facts."""


def _no_logs(_: Places) -> Iterable[Log[Told]]:
    return ()


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """The part that a capability's ``facts.py`` brings, as the value of its name ``FACTS``."""

    kinds: Sequence[NodeKind]
    telling: int = 1
    """Raised when the same facts tell other edges than before: then all logs are read anew."""
    logs: Callable[[Places], Iterable[Log[Told]]] = field(default=_no_logs)
    above: Mapping[str, Callable[[Places, Node, Reads], Iterable[Edge]]] = field(default_factory=dict)
    """By kind of node: edges upwards that are read from the fact when somebody asks, as they would be too many to keep,
    such as all files of a commit's tree."""
    below: Mapping[str, Callable[[Places, Node, Reads], Iterable[Edge]]] = field(default_factory=dict)
    """By kind of node: edges downwards, likewise."""
