"""Prometheus and promtool: in the folder HEADWATER_PROMETHEUS, where `make prometheus` puts them, or on PATH."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
FOLDER = "HEADWATER_PROMETHEUS"
MADE = Path(__file__).parents[1] / ".headwater" / "prometheus" / "usr" / "bin"
DEADLINE = 60.0
"""Seconds, of a busy machine."""


def program(name: str) -> str:
    """The program's path. Without it the test that asks is skipped; it fails if the folder was named and lacks it."""
    folder = os.environ.get(FOLDER)
    found = shutil.which(name, path=folder) if folder else shutil.which(name, path=str(MADE)) or shutil.which(name)
    if found:
        return found
    if folder:
        pytest.fail(f"{FOLDER} is {folder}, which has no {name}")
    pytest.skip(f"no {name} on PATH, and {FOLDER} names no folder: make prometheus")


def promtool(*arguments: str, given: str = "") -> str:
    """What promtool says; it must be content, warnings included."""
    done = subprocess.run(
        [program("promtool"), *arguments], input=given, capture_output=True, text=True, check=False, timeout=DEADLINE
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


def wait_for(look: Callable[[], T | None]) -> T:
    """What ``look`` finds, as soon as it finds anything."""
    end = time.monotonic() + DEADLINE
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < end, f"nothing within {DEADLINE} s"
        time.sleep(0.05)


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """``data`` of the API's answer."""
        # Not the machine's proxy: the server is on this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=DEADLINE) as response:
            answer = json.load(response)
        assert answer["status"] == "success"
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that an expression has now."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found

    def target(self) -> Mapping[str, Any] | None:
        """The one target, once it was scraped."""
        (target,) = self.ask("targets")["activeTargets"] or ({"health": "unknown"},)
        return target if target["health"] != "unknown" else None


@contextmanager
def running(folder: Path, config: Mapping[str, Any]) -> Iterator[Prometheus]:
    """A server with ``config`` and the data under ``folder``/data."""
    file, address = folder / "prometheus.yml", f"127.0.0.1:{_free_port()}"
    file.write_text(json.dumps(config))  # every JSON text is one of YAML
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
            env={**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"},
        )
    server = Prometheus(f"http://{address}")

    def ready() -> bool | None:
        assert process.poll() is None, (folder / "prometheus.log").read_text()
        try:
            server.ask("status/buildinfo")
        except (urllib.error.URLError, ConnectionError):
            return None
        return True

    try:
        wait_for(ready)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=DEADLINE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
