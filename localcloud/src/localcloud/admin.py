"""The addresses under ``/_localcloud``, which AWS doesn't have: how the command line talks to a running local cloud."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.cloud import Cloud
from localcloud.daemon import ADVANCE, CLOCK, HEALTH, SNAPSHOT
from localcloud.moves import Moves

_ANSWER_SECONDS = 0.5  # less than any client waits for an answer


class Admin:
    """Answers them."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._moves = Moves(cloud)

    def __call__(self, call: ApiCall) -> Response | None:
        """Health, clock and snapshot."""
        match call.request.method, call.request.path:
            case "GET", path if path == HEALTH:
                return _json({"status": "ok", "pid": os.getpid(), "port": self._cloud.port})
            case "GET", path if path == CLOCK:
                return _json({"now": self._cloud.clock.now().isoformat()})
            case "POST", path if path == ADVANCE:
                return self._advance(call)
            case "POST", path if path == SNAPSHOT:
                return self._copy_state(call)
        return None

    def _advance(self, call: ApiCall) -> Response:
        """Begin a move (``begin``, an id; ``seconds``, ``settle_within``), or ask for one (``move``, ``halt``).

        Answers within a second, whether the move is over or not.
        """
        try:
            asked = call.json()
            if "move" in asked:
                move = self._moves.find(str(asked["move"]))
                if asked.get("halt"):
                    move.halted.set()
            else:
                within = asked["settle_within"]
                move = self._moves.begin(
                    timedelta(seconds=float(asked["seconds"])),
                    settle_within=None if within is None else float(within),
                    name=str(asked["begin"]),
                )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            message = f"seconds and settle_within must be numbers that aren't negative, move a move's id: {error}"
            return _json({"message": message}, 400)
        move.over.wait(_ANSWER_SECONDS)
        return _json(move.told())

    def _copy_state(self, call: ApiCall) -> Response:
        keeper = self._cloud.keeper
        if keeper is None:
            return _json({"message": "this cloud keeps nothing on disk"}, 409)
        try:
            keeper.copy(Path(call.json()["to"]))
        except (KeyError, TypeError, ValueError, OSError) as error:
            return _json({"message": f"the state can't be copied: {error}"}, 500)
        return _json({"status": "copied"})


def _json(body: Any, code: int = 200) -> Response:
    return Response(json.dumps(body), code, mimetype="application/json")
