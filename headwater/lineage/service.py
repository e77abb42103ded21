"""Lineage's verbs over one stack: up, down, path, impact, diff, at, why, search; and the index's upkeep."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from headwater.clock import Clock, utc_now
from headwater.errors import InvalidRequest
from headwater.graph import Node, Places
from headwater.lineage.annotations import Annotation, Annotations
from headwater.lineage.contributions import contributions
from headwater.lineage.contributions import kinds as kinds_of_nodes
from headwater.lineage.differences import Differences, VersionDifference
from headwater.lineage.errors import UnknownNode
from headwater.lineage.forgetting.report import DAYS as SEARCHED_DAYS
from headwater.lineage.forgetting.report import Entity, Forgetting, Progress
from headwater.lineage.impact import Impact, Impacts
from headwater.lineage.index import Index
from headwater.lineage.indexer import Indexer
from headwater.lineage.resolving import Resolver
from headwater.lineage.standing import Moments
from headwater.lineage.walking import NOW, Moment, Walker
from headwater.lineage.why import Explaining

SHALLOW = 1
"""Edges that a walk goes by default: whole graphs become hairballs."""


class LineageService:
    """Answers questions from the facts and from the index of their edges.

    Parameters
    ----------
    places : Places
        Where the stack keeps its facts.
    """

    def __init__(self, places: Places, *, now: Clock = utc_now) -> None:
        self._places, self._now = places, now
        table = places.table
        self.index = Index(table)
        self.facts = self.index.facts
        self._annotations = Annotations(table, now=now)
        self._walker = Walker(self.index, contributions(), places)
        # What a part does, the service does.
        resolver, indexer = Resolver(self.index, places), Indexer(self.index, contributions(), places)
        self.resolve, self.files = resolver.resolve, resolver.file
        self.walk, self.path = self._walker.walk, self._walker.path
        self.at, self.why = Moments(places).at, Explaining(places, now=now).why
        self.catch_up, self.rebuild, self.verify = indexer.catch_up, indexer.rebuild, indexer.check

    # -- questions ----------------------------------------------------------------------------------------------

    def impact(self, node: Node, moment: Moment = NOW) -> Impact:
        """See `Impacts.of`."""
        return Impacts(self._walker, self._places).of(node, moment)

    def diff(self, one: Node, other: Node) -> VersionDifference:
        """The differences between two versions of a model.

        Raises
        ------
        InvalidRequest
            The nodes aren't versions of one model.
        """
        if {one.kind, other.kind} != {"model"} or one.name != other.name:
            raise InvalidRequest(f"{one.id} and {other.id}: expected two versions of one model")
        return Differences(self._places).between(one.name, int(one.version), int(other.version))

    def forget(
        self,
        entity: Entity,
        *,
        features_table: str = "",
        days: int = SEARCHED_DAYS,
        progress: Progress = lambda _: None,
    ) -> Forgetting:
        """See `Erasure.report`; ``features_table`` is the online store."""
        # Needs DuckDB, which the other questions don't.
        from headwater.lineage.forgetting.erasure import Erasure

        erasure = Erasure(self._places, self.index, self._walker, features_table=features_table, now=self._now)
        return erasure.report(entity, days=days, progress=progress)

    def annotate(
        self, text: str, *, note: str = "", owner: str = "", by: str = "", write_id: str | None = None
    ) -> Annotation:
        """Write a note, an owner or both down on the node that ``text`` names; see `Annotations.add`.

        Raises
        ------
        UnknownNode, AmbiguousNode
        InvalidAnnotation
        """
        node = self.resolve(text)
        # What isn't in the index, as a prediction, has a record that says whether there is one.
        if not kinds_of_nodes()[node.kind].indexed and not self._walker.edges(node, "UP"):
            raise UnknownNode(f"there is no record of {node.id}", next_steps=["headwater lineage why REQUEST_ID"])
        return self._annotations.add(node, text=note, owner=owner, by=by, write_id=write_id)

    def search(self, words: Iterable[str], kinds: Collection[str] = ()) -> tuple[str, ...]:
        """Names of things that have all of ``words`` in them, whatever the case, by name."""
        wanted = [word.lower() for word in words]
        return tuple(
            thing
            for thing in self.index.things()
            if (not kinds or thing.partition(":")[0] in kinds) and all(word in thing.lower() for word in wanted)
        )
