"""The first step of a run: pin the data, and write the training set as requests of the past would have seen it."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import duckdb

from headwater.declare import Catalog, FeatureView, Model, Product
from headwater.features.offline.examples import EXAMPLES, make_examples
from headwater.features.offline.point_in_time import historical
from headwater.features.service import Features
from headwater.features.spark.runs import SparkRuns
from headwater.lake.database import quoted, write_parquet
from headwater.lake.service import Lake
from headwater.registry.starting import STARTED_FILE, StartedBy
from headwater.registry.types import DEFINITION_FILE, TrainingSet
from headwater.storage.clients import Clients
from headwater.storage.table import Table
from headwater.training.errors import InvalidExamples
from headwater.training.examples import Asked, encoded
from headwater.training.store import RunFiles
from headwater.training.types import (
    ASKED,
    DATA_VERSION_FILE,
    PREPARED_FILE,
    TRAINING_SET_FILE,
    Prepared,
)

WRITER = f"duckdb {duckdb.__version__}"


class Preparation:
    """Builds training sets.

    Parameters
    ----------
    catalog : Catalog
    lake : Lake
    features : Features
    artifacts_bucket : str
        Where runs leave their files.
    clients : Clients
    """

    def __init__(
        self, catalog: Catalog, lake: Lake, features: Features, artifacts_bucket: str, clients: Clients
    ) -> None:
        self._catalog = catalog
        self._lake = lake
        self._features = features
        self._bucket, self._clients = artifacts_bucket, clients

    @classmethod
    def over(
        cls,
        catalog: Catalog,
        clients: Clients,
        *,
        lake_bucket: str,
        registry_table: str,
        artifacts_bucket: str,
        spark_arn: str = "",
    ) -> Self:
        """A preparation over a stack's buckets and table, and its machine that runs Spark if there is one."""
        lake = Lake(catalog, clients, bucket=lake_bucket, table=Table(registry_table, clients))
        features = Features(catalog, lake, spark=SparkRuns(spark_arn, clients) if spark_arn else None)
        return cls(catalog, lake, features, artifacts_bucket, clients)

    def prepare(self, model_name: str, run_id: str, *, started_by: StartedBy | None = None) -> Prepared:
        """Pin a run's data, and write its ``data_version.json``, ``definition.json`` and ``training_set.parquet``.

        The data are pinned once: a second call for the run, also one after a crash, works on the same commits.
        ``started.json`` says who started the run, if that is known (``started_by``).

        Raises
        ------
        InvalidExamples
            The examples can't be learnt from; the message names column, value and expectation.
        NoData
            A source has no rows yet.
        WaitsForSpark
            Spark computes the rows of a view: the same call succeeds when it is done.
        NeedsSpark, SparkFailed
            There is no Spark, or it couldn't compute them.
        """
        model = self._catalog.model(model_name)
        files = RunFiles(self._bucket, model.name, run_id, self._clients)
        if done := files.get_value(PREPARED_FILE, Prepared):
            return done
        if started_by:
            files.put_first(STARTED_FILE, started_by)
        definition = definition_of(self._catalog, model)
        sources = [source.name for source in definition.sources]
        version, pinned = files.put_first(DATA_VERSION_FILE, self._lake.pin(sources, model.views))
        needed = {*model.examples.sources, *self._features.to_read(definition.views, version)}
        with (
            self._lake.tables(version, needed) as connection,
            TemporaryDirectory(prefix="headwater-prepare-") as scratch,
        ):
            path = Path(scratch) / TRAINING_SET_FILE
            offline = {view.name: self._features.ensure(connection, view, version) for view in definition.views}
            rows, unlabelled = write(connection, model, definition.views, offline, path)
            at = files.put_file(TRAINING_SET_FILE, path)
            written = TrainingSet(at=at, sha256=sha256(path), written_by=WRITER)
        prepared = Prepared(
            model=model.name,
            run_id=run_id,
            data_version=version.id,
            commits=version.ids,
            training_set=written,
            data=pinned,
            definition=files.put_value(DEFINITION_FILE, definition),
            rows=rows,
            unlabelled=unlabelled,
        )
        files.put_value(PREPARED_FILE, prepared)
        return prepared


def definition_of(catalog: Catalog, model: Model) -> Product:
    """The model with the views and sources that its rows are made from, and no others."""
    views = tuple(catalog.view(name) for name in model.views)
    sources = sorted({*model.examples.sources, *(source for view in views for source in view.sources)})
    return Product(sources=tuple(map(catalog.source, sources)), views=views, models=(model,))


def sha256(path: Path) -> str:
    """The hash of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    views: Sequence[FeatureView],
    offline: Mapping[str, str],
    path: Path,
) -> tuple[int, int]:
    """Write a model's training set from a data version's tables; how many rows it has, and how many had no label.

    Equal rows become equal bytes, whatever the order in which threads found them.

    Parameters
    ----------
    connection : DuckDBPyConnection
        With the data version's tables (`Lake.tables`).
    model : Model
    views : sequence of FeatureView
        Those that the model uses.
    offline : mapping
        View name to the table of its offline rows.
    path : Path
    """
    make_examples(connection, model)
    known = {view.name: view for view in views}
    joined = historical(connection, EXAMPLES, known, offline, model.features) if model.features else None
    asked = Asked.of(model, connection.sql(f"SELECT * FROM {EXAMPLES}") if joined is None else joined)
    labelled = asked.frame[asked.frame[model.examples.label].notna()]
    if labelled.empty:
        raise InvalidExamples(f"model {model.name!r}: none of {len(asked.frame):,} examples has a label")
    training_set = encoded(model, asked, labelled)
    connection.register("__training_set", training_set)
    columns = ", ".join(
        f"CAST({quoted(name)} AS {'VARCHAR' if name in model.categories else 'FLOAT'}) AS {quoted(name)}"
        for name in model.columns
    )
    others = [name for name in training_set.columns if name not in model.columns]
    # By time, then by everything: an order that doesn't depend on how many threads ran the SQL.
    order = [name for name in (ASKED, *model.columns, *others) if name in training_set.columns]
    ordered = (
        f"SELECT {columns}, {', '.join(map(quoted, others))} FROM __training_set "
        f"ORDER BY {', '.join(map(quoted, dict.fromkeys(order)))}"
    )
    write_parquet(connection, ordered, path)
    return len(training_set), len(asked.frame) - len(labelled)
