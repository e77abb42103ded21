"""The catalog of feature views for people: list, details, lineage, freshness, statistics and differences."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from difflib import get_close_matches
from enum import StrEnum

from pydantic import AwareDatetime

from headwater.clock import Clock, utc_now
from headwater.declare import Catalog, FeatureView, Product, catalog
from headwater.features.catalog.differences import Difference, Side, compare
from headwater.features.catalog.freshness import is_late
from headwater.features.catalog.lineage import Lineage, SourceOfView, Use, Uses, sources_of, trace
from headwater.features.catalog.searching import Found, search
from headwater.features.definitions import Definition, Definitions, unknown_view
from headwater.features.errors import NeverMaterialised, NothingToCompare, UnknownFeature, UnknownViewVersion
from headwater.features.offline.statistics import Statistics, read_statistics
from headwater.features.online.in_progress import UnderWay, in_progress
from headwater.features.online.records import Materialisation, Materialisations
from headwater.lake.store import Objects
from headwater.registry.service import Registry
from headwater.registry.store import ArtifactStore
from headwater.storage.executions import Executions
from headwater.storage.table import Table
from headwater.values import Value

SHORTEST_PREFIX = 4


class State(StrEnum):
    """Status of a view's online values."""

    FRESH = "FRESH"
    LATE = "LATE"
    """Its newest event is older than the declared freshness."""
    BEHIND = "BEHIND"
    """A source has data that no materialisation has read."""
    NEVER = "NEVER"
    """The view is declared and was never materialised."""
    RETIRED = "RETIRED"
    """No product declares it any more; its last values are online until they expire."""


class ViewSummary(Value):
    """One view in a list."""

    view: str
    entity: tuple[str, ...]
    features: tuple[str, ...]
    owner: str
    description: str
    version: str | None
    """The current definition's materialisation; None if there was none."""
    ttl: timedelta | None
    freshness: timedelta | None
    materialised_at: AwareDatetime | None
    newest_event: AwareDatetime | None
    entities: int | None
    state: State


class ViewVersion(Value):
    """One definition of a view."""

    version: str
    first_seen: AwareDatetime
    materialisations: int
    last_materialised: AwareDatetime | None


class ViewDetails(Value):
    """Details of a view."""

    summary: ViewSummary
    definition: Definition
    versions: tuple[ViewVersion, ...]
    """Oldest first."""
    in_progress: tuple[UnderWay, ...]
    sources: tuple[SourceOfView, ...]
    uses: tuple[Use, ...]


class ViewStatistics(Value):
    """The statistics of one materialisation, and the list of all materialisations."""

    materialisation: Materialisation
    statistics: Statistics | None
    """The statistics; None if none were kept."""
    others: tuple[Materialisation, ...]
    """All materialisations of the view, oldest first."""


