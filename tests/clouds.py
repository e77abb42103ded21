"""A local cloud in a process of its own, for tests that need no more of it than its address.

Moto's state belongs to its process, and every `mock_aws` there wipes it: such tests run beside any others.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from headwater.local.account import ACCOUNT_ID
from headwater.local.provider import Aws

ROOT = Path(__file__).resolve().parents[1]

_SERVE = """
import json, sys
from pathlib import Path
from headwater.local.cloud import Cloud
with Cloud(Path(sys.argv[1])) as cloud:
    print(json.dumps(cloud.environment()), flush=True)
    sys.stdin.read()
"""


def fixed_port() -> int:
    """A port of 127.0.0.1 that nobody has, for a test that gives it up and takes it again.

    It is below the ephemeral ports, so that no other process of the machine is handed it in between, and each of the
    processes that run tests begins its search elsewhere.
    """
    return next(port for port in range(20_000 + os.getpid() % 10_000, 32_000) if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) != 0


class CloudBeside:
    """The way to a cloud in another process.

    Parameters
    ----------
    environment : mapping of str to str
        The variables that lead there.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._aws = Aws(environment)
        self.region = self._aws.region
        self.account_id = ACCOUNT_ID

    def environment(self) -> dict[str, str]:
        """The variables that lead any AWS client there."""
        return dict(self._aws.environment)

    def client(self, service: str) -> Any:
        """The boto3 client of a service."""
        return self._aws.client(service)


@contextmanager
def cloud_beside(directory: Path) -> Iterator[CloudBeside]:
    """A local cloud that ends with the block; its files and its log are in ``directory``."""
    log = directory / "cloud.log"
    directory.mkdir(parents=True, exist_ok=True)
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(directory / "cloud")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=ROOT,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert line, log.read_text()
            yield CloudBeside(json.loads(line))
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(timeout=30)
