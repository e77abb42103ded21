from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headwater.client.description
from headwater.client import Stack, connect
from headwater.templates import write
from tests.projects import Project
from tests.unit.collecting.postgresql import free_port

BROKEN_CONTRACT = '''"""Any number of rooms."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema({"rooms": pa.Column(int)}, coerce=True)
'''
BROKEN_PRODUCT = '''"""SQL that fails on one good row, and a train function that raises: bad on purpose."""

from headwater.declare import Examples, Gate, Holdout, Model, Source, number

SOURCE = Source(
    name="broken_rows",
    contract=".contracts:ROWS",
    sql="SELECT CAST(CASE WHEN rooms = 12345 THEN 'nosuch' ELSE '1' END AS BIGINT) AS rooms FROM landed",
)
GOOD = Source(name="steady_rows", contract=".contracts:ROWS")
MODEL = Model(
    name="broken",
    task="regression",
    inputs=(number("rooms"),),
    examples=Examples(sources=("steady_rows",), sql="SELECT rooms, rooms AS price FROM steady_rows", label="price"),
    train=".train:fit",
    holdout=Holdout(share=0.25),
    gates=(Gate(metric="r2", at_least=0.0),),
)
'''
BROKEN_TRAIN = '''"""Raises."""


def fit(params: object, inputs: object, label: object) -> None:
    raise ZeroDivisionError("this train function is broken on purpose")
'''
WATCHED_PRODUCT = '''"""A view that promises to be an hour old at most."""

from headwater.declare import Feature, FeatureView

VIEW = FeatureView(
    name="weather_now",
    entity=("origin",),
    sources=("weather",),
    sql="SELECT origin, time_hour AS event_time, known_at AS available_time, temp FROM weather",
    features=(Feature(name="temp"),),
    ttl="6h",
    freshness="1h",
)
'''

LARGE_CONTRACT = '''"""What a till rang up."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema(
    {
        "shop": pa.Column(str),
        "number": pa.Column(int),
        "sold": pa.Column("datetime64[ns, UTC]"),
        "amount": pa.Column(float, nullable=True),
    },
    coerce=True,
)
'''
LARGE_PRODUCT = '''"""Views that Spark computes: one that it can, and one whose function only DuckDB has."""

from headwater.declare import Feature, FeatureView, Source

SOURCE = Source(name="sales", contract=".contracts:ROWS", keys=("number",))
SQL = "SELECT shop, sold AS event_time, sold AS available_time, {} FROM sales"
GOOD = FeatureView(
    name="large_sales",
    entity=("shop",),
    sources=("sales",),
    sql=SQL.format("sum(amount) OVER (PARTITION BY shop ORDER BY sold) AS total"),
    features=(Feature(name="total"),),
    ttl="36500d",
    engine="spark",
)
BAD = FeatureView(
    name="large_names",
    entity=("shop",),
    sources=("sales",),
    sql=SQL.format("jaro_winkler_similarity(shop, 'a') AS likeness"),
    features=(Feature(name="likeness"),),
    ttl="36500d",
    engine="spark",
)
'''

TILLS_CONTRACT = '''"""What tills rang up."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema({"id": pa.Column(int), "amount": pa.Column(str)}, coerce=True)
'''
TILLS_PRODUCT = '''"""Rows that are collected: by functions and a container, from databases, streams and queues."""

from headwater.declare import Code, Collector, Kinesis, Schedule, Source, Sql, Sqs

YEARLY = Schedule(cron="0 0 1 1 ? *")
TILLS = Source(name="tills", contract=".contracts:ROWS", keys=("id",))
SHOP = Source(name="shop", contract=".contracts:ROWS")
COUNTED = Collector(
    name="counted",
    source="tills",
    schedule=YEARLY,
    reads=Code(function="functions.tills:collect", secret_names={"first": "ssm:/tills/first"}),
)
ORDERS = Collector(
    name="orders",
    source="shop",
    schedule=YEARLY,
    reads=Sql(url_secret="secretsmanager:tills/db", table="orders", cursor="id"),
)
BOOKS = Source(name="books", contract=".contracts:ROWS")
LEDGER = Collector(
    name="ledger",
    source="books",
    schedule=YEARLY,
    reads=Sql(url_secret="secretsmanager:tills/books", table="entries"),
    runs_in="container",
    ports=(DATABASE_PORT,),
)
WEB = Source(name="web", contract=".contracts:ROWS")
RETURNED = Source(name="returned", contract=".contracts:ROWS")
CLICKS = Collector(name="clicks", source="web", schedule=YEARLY, reads=Kinesis(stream="clicks"))
RETURNS = Collector(name="returns", source="returned", schedule=YEARLY, reads=Sqs(queue="returns"))
'''
TILLS_FUNCTION = '''"""Collects three rows a call, from a number on that is kept as a secret."""

from collections.abc import Iterator

from headwater.collecting.types import Batch, Request


def collect(request: Request) -> Iterator[Batch]:
    """Three more rows."""
    last = request.cursor or int(request.secret("first"))
    rows = [{"id": last + number, "amount": "1.10"} for number in (1, 2, 3)]
    yield Batch(rows=rows, cursor=last + 3)
'''


@pytest.fixture(scope="package")
def database_port() -> int:
    """Where a test's database will listen: a container's ports are declared."""
    return free_port()


@pytest.fixture(scope="package")
def project(tmp_path_factory: pytest.TempPathFactory, database_port: int) -> Iterator[Project]:
    """A project with a table unlike flights, a product broken on purpose, a view that is watched, views
    for Spark, and collectors.

    It is deployed on a cloud of its own.
    """
    made = Project.copy(tmp_path_factory.mktemp("deployed"))
    write(made.root, "house_price", "regression")
    _product(made, "broken", contracts=BROKEN_CONTRACT, product=BROKEN_PRODUCT, train=BROKEN_TRAIN)
    _product(made, "large", contracts=LARGE_CONTRACT, product=LARGE_PRODUCT)
    _product(made, "watched", product=WATCHED_PRODUCT)
    tills = TILLS_PRODUCT.replace("DATABASE_PORT", str(database_port))
    _product(made, "collected", contracts=TILLS_CONTRACT, product=tills)
    (made.root / "functions" / "tills.py").write_text(TILLS_FUNCTION)
    settings = made.root / "Pulumi.local.yaml"
    # Few entities in a test, and yet more than one shard.
    settings.write_text(settings.read_text().replace("config:\n", "config:\n  headwater:shardEntities: 1\n", 1))
    try:
        made.done("local", "up")
        yield made
    finally:
        made.run("local", "down", "--yes")


def _product(project: Project, name: str, **modules: str) -> None:
    folder = project.root / "pipelines" / name
    folder.mkdir()
    (folder / "__init__.py").write_text('"""A product of a test."""\n')
    for module, text in modules.items():
        (folder / f"{module}.py").write_text(text)


@pytest.fixture
def deployed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The client of that cloud, in this process."""
    monkeypatch.setenv("HEADWATER_HOME", str(project.home))
    for name in ("HEADWATER_STACK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return connect(headwater.client.description.LOCAL)


@pytest.fixture
def sample(project: Project) -> Path:
    """The rows that the scaffold wrote."""
    return project.root / "pipelines" / "house_price" / "sample.csv"


@pytest.fixture(scope="package")
def served(project: Project) -> Project:
    """The project with `house_price` trained and served."""
    sample = project.root / "pipelines" / "house_price" / "sample.csv"
    project.done("upload", "house_price_rows", str(sample), "--wait")
    project.done("train", "house_price", "--watch")
    return project
