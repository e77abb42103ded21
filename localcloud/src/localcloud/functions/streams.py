"""Event source mappings of DynamoDB streams: batches in order, filters, retries, partial answers, a destination.

Sources: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, services-ddb-batchfailurereporting.html and
services-dynamodb-errors.html; the form of a destination's record was recorded on AWS.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from localcloud.context import CloudContext
from localcloud.functions.configuration import backend_of, look_up, parse_name
from localcloud.functions.event_source_mappings import passes, processed
from localcloud.functions.polling import Invoker, Poller
from localcloud.functions.types import LambdaError, Outcome
from localcloud.identity import Identity
from localcloud.rest import Going

_RETRY_SECONDS, _RETRY_SECONDS_AT_MOST = 0.1, 5.0

_logger = logging.getLogger(__name__)


class StreamSources(Poller):
    """Reads for each enabled mapping, one batch after the other, as the function's role may."""

    def __init__(self, cloud: CloudContext, functions: Invoker) -> None:
        super().__init__(cloud, functions, thread="lambda-streams")
        self._busy: set[str] = set()
        self._pauses: dict[str, float] = {}
        """When the failed batch of a mapping is tried again, by `time.monotonic`."""

    def look(self) -> None:
        """Begin the batches of streams that are due."""
        for mapping in tuple(backend_of(self._cloud)._event_source_mappings.values()):
            if _is_on(mapping) and ":dynamodb:" in mapping.event_source_arn and mapping.uuid not in self._busy:
                self._look(mapping)

    def going_on(self) -> list[Going]:
        """Batches, and records that are still to come."""
        mappings = [it for it in tuple(backend_of(self._cloud)._event_source_mappings.values()) if _is_on(it)]
        return [going for it in mappings if ":dynamodb:" in it.event_source_arn and (going := self._going(it))]

    def _going(self, mapping: Any) -> Going | None:
        table, function = mapping.event_source_arn.split(":table/")[1].partition("/")[0], mapping.function_arn
        what = f"records of table {table} for {parse_name(function, None)[0]}"
        shard, begun = _shard(mapping), mapping.stream_position
        key = f"{mapping.uuid} {begun}"
        if mapping.uuid in self._busy:
            return Going(what, key, self._pauses.get(mapping.uuid))
        if shard is None or len(shard.items) <= begun:
            return None
        if mapping.uuid in self._refused:
            return Going(what, key, math.inf)
        window, since = float(mapping.max_batch_window or 0), self._since.get(mapping.uuid)
        return Going(what, key, None if since is None or not window else since + window)

    def _look(self, mapping: Any) -> None:
        """Begin a batch, if it is full or has waited long enough."""
        with self._cloud.dispatcher.lock:  # a transaction that is cancelled takes its items back under it
            waiting = _after(mapping)[: mapping.batch_size]
        if not waiting:
            return
        since = self._since.setdefault(mapping.uuid, time.monotonic())
        window = float(mapping.max_batch_window or 0)
        if len(waiting) < mapping.batch_size and time.monotonic() - since < window:
            return
        self._since.pop(mapping.uuid, None)
        self._busy.add(mapping.uuid)
        threading.Thread(target=self._work, args=(mapping, waiting), name="lambda-stream", daemon=True).start()

    def _work(self, mapping: Any, items: Sequence[Any]) -> None:
        try:
            if not self._may_read(mapping):
                return
            records = [_record(item, mapping.event_source_arn, self._cloud.region) for item in items]
            kept = [record for record in records if passes(mapping.filter_criteria, record)]
            if not kept or self._deliver(mapping, kept):
                mapping.stream_position += len(items)
        except Exception:
            if not self._stopped.is_set():
                _logger.exception("a batch of %s failed", mapping.event_source_arn)
        finally:
            self._busy.discard(mapping.uuid)

    def _may_read(self, mapping: Any) -> bool:
        try:
            function, _ = look_up(self._cloud, mapping.function_arn)
        except LambdaError:
            return False  # the function is gone, and soon its mapping
        refusal = self._cloud.emulator(Identity).refusal(function.role, "dynamodb:GetRecords", mapping.event_source_arn)
        # Told once: it would be told twenty times a second.
        if refusal and mapping.uuid not in self._refused:
            self._refused.add(mapping.uuid)
            _logger.warning("the mapping of %s: %s", mapping.event_source_arn, refusal)
        elif not refusal:
            self._refused.discard(mapping.uuid)
        return not refusal

    def _deliver(self, mapping: Any, records: list[dict[str, Any]]) -> bool:
        """Invoke until the batch is processed or given up; False if the mapping is switched off before."""
        attempts = 0
        while _is_on(mapping) and not self._stopped.is_set():
            outcome = self._invoke(mapping, records)
            left = self._left(mapping, records, outcome)
            if not left:
                return True
            attempts = 1 if len(left) < len(records) else attempts + 1
            records = left
            if mapping.bisect_on_error and len(records) > 1:
                half = len(records) // 2
                return self._deliver(mapping, records[:half]) and self._deliver(mapping, records[half:])
            if condition := _given_up(mapping, records, attempts):
                self._tell(mapping, records, condition, attempts, outcome)
                return True
            pause = min(_RETRY_SECONDS * 2.0 ** (attempts - 1), _RETRY_SECONDS_AT_MOST)
            self._pauses[mapping.uuid] = time.monotonic() + pause
            self._stopped.wait(pause)
            self._pauses.pop(mapping.uuid, None)
        return False

    def _invoke(self, mapping: Any, records: Sequence[Mapping[str, Any]]) -> Outcome | None:
        try:
            return self._functions.invoke(mapping.function_arn, json.dumps({"Records": records}).encode())
        except LambdaError as error:  # throttled, or too large
            _logger.warning("the mapping of %s: %s", mapping.event_source_arn, error)
            return None

    def _left(self, mapping: Any, records: list[dict[str, Any]], outcome: Outcome | None) -> list[dict[str, Any]]:
        """The records from the first that failed on: a stream keeps its order."""
        if outcome is None or outcome.function_error:
            return records
        if "ReportBatchItemFailures" not in (mapping.function_response_types or ()):
            return []
        numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
        done = set(processed(numbers, outcome.payload))
        first = next((position for position, number in enumerate(numbers) if number not in done), len(records))
        return records[first:]

    def _tell(
        self,
        mapping: Any,
        records: Sequence[Mapping[str, Any]],
        condition: str,
        attempts: int,
        outcome: Outcome | None,
    ) -> None:
        target = ((mapping.destination_config or {}).get("OnFailure") or {}).get("Destination")
        if not target:
            return
        moments = [
            datetime.fromtimestamp(record["dynamodb"]["ApproximateCreationDateTime"], UTC)
            for record in (records[0], records[-1])
        ]
        body = json.dumps(
            {
                "requestContext": {
                    "requestId": str(uuid.uuid4()),
                    "functionArn": mapping.function_arn,
                    "condition": condition,
                    "approximateInvokeCount": attempts,
                },
                "responseContext": {
                    "statusCode": 200,
                    "executedVersion": outcome.executed_version if outcome else "$LATEST",
                    "functionError": (outcome.function_error if outcome else "") or None,
                },
                "version": "1.0",
                "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}",
                "DDBStreamBatchInfo": {
                    "shardId": _shard(mapping).id,
                    "startSequenceNumber": records[0]["dynamodb"]["SequenceNumber"],
                    "endSequenceNumber": records[-1]["dynamodb"]["SequenceNumber"],
                    "approximateArrivalOfFirstRecord": f"{moments[0]:%Y-%m-%dT%H:%M:%SZ}",
                    "approximateArrivalOfLastRecord": f"{moments[1]:%Y-%m-%dT%H:%M:%SZ}",
                    "batchSize": len(records),
                    "streamArn": mapping.event_source_arn,
                },
            }
        )
        if ":sns:" in target:
            self._cloud.client("sns").publish(TopicArn=target, Message=body)
        else:
            sqs = self._cloud.client("sqs")
            url = sqs.get_queue_url(QueueName=target.rpartition(":")[2])["QueueUrl"]
            sqs.send_message(QueueUrl=url, MessageBody=body)


