"""The first step of a run: pin the data, and write the training set as requests of the past would have seen it."""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import duckdb
import pandas

from headwater.features.errors import InvalidInput
from headwater.features.history import historical
from headwater.features.inputs import encode_value
from headwater.features.service import Features
from headwater.lake.database import columns_of, quoted, without_zones, write_parquet
from headwater.lake.service import Lake
from headwater.lake.types import Snapshot
from headwater.model import Catalog, Model, RequestInput
from headwater.training.errors import InvalidExamples
from headwater.training.store import RunFiles
from headwater.training.types import ASKED, LABEL, PREPARED_FILE, SNAPSHOT_FILE, TRAINING_SET_FILE, Prepared

EXAMPLES = "__examples"


class Preparation:
    """Builds training sets.

    Parameters
    ----------
    catalog : Catalog
    lake : Lake
    features : Features
    artifacts_bucket : str
        Where runs leave their files.
    """

    def __init__(self, catalog: Catalog, lake: Lake, features: Features, artifacts_bucket: str) -> None:
        self._catalog = catalog
        self._lake = lake
        self._features = features
        self._bucket = artifacts_bucket

    @classmethod
    def over(cls, catalog: Catalog, *, lake_bucket: str, registry_table: str, artifacts_bucket: str) -> Self:
        """A preparation over a stack's buckets and table."""
        lake = Lake(catalog, bucket=lake_bucket, table=registry_table)
        return cls(catalog, lake, Features(catalog, lake), artifacts_bucket)

    def prepare(self, model_name: str, run_id: str) -> Prepared:
        """Write ``snapshot.json`` and ``training_set.parquet`` of a run.

        The snapshot is pinned once: a second call for the run, also one after a crash, works on the same data.

        Raises
        ------
        InvalidExamples
            The examples can't be learnt from; the message names column, value and expectation.
        NoData
            A source has no rows yet.
        """
        model = self._catalog.model(model_name)
        files = RunFiles(self._bucket, model.name, run_id)
        if done := files.get_value(PREPARED_FILE, Prepared):
            return done
        sources = {*model.examples.sources, *(name for view in self._views(model) for name in view.sources)}
        snapshot = files.put_first(SNAPSHOT_FILE, self._lake.snapshot(sorted(sources)))
        with self._lake.tables(snapshot) as connection, TemporaryDirectory(prefix="headwater-prepare-") as scratch:
            path = Path(scratch) / TRAINING_SET_FILE
            rows, unlabelled = self.write(connection, model, snapshot, path)
            files.put_file(TRAINING_SET_FILE, path)
        prepared = Prepared(
            model=model.name, run_id=run_id, data_version=snapshot.id, rows=rows, unlabelled=unlabelled
        )  # fmt: skip
        files.put_value(PREPARED_FILE, prepared)
        return prepared

    def write(
        self, connection: duckdb.DuckDBPyConnection, model: Model, snapshot: Snapshot, path: Path
    ) -> tuple[int, int]:
        """Write a model's training set from a snapshot's tables; how many rows it has, and how many had no label."""
        make_examples(connection, model)
        offline = {view.name: self._features.ensure(connection, view, snapshot) for view in self._views(model)}
        views = {view.name: view for view in self._views(model)}
        joined = historical(connection, EXAMPLES, views, offline, model.features) if model.features else None
        frame = (connection.sql(f"SELECT * FROM {EXAMPLES}") if joined is None else joined).df()
        labelled = frame[frame[model.examples.label].notna()]
        training_set = encoded(model, labelled)
        if training_set.empty:
            raise InvalidExamples(f"model {model.name!r}: no example has a label")
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
        return len(training_set), len(frame) - len(labelled)

    def _views(self, model: Model) -> list[Any]:
        return [self._catalog.view(name) for name in model.views]


def make_examples(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Make the table of the model's examples, with times in UTC and without a zone.

    Raises
    ------
    InvalidExamples
        The SQL fails, or lacks a column that the model needs.
    """
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE __zoned AS {model.examples.sql}")
    except duckdb.Error as error:
        said = " ".join(str(error).split())[:500]
        raise InvalidExamples(f"model {model.name!r}: the SQL of its examples fails: {said}") from error
    present = columns_of(connection, "__zoned")
    needed = [entry.name for entry in model.inputs] + [model.examples.label]
    needed += [ASKED] if model.features or model.holdout.last else []
    if lacking := [name for name in needed if name not in present]:
        raise InvalidExamples(
            f"model {model.name!r}: its examples lack {', '.join(lacking)}; they have {', '.join(present)}"
        )
    if ASKED in present:
        if not present[ASKED].startswith(("TIMESTAMP", "DATE")):
            raise InvalidExamples(f"model {model.name!r}: {ASKED} is {present[ASKED]}, expected a timestamp")
        empty = connection.execute(f"SELECT count(*) FROM __zoned WHERE {ASKED} IS NULL").fetchone() or (0,)
        if empty[0]:
            raise InvalidExamples(f"model {model.name!r}: {empty[0]:,} examples have no {ASKED}")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {EXAMPLES} AS {without_zones(connection, '__zoned')}")


def encoded(model: Model, frame: pandas.DataFrame) -> pandas.DataFrame:
    """The training set of a frame of examples: the model's columns, the label, ``asked_at`` and timestamps as given.

    Raises
    ------
    InvalidExamples
        A value that no request could carry, or a label that isn't one.
    """
    columns: dict[str, Any] = {}
    for entry in model.inputs:
        columns |= _columns(model, entry, frame[entry.name])
    for reference in model.features:
        columns[reference.replace(".", "__")] = frame[reference.replace(".", "__")].astype("float64")
    columns[LABEL] = _label(model, frame[model.examples.label])
    if ASKED in frame.columns:
        columns[ASKED] = frame[ASKED].astype("datetime64[us]")
    for entry in model.inputs:
        if entry.kind == "timestamp" and entry.name != ASKED:
            columns[entry.name] = frame[entry.name]
    return pandas.DataFrame(columns, index=frame.index)


def _columns(model: Model, entry: RequestInput, values: pandas.Series[Any]) -> Mapping[str, Any]:
    """What `encode_value` makes of a column, asked once for each different value."""
    codes, distinct = pandas.factorize(values, use_na_sentinel=False)
    made: list[tuple[Any, ...]] = []
    refused: dict[int, InvalidInput] = {}
    for number, value in enumerate(distinct):
        try:
            made.append(encode_value(entry, None if value is pandas.NA else value))
        except InvalidInput as error:
            refused[number] = error
            made.append(encode_value(entry, None))
    if refused:
        rows = int(sum(code in refused for code in codes))
        raise InvalidExamples(
            f"model {model.name!r}: {rows:,} of {len(values):,} examples hold what no request could: "
            f"{next(iter(refused.values())).message}"
        )
    return {name: [made[code][place] for code in codes] for place, name in enumerate(entry.columns)}


def _label(model: Model, values: pandas.Series[Any]) -> pandas.Series[Any]:
    name = model.examples.label
    try:
        numbers = values.astype("float64")
    except (TypeError, ValueError) as error:
        raise InvalidExamples(f"model {model.name!r}: label {name!r} holds {values.iloc[0]!r}, not a number") from error
    if model.task == "classification":
        odd = sorted(set(numbers.unique()) - {0.0, 1.0})
        if odd:
            raise InvalidExamples(f"model {model.name!r}: label {name!r} holds {odd[0]:g}; a classifier's is 0 or 1")
        return numbers.astype("int64")
    if not numbers.abs().max() <= 3e38:
        raise InvalidExamples(f"model {model.name!r}: label {name!r} holds infinity")
    return numbers
