"""AWS's prices, by the unit that is paid for: what a verification and the page of costs multiply."""

from __future__ import annotations

from collections.abc import Mapping

DOLLARS: Mapping[str, float] = {
    "API requests": 1.00e-6,
    "Lambda requests": 0.20e-6,
    "Lambda GB-seconds": 0.0000166667,
    "Lambda GB-seconds on arm64": 0.0000133334,
    "Fargate vCPU-hours": 0.0405,
    "Fargate GB-hours": 0.0044,
    "public IPv4 hours": 0.005,
    "state transitions": 25e-6,
    "S3 writes and lists": 5e-6,
    "S3 reads": 0.4e-6,
    "S3 GB-months": 0.023,
    "DynamoDB units": 0.625e-6,
    "DynamoDB reads": 0.125e-6,
    # Storage, and point-in-time recovery.
    "DynamoDB GB-months": 0.25 + 0.20,
    "ECR GB-months": 0.10,
    "log GB-months": 0.03,
    "log GB written": 0.50,
    "alarm metrics": 0.10,
    "custom metrics": 0.30,
    "SQS requests": 0.40e-6,
    "scheduler calls": 1.00e-6,
}
"""Dollars by unit: list prices of us-east-1 without the free tier, looked up in 2026. "Lambda GB-seconds" are those of
x86_64, the dearer ones. EventBridge's rules, IAM and STS ask nothing for what is used here."""
FREE: Mapping[str, float] = {
    "alarm metrics": 10,
    "custom metrics": 10,
    "SQS requests": 1e6,
    "state transitions": 4_000,
}
"""Amounts of some units that an account has for nothing each month, for ever."""


def dollars(unit: str, amount: float) -> float:
    """The price of ``amount`` of a unit in a month, beyond what is free."""
    return max(0.0, amount - FREE.get(unit, 0)) * DOLLARS[unit]
