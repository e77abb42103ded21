"""Every product of a project together: their declarations found, and each name that one uses of another checked."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from pydantic import Field

from headwater.declare.base import Declaration, InvalidProduct, location_of
from headwater.declare.collectors import Collector
from headwater.declare.locations import Location, Problem, lines, problems_of
from headwater.declare.models import Model, refuse_large_request
from headwater.declare.sources import LANDED, Source
from headwater.declare.views import FeatureView, refuse_large_items
from headwater.values import Stored

D = TypeVar("D")
N = TypeVar("N", "Source", "FeatureView", "Model", "Collector")


class Product(Declaration, Stored):
    """One folder of ``pipelines/``: what its ``product.py`` declares."""

    sources: tuple[Source, ...] = ()
    """The product's sources."""
    views: tuple[FeatureView, ...] = ()
    """The product's feature views; other products may use them."""
    models: tuple[Model, ...] = ()
    """The product's models."""
    collectors: tuple[Collector, ...] = ()
    """The product's collectors; their sources may be those of other products."""


class Catalog(Declaration):
    """Every product's declarations, with each name resolved."""

    sources: Mapping[str, Source]
    """Every source by name."""
    views: Mapping[str, FeatureView]
    """Every feature view by name, with the times of its source."""
    models: Mapping[str, Model]
    """Every model by name, with its text features."""
    collectors: Mapping[str, Collector] = Field(default_factory=dict)
    """Every collector by name."""

    def source(self, name: str) -> Source:
        """The source called ``name``; raises `InvalidProduct` if there is none."""
        return _known("source", self.sources, name)

    def view(self, name: str) -> FeatureView:
        """The feature view called ``name``; raises `InvalidProduct` if there is none."""
        return _known("feature view", self.views, name)

    def model(self, name: str) -> Model:
        """The model called ``name``; raises `InvalidProduct` if there is none."""
        return _known("model", self.models, name)

    def collector(self, name: str) -> Collector:
        """The collector called ``name``; raises `InvalidProduct` if there is none."""
        return _known("collector", self.collectors, name)

    def views_of(self, source: str) -> tuple[FeatureView, ...]:
        """The feature views that are computed from ``source``."""
        return tuple(view for view in self.views.values() if source in view.sources)


def catalog(products: Iterable[Product], problems: Iterable[Problem] = ()) -> Catalog:
    """Put products together and check every name that one declaration uses of another.

    Parameters
    ----------
    products : iterable of Product
    problems : iterable of Problem
        What is wrong with others, which names of those that are missing may come from.

    Raises
    ------
    InvalidProduct
        Two declarations of a kind share a name, or one names what doesn't exist. All that is wrong, a line each.
    """
    products, found = tuple(products), list(problems)
    sources = _by_name("source", [source for product in products for source in product.sources], found)
    views = _by_name("feature view", [view for product in products for view in product.views], found)
    models = _by_name("model", [model for product in products for model in product.models], found)
    collectors = _by_name("collector", [one for product in products for one in product.collectors], found)
    if LANDED in sources:
        with _noting(found, "source", sources[LANDED]):
            raise InvalidProduct(f"{LANDED!r} is what Source.sql calls the rows that were uploaded: give another name")
    for name, view in views.items():
        with _noting(found, "feature view", view):
            for source in view.sources:
                _known("source", sources, source)
            times = sources[view.sources[0]]
            views[name] = view.timed(times.event_time, times.available_time)
    if not found:
        refuse_large_items(views.values())
    for name, model in models.items():
        with _noting(found, "model", model):
            refuse_large_request(model)
            models[name] = _with_texts(model, sources, views)
    for collector in collectors.values():
        with _noting(found, "collector", collector):
            _known("source", sources, collector.source)
    if found:
        raise InvalidProduct(lines(found))
    return Catalog(sources=sources, views=views, models=models, collectors=collectors)


def _with_texts(model: Model, sources: Mapping[str, Source], views: Mapping[str, FeatureView]) -> Model:
    """The model, which knows which of its features are text; raises `InvalidProduct` for a name that there isn't."""
    inputs = {entry.name for entry in model.inputs}
    for source in model.examples.sources:
        _known("source", sources, source)
    texts = []
    for reference in model.features:
        view = _known("feature view", views, reference.partition(".")[0])
        declared = {f"{view.name}.{entry.name}": entry for entry in view.features}
        if _known("feature", declared, reference).is_text:
            texts.append(reference)
        if missing := [key for key in view.entity if key not in inputs]:
            raise InvalidProduct(
                f"feature {reference!r} is looked up by {', '.join(missing)}, which no request input "
                f"carries. Inputs: {', '.join(sorted(inputs))}"
            )
    watched = [name for name in model.monitoring.segments if "." in name]
    if numbers := [name for name in watched if name not in texts]:
        raise InvalidProduct(
            f"monitoring.segments has {numbers[0]!r}, a feature of numbers: predictions are counted apart by text. "
            f"Text features: {', '.join(sorted(texts)) or 'none'}"
        )
    return model.model_copy(update={"text_features": tuple(texts)})


