"""SIGKILL while clients write: what was acknowledged is there, and what was under way arrives."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from localcloud.daemon import LocalCloudError, Running

from localcloud import daemon

BUCKET, TABLE = "kept-objects", "kept-items"
WAIT = '{"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": %d, "End": true}}}'
ENOUGH = 120  # acknowledged writes after which the cloud is killed


class Inbox:
    """A webhook; while it is shut it takes a request and doesn't answer."""

    def __init__(self) -> None:
        inbox = self
        self.bodies: list[dict[str, Any]] = []
        self.arrived = threading.Condition()
        self.open = threading.Event()
        self.open.set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with inbox.arrived:
                    inbox.bodies.append(body)
                    inbox.arrived.notify_all()
                inbox.open.wait()
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing is printed."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def wait_for(self, match: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: any(map(match, self.bodies)), 120)
            return next(filter(match, self.bodies))


class Clients:
    """boto3's clients of one cloud, each made once."""

    def __init__(self, running: Running) -> None:
        variables = running.environment()
        self._session = boto3.Session(
            variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
        )
        self._endpoint = running.endpoint
        self._made: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._session.client(
                service, endpoint_url=self._endpoint, config=Config(retries={"total_max_attempts": 1})
            )
        return self._made[service]

    def close(self) -> None:
        for client in self._made.values():
            client.close()


@dataclass
class Acknowledged:
    """What clients were told."""

    versions: dict[tuple[str, str], bytes] = field(default_factory=dict)
    deleted: set[tuple[str, str]] = field(default_factory=set)
    items: dict[str, int] = field(default_factory=dict)
    messages: set[str] = field(default_factory=set)


@dataclass
class Crash:
    """A cloud before and after."""

    directory: Path
    before: dict[str, Any]
    after: dict[str, Any]
    acknowledged: Acknowledged
    running: Running
    clients: Clients
    inbox: Inbox
    execution: str
    clock: datetime


