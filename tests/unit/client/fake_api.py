"""A server that answers as an API or a Lambda function would, in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
"""Status, body and, if there are more than its length, headers."""
ANSWER = {"model": "delays", "version": 1, "alias": "production", "request_id": "r", "predictions": []}


class Fake:
    """An HTTP API that answers as it is told and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer | Callable[[str, Any], Answer] = (200, ANSWER)
        self.asked: list[tuple[str, str, dict[str, str], Any]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = json.loads(body or b"null")
                fake.asked.append((self.command, self.path, dict(self.headers), asked))
                answer = fake.answer(self.path, asked) if callable(fake.answer) else fake.answer
                status, said, *more = answer
                data = said if isinstance(said, bytes) else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                for name, value in dict(*more).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@contextmanager
def answering() -> Iterator[Fake]:
    """A server that runs inside the block."""
    made = Fake()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
