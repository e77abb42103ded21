"""The declarations of a model product: sources, feature views and models, in ``pipelines/<product>/product.py``.

Declarations are frozen values that can be imported without AWS and without any heavy library. `load_catalog` reads
every product, checks each name that one declaration uses of another, and is run before anything is deployed.
"""

from __future__ import annotations

import codecs
import importlib
import json
import math
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from headwater.places import Place, Problem, lines, place_in, problems_of
from headwater.views import LONGEST_TEXT as LONGEST_TEXT
from headwater.views import Aggregations as Aggregations
from headwater.views import Declaration as Declaration
from headwater.views import Feature as Feature
from headwater.views import FeatureView as FeatureView
from headwater.views import InvalidProduct as InvalidProduct
from headwater.views import Name as Name
from headwater.views import Reference as Reference
from headwater.views import Schedule as Schedule
from headwater.views import Window as Window
from headwater.views import place_of as place_of
from headwater.views import refuse_large_items, refuse_repeats

TIME_FORMATS = ("iso8601", "epoch_seconds", "epoch_milliseconds", "epoch_microseconds")
"""Names that `Source.times` accepts beside formats of ``strptime``."""
LANDED = "landed"
"""The validated rows in `Source.sql`; so no source is called this."""
LONGEST_BODY = 256 * 1024
"""Bytes of a prediction request's body that the API reads."""
MOST_INSTANCES = 100
"""Instances that a prediction request may carry."""

D = TypeVar("D")
N = TypeVar("N", "Source", "FeatureView", "Model")


class Source(Declaration):
    """Rows that users upload under ``landing/<name>/``, one file at a time (CSV, Parquet or JSON lines)."""

    name: Name
    """The source's name: its folder under ``landing/``, and its table in SQL."""
    description: str = ""
    """One line for people."""
    contract: Reference
    """A pandera ``DataFrameSchema``; every row that fails it goes to quarantine with its reasons."""
    keys: tuple[str, ...] = ()
    """Columns that together name a row; of two rows alike in a file the first is kept, of rows alike in several files
    that of the file which landed last (if the curated rows still have these columns)."""
    missing: tuple[str, ...] = ("",)
    """Texts in a CSV file that mean a missing value."""
    encoding: str = "utf-8"
    """Encoding of CSV files and JSON lines, by Python's name: ``"cp1252"``, ``"latin-1"``, ``"utf-16"``."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character between a CSV file's values; by default a tab in ``.tsv``, else the one of ``, ; tab |`` that the
    header has."""
    quotechar: Annotated[str, Field(max_length=1)] = '"'
    """The quote around a CSV file's values; empty if there is none."""
    escapechar: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    """The character before a quote within a value; by default the quote itself."""
    skiprows: Annotated[int, Field(ge=0)] = 0
    """Lines of a CSV file before its header."""
    comment: Annotated[str, Field(min_length=1)] | None = None
    """The beginning of a CSV file's lines that aren't rows, such as ``"#"``."""
    names: tuple[str, ...] = ()
    """The columns of CSV files that have no header."""
    decimal: Literal[".", ","] = "."
    """The decimal mark of a CSV file's numbers."""
    thousands: Literal[".", ",", " ", "'", "_"] | None = None
    """The separator between groups of three digits in a CSV file's numbers."""
    times: tuple[str, ...] | Mapping[str, tuple[str, ...]] = ()
    """How times are written if not in ISO 8601, for all time columns or by column: formats of ``strptime`` such as
    ``"%d/%m/%Y %H:%M"``, ``"iso8601"``, or ``"epoch_seconds"``, ``"epoch_milliseconds"``, ``"epoch_microseconds"``."""
    sql: str = "SELECT * FROM landed"
    """From the validated rows (``landed``) to the curated ones, one row each: adds times, renames, casts. DuckDB's
    dialect, time zone UTC."""
    event_time: str | None = None
    """Curated column: when it happened (timestamp, UTC)."""
    available_time: str | None = None
    """Curated column: when the row could first be known (timestamp, UTC); by default the event time. Questions after it
    know the row, those of that very moment don't: by default no example sees its own row."""
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of rows that may be rejected before the file is refused whole."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise ValueError(f"source {self.name!r}: unknown encoding {self.encoding!r}") from error
        if self.decimal == self.thousands:
            raise ValueError(f"source {self.name!r}: decimal and thousands are both {self.decimal!r}")
        for written in self.times if isinstance(self.times, tuple) else sum(self.times.values(), ()):
            if "%" not in written and written not in TIME_FORMATS:
                raise ValueError(
                    f"source {self.name!r}: times {written!r}: expected a format of strptime such as "
                    f"'%d/%m/%Y %H:%M', or one of {', '.join(TIME_FORMATS)}"
                )
        refuse_repeats(f"source {self.name!r}", self.names)
        return self

    def times_of(self, column: str) -> tuple[str, ...]:
        """How ``column`` writes its times; empty for ISO 8601."""
        return self.times if isinstance(self.times, tuple) else self.times.get(column, ())


