"""`Features.historical`: any table of entity rows in, the frame out, as of a data version and as known on a day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pandera.pandas as pa
import pyarrow
import pytest
from pydantic import ValidationError

from headwater.declare import (
    Aggregations,
    Catalog,
    Feature,
    FeatureView,
    InvalidProduct,
    Product,
    Source,
    catalog,
    count,
    total,
)
from headwater.features.errors import InvalidEntityRows, InvalidView, NeedsSpark, UnknownFeature
from headwater.features.offline.engine import LARGEST, engine_for
from headwater.features.offline.rows import compute
from headwater.features.service import Features
from headwater.lake.errors import NoData
from headwater.lake.service import Lake
from headwater.lake.types import DataVersion
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from headwater.versions.errors import RevisionNotFound
from tests.unit.lake.world import LAKE, REGISTRY, World, new_world

ROWS = pa.DataFrameSchema(
    {"shop": pa.Column(str), "sold": pa.Column("datetime64[us]"), "amount": pa.Column(float, nullable=True)},
    coerce=True,
)
HERE = "tests.unit.features.test_historical"
SALES = Source(name="sales", contract=f"{HERE}:ROWS", keys=("shop", "sold"), event_time="sold")
DAY = FeatureView(
    name="day",
    entity=("shop",),
    sources=("sales",),
    aggregate=Aggregations(),
    features=(
        Feature(name="sales", kind="integer", aggregate=count(over="24h")),
        Feature(name="total", aggregate=total("amount", over="24h")),
    ),
    ttl="24h",
)
LAST = FeatureView(
    name="last",
    entity=("shop",),
    sources=("sales",),
    transform=f"{HERE}:last",
    features=(Feature(name="amount"),),
    ttl="6h",
)
CATALOG: Catalog = catalog([Product(sources=(SALES,), views=(DAY, LAST))])
BOTH = ["day.total", "last.amount", "day.sales"]
MIDNIGHT = datetime(2013, 1, 1, tzinfo=UTC)


def last(tables: Mapping[str, duckdb.DuckDBPyRelation]) -> pandas.DataFrame:
    """Each sale, known an hour later."""
    frame: pandas.DataFrame = tables["sales"].df()
    return frame.assign(event_time=frame["sold"], available_time=frame["sold"] + pandas.Timedelta(hours=1))


def fails(tables: object) -> None:
    """Raises."""
    raise ZeroDivisionError("no\nshop")


def lazy(tables: Mapping[str, duckdb.DuckDBPyRelation]) -> duckdb.DuckDBPyRelation:
    """Fails when it is read."""
    return tables["sales"].project("CAST(shop AS INTEGER) AS shop")


def other(tables: object) -> pyarrow.Table:
    """Something else than was declared."""
    return pyarrow.table({"x": pyarrow.array([1], pyarrow.int32())})


class Clock:
    """A day each time a file lands."""

    def __init__(self) -> None:
        self.now = datetime(2013, 2, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Shop:
    """A lake with two days' uploads: the second one corrects the first."""

    def __init__(self, world: World) -> None:
        clock = Clock()
        self.lake = Lake(CATALOG, CLIENTS, bucket=LAKE, table=Table(REGISTRY, CLIENTS), now=clock)
        self.features = Features(CATALOG, self.lake)
        self._land(world, "1.csv", "a,2013-01-01T00:00:00,1\na,2013-01-01T03:00:00,2\nb,2013-01-01T03:00:00,7\n")
        self.first = self.lake.pin(["sales"])
        clock.now += timedelta(days=1)
        self._land(world, "1.csv", "a,2013-01-01T00:00:00,1\na,2013-01-01T03:00:00,20\nb,2013-01-01T03:00:00,7\n")

    def _land(self, world: World, name: str, rows: str) -> None:
        self.lake.ingest(world.upload(f"landing/sales/{name}", f"shop,sold,amount\n{rows}"))

    def frame(self, rows: Any, features: list[str] = BOTH, **options: Any) -> list[tuple[Any, ...]]:
        """The features' values."""
        table = self.features.historical(rows, features, **options)
        assert table.column_names[-len(features) :] == [name.replace(".", "__") for name in features]
        return [tuple(row.values()) for row in table.select(table.column_names[-len(features) :]).to_pylist()]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """Deployed once: the tests only read."""
    with pytest.MonkeyPatch.context() as patch, new_world(patch) as world:
        yield Shop(world)


def asked(hour: float, shop: str = "a") -> pandas.DataFrame:
    return pandas.DataFrame({"shop": [shop], "asked_at": [MIDNIGHT + timedelta(hours=hour)]})


