"""Reads the logs of the stack's functions, tasks and machines from CloudWatch Logs."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from headwater.client.stack import StackDescription
from headwater.errors import NotFound
from headwater.storage.clients import client


class NoLogs(NotFound):
    """No log group has a name like that."""


class LogLine(BaseModel):
    """One line of a log."""

    model_config = ConfigDict(frozen=True)

    group: str
    stream: str
    at: datetime
    message: str
    id: str


def read_logs(stack: StackDescription, function: str | None, *, since: float) -> list[LogLine]:
    """Lines since ``since`` (seconds since 1970) of the groups whose name contains ``function``, oldest first.

    Raises
    ------
    NoLogs
        The stack has no such group; the message lists those it has.
    """
    logs = client("logs")
    groups = log_groups(stack)
    wanted = [group for group in groups if not function or function in _short(stack, group)]
    if function and not wanted:
        known = ", ".join(_short(stack, group) for group in groups) or "none"
        raise NoLogs(f"stack {stack.name!r} has no log group like {function!r}. It has: {known}")
    until = int(time.time() * 1000) + 1000
    lines = [
        LogLine(
            group=_short(stack, group),
            stream=event["logStreamName"],
            at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
            message=event["message"].rstrip(),
            id=event["eventId"],
        )
        for group in wanted
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=int(since * 1000), endTime=until
        )
        for event in page["events"]
    ]
    return sorted(lines, key=lambda line: line.at)


def log_groups(stack: StackDescription) -> list[str]:
    """The stack's log groups, sorted."""
    pages = client("logs").get_paginator("describe_log_groups").paginate()
    mark = stack.prefix
    return sorted(
        group["logGroupName"] for page in pages for group in page["logGroups"] if mark in group["logGroupName"]
    )


def _short(stack: StackDescription, group: str) -> str:
    return group.rpartition(stack.prefix)[2]
