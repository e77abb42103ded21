"""A prediction is written down after its response, and what goes wrong there breaks no prediction."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from headwater.registry.service import Registry
from headwater.serving.extension import Extension, ExtensionRefused
from headwater.serving.log import WriteAfterResponse, WriteAtOnce
from headwater.serving.store import PredictionStore
from headwater.serving.types import PredictionRecord
from headwater.storage.environment import CLIENTS
from tests.unit.serving.cases import NOW


def record(request_id: str) -> PredictionRecord:
    return PredictionRecord(
        request_id=request_id,
        model="delays",
        version=1,
        alias="production",
        run_id="run-1",
        data_version="d",
        received_at=NOW,
        answered_at=NOW,
        as_of=NOW,
        looked_up=True,
        predictions=[{"inputs": {}, "features": {}, "probability": 0.5}],
    )


class RuntimeApi:
    """The Extensions API as Lambda documents it: ``next`` answers when an invocation begins."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, Any]] = []
        self.waiting: queue.Queue[str] = queue.Queue()
        self.invocations: queue.Queue[int] = queue.Queue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api.registered.append((self.headers["Lambda-Extension-Name"], content))
                refused = self.headers["Lambda-Extension-Name"] == "refused"
                self.answer(403 if refused else 200, {"Lambda-Extension-Identifier": "id-1"})

            def do_GET(self) -> None:
                api.waiting.put(self.headers["Lambda-Extension-Identifier"])
                self.answer(api.invocations.get(), {})

            def answer(self, status: int, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        self.logs: list[WriteAfterResponse] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_port}"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    threading.Thread(target=api.server.serve_forever, args=(0.01,), daemon=True).start()
    yield api
    for log in api.logs:
        log.stop()
    api.server.shutdown()
    api.server.server_close()


class Writes:
    """Keeps what was written and what failed."""

    def __init__(self) -> None:
        self.written: queue.Queue[str] = queue.Queue()
        self.failed: queue.Queue[str] = queue.Queue()
        self.broken = False

    def write(self, entry: PredictionRecord) -> None:
        if self.broken:
            raise OSError("S3 is down")
        self.written.put(entry.request_id)

    def failure(self, entry: PredictionRecord | None, error: Exception) -> None:
        self.failed.put(f"{entry.request_id if entry else None}: {error}")


@pytest.fixture
def writes() -> Writes:
    return Writes()


def started(api: RuntimeApi, writes: Writes) -> WriteAfterResponse:
    log = WriteAfterResponse(
        writes.write, on_failure=writes.failure, extension=Extension("prediction-log", api.address), head_start=0
    )
    log.start()
    api.logs.append(log)
    assert api.waiting.get(timeout=5) == "id-1"
    return log


def test_the_extension_registers_for_invocations_before_anything_else(api: RuntimeApi, writes: Writes) -> None:
    started(api, writes)
    assert api.registered == [("prediction-log", {"events": ["INVOKE"]})]


def test_a_record_is_written_after_the_invocation_and_only_then_lambda_may_freeze(
    api: RuntimeApi, writes: Writes
) -> None:
    log = started(api, writes)
    api.invocations.put(200)
    log.add(record("r-1"))
    assert writes.written.empty()
    assert api.waiting.empty()
    log.close()
    assert api.waiting.get(timeout=5) == "id-1"
    assert writes.written.get_nowait() == "r-1", "written before the next event was asked for"


def test_an_invocation_without_a_record_holds_nothing_up(api: RuntimeApi, writes: Writes) -> None:
    log = started(api, writes)
    api.invocations.put(200)
    log.close()
    assert api.waiting.get(timeout=5) == "id-1"
    assert writes.written.empty()


def test_a_write_that_fails_is_reported_and_the_next_one_is_made(api: RuntimeApi, writes: Writes) -> None:
    log = started(api, writes)
    writes.broken = True
    api.invocations.put(200)
    log.add(record("r-1"))
    log.close()
    assert writes.failed.get(timeout=5) == "r-1: S3 is down"
    assert api.waiting.get(timeout=5) == "id-1"
    writes.broken = False
    api.invocations.put(200)
    log.add(record("r-2"))
    log.close()
    assert writes.written.get(timeout=5) == "r-2"


def test_an_error_of_the_extensions_api_does_not_end_the_log(api: RuntimeApi, writes: Writes) -> None:
    log = started(api, writes)
    api.invocations.put(500)
    assert "GET event/next: 500" in writes.failed.get(timeout=5)
    log.add(record("r-1"))
    log.close()
    api.invocations.put(200)
    assert writes.written.get(timeout=5) == "r-1"


def test_an_extension_that_lambda_does_not_take_says_so(api: RuntimeApi) -> None:
    with pytest.raises(ExtensionRefused, match="POST register: 403"):
        Extension("refused", api.address).register()


def test_outside_a_lambda_a_record_is_written_at_once(writes: Writes) -> None:
    log = WriteAtOnce(writes.write, on_failure=writes.failure)
    log.add(record("r-1"))
    assert writes.written.get_nowait() == "r-1"
    writes.broken = True
    log.add(record("r-2"))
    log.close()
    assert writes.failed.get_nowait() == "r-2: S3 is down"


def test_a_record_is_found_by_its_day_with_or_without_an_hour_in_its_key(registry: Registry) -> None:
    store, day = PredictionStore("predictions", CLIENTS), date(2013, 5, 1)
    store.write(record("r-1"))
    CLIENTS("s3").put_object(Bucket="predictions", Key="delays/date=2013-05-01/r-0.json", Body=b'{"request_id":"r-0"}')
    for name in ("r-0", "r-1"):
        found = store.record("delays", day, name)
        assert found is not None
        assert found["request_id"] == name
        assert store.days_of("delays", [date(2013, 4, 30), day], name) == [day]
    assert store.record("delays", day, "r-2") is None
    assert store.days_of("delays", [day], "r-2") == []
    assert {found["request_id"] for found in store.records("delays", day, limit=10)} == {"r-0", "r-1"}
    assert len(store.records("delays", day, limit=1)) == 1


def test_a_record_is_one_json_object_by_model_date_and_request(registry: Registry) -> None:
    PredictionStore("predictions", CLIENTS).write(record("r-1"))
    answer = CLIENTS("s3").get_object(Bucket="predictions", Key="delays/date=2013-05-01/hour=12/r-1.json")
    document = json.loads(answer["Body"].read())
    assert document["request_id"] == "r-1"
    assert document["predictions"][0]["probability"] == 0.5
