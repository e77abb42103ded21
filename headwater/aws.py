"""The one place where boto3 clients are made: one a service and process, with bounded time-outs and retries."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

CONFIG = Config(
    connect_timeout=5,
    read_timeout=60,
    retries={"mode": "standard", "total_max_attempts": 5},
    tcp_keepalive=True,
    user_agent_extra="headwater",
)


@cache
def client(service: str) -> Any:
    """The client for ``service``, such as ``"s3"``, in the environment's region; safe to share among threads."""
    return boto3.client(service, config=CONFIG)  # type: ignore[call-overload]


def error_code(error: Exception) -> str:
    """The code AWS answered with, such as ``"NoSuchKey"``; empty for anything but a ``ClientError``."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