def begin(mapping: Any) -> None:
    """Note where a new mapping reads from, and take it out of moto's own delivery."""
    shard = _shard(mapping)
    mapping.stream_position = len(shard.items) if shard and mapping.starting_position == "LATEST" else 0
    if (table := _table(mapping)) is not None:
        table.lambda_event_source_mappings.clear()


def _given_up(mapping: Any, records: Sequence[Mapping[str, Any]], attempts: int) -> str:
    """Why a batch isn't tried again; empty if it is."""
    oldest = time.time() - records[0]["dynamodb"]["ApproximateCreationDateTime"]
    if 0 <= (mapping.max_record_age if mapping.max_record_age is not None else -1) < oldest:
        return "RecordAgeExceeded"
    most = mapping.max_retry_attempts
    return "RetryAttemptsExhausted" if most is not None and 0 <= most < attempts else ""


def _is_on(mapping: Any) -> bool:
    return mapping.enabled in (True, "true") and not getattr(mapping, "is_deleted", False)


def _table(mapping: Any) -> Any:
    name = mapping.event_source_arn.split(":table/")[1].partition("/")[0]
    return dynamodb_backends[mapping.account_id][mapping.region].tables.get(name)


def _shard(mapping: Any) -> Any:
    table = _table(mapping)
    return table.stream_shard if table is not None else None


def _after(mapping: Any) -> list[Any]:
    """The items of the stream that the mapping hasn't passed yet."""
    shard = _shard(mapping)
    return shard.items[mapping.stream_position :] if shard is not None else []


def _record(item: Any, stream_arn: str, region: str) -> dict[str, Any]:
    record = item.to_json()
    change = dict(record["dynamodb"])
    created = change["ApproximateCreationDateTime"]
    if isinstance(created, datetime):  # moto's are UTC without saying so
        change["ApproximateCreationDateTime"] = (created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp()
    return {**record, "awsRegion": region, "dynamodb": change, "eventSourceARN": stream_arn}
