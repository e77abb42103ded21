"""CloudWatch's messages and SNS's envelopes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from headwater.alarms.types import AlarmEvent

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


class Host:
    """Answers each POST with the next of ``statuses``, then with 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.received: list[dict[str, Any]] = []
        self.keys: list[str] = []
        host = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                host.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                host.keys.append(self.headers["Idempotency-Key"])
                status = host.statuses.pop(0) if host.statuses else 200
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/secret"