def prepare(clients: Clients, inbox: Inbox) -> str:
    """One of each kind of thing; the ARN of an execution that runs."""
    clients["s3"].create_bucket(Bucket=BUCKET)
    clients["s3"].put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    # The largest kind of object, of parts that S3 joins.
    upload = {"Bucket": BUCKET, "Key": "joined"}
    upload["UploadId"] = clients["s3"].create_multipart_upload(**upload)["UploadId"]
    parts = [
        {"PartNumber": number, "ETag": clients["s3"].upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate((b"a" * 5 * 2**20, b"b"), start=1)
    ]
    clients["s3"].complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    clients["dynamodb"].create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    clients["sqs"].create_queue(QueueName="kept-queue")
    role = clients["iam"].create_role(RoleName="kept-role", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    clients["iam"].attach_role_policy(RoleName="kept-role", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    clients["ssm"].put_parameter(Name="/kept", Type="SecureString", Value="v")
    clients["events"].put_rule(Name="kept-rule", ScheduleExpression="rate(365 days)")
    clients["scheduler"].create_schedule(
        Name="kept-schedule", ScheduleExpression="rate(400 days)", FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:sqs:us-east-1:123456789012:kept-queue", "RoleArn": role},
    )  # fmt: skip
    clients["kms"].create_key()
    clients["ecr"].create_repository(repositoryName="kept")
    clients["logs"].create_log_group(logGroupName="kept")
    clients["cloudwatch"].put_metric_alarm(
        AlarmName="kept", Namespace="N", MetricName="M", Statistic="Sum", Period=60, EvaluationPeriods=1, Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )  # fmt: skip
    clients["apigatewayv2"].create_api(Name="kept", ProtocolType="HTTP")
    topic = clients["sns"].create_topic(Name="kept")["TopicArn"]
    url = f"http://127.0.0.1:{inbox.server.server_port}/"
    subscribed = clients["sns"].subscribe(TopicArn=topic, Protocol="http", Endpoint=url, ReturnSubscriptionArn=True)
    token = inbox.wait_for(lambda body: body["Type"] == "SubscriptionConfirmation")["Token"]
    clients["sns"].confirm_subscription(TopicArn=topic, Token=token)
    assert subscribed["SubscriptionArn"]
    states = clients["stepfunctions"]
    done = states.create_state_machine(name="done", definition=WAIT % 0, roleArn=role)["stateMachineArn"]
    over = states.start_execution(stateMachineArn=done, name="over", input='{"a": 1}')["executionArn"]
    while states.describe_execution(executionArn=over)["status"] == "RUNNING":
        pass
    waits = states.create_state_machine(name="waits", definition=WAIT % 10, roleArn=role)["stateMachineArn"]
    return str(states.start_execution(stateMachineArn=waits, name="runs", input='{"b": 2}')["executionArn"])


def digest(clients: Clients) -> dict[str, Any]:
    """What the services say of what was prepared, but for what other threads write."""
    asked: dict[str, tuple[str, dict[str, Any]]] = {
        "s3": ("list_buckets", {}),
        "dynamodb": ("describe_table", {"TableName": TABLE}),
        "iam": ("list_attached_role_policies", {"RoleName": "kept-role"}),
        "ssm": ("get_parameter", {"Name": "/kept", "WithDecryption": True}),
        "events": ("list_rules", {}),
        "scheduler": ("get_schedule", {"Name": "kept-schedule"}),
        "kms": ("list_keys", {}),
        "ecr": ("describe_repositories", {}),
        "logs": ("describe_log_groups", {"logGroupNamePrefix": "kept"}),
        "cloudwatch": ("describe_alarms", {}),
        "apigatewayv2": ("get_apis", {}),
        "sns": ("list_subscriptions", {}),
        "stepfunctions": ("list_state_machines", {}),
    }
    told = {service: getattr(clients[service], verb)(**given) for service, (verb, given) in asked.items()}
    over = "arn:aws:states:us-east-1:123456789012:execution:done:over"
    told["execution"] = clients["stepfunctions"].describe_execution(executionArn=over)
    told["joined"] = clients["s3"].get_object(Bucket=BUCKET, Key="joined")
    told["joined"]["Body"] = told["joined"]["Body"].read()
    told["history"] = clients["stepfunctions"].get_execution_history(executionArn=over)
    for answer in told.values():
        del answer["ResponseMetadata"]
    told["dynamodb"]["Table"].pop("ItemCount")
    told["dynamodb"]["Table"].pop("TableSizeBytes", None)
    return told


def write(clients: Clients, told: Acknowledged, lock: threading.Lock, seed: int) -> None:
    """Write until the cloud is gone, and note what it acknowledged."""
    chance = random.Random(seed)
    url = clients["sqs"].get_queue_url(QueueName="kept-queue")["QueueUrl"]
    number = 0
    while True:
        number += 1
        key = f"{seed}/{number % 5}"
        try:
            match chance.choice(["put", "large", "delete", "item", "message"]):
                case "put" | "large" as size:
                    body = chance.randbytes(20_000 if size == "large" else 20)
                    put = clients["s3"].put_object(Bucket=BUCKET, Key=key, Body=body)
                    with lock:
                        told.versions[key, put["VersionId"]] = body
                case "delete":
                    gone = clients["s3"].delete_object(Bucket=BUCKET, Key=key)
                    if "VersionId" in gone:  # moto makes no marker where there was no object
                        with lock:
                            told.deleted.add((key, gone["VersionId"]))
                case "item":
                    clients["dynamodb"].update_item(
                        TableName=TABLE, Key={"pk": {"S": key}}, UpdateExpression="SET v = :v",
                        ExpressionAttributeValues={":v": {"N": str(number)}},
                    )  # fmt: skip
                    with lock:
                        told.items[key] = number
                case "message":
                    sent = clients["sqs"].send_message(QueueUrl=url, MessageBody=key)
                    with lock:
                        told.messages.add(sent["MessageId"])
        except (BotoCoreError, ClientError):
            return


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    directory, inbox = tmp_path_factory.mktemp("crash"), Inbox()
    first = daemon.up(directory, port=0)
    clients, told, lock = Clients(first), Acknowledged(), threading.Lock()
    try:
        execution = prepare(clients, inbox)
        first.advance(timedelta(days=30))
        clock, before = datetime.fromisoformat(first.now()), digest(clients)
        for service in ("s3", "dynamodb", "sqs"):
            assert clients[service]  # made here: making one isn't for several threads at once
        writers = [threading.Thread(target=write, args=(clients, told, lock, seed)) for seed in range(3)]
        for writer in writers:
            writer.start()
        while sum(map(len, (told.versions, told.items, told.messages))) < ENOUGH:
            assert any(writer.is_alive() for writer in writers)
        # The webhook holds a message that was published and acknowledged, while the cloud ends.
        inbox.open.clear()
        clients["sns"].publish(TopicArn="arn:aws:sns:us-east-1:123456789012:kept", Message="under way")
        inbox.wait_for(lambda body: body.get("Message") == "under way")
        psutil.Process(first.pid).kill()
        for writer in writers:
            writer.join()
        inbox.bodies.clear()
        inbox.open.set()
        clients.close()
        again = daemon.up(directory, port=0)
        clients = Clients(again)
        yield Crash(directory, before, digest(clients), told, again, clients, inbox, execution, clock)
        clients.close()
    finally:
        daemon.down(directory)
        inbox.server.shutdown()
        inbox.server.server_close()
    assert not (directory / "state").exists()


def test_the_services_say_the_same_at_the_same_address(crash: Crash) -> None:
    assert crash.after == crash.before


def test_the_clock_goes_on(crash: Crash) -> None:
    assert datetime.fromisoformat(crash.running.now()) >= crash.clock


def test_every_acknowledged_version_and_delete_marker_is_there(crash: Crash) -> None:
    pages = crash.clients["s3"].get_paginator("list_object_versions").paginate(Bucket=BUCKET)
    found = list(pages)
    versions = {(one["Key"], one["VersionId"]) for page in found for one in page.get("Versions", ())}
    markers = {(one["Key"], one["VersionId"]) for page in found for one in page.get("DeleteMarkers", ())}
    told = crash.acknowledged
    assert told.versions.keys() <= versions
    assert told.deleted <= markers
    # A call that nobody was answered may have been done as well: one of each writer at most.
    assert len(versions) + len(markers) <= len(told.versions) + len(told.deleted) + 3 + 1
    for (key, version), body in told.versions.items():
        answer = crash.clients["s3"].get_object(Bucket=BUCKET, Key=key, VersionId=version)
        assert answer["Body"].read() == body


def test_every_acknowledged_item_is_there(crash: Crash) -> None:
    items = crash.clients["dynamodb"].scan(TableName=TABLE)["Items"]
    found = {item["pk"]["S"]: int(item["v"]["N"]) for item in items}
    assert found.keys() >= crash.acknowledged.items.keys()
    assert all(found[key] >= number for key, number in crash.acknowledged.items.items())


def test_every_acknowledged_message_is_there(crash: Crash) -> None:
    sqs = crash.clients["sqs"]
    url, found = sqs.get_queue_url(QueueName="kept-queue")["QueueUrl"], set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found |= {message["MessageId"] for message in messages}
    assert found >= crash.acknowledged.messages


def test_what_was_under_way_is_delivered(crash: Crash) -> None:
    assert crash.inbox.wait_for(lambda body: body.get("Message") == "under way")["Type"] == "Notification"


def test_an_execution_that_ran_starts_again_and_ends(crash: Crash) -> None:
    states = crash.clients["stepfunctions"]
    while (told := states.describe_execution(executionArn=crash.execution))["status"] == "RUNNING":
        pass
    assert (told["status"], json.loads(told["input"])) == ("SUCCEEDED", {"b": 2})


def test_a_state_of_another_moto_is_refused_and_left_alone(crash: Crash, tmp_path: Path) -> None:
    from localcloud.persistence.book import Book

    book = Book(tmp_path / daemon.STATE)
    book.note(format="1", moto="1.2.3", python="3.11")
    book.close()
    with pytest.raises(LocalCloudError, match=r"moto 1\.2\.3") as refused:
        daemon.up(tmp_path, port=0)
    assert refused.value.reason == "state_unusable"
    assert daemon.kept(tmp_path)
