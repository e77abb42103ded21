"""The process that a program runs in: a new one, or within `prepared` a fork of one that has Pulumi's SDK imported."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import psutil

from localcloud.processes import Process

HOST = Path(__file__).with_name("host.py")
_FORKING = Path(__file__).with_name("forking.py")
_OF_THE_SDK = {"PYTHONUNBUFFERED": "1", "GRPC_VERBOSITY": "ERROR"}

OnLine = Callable[[str], None]


class Running(Protocol):
    """A program that runs."""

    def wait(self) -> int:
        """Wait until it has ended and every line of it was delivered; its exit code, 128 + N for signal N."""

    def kill(self) -> None:
        """End it and all that it started."""


def start(order: Path, *, directory: Path, environment: Mapping[str, str], on_line: OnLine) -> Running:
    """Run the program of an order (see `host`) with ``environment`` alone, in ``directory``."""
    variables = {**environment, **_OF_THE_SDK}
    if _prepared:
        return _prepared[-1].start(order, directory, variables, on_line)
    # -P: the script's own folder stays off the import path.
    return Process.start([sys.executable, "-P", str(HOST), str(order)], cwd=directory, env=variables, on_line=on_line)


@contextmanager
def prepared() -> Iterator[None]:
    """Import Pulumi's SDK once for all deployments of this process within the block, as a test suite has many of.

    Each program still has a process, an environment and imports of its own: a fork of one that imported the SDK
    (POSIX alone). That takes a second of CPU from each deployment.
    """
    forks = _Forks()
    _prepared.append(forks)
    try:
        yield
    finally:
        _prepared.remove(forks)
        forks.close()


class _Forks:
    """The process that is forked."""

    def __init__(self) -> None:
        # Short: a socket's path has at most a hundred bytes.
        self._folder = Path(tempfile.mkdtemp(prefix="forks-"))
        self._address = str(self._folder / "socket")
        said: list[str] = []
        heard = threading.Event()

        def hear(line: str) -> None:
            said.append(line)
            if line == "ready":
                heard.set()

        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
        self._process = Process.start(
            [sys.executable, "-P", str(_FORKING), self._address],
            cwd=self._folder, env={**inherited, **_OF_THE_SDK}, on_line=hear,
        )  # fmt: skip
        while not heard.wait(0.1):
            if self._process.returncode is not None:
                self.close()
                raise RuntimeError("Pulumi's SDK can't be imported: " + "\n".join(said))

    def start(self, order: Path, directory: Path, environment: Mapping[str, str], on_line: OnLine) -> _Fork:
        """Run an order in a fork."""
        request = order.with_suffix(".request")
        asked = {"order": str(order), "directory": str(directory), "environment": dict(environment)}
        request.write_text(json.dumps(asked))
        connection = socket.socket(socket.AF_UNIX)
        reading, writing = os.pipe()
        try:
            connection.connect(self._address)
            socket.send_fds(connection, [str(request).encode()], [writing])
        except OSError:
            connection.close()
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return _Fork(connection, reading, on_line)

    def close(self) -> None:
        """End it; what it had forked ends with its own connection."""
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class _Fork:
    """One program."""

    def __init__(self, connection: socket.socket, output: int, on_line: OnLine) -> None:
        self._connection = connection
        self._answers = connection.makefile("r")
        self._reader = threading.Thread(target=self._read, args=(output, on_line), daemon=True)
        self._reader.start()
        pid = self._answers.readline()
        self._ended = not pid
        # Knows by its start time that it is gone: the number may be another process's by then.
        self._program: psutil.Process | None = None
        with suppress(psutil.Error, ValueError):
            self._program = psutil.Process(int(pid))

    def wait(self) -> int:
        """See `Running`."""
        answer = self._answers.readline()
        self._ended = True
        # Only a process that left the group can hold the pipe open now; nobody waits for its words.
        self._reader.join(1)
        code = int(answer) if answer else -9
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        """See `Running`."""
        if not self._ended and self._program is not None:
            with suppress(psutil.Error):
                for process in (*self._program.children(recursive=True), self._program):
                    process.kill()
        self._answers.close()
        self._connection.close()

    @staticmethod
    def _read(output: int, on_line: OnLine) -> None:
        with open(output, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                on_line(line.removesuffix("\n").removesuffix("\r"))


_prepared: list[_Forks] = []