class RequestInput(Declaration):
    """One value that a prediction request carries.

    A ``timestamp`` reaches the model as three numbers, ``<name>_hour`` (0 to 23.98), ``<name>_weekday`` (Monday 0) and
    ``<name>_month`` (1 to 12), in ``timezone``; see `headwater.features.inputs`. A ``number`` reaches it as what
    float32 makes of it, true as 1 and false as 0; what float32 can't hold is refused. A ``category`` is text, or a
    number or boolean that becomes text with all of its digits.
    """

    name: Name
    """The input's name in the request."""
    kind: Literal["number", "category", "timestamp"]
    """A number, text (``category``), or a time in ISO 8601."""
    description: str = ""
    """One line for people; the model card shows it."""
    required: bool = True
    """Whether a request without the input is refused; otherwise the value is missing."""
    minimum: float | None = None
    """Smallest number that a request may carry."""
    maximum: float | None = None
    """Largest number that a request may carry."""
    timezone: str = "UTC"
    """IANA time zone in which a timestamp's hour, weekday and month are read."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"request input {self.name!r}: unknown time zone {self.timezone!r}") from error
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The model's columns that this input becomes."""
        if self.kind == "timestamp":
            return (f"{self.name}_hour", f"{self.name}_weekday", f"{self.name}_month")
        return (self.name,)


class OnDemand(Declaration):
    """A feature that is computed from the request as it comes: a stage of the model's ONNX graph."""

    name: Name
    """The feature's name: its column in the train function's frame."""
    sql: str = Field(min_length=1, max_length=4096)
    """An expression over the model's columns (``distance``, ``sched_dep_hour``, ``view.feature``) and the on-demand
    features declared before it; the language is that of `headwater.training.expressions`."""
    description: str = ""
    """One line for people."""


class Examples(Declaration):
    """The rows a model learns from: one for each request that could have come."""

    sources: tuple[Name, ...] = Field(min_length=1)
    """The sources that ``sql`` reads, a table each."""
    sql: str
    """Over the sources' curated rows, yields a column for each request input and entity key, the label, and
    ``asked_at`` (timestamp, UTC: when the request would have come) if the model has features or is split by time."""
    label: Name
    """The column that the model learns to predict."""
    positive: str = ""
    """For a classifier, what label 1 means, in words."""


class Uniform(Declaration):
    """A number between ``low`` and ``high``, searched on a log scale if ``log``."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    log: bool = False
    """Whether the search is even on a logarithmic scale; needs ``low`` above 0."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"search range {self.low} to {self.high}: low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"search range {self.low} to {self.high}: a log scale needs low above 0")
        return self


class Integers(Declaration):
    """A whole number from ``low`` to ``high``, both included."""

    low: int
    """Smallest value."""
    high: int
    """Largest value."""
    log: bool = False
    """Whether the search is even on a logarithmic scale; needs ``low`` of at least 1."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.low > self.high or (self.log and self.low < 1):
            raise ValueError(f"search range {self.low} to {self.high}: low must not be above high, nor below 1 if log")
        return self


class Choice(Declaration):
    """One of ``values``."""

    values: tuple[str | int | float | bool, ...] = Field(min_length=1)
    """The values to choose among."""


class Search(Declaration):
    """A hyperparameter search: ``trials`` fits, judged on the last part of the training rows."""

    space: Mapping[str, Uniform | Integers | Choice] = Field(default_factory=dict)
    """Parameter name to its range; the train function gets a value for each in ``params``."""
    trials: Annotated[int, Field(ge=1, le=1000)] = 1
    """How many parameter sets are tried."""
    seed: int = 0
    """Seed of the search: the same seed tries the same parameters."""


class Holdout(Declaration):
    """Which examples are kept back to judge the model: the latest ones, or without time a fixed random share."""

    last: timedelta | None = None
    """Examples asked within this time before the newest one; later than all training rows."""
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Share of rows, the latest if the examples carry ``asked_at``, else drawn by a hash of the row's position."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.last is None) == (self.share is None):
            raise ValueError("holdout: give exactly one of last and share")
        return self


Metric = Literal["roc_auc", "average_precision", "log_loss", "brier", "accuracy", "rmse", "mae", "r2"]
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "brier", "rmse", "mae"})
CLASSIFICATION_METRICS: frozenset[str] = frozenset({"roc_auc", "average_precision", "log_loss", "brier", "accuracy"})


class Gate(Declaration):
    """A limit that a candidate must meet on the held-out rows before it is registered as READY."""

    metric: Metric
    """The metric that is judged."""
    at_least: float | None = None
    """Smallest value that passes."""
    at_most: float | None = None
    """Largest value that passes."""
    champion_margin: float | None = None
    """How much worse a candidate may be than the champion (the version behind ``production``) on the same rows."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.at_least is None and self.at_most is None and self.champion_margin is None:
            raise ValueError(f"gate on {self.metric}: give at_least, at_most or champion_margin")
        return self


