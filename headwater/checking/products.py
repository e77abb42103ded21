"""Every check of every product, in the order in which one stands on another: sources, views, models, leaks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.checking.collectors import collector_problems
from headwater.checking.leaks import leak_problems
from headwater.checking.libraries import LAMBDA, library_problems
from headwater.checking.models import model_problems
from headwater.checking.rows import Bench
from headwater.checking.sources import source_problems
from headwater.checking.views import view_problems
from headwater.checking.words import said
from headwater.declare import Catalog, Collector, FeatureView, Model, Source, load_catalog, location_of
from headwater.declare.locations import Problem, lines
from headwater.errors import InvalidRequest
from headwater.lake.database import connect
from headwater.schedules.declared import schedule_problems
from headwater.verification import RESERVED, is_reserved


class ProductProblems(InvalidRequest):
    """Products have problems, a line each."""


def checked_catalog(package: str = "pipelines") -> Catalog:
    """Load every product of a package and check it: what is refused here is never deployed.

    Raises
    ------
    InvalidProduct
        A product can't be imported, or names what doesn't exist.
    ProductProblems
        Something else is wrong. Either way all that was found, a line each, with file and line.
    """
    catalog = load_catalog(package)
    # Each function that reads products imports all of them.
    modules = [name for name in sys.modules if name.startswith(f"{package}.") and name.endswith(".product")]
    found = [Problem(name, what) for name in sorted(modules) for what in library_problems(name, LAMBDA, called="")]
    found += _reserved(catalog)
    if found := [*found, *problems(catalog)]:
        raise ProductProblems(lines(found))
    return catalog


def _reserved(catalog: Catalog) -> Iterator[Problem]:
    """Declarations whose names are those of the library's own product."""
    declared: tuple[tuple[str, Mapping[str, Source | FeatureView | Model]], ...] = (
        ("source", catalog.sources),
        ("feature view", catalog.views),
        ("model", catalog.models),
    )
    for kind, named in declared:
        for name, declaration in named.items():
            if is_reserved(name):
                said = f"names that begin with {RESERVED} are those of headwater verify: give another one"
                yield Problem(f"{kind} {name!r}", said, location_of(declaration))


def problems(catalog: Catalog) -> list[Problem]:
    """Everything that is wrong with the products in ``catalog``; empty if all is well."""
    with TemporaryDirectory(prefix="headwater-check-") as scratch:
        connection = connect(Path(scratch) / "spill")
        # A few rows at a time: more threads than one only wait for each other.
        connection.execute("SET threads = 1")
        try:
            return list(dict.fromkeys(_found(Bench(connection), catalog, Path(scratch))))
        finally:
            connection.close()


def _found(bench: Bench, catalog: Catalog, scratch: Path) -> Iterator[Problem]:
    for source in catalog.sources.values():
        folder = scratch / source.name
        folder.mkdir()
        yield from _of("source", source, partial(source_problems, bench, source, folder))
    # No query may read what isn't data: files would be no part of a data version.
    bench.connection.execute("SET enable_external_access = false")
    for view in catalog.views.values():
        yield from _of("feature view", view, partial(view_problems, bench, view))
        if view.schedule is not None:
            look = partial(schedule_problems, view.schedule, field="schedule", can_replace=False)
            yield from _of("feature view", view, look)
    for model in catalog.models.values():
        yield from _of("model", model, partial(model_problems, bench, model))
        yield from _of("model", model, partial(leak_problems, bench, model, catalog.views))
        if model.retrain is not None:
            yield from _of("model", model, partial(schedule_problems, model.retrain, field="retrain"))
    for collector in catalog.collectors.values():
        yield from _of("collector", collector, partial(collector_problems, collector))
    yield from _libraries(catalog)


def _libraries(catalog: Catalog) -> Iterator[Problem]:
    """Imports of contracts and transforms that the functions which run them lack."""
    for source in catalog.sources.values():
        yield from _of(
            "source", source, partial(library_problems, source.contract.partition(":")[0], LAMBDA, called="")
        )
    for view in catalog.views.values():
        if view.transform:
            module, _, function = view.transform.partition(":")
            yield from _of("feature view", view, partial(library_problems, module, LAMBDA, called=function))


def _of(
    kind: str, declaration: Source | FeatureView | Model | Collector, check: Callable[[], Iterator[str]]
) -> Iterator[Problem]:
    """The problems that a check finds; a check that fails itself is one more, never a traceback."""
    where, location = f"{kind} {declaration.name!r}", location_of(declaration)
    try:
        for what in check():
            yield Problem(where, what, location)
    except Exception as error:
        yield Problem(where, f"can't be checked: {type(error).__name__}: {said(error)}", location)
