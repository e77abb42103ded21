"""A real MariaDB of a test session's own: on a free port of this machine, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MADE = Path(__file__).parents[3] / ".headwater" / "mariadb" / "usr"
"""Where `make mariadb` puts it."""
PASSWORD = "s3cret/p@ss"
URL = "mysql://shop:s3cret%2Fp%40ss@127.0.0.1:{port}/shop"
ACCOUNTS = (
    "CREATE DATABASE shop",
    f"CREATE USER 'shop'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
    "GRANT ALL ON *.* TO 'shop'@'127.0.0.1'",
)


def server() -> Path | None:
    """The folder of the distribution: with ``sbin/mariadbd`` and ``share/mysql``; None if this machine has none."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    folders = [Path(found).resolve().parents[1]] if found else []
    return next((folder for folder in (*folders, MADE) if (folder / "sbin/mariadbd").exists()), None)


@contextmanager
def mariadb() -> Iterator[int]:
    """The port of a server that has begun to answer."""
    folder = server()
    assert folder is not None
    share = folder / "share" / "mysql"
    with tempfile.TemporaryDirectory(prefix="headwater-maria-") as scratch:
        data = Path(scratch, "data")
        data.mkdir()
        user = ["--user=root"] if os.geteuid() == 0 else []
        command = [
            str(folder / "sbin/mariadbd"), "--no-defaults", *user, f"--datadir={data}", f"--lc-messages-dir={share}",
            f"--character-sets-dir={share}/charsets", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M",
            "--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0",
        ]  # fmt: skip
        libraries = next(iter(sorted(folder.glob("lib/*/libaio.so.1"))), folder / "lib/none").parent
        environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        tables = [(share / f"mysql_system_tables{part}.sql").read_text() for part in ("", "_data")]
        # As mariadb-install-db does, without the views that people look at.
        script = "\n".join(["create database mysql;", "use mysql;", *tables]).replace("@auth_root_socket", "NULL")
        subprocess.run(
            [*command, "--bootstrap"], input=script, text=True, check=True, capture_output=True, env=environment
        )
        first = Path(scratch, "first.sql")
        first.write_text("".join(f"{statement};\n" for statement in ACCOUNTS))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        listening = ["--bind-address=127.0.0.1", f"--port={port}", f"--socket={scratch}/socket", f"--init-file={first}"]
        with Path(scratch, "log").open("w") as log:
            process = subprocess.Popen([*command, *listening], stdout=log, stderr=log, env=environment)
        try:
            while "ready for connections" not in Path(scratch, "log").read_text():
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                raise AssertionError(Path(scratch, "log").read_text())
            yield port
        finally:
            process.kill()
            process.wait()


def connect(port: int, database: str = "shop") -> Any:
    """A session of an application that writes, each statement a transaction."""
    pymysql = pytest.importorskip("pymysql")
    return pymysql.connect(
        host="127.0.0.1", port=port, user="shop", password=PASSWORD, database=database, autocommit=True
    )