def test_every_row_comes_out_in_order_whatever_the_table_is(shop: Shop) -> None:
    hours, shops = [3.5, 4.5, 3.5, 12, 30], ["a", "a", "a", "b", "nosuch"]
    rows = pandas.DataFrame(
        {
            "rowid": range(5),
            "moment": [None] * 5,
            "shop": shops,
            "asked_at": [MIDNIGHT + timedelta(hours=hour) for hour in hours],
        }
    )
    expected = [(21, 1, 2), (21, 20, 2), (21, 1, 2), (7, None, 1), (None, None, None)]
    frame = shop.features.historical(rows, BOTH)
    assert frame.column_names == ["rowid", "moment", "shop", "asked_at", "day__total", "last__amount", "day__sales"]
    assert frame["rowid"].to_pylist() == [0, 1, 2, 3, 4]
    naive = rows.assign(asked_at=rows["asked_at"].dt.tz_localize(None)).rename(columns={"asked_at": "event_timestamp"})
    zones = [
        moment.to_pydatetime().astimezone(timezone(timedelta(hours=hour))) for hour, moment in enumerate(rows.asked_at)
    ]
    mixed = rows.assign(asked_at=pandas.Series(zones, dtype=object))
    relation = duckdb.sql("SELECT * FROM naive")
    for given in (rows, naive, mixed, pyarrow.Table.from_pandas(rows), relation):
        assert shop.frame(given) == expected
    assert shop.frame(rows.iloc[:0]) == []
    assert shop.frame(pandas.DataFrame({"shop": ["a"], "asked_at": [date(2013, 1, 2)]}), ["day.total"]) == [(21,)]


def test_another_data_version_gives_what_it_held(shop: Shop) -> None:
    then = datetime(2013, 2, 1, 12, tzinfo=UTC)
    commit = shop.first.ids["sales"]
    for as_of in (then, "main@{2013-02-01T12:00:00}", commit[:12], {"sales": commit}, shop.first):
        assert shop.frame(asked(4.5), as_of=as_of) == [(3, 2, 2)]
    assert shop.frame(asked(4.5), as_of="main") == shop.frame(asked(4.5), as_of={}) == [(21, 20, 2)]
    with pytest.raises(RevisionNotFound, match="branch 'main' of dataset 'sources/sales' didn't exist"):
        shop.frame(asked(4.5), as_of=datetime(2013, 1, 1, tzinfo=UTC))
    other = DataVersion(commits={"other": shop.first.commits["sales"]})
    with pytest.raises(NoData, match="pins no commit of source 'sales'"):
        shop.frame(asked(4.5), as_of=other)


def test_a_set_as_known_on_a_day_has_neither_corrections_nor_later_rows(shop: Shop) -> None:
    assert shop.frame(asked(4.5), as_known_at=datetime(2013, 2, 1, 12)) == [(3, 2, 2)]  # noqa: DTZ001 - UTC by rule
    assert shop.frame(asked(4.5), as_known_at=datetime(2013, 2, 2, 12, tzinfo=UTC)) == [(21, 20, 2)]
    # At half past three the second sale was in the total but not yet told of as the last one.
    early = MIDNIGHT + timedelta(hours=3.5)
    assert shop.frame(asked(5), as_of=shop.first, as_known_at=early) == [(3, 1, 2)]
    assert shop.frame(asked(5), as_of=shop.first, as_known_at=MIDNIGHT - timedelta(seconds=1)) == [(None, None, None)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            {"asked_at": [MIDNIGHT]},
            "entity rows lack shop, by which feature view 'day' is looked up; they have asked_at",
        ),
        ({"shop": ["a"]}, r"say no time: expected a column asked_at or event_timestamp; they have shop"),
        (
            {"shop": ["a", "a"], "asked_at": [MIDNIGHT, None]},
            "asked_at is missing, infinite or outside the years 1 to 9999 in 1 entity rows, first in row 2",
        ),
        ({"shop": ["a"], "asked_at": ["2013-01-01"]}, "asked_at is VARCHAR, expected timestamps; pandas.to_datetime"),
        ({"shop": ["a"], "asked_at": [1]}, "asked_at is BIGINT, expected timestamps"),
        ({"shop": [MIDNIGHT], "asked_at": [MIDNIGHT]}, "join key 'shop' .* is TIMESTAMP WITH TIME ZONE, expected text"),
        ({"shop": [["a"]], "asked_at": [MIDNIGHT]}, r"join key 'shop' of feature view 'day' is VARCHAR\[\]"),
        ({"shop": ["a"], "asked_at": [MIDNIGHT], "day__total": [1]}, "have columns day__total already"),
    ],
)
def test_entity_rows_that_cannot_be_looked_up_say_why(shop: Shop, rows: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidEntityRows, match=words):
        shop.features.historical(pandas.DataFrame(rows), BOTH)


def test_times_with_and_without_a_zone_are_not_mixed(shop: Shop) -> None:
    moments = pandas.Series([MIDNIGHT, datetime(2013, 1, 1)], dtype=object)  # noqa: DTZ001 - that's what is refused
    with pytest.raises(InvalidEntityRows, match=r"mixes times with a zone \(row 1\) and without \(row 2\)"):
        shop.frame(pandas.DataFrame({"shop": ["a", "a"], "asked_at": moments}))
    with pytest.raises(InvalidEntityRows, match="asked_at holds 'noon' in row 1"):
        shop.frame(pandas.DataFrame({"shop": ["a"], "asked_at": pandas.Series(["noon"], dtype=object)}))
    with pytest.raises(InvalidEntityRows, match="entity rows are int, expected a pandas frame"):
        shop.frame(7)


