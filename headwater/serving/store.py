"""The prediction log in S3 and the deployed predict function; the only place of this package that calls AWS."""

from __future__ import annotations

import json
from typing import Any

from headwater.aws import client
from headwater.serving.types import PredictionRecord


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
            Body=json.dumps(record.document(), separators=(",", ":")).encode(),
            ContentType="application/json",
        )


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
