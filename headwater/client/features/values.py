"""Feature values of entities: the newest ones online, and those known at a time, as a training set has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from headwater.client.errors import BadFrame, needed
from headwater.client.features.frames import Frame, columns_of, kind_of, with_columns
from headwater.features.catalog.views import Finding
from headwater.features.errors import UnknownFeature
from headwater.features.online.reading import OnlineAnswer, plan, read_online
from headwater.features.online.store import OnlineStore
from headwater.registry.types import PackageFeature

if TYPE_CHECKING:
    from headwater.declare import Catalog, FeatureView
    from headwater.features.service import AsOf
    from headwater.lake.service import Lake


def look_up(catalog: Finding, store: OnlineStore, entities: Frame, features: Sequence[str], as_of: datetime) -> Frame:
    """The newest values; see `headwater.client.features.service.Features.online`."""
    wanted = _wanted(catalog, features)
    keys = list(dict.fromkeys(key for feature in wanted for key in feature.entity))
    columns = columns_of(entities, keys)
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    answers = read_online(store, [entry for row in plan(wanted, rows) for entry in row], as_of)
    texts = {feature.column for feature in wanted if feature.kind == "category"}
    texts |= {f"{feature.view}__status" for feature in wanted}
    return with_columns(entities, _columns(wanted, answers), texts=texts)


def join(
    catalog: Finding,
    lake: Callable[[Catalog], Lake],
    rows: Frame,
    features: Sequence[str],
    *,
    as_of: AsOf | None,
    as_known_at: datetime | None,
    views: Sequence[FeatureView],
) -> Frame:
    """The values as known at each row's time; see `headwater.client.features.service.Features.historical`."""
    with needed("a training set is made by DuckDB and Arrow", "arrow"):
        import pyarrow

        from headwater.features.service import Features
    given = pyarrow.Table.from_pylist(rows) if kind_of(rows) == "mappings" else rows
    declared = catalog.catalog([name.partition(".")[0] for name in features], views)
    found = Features(declared, lake(declared)).historical(given, features, as_of=as_of, as_known_at=as_known_at)
    names = [name.replace(".", "__") for name in dict.fromkeys(features)]
    # Only new columns are added: the caller's own columns and a frame's index stay unchanged.
    texts = [name for name in names if pyarrow.types.is_string(found.schema.field(name).type)]
    return with_columns(rows, {name: found.column(name).to_pylist() for name in names}, texts=texts)


def _columns(wanted: Sequence[PackageFeature], answers: Sequence[OnlineAnswer]) -> dict[str, list[Any]]:
    """Each feature's values, and each view's status and age, by column."""
    added: dict[str, list[Any]] = {feature.column: [] for feature in wanted}
    for view in dict.fromkeys(feature.view for feature in wanted):
        added |= {f"{view}__status": [], f"{view}__age_seconds": []}
    for answer in answers:
        view = answer.lookup.view
        for name, value in answer.values.items():
            added[f"{view}__{name}"].append(value)
        added[f"{view}__status"].append(answer.status.value)
        added[f"{view}__age_seconds"].append(answer.age_seconds)
    return added


def _wanted(catalog: Finding, features: Sequence[str]) -> list[PackageFeature]:
    if isinstance(features, str) or not features:
        raise BadFrame("name at least one feature, as a list of 'view.feature'")
    definitions = {view: catalog.current(view) for view in {name.partition(".")[0] for name in features}}
    wanted = []
    for name in dict.fromkeys(features):
        definition = definitions[name.partition(".")[0]]
        view = definition.view
        known = [f"{view.name}.{feature.name}" for feature in view.features]
        if name not in known:
            near = get_close_matches(name, known, n=3)
            there = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(known)}"
            raise UnknownFeature(f"feature view {view.name!r} has no feature {name!r}; {there}")
        feature = PackageFeature.of(view, name.partition(".")[2])
        wanted.append(feature.model_copy(update={"version": definition.version}))
    return wanted
