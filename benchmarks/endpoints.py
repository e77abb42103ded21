"""Endpoints that stand in for AWS: a stub in a process of its own, and the environment that leads a process to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

REGION = "eu-central-1"


@contextmanager
def endpoint(stub: str, milliseconds: float) -> Iterator[dict[str, str]]:
    """The environment of processes that ask the module ``stub``, which answers after so many milliseconds."""
    command = [sys.executable, "-m", stub, "--milliseconds", str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield {
                "AWS_ACCESS_KEY_ID": "x",
                "AWS_SECRET_ACCESS_KEY": "y",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{process.stdout.readline().strip()}",
            }
        finally:
            process.terminate()
