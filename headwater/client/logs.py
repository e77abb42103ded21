"""Reads the logs of the stack's functions, tasks and machines from CloudWatch Logs."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from headwater.client.connection import Connection
from headwater.errors import NotFound
from headwater.values import Value


class NoLogs(NotFound):
    """No log group has a name like that."""


class LogLine(Value):
    """One line of a log."""

    group: str
    """The log group's name without the stack's prefix."""
    stream: str
    at: datetime
    """UTC."""
    message: str
    id: str
    """CloudWatch's id of the line; no other line has it."""


class Logs:
    """The verbs on logs; ``headwater.connect().logs``."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._prefix = connection, connection.description.prefix

    def groups(self) -> tuple[str, ...]:
        """The names of the stack's log groups without the stack's prefix, sorted: one for each function or task."""
        return tuple(map(self._short, self._groups()))

    def read(self, function: str | None = None, *, since: float = 0) -> tuple[LogLine, ...]:
        """Lines of the log groups whose name contains ``function``, oldest first.

        Parameters
        ----------
        function : str, optional
            Part of a log group's name; by default all groups of the stack.
        since : float
            Only lines from this time on, seconds since 1970.

        Raises
        ------
        NoLogs
            The stack has no such group; the message lists those it has.
        """
        until = int(time.time() * 1000) + 1000
        groups = self._groups()
        wanted = [group for group in groups if not function or function in self._short(group)]
        if function and not wanted:
            known = ", ".join(map(self._short, groups)) or "none"
            name = self._connection.description.name
            raise NoLogs(f"stack {name!r} has no log group like {function!r}. It has: {known}")
        pages = self._connection.clients("logs").get_paginator("filter_log_events")
        lines = [
            LogLine(
                group=self._short(group),
                stream=event["logStreamName"],
                at=datetime.fromtimestamp(event["timestamp"] / 1000, UTC),
                message=event["message"].rstrip(),
                id=event["eventId"],
            )
            for group in wanted
            for page in pages.paginate(logGroupName=group, startTime=int(since * 1000), endTime=until)
            for event in page["events"]
        ]
        return tuple(sorted(lines, key=lambda line: line.at))

    def _groups(self) -> list[str]:
        pages = self._connection.clients("logs").get_paginator("describe_log_groups").paginate()
        names = (group["logGroupName"] for page in pages for group in page["logGroups"])
        return sorted(name for name in names if self._prefix in name)

    def _short(self, group: str) -> str:
        return group.rpartition(self._prefix)[2]