class Model(Declaration):
    """A model: its inputs, examples, train function, gates and schedule."""

    name: Name
    """The model's name in the registry and in the API's paths."""
    description: str = ""
    """One line for people; the model card shows it."""
    owner: str = ""
    """Who answers for the model: a person, a team or an address."""
    task: Literal["classification", "regression"]
    """Whether the model predicts a class's probability or a number."""
    inputs: tuple[RequestInput, ...] = Field(min_length=1)
    """The values that a prediction request carries."""
    features: tuple[str, ...] = ()
    """``view.feature`` each, looked up for the entity in the request's inputs at the request's time."""
    text_features: tuple[str, ...] = ()
    """The features that are categories. `catalog` fills the field in from the views; a given value is ignored."""
    on_demand: tuple[OnDemand, ...] = ()
    """Made from the request's inputs and the features when it comes; the graph takes no column for them."""
    examples: Examples
    """The rows that the model learns from."""
    train: Reference
    """``fit(params, inputs, label) -> sklearn.pipeline.Pipeline``: fits a frame with `columns`, and one for each
    on-demand feature, to a label series."""
    search: Search = Search()
    """The hyperparameter search; by default one fit without parameters."""
    holdout: Holdout
    """The examples that are kept back to judge the model."""
    gates: tuple[Gate, ...] = Field(min_length=1)
    """Rules for metrics on the held-out rows; a candidate that fails one is registered as REJECTED."""
    retrain: Schedule | None = None
    """When the model is trained again; by default only when somebody starts it."""
    promotion: Literal["automatic", "manual"] = "automatic"
    """Whether a staged candidate that answers its golden requests becomes ``production`` by itself."""
    deterministic: bool = False
    """Whether the label follows from the columns by a rule. Then a perfect score is no sign of a leak, and doesn't hold
    the automatic promotion back."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_repeats(f"model {self.name!r}", [*self.columns, *(feature.name for feature in self.on_demand)])
        if self.examples.label in {entry.name for entry in self.inputs}:
            raise ValueError(
                f"model {self.name!r}: label {self.examples.label!r} is also a request input: the answer would be its "
                "own clue"
            )
        for gate in self.gates:
            if (gate.metric in CLASSIFICATION_METRICS) != (self.task == "classification"):
                raise ValueError(f"model {self.name!r}: {gate.metric} doesn't judge a {self.task}")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The frame's columns as the pipeline and the ONNX graph take them: inputs first, then ``view__feature``."""
        return tuple(column for entry in self.inputs for column in entry.columns) + tuple(
            feature.replace(".", "__") for feature in self.features
        )

    @property
    def categories(self) -> tuple[str, ...]:
        """The columns that hold text; all others hold numbers."""
        inputs = tuple(entry.name for entry in self.inputs if entry.kind == "category")
        return inputs + tuple(name.replace(".", "__") for name in self.features if name in self.text_features)

    @property
    def views(self) -> tuple[str, ...]:
        """The feature views that it uses, in the order of their first feature."""
        return tuple(dict.fromkeys(feature.partition(".")[0] for feature in self.features))


def shortest_request(model: Model) -> int:
    """Bytes of the shortest body that carries one instance with every input and feature of ``model``.

    Golden requests are such bodies: a model for which this is above `LONGEST_BODY` could never be staged.
    """
    shortest = {"number": 0, "category": "a", "timestamp": "2000-01-01"}
    instance = {entry.name: shortest[entry.kind] for entry in model.inputs}
    features = {name: shortest["category" if name in model.text_features else "number"] for name in model.features}
    body: dict[str, Any] = {"instances": [instance]} | ({"features": [features]} if features else {})
    return len(json.dumps(body))


def refuse_large_request(model: Model) -> None:
    """Refuse a model that no request could ask; raises `InvalidProduct`."""
    if (size := shortest_request(model)) > LONGEST_BODY:
        raise InvalidProduct(
            f"model {model.name!r}: a request with its {len(model.inputs):,} inputs and {len(model.features):,} "
            f"features has at least {size:,} bytes; the API reads {LONGEST_BODY:,}. Declare fewer, or shorter names"
        )


