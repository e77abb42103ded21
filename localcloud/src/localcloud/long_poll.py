"""ReceiveMessage that waits: moto waits with the one lock held, and all of the cloud with it."""

from __future__ import annotations

import io
import json
import re
import time
from typing import Any
from urllib.parse import parse_qs

from moto.sqs.models import sqs_backends
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext

_LOOK_SECONDS = 0.02
_WAIT_IN_FORM = re.compile(rb"(^|&)WaitTimeSeconds=[^&]*")


class LongPoll:
    """Waits outside the lock until the queue has something, then lets moto answer at once."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud

    def __call__(self, call: ApiCall) -> Response | None:
        """The answer to a ReceiveMessage that may wait; None for anything else."""
        if call.operation != "ReceiveMessage" or call.service not in ("sqs", ""):
            return None
        body = call.request.get_data(cache=True)
        as_json = call.request.mimetype.startswith("application/x-amz-json")
        asked: dict[str, Any] = json.loads(body or b"{}") if as_json else _form(body)
        queue = queue_of(self._cloud, str(asked.get("QueueUrl") or call.request.path))
        if queue is None:
            return None
        wait = asked.get("WaitTimeSeconds")
        seconds = float(queue.receive_message_wait_time_seconds or 0) if wait is None else float(wait)
        if not 0 < seconds <= 20:
            return None
        deadline = time.monotonic() + seconds
        while not queue.messages and time.monotonic() < deadline and not self._cloud.stopped.wait(_LOOK_SECONDS):
            pass
        if as_json:
            body = json.dumps({**asked, "WaitTimeSeconds": 0}).encode()
        else:
            body = _WAIT_IN_FORM.sub(b"", body).lstrip(b"&") + b"&WaitTimeSeconds=0"
        environ = {**call.request.environ, "wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        environ.pop("werkzeug.request", None)
        return Response.from_app(self._cloud.dispatcher.moto, environ)


def queue_of(cloud: CloudContext, url: str) -> Any:
    """Moto's queue behind an address or ARN; None if there is none."""
    name = re.split(r"[/:]", url.rstrip("/"))[-1]
    return sqs_backends[cloud.account_id][cloud.region].queues.get(name)


def _form(body: bytes) -> dict[str, Any]:
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
