"""The prediction log in S3 and the deployed predict function; the only place of this package that calls AWS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

from botocore.exceptions import ClientError

from headwater.json_values import dumps, loads
from headwater.serving.types import PredictionRecord, record_key
from headwater.storage.clients import client, error_code
from headwater.storage.objects import GONE

READERS = 16


class PredictionStore:
    """One JSON object a request, under ``<model>/date=YYYY-MM-DD/<request id>.json``."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3 = client("s3")

    def write(self, record: PredictionRecord) -> None:
        """Keep ``record``; writing it again changes nothing."""
        self._s3.put_object(
            Bucket=self.bucket,
            Key=record.key,
            Body=dumps(record.document()).encode(),
            ContentType="application/json",
        )

    def models(self) -> list[str]:
        """The models of which predictions are kept, by name."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Delimiter="/")
        return sorted(entry["Prefix"].rstrip("/") for page in pages for entry in page.get("CommonPrefixes", ()))

    def days(self, model: str) -> list[date]:
        """The days of which predictions are kept, oldest first; UTC."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{model}/date=", Delimiter="/"
        )
        folders = [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]
        return sorted(date.fromisoformat(folder.rpartition("date=")[2].rstrip("/")) for folder in folders)

    def records(self, model: str, day: date, *, limit: int) -> list[dict[str, Any]]:
        """A day's requests as they were written down: all of them, or ``limit`` that are spread over their ids."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=f"{model}/date={day.isoformat()}/"
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        # Ids begin with the time: the first ones would be those of the night.
        step = max(1.0, len(keys) / limit)
        chosen = [keys[int(place * step)] for place in range(min(limit, len(keys)))]
        with ThreadPoolExecutor(READERS, thread_name_prefix="prediction-log") as pool:
            return list(pool.map(self._record, chosen))

    def record(self, model: str, day: date, request_id: str) -> dict[str, Any] | None:
        """A request as it was written down; None if there is no record of it."""
        try:
            return self._record(record_key(model, day, request_id))
        except ClientError as error:
            if error_code(error) not in GONE:
                raise
            return None

    def days_of(self, model: str, days: Sequence[date], request_id: str) -> list[date]:
        """The days among ``days`` on which a request of that id was written down."""

        def is_there(day: date) -> bool:
            try:
                self._s3.head_object(Bucket=self.bucket, Key=record_key(model, day, request_id))
            except ClientError as error:
                if error_code(error) not in GONE:
                    raise
                return False
            return True

        with ThreadPoolExecutor(READERS, thread_name_prefix="prediction-log") as pool:
            return [day for day, there in zip(days, pool.map(is_there, days), strict=True) if there]

    def _record(self, key: str) -> dict[str, Any]:
        record: dict[str, Any] = loads(self._s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode())
        return record


class PredictFunction:
    """The deployed predict function, invoked as API Gateway would."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._lambda = client("lambda")

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Its answer to an HTTP API event (payload 2.0), or ``{"errorMessage", ...}`` if it raised or timed out."""
        answer = self._lambda.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
        return payload
