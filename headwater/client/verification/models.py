"""From a training run to an answer of the API: what is seen of the verification's model on its way."""

from __future__ import annotations

import json
import time
from typing import Any

import urllib3

from headwater.client.errors import PredictionRefused, RunFailed
from headwater.client.models import ModelCard
from headwater.client.predictions import Predictions
from headwater.client.starting import starting
from headwater.client.verification.types import CheckFailed, Work
from headwater.client.waiting import wait_for
from headwater.registry.errors import AliasMoved
from headwater.registry.service import PRODUCTION, STAGING, Registry
from headwater.routes import PREDICT
from headwater.storage.clients import error_code
from headwater.storage.table import Table
from headwater.verification import MODEL, UNIT
from headwater.verification.rows import answer

TRAINING_TIMEOUT = 3600.0
ARRIVAL_TIMEOUT = 60.0
"""Seconds that a promotion, or a prediction's log, may take to be seen."""
TOLERANCE = 0.01
"""Answers are float32 numbers of a few hundreds."""
SIZE = 42.0
# In the words of Amazon ECS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html and
# its API's reasons for a task that can't be placed.
_QUOTA = ("limit on the number of", "above your limit", "ServiceQuota", "LimitExceeded")


def train(work: Work) -> str:
    """A run prepares its data, trains in a container, and ends with a version."""
    with starting("verification", "headwater verify"):
        run = work.stack.train(MODEL, reason=f"headwater verify {work.sample.run_id}")
    work.training = run.id
    try:
        done = work.stack.runs.watch(run.id, timeout=TRAINING_TIMEOUT, on_step=work.tell)
    except RunFailed as error:
        raise CheckFailed(quota_advice(error.message)) from error
    if done.version is None:
        raise CheckFailed(f"run {run.id} ended without a version")
    work.card = work.stack.models.show(MODEL, done.version)
    return f"version {done.version} was made in {done.seconds or 0:.0f} s"


def quota_advice(message: str) -> str:
    """A run's failure; where AWS had no room for its container, with what to ask AWS for."""
    if not any(words in message for words in _QUOTA):
        return message
    return (
        f"{message}. The account's quota is too small for the training container: ask AWS (Service Quotas, AWS "
        "Fargate) for more 'Fargate On-Demand vCPU resource count', or deploy with a smaller headwater:trainingCpu"
    )


def gates(work: Work) -> str:
    """The candidate passed its gates and the comparison with ONNX, and was registered as READY."""
    card = _card(work)
    failed = [gate.reason or gate.metric for gate in card.gates if not gate.passed]
    if card.status != "READY" or failed:
        raise CheckFailed(f"version {card.version} is {card.status}: {'; '.join(card.reasons) or ', '.join(failed)}")
    if card.warnings:
        raise CheckFailed(f"version {card.version} has signs of a leak: {'; '.join(card.warnings)}")
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in sorted(card.metrics.items()))
    return f"version {card.version} is READY: {metrics}; {len(card.gates)} gate(s) passed"


def staging(work: Work) -> str:
    """`staging` was moved to the version, which answered its golden requests."""
    return _alias(work, STAGING)


def production(work: Work) -> str:
    """`production` was moved to the version by itself."""
    return _alias(work, PRODUCTION)


def _alias(work: Work, alias: str) -> str:
    card, registry = _card(work), _registry(work)
    current = registry.current(MODEL, alias)
    if current != card.version:
        raise CheckFailed(f"{alias} points at {current or 'no version'}, expected version {card.version}")
    move = registry.log(MODEL, alias)[-1]
    return f"{alias} points at version {card.version}: move {move.sequence}{f' by {move.by}' if move.by else ''}"


def predict(work: Work) -> str:
    """The API looks the feature up and gives the right answer."""
    unit = work.sample.units[0]
    wanted = answer(SIZE, work.sample.last_level(unit))
    work.answer = ask(work, unit)
    value = work.answer.predictions[0].number
    if abs(value - wanted) > TOLERANCE:
        raise CheckFailed(f"the API answered {value} for size {SIZE:g} of {unit}, expected {wanted:g}")
    return f"the API answered {value:.4g}, as expected, by version {work.answer.version}"


def ask(work: Work, unit: str) -> Predictions:
    """Ask the API about a unit; a promotion may take some seconds to arrive."""

    def look() -> Predictions | None:
        work.use("API requests", 1)
        try:
            return work.stack.predict(MODEL, [{UNIT: unit, "size": SIZE}])
        except PredictionRefused as error:
            if error.status == 404 and time.monotonic() < until:
                return None
            raise

    until = time.monotonic() + ARRIVAL_TIMEOUT
    return wait_for(look, what="an answer of the API", timeout=ARRIVAL_TIMEOUT + 10)


