"""Collectors through the deployed system: by the ledger of ticks, the machine, the function and the ingestion."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from headwater.client import Stack
from headwater.client.waiting import wait_for
from tests.projects import Project
from tests.unit.collecting.postgresql import PASSWORD, connect, postgresql, programs

pytestmark = pytest.mark.cloud


def collected(project: Project, stack: Stack, name: str, source: str) -> int:
    """Run a collector by hand, and wait until what it fetched counts: the rows of the source."""
    (run,) = project.done("collect", "run", name, "--wait")
    assert run["status"] == "DONE", run
    file = stack.collectors.show(name, number=1).batches[0].file

    def look() -> int | None:
        found = stack.ingestions.list(source)
        return sum(one.rows_out for one in found) if file in {one.file for one in found if one.commit} else None

    return wait_for(look, what=f"the ingestion of {file}", timeout=120)


def test_what_a_projects_function_collects_counts_and_the_next_run_goes_on(project: Project, deployed: Stack) -> None:
    secret = {"Name": "/tills/first", "Value": "100", "Type": "SecureString", "Overwrite": True}
    deployed.clients("ssm").put_parameter(**secret)
    assert collected(project, deployed, "counted", "tills") == 3
    assert collected(project, deployed, "counted", "tills") == 6
    assert "cursor 106" in project.run("collect", "show", "counted").out
    listed = {one.name: one for one in deployed.collectors.list()}
    assert listed["counted"].cursor == 106
    assert listed["counted"].last is not None


@pytest.fixture
def database(deployed: Stack) -> Iterator[int]:
    if programs() is None:
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    with postgresql() as port:
        kept = {"engine": "postgres", "host": "127.0.0.1", "port": port, "username": "postgres", "password": PASSWORD}
        name, text = "tills/db", json.dumps({**kept, "dbname": "postgres"})
        secrets = deployed.clients("secretsmanager")
        if name in {one["Name"] for one in secrets.list_secrets()["SecretList"]}:
            secrets.put_secret_value(SecretId=name, SecretString=text)
        else:
            secrets.create_secret(Name=name, SecretString=text)
        yield port


def test_rows_of_a_postgresql_count_with_all_their_digits(project: Project, deployed: Stack, database: int) -> None:
    session = connect(database)
    session.run("CREATE TABLE orders (id bigint, amount numeric)")
    session.run("INSERT INTO orders VALUES (1, 0.10), (2, 12345678901234567890.123456789)")
    assert collected(project, deployed, "orders", "shop") == 2
    session.run("INSERT INTO orders VALUES (3, 7)")
    assert collected(project, deployed, "orders", "shop") == 3
    session.close()
    assert project.done("collect", "history", "orders")[0]["rows"] == 1


def test_a_collector_that_isnt_there_is_told_with_those_that_are(project: Project, deployed: Stack) -> None:
    code, said = project.refused("collect", "run", "absent")
    assert (code, said["message"]) == (3, "the stack has no collector 'absent': it has counted, orders, weather")