class Finding:
    """Reads the records of materialisations and trainings in the registry and the lake. Changes nothing.

    Parameters
    ----------
    registry : Table
        The registry table.
    lake : Objects
        The lake's bucket.
    artifacts : ArtifactStore
        Where the packages of model versions are.
    declared : sequence of str, optional
        Views that the stack declares; None if it doesn't tell.
    executions : Executions, optional
        Of the materialisation machine; None if the stack has none.
    """

    def __init__(
        self,
        registry: Table,
        lake: Objects,
        artifacts: ArtifactStore,
        *,
        declared: Sequence[str] | None = None,
        executions: Executions | None = None,
        now: Clock = utc_now,
    ) -> None:
        self._registry, self._lake, self._declared = registry, lake, declared
        self._executions, self._now = executions, now
        self._definitions, self._materialisations = Definitions(registry), Materialisations(registry)
        self._uses = Uses(Registry(registry), artifacts)

    def list(self) -> tuple[ViewSummary, ...]:
        """Every view that was materialised or is declared, by name."""
        known = {entry.view.name: entry for entry in self._definitions.all()}
        names = sorted({*known, *(self._declared or ())})
        return tuple(self._summary(known[name]) if name in known else _never(name) for name in names)

    def show(self, view: str) -> ViewDetails:
        """The view's definition, its versions, sources and the models that use it.

        Raises
        ------
        UnknownView, NeverMaterialised
        """
        definition = self.current(view)
        records = self._materialisations.all(view)
        versions = []
        for entry in self._definitions.versions(view):
            of_it = [record for record in records if record.version == entry.version]
            last = max((record.last_at for record in of_it), default=None)
            versions.append(
                ViewVersion(
                    version=entry.version, first_seen=entry.at, materialisations=len(of_it), last_materialised=last
                )
            )
        return ViewDetails(
            summary=self._summary(definition),
            definition=definition,
            versions=tuple(versions),
            in_progress=tuple(
                run for entry in versions for run in in_progress(self._registry, self._executions, view, entry.version)
            ),
            sources=self._sources(definition),
            uses=self._uses.of(view),
        )

    def lineage(self, name: str) -> Lineage:
        """The sources of ``view`` or ``view.feature``, and the model versions that use it.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        """
        view, dot, feature = name.partition(".")
        definition = self.current(view)
        features = [entry.name for entry in definition.view.features]
        uses = self._uses.of(view)
        # A feature of an older definition may still be in use.
        used = {entry for use in uses for entry in use.features}
        if dot and feature not in {*features, *used}:
            near = get_close_matches(feature, features, n=3)
            raise UnknownFeature(
                f"feature view {view!r} has no feature {feature!r}; "
                + (f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(features)}")
            )
        return trace(definition, feature or None, self._sources(definition), uses)

    def stats(self, view: str, at: str | None = None) -> ViewStatistics:
        """The statistics of a materialisation: by default the last one of the definition that is declared now.

        Parameters
        ----------
        view : str
        at : str, optional
            First digits of a data version, or of a definition's version: the last materialisation of either.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion
        """
        definition = self.current(view)
        records = self._materialisations.all(view)
        of_current = [record for record in records if record.version == definition.version]
        if not records:
            raise _not_yet(view)
        record = self._find(view, records, at) if at else (of_current or records)[-1]
        return ViewStatistics(materialisation=record, statistics=self._read(record), others=records)

    def diff(self, view: str, before: str | None = None, after: str | None = None) -> Difference:
        """The changes in a view's definition and in its values.

        Parameters
        ----------
        view : str
        before, after : str, optional
            First digits of a definition's version or of a data version; by default the last two materialisations, and
            if only ``before`` is given, the last one.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion
        NothingToCompare
            There is but one materialisation.
        """
        self.current(view)
        records = self._materialisations.all(view)
        if not before and len(records) < 2:
            raise NothingToCompare(
                f"feature view {view!r} has {'one materialisation' if records else 'no materialisation'}, "
                "and two are compared",
                next_steps=[f"headwater features stats {view}"],
            )
        first = self._side(view, records, before) if before else self._of(records[-2])
        second = self._side(view, records, after) if after else self._of(records[-1])
        definitions = (self._definitions.definition(view, side.version) for side in (first, second))
        return compare(first, second, *definitions)

    def search(self, words: str) -> Found:
        """Views and features whose names, descriptions, owners, entities or sources have the words."""
        return search(self._definitions.all(), words)

    def served(self) -> frozenset[tuple[str, str]]:
        """The views and versions of their definitions that serving models look up."""
        return self._uses.served()

    def current(self, view: str) -> Definition:
        """The definition that is declared now.

        Raises
        ------
        NeverMaterialised
            The view is declared, but nothing was computed of it yet.
        UnknownView
            There is no such view; near names are told.
        """
        known = {entry.view.name: entry for entry in self._definitions.all()}
        if view in known:
            return known[view]
        declared = self._declared or ()
        if view in declared:
            raise _not_yet(view)
        raise unknown_view(view, sorted({*known, *declared}))

    def catalog(self, names: Sequence[str], instead: Sequence[FeatureView] = ()) -> Catalog:
        """Views and their sources as they are declared now, to compute with where the products' code isn't at hand.

        Parameters
        ----------
        names : sequence of str
            Views.
        instead : sequence of FeatureView
            Definitions that replace declared ones of their name, or are added.

        Raises
        ------
        UnknownView, NeverMaterialised
            There is no such view.
        InvalidProduct
            A definition of ``instead`` reads a source that no known view reads.
        """
        given = {view.name: view for view in instead}
        definitions = [self.current(name) for name in dict.fromkeys(names) if name not in given]
        known = [*definitions, *(self._definitions.all() if given else ())]
        sources = {source.name: source for definition in known for source in definition.sources}
        views = (*given.values(), *(definition.view for definition in definitions))
        return catalog([Product(sources=tuple(sources.values()), views=views)])

    def _summary(self, definition: Definition) -> ViewSummary:
        view = definition.view
        last = self._materialisations.newest(view.name, definition.version)
        return ViewSummary(
            view=view.name,
            entity=view.entity,
            features=tuple(feature.name for feature in view.features),
            owner=view.owner,
            description=view.description,
            version=definition.version,
            ttl=view.ttl,
            freshness=view.freshness,
            materialised_at=last.last_at if last else None,
            newest_event=last.newest_event if last else None,
            entities=last.entities if last else None,
            state=self._state(definition, last),
        )

    def _state(self, definition: Definition, last: Materialisation | None) -> State:
        if self._declared is not None and definition.view.name not in self._declared:
            return State.RETIRED
        if last is None:
            return State.NEVER
        if any(source.behind for source in sources_of(self._registry, definition, dict(last.commits))):
            return State.BEHIND
        late = is_late(definition.view.freshness, last.newest_event, self._now())
        return State.LATE if late else State.FRESH

    def _sources(self, definition: Definition) -> tuple[SourceOfView, ...]:
        last = self._materialisations.newest(definition.view.name, definition.version)
        return sources_of(self._registry, definition, dict(last.commits) if last else {})

    def _side(self, view: str, records: Sequence[Materialisation], name: str) -> Side:
        try:
            return self._of(self._find(view, records, name))
        except UnknownViewVersion:
            # A definition can be compared even if it was never materialised.
            found = [entry.version for entry in self._definitions.versions(view) if entry.version.startswith(name)]
            if len(found) != 1 or len(name) < SHORTEST_PREFIX:
                raise
            return Side(version=found[0], materialisation=None, statistics=None)

    def _find(self, view: str, records: Sequence[Materialisation], name: str) -> Materialisation:
        known = {full for record in records for full in (record.version, record.data_version)}
        meant = [full for full in known if len(name) >= SHORTEST_PREFIX and full.startswith(name)]
        if len(meant) > 1:
            raise UnknownViewVersion(f"feature view {view!r}: {name!r} begins more than one version; give more digits")
        if not meant:
            versions = ", ".join(dict.fromkeys(record.version for record in records))
            data = ", ".join(dict.fromkeys(record.data_version[:12] for record in records[-5:]))
            raise UnknownViewVersion(
                f"feature view {view!r}: no version begins with {name!r} (at least {SHORTEST_PREFIX} digits). "
                f"Definitions: {versions or 'none'}; data versions, the last five: {data or 'none'}"
            )
        return [record for record in records if meant[0] in (record.version, record.data_version)][-1]

    def _of(self, record: Materialisation) -> Side:
        return Side(version=record.version, materialisation=record, statistics=self._read(record))

    def _read(self, record: Materialisation) -> Statistics | None:
        return read_statistics(self._lake, record.view, record.version, record.data_version)


def _not_yet(view: str) -> NeverMaterialised:
    return NeverMaterialised(
        f"feature view {view!r} is declared, but was never materialised: its sources have no data yet",
        next_steps=["headwater ingestions list"],
    )


def _never(name: str) -> ViewSummary:
    return ViewSummary(
        view=name, entity=(), features=(), owner="", description="", version=None, ttl=None, freshness=None,
        materialised_at=None, newest_event=None, entities=None, state=State.NEVER,
    )  # fmt: skip
