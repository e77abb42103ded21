"""What is passed about between the parts of this emulator."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SYNCHRONOUS_PAYLOAD_BYTES = 6_291_456
"""Lambda quotas: 6 MB each for request and response. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
RESPONSE_BYTES = 6_291_556
"""The 100 bytes above the quota are AWS's own, and stand in its message."""
ASYNCHRONOUS_PAYLOAD_BYTES = 1_048_576
"""1 MB since October 2025, 256 KB before."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """One version of a function, as configured when it was looked up."""

    name: str
    arn: str
    """Unqualified."""
    version: str
    handler: str
    runtime: str
    role: str
    memory: int
    """Megabytes."""
    timeout: float
    """Seconds."""
    variables: Mapping[str, str]
    code: Path
    layers: tuple[Path, ...] = ()
    log_group: str
    log_format: str = "Text"
    reserved_concurrency: int | None = None
    dead_letter_arn: str = ""

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two look-ups if a warm process may serve both."""
        variables = tuple(sorted(self.variables.items()))
        return (
            *(self.arn, self.version, self.handler, self.runtime, self.role, self.memory, self.timeout, self.log_group),
            *(self.log_format, self.code, self.layers, variables),
        )


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """One event for a function."""

    payload: bytes
    invoked_arn: str
    """As the caller named it, qualifier included."""
    trace_id: str = ""
    client_context: str = ""
    """JSON."""
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How an invocation ended."""

    payload: bytes
    function_error: str = ""
    """``"Unhandled"`` if the function failed."""
    executed_version: str = "$LATEST"
    request_id: str = ""
    log_tail: str = ""
    """The last 4 KB of what was logged."""
    duration_ms: float = 0.0
    """Until the function answered; start-up isn't counted."""

    def json(self) -> Any:
        """The payload, parsed; None if it is empty."""
        return json.loads(self.payload or b"null")


def unhandled(kind: str, message: str) -> dict[str, Any]:
    """The fields of an `Outcome` for a failure that Lambda itself reports."""
    return {"payload": json.dumps({"errorType": kind, "errorMessage": message}).encode(), "function_error": "Unhandled"}


class LambdaError(Exception):
    """An Invoke that is refused before the function sees it.

    Parameters
    ----------
    status : int
        HTTP status.
    code : str
        AWS's error code, such as ``"ResourceNotFoundException"``.
    message : str
        AWS's words.
    """

    def __init__(self, status: int, code: str, message: str, **fields: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message, self.fields = status, code, message, fields


def throttled(reason: str = "ReservedFunctionConcurrentInvocationLimitExceeded") -> LambdaError:
    """Concurrency is used up."""
    return LambdaError(429, "TooManyRequestsException", "Rate Exceeded.", Reason=reason)
