"""Stages of an HTTP API: UpdateStage and the tags of a stage, which moto doesn't have."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from moto.apigatewayv2.models import Stage, apigatewayv2_backends
from werkzeug.wrappers import Response

from localcloud.api_call import ApiCall
from localcloud.context import CloudContext
from localcloud.refusals import refusal

_STAGE = re.compile(r"/v2/apis/(?P<api>[^/]+)/stages/(?P<stage>[^/]+)")
_TAGS = re.compile(r"/v2/tags/arn:[^/]+/apis/(?P<api>[^/]+)/stages/(?P<stage>[^/]+)")


class Stages:
    """Answers in front of moto."""

    def __init__(self, cloud: CloudContext) -> None:
        self._cloud = cloud

    def __call__(self, call: ApiCall) -> Response | None:
        """The answer, or None if the call is moto's."""
        if call.service not in ("apigateway", ""):
            return None
        path, method = unquote(call.request.path), call.request.method
        update = _STAGE.fullmatch(path) if method == "PATCH" else None
        tags = _TAGS.fullmatch(path) if method in ("GET", "POST", "DELETE") else None
        if (found := update or tags) is None:
            return None
        with self._cloud.dispatcher.lock:
            api = apigatewayv2_backends[self._cloud.account_id][self._cloud.region].apis.get(found["api"])
            stage = api.stages.get(found["stage"]) if api is not None else None
            if api is None or stage is None:
                return refusal(call, "NotFoundException", "Invalid stage identifier specified", 404)
            return _tags(call, stage) if tags else _update(call, api, stage)


def _update(call: ApiCall, api: Any, stage: Any) -> Response:
    changed = Stage(api, {**stage.config, **call.json(), "stageName": stage.name})
    changed.created = stage.created
    api.stages[stage.name] = changed
    return Response(json.dumps(changed.to_json()), 200, mimetype="application/json")


def _tags(call: ApiCall, stage: Any) -> Response:
    match call.request.method:
        case "GET":
            return Response(json.dumps({"tags": stage.tags}), 200, mimetype="application/json")
        case "POST":
            stage.tags = {**stage.tags, **call.json().get("tags", {})}
        case _:
            gone = call.request.args.getlist("tagKeys")
            stage.tags = {name: value for name, value in stage.tags.items() if name not in gone}
    stage.config["tags"] = stage.tags  # what an update of the stage begins with
    return Response("{}", 201, mimetype="application/json") if call.request.method == "POST" else Response(status=204)