class Product(Declaration):
    """One folder of ``pipelines/``: what its ``product.py`` calls ``PRODUCT``."""

    sources: tuple[Source, ...] = ()
    """The product's sources."""
    views: tuple[FeatureView, ...] = ()
    """The product's feature views; other products may use them."""
    models: tuple[Model, ...] = ()
    """The product's models."""


class Catalog(Declaration):
    """Every product's declarations, with each name resolved."""

    sources: Mapping[str, Source]
    """Every source by name."""
    views: Mapping[str, FeatureView]
    """Every feature view by name, with the times of its source."""
    models: Mapping[str, Model]
    """Every model by name, with its text features."""

    def source(self, name: str) -> Source:
        """The source called ``name``; raises `InvalidProduct` if there is none."""
        return _known("source", self.sources, name)

    def view(self, name: str) -> FeatureView:
        """The feature view called ``name``; raises `InvalidProduct` if there is none."""
        return _known("feature view", self.views, name)

    def model(self, name: str) -> Model:
        """The model called ``name``; raises `InvalidProduct` if there is none."""
        return _known("model", self.models, name)

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
    if found:
        raise InvalidProduct(lines(found))
    return Catalog(sources=sources, views=views, models=models)


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
    return model.model_copy(update={"text_features": tuple(texts)})


def load_catalog(package: str = "pipelines") -> Catalog:
    """Import every ``<package>/<product>/product.py`` and put their ``PRODUCT`` together.

    Raises
    ------
    InvalidProduct
        A folder's ``product.py`` can't be imported or defines no ``PRODUCT``, or `catalog` refuses them together. All
        that is wrong, a line each, with file and line.
    """
    root = importlib.import_module(package)
    folders = [Path(entry) for entry in root.__path__]
    products: list[Product] = []
    problems: list[Problem] = []
    packages = {entry.name for entry in pkgutil.iter_modules(root.__path__) if entry.ispkg}
    unread = [file for folder in folders for file in folder.glob("*/product.py") if file.parent.name not in packages]
    problems += [
        Problem("", "never read, for its folder has no __init__.py", Place(str(file), 1)) for file in sorted(unread)
    ]
    for folder in sorted(packages):
        name = f"{package}.{folder}.product"
        try:
            product = getattr(importlib.import_module(name), "PRODUCT", None)
        except (Exception, SystemExit) as error:
            missing = isinstance(error, ModuleNotFoundError) and error.name == name
            problems += [Problem(name, "is missing")] if missing else problems_of(error, "", folders)
            continue
        if isinstance(product, Product):
            products.append(product)
        else:
            problems.append(Problem(name, f"must define PRODUCT = Product(...); it holds {product!r}"))
    return catalog(products, problems)


def resolve(reference: str) -> Any:
    """Import what a `Reference` names.

    Raises
    ------
    InvalidProduct
        The module or the attribute doesn't exist, or importing it fails.
    """
    module, _, attribute = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        package = sys.modules.get(module.partition(".")[0])
        place = place_in([Path(folder) for folder in getattr(package, "__path__", ())], error)
        at = f" at {place}" if place else ""
        absent = isinstance(error, ModuleNotFoundError)
        remedy = ". Install it and name it in pyproject.toml, or correct the import" if absent else ""
        raise InvalidProduct(f"{reference!r} can't be imported{at}: {error}{remedy}") from error


def _by_name(kind: str, declarations: Sequence[N], found: list[Problem]) -> dict[str, N]:
    named: dict[str, N] = {}
    for declaration in declarations:
        if first := named.get(declaration.name):
            also = f", first at {place_of(first)}" if place_of(first) else ""
            found.append(
                Problem(f"the {kind}s", f"{declaration.name!r} declared more than once{also}", place_of(declaration))
            )
        named.setdefault(declaration.name, declaration)
    return named


@contextmanager
def _noting(found: list[Problem], kind: str, declaration: Source | FeatureView | Model) -> Iterator[None]:
    """Collect the problems of a declaration in ``found`` and go on with the next one."""
    where = f"{kind} {declaration.name!r}"
    try:
        yield
    except InvalidProduct as error:
        found.append(Problem(where, error.message.removeprefix(f"{where}: "), place_of(declaration)))


def _known(kind: str, declared: Mapping[str, D], name: str) -> D:
    if name in declared:
        return declared[name]
    choices = ", ".join(sorted(declared)) or "none"
    raise InvalidProduct(f"unknown {kind} {name!r}. Declared: {choices}")
