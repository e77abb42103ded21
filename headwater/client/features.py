"""The feature store as a person or a notebook uses it: values in time and now, and what there is to find."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from headwater.client.errors import BadFrame
from headwater.client.frames import Frame, columns_of, with_columns
from headwater.client.stack import StackDescription
from headwater.features.errors import UnknownFeature
from headwater.features.finding import Finding, ViewDetails, ViewStatistics, ViewSummary
from headwater.features.online import plan, read_online
from headwater.features.searching import Found
from headwater.features.store import OnlineStore
from headwater.lake.store import Objects
from headwater.registry.store import ArtifactStore, RegistryStore
from headwater.registry.types import PackageFeature

if TYPE_CHECKING:
    from headwater.features.difference import Difference
    from headwater.features.lineage import Lineage


class Features:
    """The verbs on features; ``headwater.connect().features``.

    They read the lake, the registry and the online store with the caller's own AWS credentials. Which views there are
    and how they are defined comes from the registry, so the products' code need not be at hand.
    """

    def __init__(self, stack: StackDescription, using: Callable[[], AbstractContextManager[None]]) -> None:
        self._stack, self._using = stack, using
        with using():
            self._finding = Finding(
                RegistryStore(stack.registry_table),
                Objects(stack.lake_bucket),
                ArtifactStore(stack.artifacts_bucket),
                declared=stack.views or (),
            )

    def list(self) -> tuple[ViewSummary, ...]:
        """Every feature view of the stack, by name: what it holds, and how fresh it is."""
        with self._using():
            return self._finding.list()

    def show(self, view: str) -> ViewDetails:
        """A view's definition and its earlier ones, its sources and the models that use it.

        Raises
        ------
        UnknownView, NeverMaterialised
        """
        with self._using():
            return self._finding.show(view)

    def lineage(self, name: str) -> Lineage:
        """What ``view`` or ``view.feature`` stands on, and which model versions stand on it.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        """
        with self._using():
            return self._finding.lineage(name)

    def stats(self, view: str, at: str | None = None) -> ViewStatistics:
        """The statistics of a materialisation, feature by feature.

        Parameters
        ----------
        view : str
        at : str, optional
            First digits of a data version or of a definition's version; by default the last materialisation.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion
        """
        with self._using():
            return self._finding.stats(view, at)

    def diff(self, view: str, before: str | None = None, after: str | None = None) -> Difference:
        """What changed in a view's definition and values; by default between its last two materialisations.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownViewVersion, NothingToCompare
        """
        with self._using():
            return self._finding.diff(view, before, after)

    def search(self, words: str) -> Found:
        """Views and features whose names, descriptions, owners, entities or sources have the words."""
        with self._using():
            return self._finding.search(words)

    def online(self, entities: Frame, features: Sequence[str], *, as_of: datetime | None = None) -> Frame:
        """The newest values of entities, as a prediction would see them.

        Parameters
        ----------
        entities : pandas.DataFrame, pyarrow.Table or sequence of mapping
            A column for each join key of the features' views; a row each.
        features : sequence of str
            ``view.feature`` each.
        as_of : datetime, optional
            The time at which ages are judged (with its time zone); by default now.

        Returns
        -------
        pandas.DataFrame, pyarrow.Table or list of dict
            As given, with a column ``view__feature`` for each feature and for each view ``view__status`` (FOUND,
            MISSING, EXPIRED or FUTURE) and ``view__age_seconds``.

        Raises
        ------
        UnknownView, NeverMaterialised, UnknownFeature
        BadFrame
            A join key is lacking, or the rows are no table.
        """
        with self._using():
            wanted = self._wanted(features)
            keys = builtins.list(dict.fromkeys(key for feature in wanted for key in feature.entity))
            columns = columns_of(entities, keys)
            rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]
            lookups = plan(wanted, rows)
            store = OnlineStore(self._stack.features_table)
            answers = read_online(store, [entry for row in lookups for entry in row], as_of or datetime.now(UTC))
        added: dict[str, builtins.list[Any]] = {feature.column: [] for feature in wanted}
        views = dict.fromkeys(feature.view for feature in wanted)
        for view in views:
            added |= {f"{view}__status": [], f"{view}__age_seconds": []}
        for answer in answers:
            view = answer.lookup.view
            for name, value in answer.values.items():
                added[f"{view}__{name}"].append(value)
            added[f"{view}__status"].append(answer.status.value)
            added[f"{view}__age_seconds"].append(answer.age_seconds)
        return with_columns(entities, added, texts={f"{view}__status" for view in views})

    def _wanted(self, features: Sequence[str]) -> builtins.list[PackageFeature]:
        if isinstance(features, str) or not features:
            raise BadFrame("name at least one feature, as a list of 'view.feature'")
        definitions = {view: self._finding.current(view) for view in {name.partition(".")[0] for name in features}}
        wanted = []
        for name in dict.fromkeys(features):
            definition = definitions[name.partition(".")[0]]
            view = definition.view
            known = [f"{view.name}.{feature.name}" for feature in view.features]
            if name not in known:
                near = get_close_matches(name, known, n=3)
                there = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
                raise UnknownFeature(f"feature view {view.name!r} has no feature {name!r}; {there}")
            wanted.append(
                PackageFeature.of(view, name.partition(".")[2]).model_copy(update={"version": definition.version})
            )
        return wanted
