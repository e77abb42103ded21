"""A database for the tests that need a real one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest
from localcloud.moto_patches import corrected

from headwater.storage.environment import CLIENTS
from tests.unit.collecting import mariadb
from tests.unit.collecting.database import Database, MariaDatabase
from tests.unit.collecting.postgresql import postgresql, programs
from tests.unit.collecting.web import Host, serving
from tests.unit.collecting.world import emptied
from tests.unit.lake.world import ARTIFACTS, LAKE, World, new_world

_SCHEMAS = count(1)


@pytest.fixture(scope="package")
def shared_world() -> Iterator[World]:
    """One cloud for all tests here: to start one is most of what such a test takes."""
    with pytest.MonkeyPatch.context() as patches, new_world(patches) as made:
        yield made


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """An empty stack."""
    yield shared_world
    # Others than those whose answers a test lost.
    CLIENTS.forget()
    emptied()
    for bucket in {one["Name"] for one in CLIENTS("s3").list_buckets()["Buckets"]} - {LAKE, ARTIFACTS}:
        emptied(bucket)
        CLIENTS("s3").delete_bucket(Bucket=bucket)


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


@pytest.fixture
def aws_streams(world: World) -> Iterator[None]:
    """An empty stack, with shards as Kinesis has them; streams and queues are gone afterwards."""
    with corrected("kinesis_shards"):
        yield
        CLIENTS.forget()
        for name in CLIENTS("kinesis").list_streams()["StreamNames"]:
            CLIENTS("kinesis").delete_stream(StreamName=name)
        for url in CLIENTS("sqs").list_queues().get("QueueUrls", []):
            CLIENTS("sqs").delete_queue(QueueUrl=url)
