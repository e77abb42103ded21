"""CloudWatch's messages and SNS's envelopes, a world whose clock is moved, and a host that receives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from headwater.alarms.delivery import Delivery
from headwater.alarms.errors import NotificationFailed
from headwater.alarms.events import AlarmEvent, AlarmState
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import Notification
from headwater.declare.alarms import Alarms, Email, Route
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.unit.registry.cases import TABLE

NOON = datetime(2013, 5, 1, 12, tzinfo=UTC)


def message(state: str, minutes: float = 0, name: str = "api-errors", **fields: Any) -> str:
    """What CloudWatch publishes when an alarm changes its state, ``minutes`` after noon."""
    at = NOON + timedelta(minutes=minutes)
    return json.dumps(
        {
            "AlarmName": name,
            "AlarmDescription": "The API answers with errors",
            "AWSAccountId": "123456789012",
            "NewStateValue": state,
            "NewStateReason": "Threshold Crossed: 1 datapoint [5.0] was greater than the threshold (0.0).",
            "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000",
            "Region": "US East (N. Virginia)",
            "OldStateValue": "OK" if state == "ALARM" else "ALARM",
            "Trigger": {"MetricName": "5xx"},
        }
        | fields
    )


def event(state: str, minutes: float = 0, name: str = "api-errors", message_id: str = "m-1") -> AlarmEvent:
    """The same, parsed."""
    return AlarmEvent.parse(message(state, minutes, name), message_id=message_id, received_at=NOON)


def alarm(name: str, at: datetime = NOON, *, fires: bool = True, **labels: str) -> AlarmEvent:
    """An event with labels."""
    state = AlarmState.ALARM if fires else AlarmState.OK
    id_ = f"{name}-{sorted(labels.items())}-{state}-{at.isoformat()}"
    return AlarmEvent(name=name, state=state, at=at, id=id_, labels=labels, reason=f"{name} is {state.value}")


def sns(content: str, message_id: str = "m-1") -> dict[str, Any]:
    """What SNS invokes a function with."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "Sns": {"MessageId": message_id, "Timestamp": "2013-05-01T12:00:01.000Z", "Message": content},
            }
        ]
    }


class Person:
    """A channel that remembers what it was sent, by key; ``away``: it can't be told."""

    def __init__(self) -> None:
        self.sent: list[Notification] = []
        self.keys: list[str] = []
        self.away = False

    def send(self, notification: Notification, before: Notification | None) -> str:
        if self.away:
            raise NotificationFailed("no answer")
        self.keys.append(notification.key)
        if notification.key not in [one.key for one in self.sent]:
            self.sent.append(notification)
        return f"ts-{notification.notice.generation}"

    @property
    def heard(self) -> list[str]:
        """Kind, alarms that fire, and alarms that are over."""
        return [
            f"{one.notice.kind.value} {one.notice.firing}/{one.notice.resolved}"
            + (f" {','.join(sorted({line.name for line in one.notice.lines}))}" if one.notice.lines else "")
            for one in self.sent
        ]

    @property
    def notes(self) -> list[str]:
        """Why each was told."""
        return [one.notice.note for one in self.sent]


class Letters:
    """Dead letters."""

    def __init__(self) -> None:
        self.left: list[dict[str, Any]] = []

    def send(self, message: dict[str, Any]) -> None:
        self.left.append(message)


class Waiting:
    """A queue of messages with the time each is due at."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.messages: list[tuple[datetime, dict[str, Any]]] = []

    def send(self, message: dict[str, Any], *, delay: timedelta = timedelta(0), name: str = "") -> None:
        self.messages.append((self.now() + delay, message))


class World:
    """The alarm manager on a table of moto, with people, and a clock that is moved."""

    def __init__(self, declared: Alarms, table: str = TABLE) -> None:
        self.time = NOON
        self.declared = declared
        self.store = AlarmStore(Table(table, CLIENTS))
        self.queue = Waiting(lambda: self.time)
        self.letters = Letters()
        self.people = {receiver.name: Person() for receiver in declared.receivers}
        self.build()

    def build(self) -> None:
        """Start the functions anew, such as after other routes were deployed."""
        now = lambda: self.time  # noqa: E731
        self.manager = AlarmManager(self.store, self.queue, self.declared, now=now)
        self.delivery = Delivery(
            self.store,
            self.queue,
            self.declared,
            self.people,
            self.letters,
            now=now,
            chance=lambda: 0.5,
            pause=lambda _: None,
        )

    def handle(self, message: Mapping[str, Any]) -> None:
        """What the function does with one message of the queue."""
        if "notify" in message:
            self.delivery.deliver(**message["notify"])
        else:
            self.manager.look(message["group"], message["turn"])

    def run(self, **passed: float) -> None:
        """Let time pass, and handle every message that comes due, the earliest first."""
        end = self.time + timedelta(**passed)
        while due := [entry for entry in self.queue.messages if entry[0] <= end]:
            first = min(due, key=lambda entry: entry[0])
            self.queue.messages.remove(first)
            self.time = max(self.time, first[0])
            self.handle(first[1])
        self.time = end

    def fire(self, *names: str, **labels: str) -> None:
        """Alarms go off now."""
        for name in names:
            self.manager.handle(alarm(name, self.time, **labels))

    def resolve(self, *names: str, **labels: str) -> None:
        """Alarms are over now."""
        for name in names:
            self.manager.handle(alarm(name, self.time, fires=False, **labels))

    @property
    def ann(self) -> Person:
        """The first receiver."""
        return next(iter(self.people.values()))

    def group(self) -> str:
        """The id of the only group."""
        (group,) = self.store.groups()
        return group.id


def alertmanagers(**changes: Any) -> Alarms:
    """Routes with Alertmanager's defaults: one group of everything, told to ann."""
    route: dict[str, Any] = {"receivers": ("ann",), "group_by": ()}
    return Alarms(receivers=(Email(name="ann"),), route=Route(**(route | changes)))


class Host:
    """Records each POST and answers with the next of ``answers``, then with 200."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.received: list[tuple[str, Mapping[str, str], Any]] = []
        self.hangs = threading.Event()
        self.hanging = 0
        host = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                host.received.append((self.path, dict(self.headers), json.loads(body)))
                if host.hanging:
                    host.hanging -= 1
                    host.hangs.wait(10)
                    return
                status, headers, content = host.answers.pop(0) if host.answers else (200, {}, b"{}")
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/secret"
        self.root = f"http://127.0.0.1:{self.server.server_port}/"

    def answer(self, status: int, content: Any = None, **headers: str) -> None:
        """Answer the next request so."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append((status, named, b"" if content is None else json.dumps(content).encode()))


@contextmanager
def hosting() -> Iterator[Host]:
    """A host that answers while the block runs."""
    host = Host()
    thread = threading.Thread(target=host.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        host.hangs.set()
        host.server.shutdown()
        host.server.server_close()
        thread.join()