def bad_request(work: Work) -> str:
    """A request that lacks an input is refused, and the refusal names the input."""
    work.use("API requests", 1)
    try:
        work.stack.predict(MODEL, [{UNIT: work.sample.units[0]}])
    except PredictionRefused as error:
        if not 400 <= error.status < 500 or "size" not in f"{error.message} {json.dumps(list(error.problems))}":
            raise CheckFailed(
                f"a request without size got {error.status} {error.reason}: {error.message}; expected 4xx about size"
            ) from error
        return f"{error.status} {error.reason}: {error.message}"
    raise CheckFailed("a request without size was answered as if nothing were missing")


def unsigned_request(work: Work) -> str:
    """Nobody gets an answer without a signature."""
    url = f"{work.stack.description.api_url.rstrip('/')}{PREDICT.url(model=MODEL)}"
    work.use("API requests", 1)
    sent = urllib3.request("POST", url, body=b'{"instances": []}', timeout=30.0, retries=False)
    if sent.status != 403:
        raise CheckFailed(f"a request without a signature got {sent.status}, expected 403")
    return "a request without a signature is answered 403"


def logged(work: Work) -> str:
    """The prediction was written down with its inputs, features and answer."""
    given = work.answer
    if given is None:
        raise CheckFailed("no prediction was answered")
    request, bucket = given.request_id, work.stack.description.predictions_bucket
    s3 = work.clients("s3")

    def look() -> dict[str, Any] | None:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{MODEL}/date="):
            for found in page.get("Contents", ()):
                if found["Key"].endswith(f"/{request}.json"):
                    try:
                        record: dict[str, Any] = json.loads(
                            s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
                        )
                    except s3.exceptions.ClientError as error:
                        if error_code(error) == "NoSuchKey":
                            return None
                        raise
                    return record
        return None

    record = wait_for(look, what=f"the log of prediction {request}", timeout=ARRIVAL_TIMEOUT)
    if record["version"] != given.version or record["features_from"] != "online":
        raise CheckFailed(
            f"the log says version {record['version']} and features from {record['features_from']}, expected "
            f"{given.version} and online"
        )
    return "written down with its features and its answer"


def lineage(work: Work) -> str:
    """The prediction is traced to the version that answered, and to the file that it learnt from."""
    given, card = work.answer, _card(work)
    if given is None:
        raise CheckFailed("no prediction was answered")
    why = work.stack.lineage.why(given.request_id, model=MODEL, days=2)
    commits = {entry.source: entry.commit for entry in why.commits}
    if (why.version, why.run_id, commits) != (given.version, card.run_id, dict(card.commits)):
        raise CheckFailed(
            f"traced to version {why.version} of run {why.run_id}, learnt from {commits}; expected {given.version}, "
            f"{card.run_id} and {dict(card.commits)}"
        )
    files = [node for node in work.stack.lineage.up(why.node, depth=None, kinds=("file",)).nodes if "/landing/" in node]
    if not files:
        raise CheckFailed("no uploaded file was found above the prediction")
    return f"traced to run {why.run_id} and {len(files)} uploaded file{'s' * (len(files) > 1)}"


def moves(work: Work) -> str:
    """A promotion and a rollback arrive at the API, and stand in the log with who made them and why.

    The run's candidate is registered a second time, as one that was judged against its first version: two versions are
    needed to go back and forth, and one training pays for both.
    """
    card, registry = _card(work), _registry(work)
    first = registry.version(MODEL, card.version)
    again = first.candidate.model_copy(update={"champion_version": first.version})
    second = registry.register(again, commit=first.commit)
    why = f"headwater verify {work.sample.run_id}"
    try:
        work.stack.models.promote(MODEL, second.version, why=why)
        _answered_by(work, second.version)
        work.stack.models.rollback(MODEL, why=why)
        _answered_by(work, first.version)
    except AliasMoved as error:
        raise CheckFailed(error.message) from error
    there, back = registry.log(MODEL, PRODUCTION)[-2:]
    steps = [(there.before, there.to, there.why), (back.before, back.to, back.why)]
    expected = [(first.version, second.version, why), (second.version, first.version, why)]
    if steps != expected:
        raise CheckFailed(f"the log of production ends with {steps}, expected {expected}")
    return f"moves {there.sequence} and {back.sequence} of production: to version {second.version} and back"


def _answered_by(work: Work, version: int) -> None:
    def look() -> bool | None:
        return True if ask(work, work.sample.units[0]).version == version else None

    wait_for(look, what=f"an answer of version {version}", timeout=ARRIVAL_TIMEOUT, pauses=(0.5, 2.0))


def _card(work: Work) -> ModelCard:
    if work.card is None:
        raise CheckFailed("no version was trained")
    return work.card


def _registry(work: Work) -> Registry:
    return Registry(Table(work.stack.description.registry_table, work.clients))
