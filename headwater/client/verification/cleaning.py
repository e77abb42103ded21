"""Takes away what a verification put into a stack; also what one left behind that was killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress

from headwater.client.description import Description
from headwater.client.people import me
from headwater.client.stack import Stack
from headwater.client.waiting import wait_for
from headwater.errors import Refused
from headwater.features.online.reading import online_key
from headwater.registry.service import Registry
from headwater.storage.clients import Clients
from headwater.storage.executions import Executions
from headwater.storage.table import Table
from headwater.verification import MODEL, SOURCE, UNIT, VIEW
from headwater.versions.refs import Refs

DATASETS = (f"sources/{SOURCE}", f"models/{MODEL}", f"streamed/{VIEW}")
INGESTION_TIMEOUT = 300.0
DELETED_AT_ONCE = 1000
STAYS = (
    "the versions, alias moves, ingestions, definitions and lineage of headwater_verify in the registry table, some "
    "60 KB: the registry only appends, so that what happened can't be unsaid",
    "the table of its predictions, if the hour's compaction came while it ran: parts of the prediction log stay",
    "the commits of its datasets, until headwater data gc: no branch or tag leads to them any more",
    "log lines and executions, until CloudWatch Logs and Step Functions forget them",
)
"""Records that stay, and why."""


def clean(stack: Stack, units: Sequence[str], tell: Callable[[str], None] = lambda _: None) -> str:
    """Remove all that verifications put into the stack; what it was, in a few words.

    Parameters
    ----------
    stack : Stack
    units : sequence of str
        Entities whose online items are removed. Those of others expire.
    tell : callable
        Told what is being done.
    """
    told = stack.description
    tell("waiting for what is under way")
    _stop_runs(stack)
    _wait_for_ingestions(stack)
    tell("taking aliases and branches away")
    table = Table(told.registry_table, stack.clients)
    aliases, refs = _withdraw(table), _delete_refs(table)
    tell("removing objects and online items")
    objects = sum(_delete(stack.clients, bucket, prefix) for bucket, prefix in prefixes(told))
    items = _delete_items(stack.clients, told.features_table, units)
    return f"{objects} object versions, {items} online items, {aliases} aliases, {refs} refs removed"


def prefixes(stack: Description) -> tuple[tuple[str, str], ...]:
    """Where a verification's objects are: bucket and prefix."""
    lake = (
        f"landing/{SOURCE}/", f"curated/{SOURCE}@", f"curated/{SOURCE}/", f"quarantine/{SOURCE}/",
        f"features/{VIEW}/", f"features/statistics/{VIEW}/", f"arrived/{VIEW}/", f"streamed/{VIEW}/",
    )  # fmt: skip
    return (
        *((stack.lake_bucket, prefix) for prefix in lake),
        (stack.artifacts_bucket, f"runs/{MODEL}/"),
        (stack.predictions_bucket, f"{MODEL}/"),
    )


def _stop_runs(stack: Stack) -> None:
    for name in Executions(stack.description.training_arn, stack.clients).names(status="RUNNING"):
        if name.startswith(f"{MODEL}-"):
            with suppress(Refused):  # It ended meanwhile.
                stack.runs.stop(name, why="headwater verify cleans up")


def _wait_for_ingestions(stack: Stack) -> None:
    """An ingestion that is under way would commit after everything was removed."""

    machine = Executions(stack.description.ingestion_arn, stack.clients)

    def look() -> bool | None:
        return None if any(_is_ours(machine, name) for name in machine.names(status="RUNNING")) else True

    wait_for(look, what="the end of ingestions under way", timeout=INGESTION_TIMEOUT)


def _is_ours(machine: Executions, name: str) -> bool:
    given = json.loads((machine.describe(name) or {}).get("input") or "{}")
    key = str((given.get("upload") or {}).get("key", ""))
    return key.startswith(f"landing/{SOURCE}/")


def _withdraw(table: Table) -> int:
    registry = Registry(table)
    found = registry.aliases(MODEL)
    for alias, version in found.items():
        registry.withdraw(MODEL, alias=alias, expected=version, by=me(), why="headwater verify cleans up")
    return len(found)


def _delete_refs(table: Table) -> int:
    count = 0
    for dataset in DATASETS:
        refs = Refs(table, dataset)
        for ref in refs.all():
            refs.move(ref.kind, ref.name, expected=ref.commit, to=None, by=me(), why="headwater verify cleans up")
            count += 1
    return count


def _delete(clients: Clients, bucket: str, prefix: str) -> int:
    """Delete every version of every object below a prefix, for ever."""
    s3, count = clients("s3"), 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        count += len(found)
        for start in range(0, len(found), DELETED_AT_ONCE):
            some = [
                {"Key": one["Key"], "VersionId": one["VersionId"]} for one in found[start : start + DELETED_AT_ONCE]
            ]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": some, "Quiet": True})
            if errors := answer.get("Errors"):
                raise Refused(f"s3://{bucket}/{errors[0]['Key']} can't be deleted: {errors[0]['Message']}")
    return count


def _delete_items(clients: Clients, table: str, units: Sequence[str]) -> int:
    dynamodb, count = clients("dynamodb"), 0
    for unit in units:
        key = online_key((UNIT,), (unit,))
        answer = dynamodb.delete_item(TableName=table, Key={"pk": {"S": str(key)}}, ReturnValues="ALL_OLD")
        count += "Attributes" in answer
    return count
