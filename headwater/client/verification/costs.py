"""A verification's highest cost: counted amounts, times the prices of docs/cost.md.

What AWS doesn't tell is taken at its upper bound: a function as busy as its state machine's run was long, a container
for the whole of a training run, and a request of the functions for each that this machine made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

from botocore.session import Session

from headwater.client.prices import DOLLARS
from headwater.client.verification.types import CostLine, Work
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions

PRICES = "AWS's list prices of us-east-1 without the free tier, looked up in 2026 (docs/cost.md)"
FUNCTION_GB = 3008 / 1024
"""The most memory that a function of a state machine has."""
CALL_SECONDS = 10.0
"""The longest that a prediction took, its cold start included, with a margin."""
TASK_MINUTES_AT_LEAST = 1
S3_WRITES = frozenset({"PutObject", "ListObjectsV2", "ListObjectVersions", "ListObjects", "DeleteObjects"})
_DYNAMODB = frozenset({"GetItem", "PutItem", "Query", "UpdateItem", "DeleteItem", "BatchGetItem", "TransactWriteItems"})


def counting(clients: Clients, use: Callable[[str, float], None]) -> Clients:
    """Clients that lead where ``clients`` lead, and count the calls that cost money."""

    def counted() -> Session:
        session = clients.session
        session.register("before-call", count, unique_id="headwater-verify")
        return session

    def count(**call: Any) -> None:
        service, operation = call["model"].service_model.service_name, call["model"].name
        if service == "s3":
            use("S3 writes and lists" if operation in S3_WRITES else "S3 reads", 1)
        elif service == "dynamodb" and operation in _DYNAMODB:
            # A page of a query, or a transaction of some items: a unit is a kilobyte or an item.
            use("DynamoDB units", 25)

    return Clients(counted, endpoint_url=clients.endpoint_url)


def count_runs(work: Work) -> None:
    """Count what state machines, functions and the container used."""
    for sent in work.sent:
        _count_execution(work, work.stack.description.ingestion_arn, sent.run_id)
    if work.training:
        seconds = _count_execution(work, work.stack.description.training_arn, work.training)
        cpu, memory = _task_size(work)
        hours = max(seconds, 60.0 * TASK_MINUTES_AT_LEAST) / 3600
        work.use("Fargate vCPU-hours", cpu * hours)
        work.use("Fargate GB-hours", memory * hours)
        work.use("public IPv4 hours", hours)
    requests = work.used.get("API requests", 0)
    work.use("Lambda requests", requests)
    work.use("Lambda GB-seconds", requests * CALL_SECONDS * FUNCTION_GB)
    # The functions' own calls to S3 and DynamoDB: not told by AWS, and of the same order as those made here.
    for unit in ("S3 writes and lists", "S3 reads", "DynamoDB units"):
        work.use(unit, work.used.get(unit, 0))


def _count_execution(work: Work, arn: str, name: str) -> float:
    """Count a run's transitions, and its functions as if one had been busy all the time; how many seconds it took."""
    machine = Executions(arn, work.clients)
    told = machine.describe(name) or {}
    seconds = (told["stopDate"] - told["startDate"]).total_seconds() if told.get("stopDate") else 0.0
    entered = called = 0
    for event in machine.events(name):
        entered += event["type"].endswith("StateEntered")
        called += event["type"] in ("TaskScheduled", "LambdaFunctionScheduled")
    work.use("state transitions", entered)
    work.use("Lambda requests", called)
    work.use("Lambda GB-seconds", ceil(seconds) * FUNCTION_GB)
    return seconds


def _task_size(work: Work) -> tuple[float, float]:
    """vCPUs and GB of the container that a training runs in."""
    machine = Executions(work.stack.description.training_arn, work.clients)
    task = json.loads(machine.definition())["States"]["Train"]["Arguments"]["TaskDefinition"]
    found = work.clients("ecs").describe_task_definition(taskDefinition=task)["taskDefinition"]
    return int(found["cpu"]) / 1024, int(found["memory"]) / 1024


def lines(used: Mapping[str, float]) -> tuple[CostLine, ...]:
    """The counted amounts in dollars, the dearest first."""
    found = [
        CostLine(what=unit, amount=amount, unit=unit, dollars=amount * DOLLARS[unit]) for unit, amount in used.items()
    ]
    return tuple(sorted(found, key=lambda line: -line.dollars))
