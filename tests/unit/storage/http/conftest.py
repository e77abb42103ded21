"""A server whose every byte a test decides."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from headwater.storage.http.sockets import Sockets

Script = Callable[[socket.socket], object]


class Server:
    """Each connection is handled by the next script, one connection after the other or all at once."""

    def __init__(self, *scripts: Script, at_once: bool = False) -> None:
        self.connections = 0
        self._scripts, self._at_once = list(scripts), at_once
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            handling = threading.Thread(target=self._handle, args=(script, connection), daemon=True)
            handling.start()
            if not self._at_once:
                handling.join()

    def _handle(self, script: Script, connection: socket.socket) -> None:
        with connection:
            script(connection)

    def client(self, **options: object) -> Sockets:
        given = {"verify": None, "connect_timeout": 5, "read_timeout": 5} | options
        return Sockets(f"http://127.0.0.1:{self.port}", "127.0.0.1", self.port, **given)  # type: ignore[arg-type]

    def close(self) -> None:
        self._listening.close()
        self._thread.join(timeout=10)


@pytest.fixture
def serving() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def serve(*scripts: Script, at_once: bool = False) -> Server:
        made.append(Server(*scripts, at_once=at_once))
        return made[-1]

    yield serve
    for server in made:
        server.close()
