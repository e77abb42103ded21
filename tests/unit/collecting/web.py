"""A real HTTP server that answers what a test says, or hangs, breaks off and redirects."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from headwater.collecting.types import Outcome
from headwater.collecting.web.reading import read_http
from headwater.declare import Collector, Http, Schedule
from tests.unit.collecting.world import run


@dataclass
class Answer:
    """What the server says."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    breaks_off: bool = False
    hangs: bool = False

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def zipped(body: Any) -> Answer:
    """A gzipped answer."""
    return Answer(gzip.compress(json.dumps(body).encode()), headers={"Content-Encoding": "gzip"})


class Host:
    """What is asked and what is answered; ``respond`` takes path, query and headers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        self.pauses: list[float] = []
        self.released = threading.Event()
        self.respond: Callable[[str, Mapping[str, str], Mapping[str, str]], Answer] = lambda *_: Answer([])

    def answers(self, *answers: Answer) -> None:
        """Answer so, one after the other."""
        left = iter(answers)
        self.respond = lambda *_: next(left)

    @property
    def url(self) -> str:
        """The server's address."""
        return f"http://127.0.0.1:{self.port}"

    def collect(self, name: str = "run", *, path: str = "/rows", hours: int = 0, **reads: Any) -> Outcome:
        """Run a collector of this host."""
        secrets = reads.pop("secrets", {})
        http = Http(url=reads.pop("url", f"{self.url}{path}"), **{"allow_private": True, **reads})
        collector = Collector(name="book", source="readings", schedule=Schedule(every="1h"), reads=http)
        read = partial(read_http, http, pause=self.pauses.append)
        return run(read, name, collector, hours=hours, secrets=secrets)


@contextmanager
def serving() -> Iterator[Host]:
    """A server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            sent = {name.lower(): value for name, value in self.headers.items()}
            host.asked.append((self.path, sent))
            answer = host.respond(parts.path, dict(parse_qsl(parts.query)), sent)
            if answer.hangs:
                host.released.wait(30)
                return
            content = answer.content
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if answer.status != 304:
                self.wfile.write(content[: len(content) // 2] if answer.breaks_off else content)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host = Host(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