def load_catalog(package: str = "pipelines") -> Catalog:
    """Import every ``<package>/<product>/product.py`` and put what they declare together (`product_of`).

    Raises
    ------
    InvalidProduct
        A folder's ``product.py`` can't be imported or declares nothing, or `catalog` refuses them together. All that
        is wrong, a line each, with file and line.
    """
    root = _root(package)
    folders = [Path(entry) for entry in root.__path__]
    products: list[Product] = []
    problems: list[Problem] = []
    packages = {entry.name for entry in pkgutil.iter_modules(root.__path__) if entry.ispkg}
    unread = [file for folder in folders for file in folder.glob("*/product.py") if file.parent.name not in packages]
    problems += [
        Problem("", "never read, for its folder has no __init__.py", Location(str(file), 1)) for file in sorted(unread)
    ]
    unnamed = sorted(name for name in packages if not name.isidentifier())
    for name in unnamed:
        said = f"its name is none of a module's: rename it, such as {re.sub('[^A-Za-z0-9]', '_', name)}"
        problems.append(Problem(f"{package}/{name}", said))
    for folder in sorted(packages.difference(unnamed)):
        name = f"{package}.{folder}.product"
        try:
            product = product_of(importlib.import_module(name))
        except (Exception, SystemExit) as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == name
            problems += [Problem(name, "is missing")] if missing else problems_of(error, "", folders)
            continue
        products.append(product)
        if not (product.sources or product.views or product.models or product.collectors):
            said = "declares nothing: give a Source, FeatureView, Model or Collector a name in the module"
            problems.append(Problem(name, said))
    return catalog(products, problems)


def _root(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        said = f"there is no folder {package}/, which holds the products: headwater init NAME writes one"
        raise InvalidProduct(said) from error


def product_of(module: ModuleType) -> Product:
    """All that a module declares: the sources, feature views, models and collectors that it has names for.

    One may stand by itself or in a list, a tuple or a dictionary. A name that begins with an underscore declares
    nothing, and what has several names is declared once.
    """
    named = (value for name, value in vars(module).items() if not name.startswith("_"))
    found = {id(one): one for value in named for one in _declared(value)}.values()
    return Product(
        sources=tuple(one for one in found if isinstance(one, Source)),
        views=tuple(one for one in found if isinstance(one, FeatureView)),
        models=tuple(one for one in found if isinstance(one, Model)),
        collectors=tuple(one for one in found if isinstance(one, Collector)),
    )


def _declared(value: object) -> Iterator[Source | FeatureView | Model | Collector]:
    if isinstance(value, Source | FeatureView | Model | Collector):
        yield value
    elif isinstance(value, list | tuple | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _declared(inner)


def _by_name(kind: str, declarations: Sequence[N], found: list[Problem]) -> dict[str, N]:
    named: dict[str, N] = {}
    for declaration in declarations:
        # One that a product imports from another is still declared once.
        if (first := named.get(declaration.name)) and first is not declaration:
            also = f", first at {location_of(first)}" if location_of(first) else ""
            found.append(
                Problem(f"the {kind}s", f"{declaration.name!r} declared more than once{also}", location_of(declaration))
            )
        named.setdefault(declaration.name, declaration)
    return named


@contextmanager
def _noting(found: list[Problem], kind: str, declaration: Source | FeatureView | Model | Collector) -> Iterator[None]:
    """Collect the problems of a declaration in ``found`` and go on with the next one."""
    where = f"{kind} {declaration.name!r}"
    try:
        yield
    except InvalidProduct as error:
        found.append(Problem(where, error.message.removeprefix(f"{where}: "), location_of(declaration)))


def _known(kind: str, declared: Mapping[str, D], name: str) -> D:
    if name in declared:
        return declared[name]
    choices = ", ".join(sorted(declared)) or "none"
    raise InvalidProduct(f"unknown {kind} {name!r}. Declared: {choices}")
