from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import headwater.client.stack
from headwater.client import Headwater, connect
from headwater.scaffold import write
from tests.projects import Project

BROKEN_CONTRACT = '''"""Any number of rooms."""

import pandera.pandas as pa

ROWS = pa.DataFrameSchema({"rooms": pa.Column(int)}, coerce=True)
'''
BROKEN_PRODUCT = '''"""SQL that fails on good rows, and a train function that raises: bad on purpose."""

from headwater.model import Examples, Gate, Holdout, Model, Product, RequestInput, Source

SOURCE = Source(name="broken_rows", contract="pipelines.broken.contracts:ROWS", sql="SELECT nosuch FROM landed")
GOOD = Source(name="steady_rows", contract="pipelines.broken.contracts:ROWS")
MODEL = Model(
    name="broken",
    task="regression",
    inputs=(RequestInput(name="rooms", kind="number"),),
    examples=Examples(sources=("steady_rows",), sql="SELECT rooms, rooms AS price FROM steady_rows", label="price"),
    train="pipelines.broken.train:fit",
    holdout=Holdout(share=0.25),
    gates=(Gate(metric="r2", at_least=0.0),),
)
PRODUCT = Product(sources=(SOURCE, GOOD), models=(MODEL,))
'''
BROKEN_TRAIN = '''"""Raises."""


def fit(params: object, inputs: object, label: object) -> None:
    raise ZeroDivisionError("this train function is broken on purpose")
'''


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a table unlike flights and a product that is broken on purpose, deployed on a cloud of its own."""
    made = Project.copy(tmp_path_factory.mktemp("deployed"))
    write(made.root, "house_price", "regression")
    folder = made.root / "pipelines" / "broken"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Broken on purpose."""\n')
    (folder / "contracts.py").write_text(BROKEN_CONTRACT)
    (folder / "product.py").write_text(BROKEN_PRODUCT)
    (folder / "train.py").write_text(BROKEN_TRAIN)
    settings = made.root / "Pulumi.local.yaml"
    # Few entities in a test, and yet more than one shard.
    settings.write_text(settings.read_text().replace("config:\n", "config:\n  headwater:shardEntities: 1\n", 1))
    try:
        made.done("local", "up")
        yield made
    finally:
        made.run("local", "down")


@pytest.fixture
def deployed(project: Project, monkeypatch: pytest.MonkeyPatch) -> Headwater:
    """The client of that cloud, in this process."""
    monkeypatch.setenv("HEADWATER_HOME", str(project.home))
    for name in ("HEADWATER_STACK", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return connect(headwater.client.stack.LOCAL)


@pytest.fixture
def sample(project: Project) -> Path:
    """The rows that the scaffold wrote."""
    return project.root / "pipelines" / "house_price" / "sample.csv"


@pytest.fixture(scope="session")
def served(project: Project) -> Project:
    """The project with `house_price` trained and served."""
    sample = project.root / "pipelines" / "house_price" / "sample.csv"
    project.done("upload", "house_price_rows", str(sample), "--wait")
    project.done("pipeline", "start", "house_price", "--watch")
    return project
