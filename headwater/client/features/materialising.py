"""Calls the deployed materialisation function until all values are online."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from headwater.client.errors import MaterialisationFailed
from headwater.features.online.records import Materialised
from headwater.storage.clients import Clients

LONGEST = 15 * 60
"""Seconds that a function of Lambda's may take."""
Progress = Callable[[Sequence[Materialised]], None]
"""Called with the answer so far, view by view."""


def materialise(clients: Clients, function: str, event: dict[str, Any], progress: Progress) -> tuple[Materialised, ...]:
    """Call ``function`` until it is done; see `headwater.client.features.service.Features.materialise`.

    A call whose answer is lost may be made again: materialisations that overlap end as one does.
    """
    lambda_ = clients.patient("lambda", LONGEST + 30)
    done: dict[tuple[str, str], Materialised] = {}
    while True:
        answer = lambda_.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise MaterialisationFailed(
                f"{function} failed: {said.get('errorType', 'error')}: {said.get('errorMessage', said)}",
                next_steps=["headwater local logs, or the function's log group, says more"],
            )
        for part in map(Materialised.model_validate, said["views"]):
            key = part.view, part.version
            before = done[key].written if key in done else 0
            done[key] = part.model_copy(update={"written": before + part.written})
        progress(tuple(done.values()))
        if said["complete"]:
            return tuple(done.values())
