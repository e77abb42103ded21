"""Collectors through the deployed system: by the ledger of ticks, the machine, the function or the container, and the
ingestion."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from localcloud.engine.state import without_secrets

from headwater.client import Stack
from headwater.client.description import STATE_BUCKET
from headwater.client.waiting import wait_for
from headwater.infra.policies import judge, of_states
from tests.infra.hearing import POLICY, unheard
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
def database(deployed: Stack, database_port: int) -> Iterator[int]:
    if programs() is None:
        pytest.skip("there is no PostgreSQL on this machine: apt-get install postgresql")
    with postgresql(database_port) as port:
        kept = {"engine": "postgres", "host": "127.0.0.1", "port": port, "username": "postgres", "password": PASSWORD}
        text, secrets = json.dumps({**kept, "dbname": "postgres"}), deployed.clients("secretsmanager")
        there = {one["Name"] for one in secrets.list_secrets()["SecretList"]}
        for name in ("tills/db", "tills/books"):
            if name in there:
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


def test_a_table_is_read_whole_in_a_container(project: Project, deployed: Stack, database: int) -> None:
    session = connect(database)
    session.run("CREATE TABLE entries AS SELECT n AS id, n / 3.0 AS amount FROM generate_series(1, 4) n")
    assert collected(project, deployed, "ledger", "books") == 4
    session.close()
    (run,) = project.done("collect", "history", "ledger")
    assert (run["runs_in"], run["rows"]) == ("container", 4)
    assert "in a container" in project.run("collect", "list").out
    assert {one.name: one.runs_in for one in deployed.collectors.list()} == {
        "clicks": "function",
        "counted": "function",
        "ledger": "container",
        "orders": "function",
        "returns": "function",
        "weather": "function",
    }


def test_what_was_deployed_for_collectors_is_heard_of_and_follows_every_rule(deployed: Stack) -> None:
    key = f".pulumi/stacks/{deployed.description.project}/local.json"
    body = deployed.clients("s3").get_object(Bucket=STATE_BUCKET, Key=key)["Body"].read()
    resources = of_states(without_secrets("local", json.loads(body)))
    assert {"collecting-collect", "collecting-task", "collectors"} <= {one.name for one in resources}
    assert unheard(resources) == []
    assert [str(violation) for violation in judge(resources).violations] == []
    # Each reads the secrets of its own collectors alone.
    policies = {one.name: json.dumps(one.document("policy")) for one in resources if one.type == POLICY}
    secrets = ("tills/first", "tills/db", "tills/books")
    for name, own in (("collecting-collect", secrets[:2]), ("collecting-task", secrets[2:]), ("containers-task", ())):
        assert tuple(one for one in secrets if one in policies[name]) == own, name


def test_records_of_a_stream_count_through_a_split(project: Project, deployed: Stack) -> None:
    kinesis = deployed.clients("kinesis")
    kinesis.create_stream(StreamName="clicks", ShardCount=1)

    def put(number: int) -> None:
        data = json.dumps({"id": number, "amount": "1.10"}).encode()
        kinesis.put_record(StreamName="clicks", Data=data, PartitionKey=str(number))

    put(1)
    assert collected(project, deployed, "clicks", "web") == 1
    put(2)
    kinesis.split_shard(StreamName="clicks", ShardToSplit="shardId-000000000000", NewStartingHashKey=str(2**127))
    put(3)
    put(4)
    assert collected(project, deployed, "clicks", "web") == 4
    assert "cursor 2 shards, read to " in project.run("collect", "show", "clicks").out


def test_messages_of_a_queue_count_and_are_deleted(project: Project, deployed: Stack) -> None:
    sqs = deployed.clients("sqs")
    url = sqs.create_queue(QueueName="returns")["QueueUrl"]
    for number in range(12):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"id": number, "amount": "1.10"}))
    assert collected(project, deployed, "returns", "returned") == 12
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    left = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    assert [left[name] for name in names] == ["0", "0"]
    sqs.send_message(QueueUrl=url, MessageBody="no json")
    code, said = project.refused("collect", "run", "returns", "--wait")
    assert (code, "of queue returns is no JSON" in said["message"]) == (1, True)


def test_a_collector_that_isnt_there_is_told_with_those_that_are(project: Project, deployed: Stack) -> None:
    code, said = project.refused("collect", "run", "absent")
    assert (code, said["message"]) == (
        3,
        "the stack has no collector 'absent': it has clicks, counted, ledger, orders, returns, weather",
    )
