"""Lineage: what was made from what, at any time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from headwater.client.api import Api
from headwater.client.connection import Verbs
from headwater.client.errors import EventRefused, needed
from headwater.client.lineage.parts import NodeFact, Part, Step, TakenEvent
from headwater.client.people import me
from headwater.errors import InvalidRequest
from headwater.graph import Edge, Known, Node
from headwater.routes import TAKE_EVENT
from headwater.storage.clients import error_code

if TYPE_CHECKING:
    from headwater.lineage.annotations import Annotation
    from headwater.lineage.differences import VersionDifference
    from headwater.lineage.forgetting.report import Forgetting
    from headwater.lineage.impact import Impact
    from headwater.lineage.indexer import Caught, Checked
    from headwater.lineage.service import LineageService
    from headwater.lineage.standing import Stood
    from headwater.lineage.walking import Moment
    from headwater.lineage.why import Why

_REFUSED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})


class Lineage(Verbs):
    """The verbs on lineage; ``headwater.connect().lineage``.

    A node is named by its id, of whose version the first characters are enough (``model:flight_delay@2``,
    ``data:sources/flights@77ab``), by ``<model>@<version or alias>`` or by ``<dataset>@<revision>``.

    ``at`` asks what had come to be by a time, ``known`` what was written down by then; both with their time zone.
    """

    @property
    def _api(self) -> Api:
        return self._connection.api

    @cached_property
    def _service(self) -> LineageService:
        from headwater.lineage.service import LineageService

        return LineageService(self._connection.places)

    def why(
        self,
        request: str,
        *,
        model: str | None = None,
        day: date | datetime | None = None,
        days: int | None = None,
        instance: int = 0,
    ) -> Why:
        """Everything that made a prediction: values, model, training set, commits, code, image, infrastructure.

        Parameters
        ----------
        request : str
            The request's id, or its node.
        model : str, optional
            Spares looking through all models.
        day : date or datetime, optional
            The request's day, UTC, which spares looking through the last ``days``; or a moment of its hour (UTC if it
            has no time zone), which spares looking through the day: then at most twelve reads answer.
        days : int, optional
            By default 14.
        instance : int
            Which of the request's instances, from 0.

        Raises
        ------
        PredictionNotFound
            There is no such record; the message says where it was looked for.
        """
        from headwater.lineage.why import DAYS

        return self._service.why(request, model=model, day=day, days=days or DAYS, instance=instance)

    def up(
        self,
        node: str,
        *,
        depth: int | None = 1,
        kinds: Collection[str] = (),
        at: datetime | None = None,
        known: datetime | None = None,
    ) -> Part:
        """The nodes and edges that a node was made from.

        Parameters
        ----------
        node : str
        depth : int, optional
            Edges to go; None: all the way.
        kinds : collection of str
            Kinds of nodes to show, such as ``model``; the walk goes through all others.
        at, known : datetime, optional

        Raises
        ------
        UnknownNode, AmbiguousNode
        """
        return self._walk(node, "UP", depth, kinds, at, known)

    def down(
        self,
        node: str,
        *,
        depth: int | None = 1,
        kinds: Collection[str] = (),
        at: datetime | None = None,
        known: datetime | None = None,
    ) -> Part:
        """The nodes and edges that were made from a node; see `up`."""
        return self._walk(node, "DOWN", depth, kinds, at, known)

    def svg(self, part: Part, *, title: str = "") -> str:
        """A picture of a part of the graph; its layout is computed once, and kept by the graph's address."""
        from headwater.lineage.pictures.svg import svg
        from headwater.lineage.store import Layouts

        nodes, edges = part.graph()
        layout = Layouts(self._description.artifacts_bucket, self._connection.clients).of(nodes, edges)
        return svg(layout, start=Node.parse(part.start), title=title)

    def path(
        self, one: str, other: str, *, at: datetime | None = None, known: datetime | None = None
    ) -> tuple[Step, ...] | None:
        """The edges of a shortest way between two nodes; None if neither was made from the other."""
        self._catch_up()
        found = self._service.path(self._service.resolve(one), self._service.resolve(other), _moment(at, known))
        return None if found is None else tuple(map(_step, found))

    def impact(
        self,
        thing: str,
        file: str | None = None,
        *,
        version: str = "",
        at: datetime | None = None,
        known: datetime | None = None,
    ) -> tuple[Impact, ...]:
        """Everything that a bad file, commit or definition touched, and the commands that put it right.

        Parameters
        ----------
        thing : str
            A node, or with ``file`` the dataset that the file is in.
        file : str, optional
            The file's name as it was uploaded, or a path in the dataset.
        version : str
            First characters of one S3 version of the file; by default every version is told of, oldest first.
        at, known : datetime, optional

        Returns
        -------
        tuple of Impact
            One for each version of the file, or of the node.

        Raises
        ------
        UnknownNode, AmbiguousNode
        """
        self._catch_up()
        service = self._service
        nodes = service.files(thing, file, version) if file is not None else (service.resolve(thing),)
        return tuple(service.impact(node, _moment(at, known)) for node in nodes)

    def diff(self, one: str, other: str) -> VersionDifference:
        """The differences between two versions of a model: data, features, parameters, lock, code, infrastructure.

        Raises
        ------
        UnknownNode, VersionNotFound, InvalidRequest
        """
        return self._service.diff(self._service.resolve(one), self._service.resolve(other))

    def at(self, time: datetime) -> Stood:
        """The stack at ``time``: which version each alias served, each dataset's commit, and the infrastructure."""
        return self._service.at(_zoned(time))

    def facts(self, node: str) -> tuple[NodeFact, ...]:
        """The facts about a node itself, oldest first."""
        self._catch_up()
        return tuple(map(_fact, self._service.facts(self._service.resolve(node))))

    def annotate(self, node: str, text: str = "", *, owner: str = "", write_id: str | None = None) -> Annotation:
        """Write a note on a node down, or who owns it; `facts` tells both, and nothing takes them back.

        Parameters
        ----------
        node : str
        text : str
            At most 2,000 characters in one line.
        owner : str
            A person, a team or an address, at most 200 characters.
        write_id : str, optional
            A call with the id of an earlier one changes nothing, and returns what that one wrote.

        Raises
        ------
        UnknownNode, AmbiguousNode, InvalidAnnotation
        """
        self._catch_up()
        return self._service.annotate(node, note=text, owner=owner, by=me(), write_id=write_id)

    def forget(
        self,
        keys: Mapping[str, str] | None = None,
        *,
        columns: Mapping[str, str] | None = None,
        days: int | None = None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Forgetting:
        """Report what of an entity lies where, and what removing it does. Nothing is removed.

        Every version of every file is looked through, also of those that were replaced or deleted: the answer takes as
        long as reading the lake once.

        Parameters
        ----------
        keys : mapping of str to str
            Values of join keys as text, such as ``{"customer": "4711"}``; a row must have all of them.
        columns : mapping of str to str
            Values by ``<source>.<column>`` instead, of one source that is then looked through alone.
        days : int, optional
            The last days of the prediction log to look through; by default 14, 0: none.
        progress : callable
            Called with the number of objects that were looked through since the last call.

        Raises
        ------
        InvalidEntity
            Nobody is named, or the values can't be of the columns' types.
        UnknownColumn, UnknownSource
            Nothing has such columns, or nothing was uploaded there.
        BadTarget
            DuckDB isn't installed here.
        """
        with needed("files are looked through by DuckDB"):
            import headwater.lineage.forgetting.erasure  # noqa: F401 - found missing before anything is asked
        from headwater.lineage.forgetting.report import DAYS, entity_of

        entity = entity_of(keys or {}, columns or {})
        self._catch_up()
        return self._service.forget(
            entity,
            features_table=self._description.features_table,
            days=DAYS if days is None else days,
            progress=progress,
        )

    def search(self, *words: str, kinds: Collection[str] = ()) -> tuple[str, ...]:
        """Names of things, such as ``data:sources/flights``, that have all of ``words`` in them."""
        self._catch_up()
        return self._service.search(words, kinds)

    def take(self, event: Mapping[str, Any]) -> TakenEvent:
        """Hand an OpenLineage event of another tool to the stack.

        Parameters
        ----------
        event : mapping
            A RunEvent, DatasetEvent or JobEvent.

        Raises
        ------
        EventRefused
            It isn't valid, or too large; the message says what was expected.
        """
        answer = self._api.send(TAKE_EVENT.method, TAKE_EVENT.url(), dict(event), refusal=EventRefused)
        return TakenEvent.model_validate(answer)

    def sync(self) -> Caught:
        """Bring the index up to date now; the stack does it every hour, and every question beforehand."""
        return self._service.catch_up()

    def verify(self) -> Checked:
        """Compare the index with what the facts tell; changes nothing."""
        self._catch_up()
        return self._service.verify()

    def rebuild(self) -> Caught:
        """Delete the index and make it again from the facts."""
        return self._service.rebuild()

    def _walk(
        self,
        node: str,
        direction: Any,
        depth: int | None,
        kinds: Collection[str],
        at: datetime | None,
        known: datetime | None,
    ) -> Part:
        self._catch_up()
        start = self._service.resolve(node)
        found = self._service.walk(start, direction, depth=depth, moment=_moment(at, known), kinds=kinds)
        return Part(
            start=start.id,
            nodes=tuple(entry.id for entry in found.nodes),
            edges=tuple(map(_step, found.edges)),
            cut=found.cut,
            at=at,
            known=known,
        )

    def _catch_up(self) -> None:
        """Index the facts of the last minutes; whoever may only read sees the index of the last hour."""
        try:
            self._service.catch_up()
        except ClientError as error:
            if error_code(error) not in _REFUSED:
                raise


def _moment(at: datetime | None, known: datetime | None) -> Moment:
    from headwater.lineage.walking import Moment

    return Moment(at=_zoned(at) if at else None, known=_zoned(known) if known else None)


def _zoned(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidRequest(f"{time.isoformat()} has no time zone: write {time.isoformat()}Z for UTC")
    return time.astimezone(UTC)


def _step(edge: Edge) -> Step:
    return Step(
        below=edge.below.id, role=edge.role.value, above=edge.above.id, at=edge.at, seen=edge.seen, fact=edge.fact
    )


def _fact(known: Known) -> NodeFact:
    return NodeFact(node=known.node.id, at=known.at, seen=known.seen, fact=known.fact, notes=dict(known.notes))
