"""The prediction log in S3 and the deployed predict function; the only place of this package that calls AWS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError

from headwater.json_values import dumps, loads
from headwater.serving.types import PredictionRecord, day_prefix, hour_prefix, possible_keys
from headwater.storage.clients import Clients, error_code
from headwater.storage.http.connection import Answer, connection
from headwater.storage.objects import GONE

COMPACTED, QUARANTINED, PROFILES, LABELLED = "compact/", "quarantine/", "profiles/", "labels/"
"""Folders that monitoring writes beside those of the models (`headwater.monitoring`); a model may have their names."""
_TOGETHER = 64
"""Requests that are under way at once."""
_PAGE = 1000
"""Keys that S3 lists at once."""


class PredictionStore:
    """One JSON object a request, under ``<model>/date=YYYY-MM-DD/hour=HH/<request id>.json``.

    Records from before there were hours lie one folder higher, and are found as well.
    """

    def __init__(self, bucket: str, clients: Clients) -> None:
        self.bucket = bucket
        self._s3, self._wire = clients("s3"), connection("s3", clients)

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
        found = sorted(folder.rstrip("/") for folder in self._folders(""))
        beside = {folder.rstrip("/") for folder in (COMPACTED, QUARANTINED, PROFILES, LABELLED)}
        return [name for name in found if name not in beside or self.days(name)]

    def days(self, model: str) -> list[date]:
        """The days of which predictions are kept, oldest first; UTC."""
        folders = self._folders(f"{model}/date=")
        return sorted(date.fromisoformat(folder.rpartition("date=")[2].rstrip("/")) for folder in folders)

    def records(self, model: str, day: date, *, limit: int) -> list[dict[str, Any]]:
        """A day's requests as they were written down: all of them, or ``limit`` that are spread over the day.

        It lists no more than a thousand keys of each hour: ids are random, so the first ones are any of the hour's.
        """
        prefix, keys = day_prefix(model, day), list[str]()
        for folder in self._folders(prefix):
            page = self._s3.list_objects_v2(Bucket=self.bucket, Prefix=folder, MaxKeys=_PAGE)
            keys += [entry["Key"] for entry in page.get("Contents", ())]
        # Those of before there were hours.
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        keys += [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        step = max(1.0, len(keys) / limit)
        chosen = [keys[int(place * step)] for place in range(min(limit, len(keys)))]
        return [_document(answer) for answer in self._ask("GetObject", "GET", chosen)]

    def record(self, model: str, day: date | datetime, request_id: str) -> dict[str, Any] | None:
        """A request as it was written down; None if there is no record of it.

        Of a day each hour is asked for, all of them together; of a moment its hour alone, which is one read.
        """
        if isinstance(day, datetime):
            answers = self._ask("GetObject", "GET", [f"{hour_prefix(model, day)}{request_id}.json"])
            if (found := next(filter(_is_there, answers), None)) is not None:
                return _document(found)
            day = day.date()
        answers = self._ask("GetObject", "GET", possible_keys(model, day, request_id))
        return next((_document(answer) for answer in answers if _is_there(answer)), None)

    def days_of(self, model: str, days: Sequence[date], request_id: str) -> list[date]:
        """The days among ``days`` on which a request of that id was written down."""
        there = set(self.days(model))
        asked = [(day, key) for day in days if day in there for key in possible_keys(model, day, request_id)]
        answers = self._ask("HeadObject", "HEAD", [key for _, key in asked])
        return list(dict.fromkeys(day for (day, _), answer in zip(asked, answers, strict=True) if _is_there(answer)))

    def _folders(self, prefix: str) -> list[str]:
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        return [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]

    def _ask(self, operation: str, method: str, keys: Iterable[str]) -> Iterator[Answer | ClientError]:
        coming = iter(keys)
        while some := [(key, ()) for key in islice(coming, _TOGETHER)]:
            yield from self._wire.request_all(operation, method, self.bucket, some)


def _is_there(answer: Answer | ClientError) -> bool:
    if isinstance(answer, ClientError):
        if error_code(answer) not in GONE:
            raise answer
        return False
    return True


def _document(answer: Answer | ClientError) -> dict[str, Any]:
    if isinstance(answer, ClientError):
        raise answer
    record: dict[str, Any] = loads(answer.body.decode())
    return record


class PredictFunction:
    """The deployed predict function, invoked as API Gateway would."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self._lambda = clients("lambda")

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Its answer to an HTTP API event (payload 2.0), or ``{"errorMessage", ...}`` if it raised or timed out."""
        answer = self._lambda.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        payload: dict[str, Any] = json.loads(answer["Payload"].read())
        return payload
