"""A database for the tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.unit.collecting import mariadb
from tests.unit.collecting.database import Database, MariaDatabase
from tests.unit.collecting.postgresql import postgresql, programs
from tests.unit.collecting.web import Host, serving
from tests.unit.lake.world import World

_SCHEMAS = count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[int]:
    """A PostgreSQL's port; skips where this machine has no PostgreSQL."""
    if programs() is None:
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    with postgresql() as port:
        yield port


@pytest.fixture
def database(server: int) -> Iterator[Database]:
    """An empty schema of it."""
    with Database.new(server, f"shop{next(_SCHEMAS)}") as made:
        yield made


@pytest.fixture(scope="session")
def maria_server() -> Iterator[int]:
    """A MariaDB's port; skips where this machine has none."""
    if mariadb.server() is None:
        pytest.skip("there is no MariaDB on this machine: make mariadb")
    with mariadb.mariadb() as port:
        yield port


@pytest.fixture
def maria(maria_server: int) -> Iterator[MariaDatabase]:
    """An empty database of it."""
    with MariaDatabase.new(maria_server, f"shop{next(_SCHEMAS)}") as made:
        yield made


@pytest.fixture
def host(world: World) -> Iterator[Host]:
    """A server of addresses, and an empty stack."""
    with serving() as made:
        yield made
