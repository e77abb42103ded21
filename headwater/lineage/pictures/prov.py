"""A lineage graph as PROV-JSON, the W3C's member submission of 24 April 2013, for tools that read provenance.

Runs are activities, everything else is an entity. What the role says decides which relation an edge becomes; the role
itself stays an attribute of it, so that nothing is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from headwater.graph import Edge, Node, Role
from headwater.lineage.pictures.canonical import Link, canonical

NAMESPACE = "urn:headwater:"
PREFIX = "headwater"
ACTIVITIES = frozenset({"run"})
"""Kinds of nodes that take place, instead of being there."""

_INFLUENCED = frozenset({Role.RAN_ON, Role.DEPLOYED})
"""Roles between entities in which nothing of the one goes into the other: less than a derivation."""


def prov(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[str, Any]:
    """The graph as the document of PROV-JSON.

    Parameters
    ----------
    nodes : sequence of Node
    edges : sequence of Edge
        In any order; the document is the same for each.

    Returns
    -------
    dict
        Ready for `json.dumps`. A node is ``headwater:`` and its id, percent-encoded, with the id as ``prov:label`` and
        the kind as ``prov:type``. An edge is ``used`` (by a run), ``wasGeneratedBy`` (a run), ``wasInformedBy``
        (between runs), ``wasInfluencedBy`` (what a thing ran on or was deployed by) or ``wasDerivedFrom``. Its
        ``headwater:fact`` are the keys of its facts; its time, where the relation has one, is that of the first.
    """
    graph = canonical(nodes, edges)
    kinds = {node.id: node.kind for node in graph.nodes}
    document: dict[str, Any] = {"prefix": {PREFIX: NAMESPACE}}
    for node in graph.nodes:
        group = "activity" if node.kind in ACTIVITIES else "entity"
        document.setdefault(group, {})[_name(node.id)] = {
            "prov:label": node.id,
            "prov:type": {"$": _name(node.kind), "type": "prov:QUALIFIED_NAME"},
        }
    for place, link in enumerate(graph.links, 1):
        relation, record = _relation(link, kinds)
        document.setdefault(relation, {})[f"_:e{place}"] = record
    return document


def prov_json(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """The document of `prov` as text."""
    # Names may hold halves of surrogate pairs, which UTF-8 doesn't have: JSON's escapes do.
    return json.dumps(prov(nodes, edges), indent=2, sort_keys=True) + "\n"


def _relation(link: Link, kinds: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    below, above = _name(link.below), _name(link.above)
    took_place, before_took_place = kinds[link.below] in ACTIVITIES, kinds[link.above] in ACTIVITIES
    time = {"prov:time": _time(min(fact.at for fact in link.facts))}
    told: dict[str, Any] = {"headwater:role": link.role}
    if facts := sorted({fact.fact for fact in link.facts}):
        told["headwater:fact"] = facts
    if took_place and before_took_place:
        return "wasInformedBy", {"prov:informed": below, "prov:informant": above, **told}
    if took_place:
        return "used", {"prov:activity": below, "prov:entity": above, **time, **told}
    if before_took_place:
        return "wasGeneratedBy", {"prov:entity": below, "prov:activity": above, **time, **told}
    if link.role in _INFLUENCED:
        return "wasInfluencedBy", {"prov:influencee": below, "prov:influencer": above, **told}
    return "wasDerivedFrom", {"prov:generatedEntity": below, "prov:usedEntity": above, **told}


def _name(text: str) -> str:
    return f"{PREFIX}:{quote(text, safe='-._~', errors='surrogatepass')}"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
