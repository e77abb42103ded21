"""The platform's own lines in a function's log."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Report:
    """What the REPORT line of one invocation is made of."""

    request_id: str
    began: float
    """Monotonic seconds."""
    memory: int
    """Megabytes that the function may use."""
    init_duration: float | None = None
    """Seconds of start-up, if this was the environment's first invocation."""
    status: str = ""
    """``"timeout"`` or ``"error"``; empty if the function answered."""
    error_type: str = ""


def start_line(request_id: str, version: str) -> str:
    """First line of an invocation."""
    return f"START RequestId: {request_id} Version: {version}"


def end_line(request_id: str) -> str:
    """Last line but one."""
    return f"END RequestId: {request_id}"


def report_line(report: Report, responded: float, peak_memory: int) -> str:
    """Duration until the answer, memory, and how it ended; tabs where AWS has tabs.

    ``peak_memory`` is in bytes and of the environment's whole life, as on AWS.
    """
    duration = (responded - report.began) * 1000
    billed = math.ceil(duration + (report.init_duration or 0) * 1000)
    parts = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {duration:.2f} ms",
        f"Billed Duration: {billed} ms",
        f"Memory Size: {report.memory} MB",
        f"Max Memory Used: {min(math.ceil(peak_memory / 1024 / 1024), report.memory)} MB",
    ]
    if report.init_duration is not None:
        parts.append(f"Init Duration: {report.init_duration * 1000:.2f} ms")
    if report.status:
        parts.append(f"Status: {report.status}")
    if report.error_type:
        parts.append(f"Error Type: {report.error_type}")
    return "\t".join(parts) + "\t"
