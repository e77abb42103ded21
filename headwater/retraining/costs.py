"""The cost of a training: the time that it took, by AWS's list prices of Fargate."""

from __future__ import annotations

FARGATE_VCPU_HOUR, FARGATE_GB_HOUR, IPV4_HOUR = 0.0405, 0.0044, 0.005
"""USD, list prices of us-east-1, looked up in 2026 (docs/cost.md)."""
LEAST_SECONDS = 60.0
"""Fargate charges a minute at least."""


def dollars_of(seconds: float, *, vcpus: float, memory_mib: float) -> float:
    """The highest cost of a run, as if its container had been there from the first moment to the last.

    Functions and state transitions of a run cost less than a tenth of a cent; Spark's share isn't known here.
    """
    hours = max(seconds, LEAST_SECONDS) / 3600
    return hours * (FARGATE_VCPU_HOUR * vcpus + FARGATE_GB_HOUR * memory_mib / 1024 + IPV4_HOUR)
