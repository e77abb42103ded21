"""docs/reference/lineage.md: every kind of node, every role of an edge, and the rules of the index."""

from __future__ import annotations

from collections.abc import Iterator

from headwater.graph import ROLES, Role
from headwater.lineage.contributions import contributions
from tools.reference.source import bullet

_HEAD = """\
<!-- Written by `make reference` from headwater/graph.py and each capability's facts.py: don't edit it. -->
# Lineage: nodes and edges

A node is one version of a thing and never changes. An edge says that one node was made from another. Both are told by
the facts that each capability keeps anyway: commits, definitions, materialisations, registered versions, updates of the
infrastructure, records of predictions. A branch, an alias or "what is deployed" is no node: it is a function of time
over a log, which `headwater lineage at TIME` replays.

A node is named by its id. The first characters of a version are enough (`data:sources/flights@77ab`), and so are
`flight_delay@2`, `flight_delay@production`, `sources/flights` and `sources/flights@main~1`.

## Kinds of nodes
"""
_ROLES = """
## Roles of edges

Read an edge as a sentence: *model* trained on *set*. `up` follows it to the right, `down` to the left.
"""
_TAIL = """
## The index

Edges are kept in the registry table, in both directions, under `LINEAGE#<thing>`; the sort key names the version, the
direction, the role and the fact. The stack's function `lineage-index` reads the logs once an hour from where it
stopped; every question of the client reads on first, so an answer lacks nothing that was written down before it. The
index is a pure function of the facts: `headwater lineage verify` compares the two (exit code 4 if they differ), and
`headwater lineage rebuild` makes it again, byte for byte.

* Predictions are not indexed: a prediction's record names its version, and `why` reads from there.
* A commit that brought more than 1,000 files is a node without edges to them; all files of a commit's tree are read
  from the tree when somebody asks (`headwater lineage up`).
* What was made from a file is found in the commits that hold it, whatever commit brought it: a file that was replaced
  and brought back by a revert counts in both.
* A commit that gc has taken tells nothing any more; an index that is made again lacks it.
* The registry of a destroyed stack is gone with it, and lineage with the registry: `deletionProtection` keeps it. What
  Pulumi's state bucket tells (`infra:`) comes back by `headwater infra sync`, and the destruction is an update of kind
  `destroy`.
* A walk stops at 10,000 nodes and says that there is more.

## Notes and owners

`headwater lineage annotate NODE TEXT --owner TEAM` writes down what people know of a node, in one line of at most 2,000
characters. Such a note is a fact like any other: `headwater lineage show` tells it, with who wrote it and when, and
nothing takes it back. Definitions of views and versions of models tell the owner that their product declared at that
time; of several owners the latest counts. Where data of a person lies: [forget a person](../how-to/forget-a-person.md).

Why it is so: [decision 110](../decisions/0110-lineage-is-read-from-the-facts.md). The two times of an edge:
[two times](../two-times.md).
"""


def render() -> str:
    """The page."""
    return "\n".join([_HEAD, *_kinds(), _ROLES, *_roles(), _TAIL])


def undocumented() -> list[str]:
    """Kinds and roles without words."""
    silent = [kind.name for entry in contributions().values() for kind in entry.kinds if not kind.description]
    return [*silent, *(role.value for role in Role if not ROLES.get(role))]


def _kinds() -> Iterator[str]:
    for capability, entry in sorted(contributions().items()):
        for kind in entry.kinds:
            yield bullet(f"`{kind.form}` ({capability})", kind.description)


def _roles() -> Iterator[str]:
    for role, words in ROLES.items():
        yield bullet(f"`{role.value}`", words)
