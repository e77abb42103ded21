"""A real PostgreSQL of a test session's own: on a free port of this machine, gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "s3cret/p@ss"
URL = "postgresql://postgres:s3cret%2Fp%40ss@127.0.0.1:{port}/postgres"


def programs() -> Path | None:
    """The folder with initdb and postgres; None if this machine has none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def free_port() -> int:
    """A port that nobody listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def postgresql(port: int | None = None) -> Iterator[int]:
    """The port of a server that has begun to answer: a free one, if none is given."""
    folder = programs()
    assert folder is not None
    # initdb refuses to be run by root.
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="headwater-pg-") as scratch:
        if user:
            shutil.chown(scratch, "postgres")
        secret = Path(scratch, "password")
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = f"{scratch}/data"
        options = ["-A", "scram-sha-256", "-U", "postgres", "--pwfile", str(secret), "-N", "-E", "UTF8", "--locale=C"]
        subprocess.run([folder / "initdb", "-D", data, *options], check=True, capture_output=True, cwd=scratch, **user)
        port = port or free_port()
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={scratch}"]
        server = subprocess.Popen(
            [folder / "postgres", "-D", data, "-p", str(port), *settings, "-c", "log_min_messages=panic"],
            cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **user,
        )  # fmt: skip
        try:
            subprocess.run(
                [folder / "pg_isready", "-h", "127.0.0.1", "-p", str(port), "-t", "30"],
                check=False,
                capture_output=True,
            )
            while subprocess.run(
                [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], check=False
            ).returncode:
                assert server.poll() is None, server.stdout.read() if server.stdout else ""
            yield port
        finally:
            # Fast: sessions that a failed test left open are ended.
            server.send_signal(signal.SIGINT)
            server.wait()
            if server.stdout:
                server.stdout.close()


def connect(port: int) -> Any:
    """A session of an application that writes; skips where the driver isn't installed."""
    pg8000 = pytest.importorskip("pg8000.native")
    return pg8000.Connection("postgres", host="127.0.0.1", port=port, password=PASSWORD)
