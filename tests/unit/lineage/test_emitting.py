"""Headwater's own facts go out as OpenLineage events: each once into S3, and to a URL until it took them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from headwater.lake.errors import FileRefused
from headwater.lineage.emitting import Emitter, ToS3, ToUrl
from headwater.lineage.index import Index
from headwater.lineage.projecting import Projection
from headwater.lineage.store import Events
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.lake.test_ingestion import GOOD
from tests.unit.lake.world import ARTIFACTS, REGISTRY, World
from tests.unit.lineage.test_foreign import PLACES


class Receiver:
    """A tracker's endpoint: what it was sent, and the statuses that it answers with before 200."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.statuses: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.keys.append(self.headers.get("Authorization", ""))
                status = receiver.statuses.pop(0) if receiver.statuses else 201
                if status < 300:
                    receiver.events.append(json.loads(body))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://user:secret@127.0.0.1:{self.server.server_port}/api/v1/lineage"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def emitter(*transports: Any) -> Emitter:
    return Emitter(Index(Table(REGISTRY, CLIENTS)), Projection(PLACES).logs, transports)


def test_what_a_receiver_did_not_take_is_sent_again(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    receiver.statuses = [503]
    sending = emitter(ToUrl(receiver.url))
    said = sending.emit()
    assert said.undelivered == "the receiver of events answered 503"
    assert receiver.events == []
    assert sending.emit().undelivered == ""
    assert [event["eventType"] for event in receiver.events] == ["START", "COMPLETE"]
    assert sending.emit().events == 0


def test_an_event_that_is_refused_for_good_holds_up_nothing(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    receiver.statuses = [422]
    said = emitter(ToUrl(receiver.url)).emit()
    assert (said.events, len(said.refused), said.undelivered) == (2, 1, "")
    assert len(receiver.events) == 1


def test_a_wrong_key_loses_nothing_and_no_secret_is_told(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    receiver.statuses = [401]
    sending = emitter(ToUrl(receiver.url, "hush"))
    said = sending.emit()
    assert "answered 401: check openlineageUrl" in said.undelivered
    assert sending.emit().events == 2
    assert set(receiver.keys) == {"Bearer hush"}
    receiver.server.shutdown()
    receiver.server.server_close()
    world.lake().ingest(world.upload("landing/readings/two.csv", GOOD))
    said = sending.emit()
    assert said.undelivered.startswith("the receiver of events didn't answer")
    assert "secret" not in said.undelivered


def test_one_way_that_is_blocked_does_not_hold_up_the_other(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    receiver.statuses = [500]
    emitter(ToUrl(receiver.url), ToS3(Events(ARTIFACTS, CLIENTS))).emit()
    assert len(world.keys(ARTIFACTS, "lineage/events/")) == 2


def test_an_index_that_is_made_again_sends_nothing_twice(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    emitter(ToUrl(receiver.url)).emit()
    index = Index(Table(REGISTRY, CLIENTS))
    index.clear()
    assert emitter(ToUrl(receiver.url)).emit().events == 0


def test_a_refused_upload_is_a_failed_run_with_its_reason(world: World, receiver: Receiver) -> None:
    world.lake().ingest(world.upload("landing/readings/one.csv", GOOD))
    with pytest.raises(FileRefused):
        world.lake().ingest(world.upload("landing/readings/two.csv", "nonsense\n1\n"))
    emitter(ToUrl(receiver.url)).emit()
    (failed,) = [event for event in receiver.events if event["eventType"] == "FAIL"]
    assert failed["job"]["name"] == "ingestion.readings"
    assert "sensor" in failed["run"]["facets"]["errorMessage"]["message"]
