"""Calls the deployed materialisation function until all values are online."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from headwater.client.errors import MaterialisationFailed
from headwater.storage.clients import client

LONGEST = 15 * 60
"""Seconds that a function of Lambda's may take."""
Progress = Callable[[list[dict[str, Any]]], None]


def materialise(function: str, event: dict[str, Any], progress: Progress) -> list[dict[str, Any]]:
    """Call ``function`` until it is done; see `headwater.client.features.Features.materialise`.

    A call whose answer is lost may be made again: materialisations that overlap end as one does.
    """
    lambda_ = client.in_use.patient("lambda", LONGEST + 30)
    done: dict[tuple[str, str], dict[str, Any]] = {}
    while True:
        answer = lambda_.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        said: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise MaterialisationFailed(
                f"{function} failed: {said.get('errorType', 'error')}: {said.get('errorMessage', said)}",
                next_steps=["headwater local logs, or the function's log group, says more"],
            )
        for view in said["views"]:
            key = view["view"], view["version"]
            before = done.get(key, {}).get("written", 0)
            done[key] = {**view, "written": before + view["written"]}
        progress(list(done.values()))
        if said["complete"]:
            return list(done.values())