def test_features_that_are_not_declared_are_named_with_what_is_near(shop: Shop) -> None:
    with pytest.raises(UnknownFeature, match=r"unknown feature 'day.totl'; did you mean day.total"):
        shop.frame(asked(4.5), ["day.totl"])
    for wrong in ([], ["day.total", "day.total"]):
        with pytest.raises(InvalidEntityRows, match="give each feature once, and at least one"):
            shop.frame(asked(4.5), wrong)


def database(rows: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 1})
    connection.execute(f"CREATE TABLE sales AS SELECT * FROM (VALUES {rows}) AS t(shop, sold, amount)")  # noqa: S608
    return connection


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (f"{HERE}:fails", "feature view 'last': transform .*:fails fails: ZeroDivisionError: no shop"),
        (f"{HERE}:Clock", "feature view 'last': transform .*:Clock fails: TypeError"),
        (
            "builtins:len",
            "returned int, expected a relation of those given, a pandas frame or an Arrow table",
        ),
        ("builtins:list", "returned list, expected"),
        (f"{HERE}:lazy", "returned DuckDBPyRelation, expected .*Could not convert string 'a' to INT32"),
        (f"{HERE}:other", "its transform yields no column 'shop'; .* It yields x INTEGER"),
    ],
)
def test_a_transform_that_fails_says_where(transform: str, words: str) -> None:
    with pytest.raises(InvalidView, match=words):
        compute(database("('a', TIMESTAMP '2013-01-01', 1)"), LAST.model_copy(update={"transform": transform}), "rows")


def test_a_transform_is_a_new_version_when_its_code_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "transform_of_a_test.py"
    view = LAST.model_copy(update={"transform": "transform_of_a_test:rows"})
    module.write_text("def rows(tables):\n    return tables['sales']\n")
    before = view.version
    assert view.version == before
    module.write_text("raise SystemError('not run for its name')\n")
    assert view.version != before
    with pytest.raises(InvalidProduct, match="there is no module nosuch"):
        _ = LAST.model_copy(update={"transform": "nosuch:rows"}).version


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"minimum": 0}, r"feature 'amount': 1 of 4 rows are outside from 0, such as -1.5 for shop 'b' at 2013-01-02"),
        ({"maximum": 1}, r"1 of 4 rows are outside up to 1, such as 2 for shop 'a' at 2013-01-02"),
        ({"kind": "boolean"}, r"2 of 4 rows are outside 0 and 1, such as 2 for"),
        ({"kind": "integer"}, r"1 of 4 rows are outside the whole numbers within ±16,777,216, such as -1.5"),
        ({"max_missing": 0.2}, r"1 of 4 rows are missing \(25.0%, limit 20.0%\), such as nothing for shop 'c'"),
    ],
)
def test_values_that_fail_a_check_are_named_with_an_example(declared: dict[str, Any], words: str) -> None:
    rows = (
        "('a', TIMESTAMP '2013-01-01', 1), ('a', '2013-01-02', 2), ('b', '2013-01-02', -1.5), ('c', '2013-01-02', NULL)"
    )
    view = LAST.model_copy(update={"features": (Feature(name="amount", **declared),)})
    with pytest.raises(InvalidView, match=f"feature view 'last': .*{words}"):
        compute(database(rows), view, "rows")
    loose = Feature(name="amount", minimum=-1.5, maximum=2, max_missing=0.25)
    assert compute(database(rows), view.model_copy(update={"features": (loose,)}), "rows") == 4


def test_checks_declared_later_hold_for_rows_that_were_kept_before(shop: Shop) -> None:
    shop.frame(asked(4.5))
    low = DAY.model_copy(update={"features": (DAY.features[0], DAY.features[1].model_copy(update={"maximum": 5}))})
    strict = catalog([Product(sources=(SALES,), views=(low,))])
    assert strict.view("day").version == CATALOG.view("day").version
    with pytest.raises(InvalidView, match="2 of 3 rows are outside up to 5"):
        Features(strict, shop.lake).historical(asked(4.5), ["day.total"])


def test_a_view_for_spark_needs_rows_that_are_kept_already(shop: Shop) -> None:
    large = DAY.model_copy(update={"name": "large", "engine": "spark"})
    features = Features(catalog([Product(sources=(SALES,), views=(large,))]), shop.lake)
    with pytest.raises(NeedsSpark, match="'large' is computed by Spark and its rows for data version"):
        features.historical(asked(4.5), ["large.total"])


def test_an_engine_is_what_is_declared_or_follows_from_the_size() -> None:
    assert [engine_for(DAY, size) for size in (0, LARGEST, LARGEST + 1)] == ["duckdb", "duckdb", "spark"]
    assert engine_for(LAST, LARGEST + 1) == "duckdb"
    assert engine_for(DAY.model_copy(update={"engine": "duckdb"}), LARGEST + 1) == "duckdb"
    assert DAY.model_copy(update={"engine": "spark"}).version == DAY.version
    with pytest.raises(ValidationError, match="a transform runs on DuckDB alone"):
        FeatureView(**{**{name: getattr(LAST, name) for name in FeatureView.model_fields}, "engine": "spark"})
