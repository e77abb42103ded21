"""A new version proves itself on the deployed function before it may serve: golden requests under `staging`."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from headwater.errors import Refused
from headwater.registry.service import STAGING, Registry
from headwater.registry.store import ArtifactStore
from headwater.registry.types import GOLDEN_FILE, GoldenRequest, GoldenSet, ModelVersion, Package, run_key
from headwater.routes import PREDICT
from headwater.serving.errors import GoldenMismatch
from headwater.values import Value

_LOOKED_UP = 3
"""How many golden requests are sent once more with an online look-up."""
_PATIENCE = 30
"""How often a function that still answers with another version is asked again, a second apart."""


class Invokes(Protocol):
    """The deployed predict function."""

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Its answer to an HTTP API event, payload 2.0."""
        ...


class StageReport(Value):
    """The report of a staging."""

    model: str
    version: int
    requests: int
    compared: int
    """Predictions that were compared with the training run's."""
    largest_difference: float


class Staging:
    """Moves the alias `staging` and sends golden requests through the predict function.

    Parameters
    ----------
    registry, artifacts : Registry, ArtifactStore
        Where the alias and the golden requests are.
    function : PredictFunction
        The deployed predict function.
    pause : callable
        Waits for seconds while a warm function still knows the alias's last version.
    """

    def __init__(
        self,
        registry: Registry,
        artifacts: ArtifactStore,
        function: Invokes,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry, self._artifacts, self._function, self._pause = registry, artifacts, function, pause

    def stage(self, model: str, version: int) -> StageReport:
        """Point `staging` at ``version`` and see whether it answers as its training run did.

        Raises
        ------
        VersionNotReady, AliasMoved
            The alias can't be moved there.
        GoldenMismatch
            An answer was an error or differs; the alias is back where it was.
        """
        before = self._registry.current(model, STAGING)
        if before == version:  # a task that is tried again
            before = self._registry.log(model, STAGING)[-1].before
        else:
            self._registry.promote(model, alias=STAGING, to=version, expected=before, by="staging", why="golden test")
        try:
            return self._check(self._registry.version(model, version))
        except Exception:
            self._put_back(model, version, before)
            raise

    def _put_back(self, model: str, version: int, before: int | None) -> None:
        # If somebody has staged another version meanwhile, theirs stays.
        with suppress(Refused):
            if before is None:
                self._registry.withdraw(model, alias=STAGING, expected=version, by="staging", why="golden test failed")
            else:
                self._registry.promote(
                    model, alias=STAGING, to=before, expected=version, by="staging", why="golden test failed"
                )

    def _check(self, version: ModelVersion) -> StageReport:
        golden = self._golden(version)
        has_features = bool(self._artifacts.load(version.package, Package).features)
        compared, largest = 0, 0.0
        for index, request in enumerate(golden.requests):
            numbers = self._ask(version, request, index)
            if has_features and request.features is None:
                continue
            for position, (number, expected) in enumerate(zip(numbers, request.expected, strict=True)):
                difference = abs(number - expected)
                compared, largest = compared + 1, max(largest, difference)
                if not difference <= golden.tolerance * max(1.0, abs(expected)):
                    raise GoldenMismatch(
                        f"{version.model} version {version.version} answered golden request {index}, instance "
                        f"{position} with {number}, expected {expected} (tolerance {golden.tolerance:g})"
                    )
        looked_up = [request for request in golden.requests if request.features is not None][:_LOOKED_UP]
        for index, request in enumerate(looked_up):
            self._ask(version, request.model_copy(update={"features": None}), index)
        return StageReport(
            model=version.model,
            version=version.version,
            requests=len(golden.requests) + len(looked_up),
            compared=compared,
            largest_difference=largest,
        )

    def _golden(self, version: ModelVersion) -> GoldenSet:
        if version.candidate.golden is not None:
            return self._artifacts.load(version.candidate.golden, GoldenSet)
        return self._artifacts.load_newest(run_key(version.model, version.run_id, GOLDEN_FILE), GoldenSet)

    def _ask(self, version: ModelVersion, request: GoldenRequest, index: int) -> Sequence[float]:
        document = request.model_dump(mode="json", exclude={"expected"}, exclude_none=True)
        # `exclude_none` reaches into instances, where null is a value.
        document["instances"] = [dict(instance) for instance in request.instances]
        if request.features is not None:
            document["features"] = [dict(row) for row in request.features]
        event = http_event(PREDICT.url(model=version.model), json.dumps(document), alias=STAGING)
        for _ in range(_PATIENCE):
            answer = self._function.invoke(event)
            if answer.get("statusCode") != 200:
                raise GoldenMismatch(
                    f"{version.model} version {version.version} answered golden request {index} with "
                    f"{answer.get('statusCode', 'an error')}: {answer.get('body') or answer.get('errorMessage')}"
                )
            body = json.loads(answer["body"])
            if body["version"] == version.version:
                return [prediction.get("probability", prediction.get("value")) for prediction in body["predictions"]]
            self._pause(1.0)
        raise GoldenMismatch(
            f"the predict function still answers {version.model}@{STAGING} with version {body['version']}, "
            f"{_PATIENCE} seconds after it was moved to {version.version}"
        )


def http_event(path: str, body: str, **query: str) -> dict[str, Any]:
    """A POST as API Gateway's HTTP API hands it to a function (payload format 2.0)."""
    now = datetime.now(UTC)
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": {"content-type": "application/json"},
        "queryStringParameters": query,
        "requestContext": {
            "accountId": "",
            "apiId": "staging",
            "domainName": "staging",
            "domainPrefix": "staging",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "headwater-staging",
            },
            "requestId": uuid.uuid4().hex,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
            "timeEpoch": int(now.timestamp() * 1000),
        },
        "body": body,
        "isBase64Encoded": False,
    }
