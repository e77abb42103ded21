"""The lake's objects in S3 and its items in the registry table: the only calls to AWS of this package."""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from headwater.aws import client, error_code
from headwater.lake.errors import VersionGone
from headwater.lake.types import Ingestion, IngestionStatus, PinnedFile, Pointer, Upload

ATTEMPTS = 12
GONE = frozenset({"NoSuchVersion", "NoSuchKey", "404", "InvalidArgument"})


class Objects:
    """Versioned objects of one bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3 = client("s3")

    def fetch(self, pointer: Pointer, path: Path) -> None:
        """Write the bytes that ``pointer`` names to ``path``; raises `VersionGone` if they are no more."""
        try:
            answer = self._s3.get_object(Bucket=pointer.bucket, Key=pointer.key, VersionId=pointer.version_id)
        except ClientError as error:
            if error_code(error) in GONE:
                raise VersionGone(
                    f"s3://{pointer.bucket}/{pointer.key} has no version {pointer.version_id} (any more)"
                ) from error
            raise
        with path.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(1 << 20):
                file.write(chunk)

    def fetch_all(self, pointers: list[Pointer], folder: Path) -> list[Path]:
        """Write each pointer's bytes to a file of its own in ``folder``, a few at a time."""
        paths = [folder / f"{number:06}.parquet" for number in range(len(pointers))]
        with ThreadPoolExecutor(8, thread_name_prefix="fetch") as pool:
            list(pool.map(self.fetch, pointers, paths))
        return paths

    def put(self, key: str, path: Path) -> Pointer:
        """Store a file's bytes as a new version of ``key``."""
        with path.open("rb") as body:
            answer = self._s3.put_object(Bucket=self.bucket, Key=key, Body=body)
        return Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])

    def newest(self, key: str) -> Pointer | None:
        """The version of ``key`` that was written last; None if there is none."""
        try:
            answer = self._s3.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise
        return Pointer(bucket=self.bucket, key=key, version_id=answer["VersionId"])


class Ledger:
    """What the registry table knows of sources: which version of each file counts, and what became of each upload.

    Parameters
    ----------
    table : str
    pause : callable
        Called with seconds before a contended write is tried again.
    """

    def __init__(self, table: str, *, pause: Callable[[float], None] = time.sleep) -> None:
        self.table = table
        self._dynamodb = client("dynamodb")
        self._pause = pause

    def ingestion(self, upload: Upload) -> Ingestion | None:
        """What became of ``upload``; None if nothing is known."""
        item = self._get(_source(upload.source), _ingestion(upload))
        return Ingestion.model_validate_json(item["document"]["S"]) if item else None

    def ingestions(self, source: str) -> tuple[Ingestion, ...]:
        """What became of every upload to ``source``, the newest first."""
        found = [Ingestion.model_validate_json(item["document"]["S"]) for item in self._query(source, "INGESTION#")]
        return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))

    def record(self, ingestion: Ingestion) -> Ingestion:
        """Remember what became of an upload; the first success stays, whoever comes later.

        Returns
        -------
        Ingestion
            What the registry holds now: this one, or the success of a run beside this one.
        """
        try:
            self._dynamodb.put_item(
                TableName=self.table,
                Item={
                    "pk": {"S": _source(ingestion.source)},
                    "sk": {"S": _ingestion(ingestion.upload)},
                    "status": {"S": ingestion.status.value},
                    "document": {"S": ingestion.model_dump_json()},
                },
                ConditionExpression="attribute_not_exists(pk) OR #status <> :ingested",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={":ingested": {"S": IngestionStatus.INGESTED.value}},
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            # Also when our own write succeeded and its answer was lost: what is there is then what was to be written.
            present = self.ingestion(ingestion.upload)
            assert present is not None  # noqa: S101 - the condition failed, so there is one, and none is ever deleted
            return present
        return ingestion

    def move(self, upload: Upload, curated: Pointer) -> bool:
        """Let ``curated`` count as its file's version unless a later upload's does; say whether it counts now.

        The order is S3's own, so events that come twice, late or out of order end in the same state. The write names
        the upload that it is for: refused, the writer reads back and recognises its own, whose answer was lost.
        """
        for attempt in range(ATTEMPTS):
            revision = self._next_revision(upload.source)
            try:
                self._dynamodb.put_item(
                    TableName=self.table,
                    Item={
                        "pk": {"S": _source(upload.source)},
                        "sk": {"S": f"FILE#{_fitting(upload.file)}"},
                        "sequencer": {"S": upload.order},
                        "revision": {"N": str(revision)},
                        "write_id": {"S": upload.id},
                        "file": {"S": upload.file},
                        "curated": {"S": curated.model_dump_json()},
                    },
                    # A file's revision only grows, even if a writer with an earlier upload drew the later number.
                    ConditionExpression="attribute_not_exists(pk) OR (sequencer < :sequencer AND revision < :revision)",
                    ExpressionAttributeValues={
                        ":sequencer": {"S": upload.order},
                        ":revision": {"N": str(revision)},
                    },
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
            else:
                return True
            present = self._get(_source(upload.source), f"FILE#{_fitting(upload.file)}")
            if present is not None:
                if present["write_id"]["S"] == upload.id:
                    return True
                if present["sequencer"]["S"] >= upload.order:
                    return False
            self._pause(random.uniform(0, min(1.0, 0.01 * 2**attempt)))  # noqa: S311
        raise RuntimeError(f"{upload.key}: {ATTEMPTS} times another writer of the same file came first")

    def files(self, source: str) -> list[PinnedFile]:
        """The version of each of the source's files that counts, by file name."""
        return [
            PinnedFile(
                source=source,
                file=item["file"]["S"],
                at=Pointer(**json.loads(item["curated"]["S"])),
                revision=int(item["revision"]["N"]),
            )
            for item in self._query(source, "FILE#")
        ]

    def _next_revision(self, source: str) -> int:
        answer = self._dynamodb.update_item(
            TableName=self.table,
            Key={"pk": {"S": _source(source)}, "sk": {"S": "COUNTER"}},
            UpdateExpression="ADD revision :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"]["revision"]["N"])

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._dynamodb.get_item(
            TableName=self.table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        )
        item: dict[str, Any] | None = answer.get("Item")
        return item

    def _query(self, source: str, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self.table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": _source(source)}, ":prefix": {"S": prefix}},
            ConsistentRead=True,
        )
        for page in pages:
            yield from page["Items"]


class Executions:
    """Runs of a state machine."""

    def __init__(self, arn: str) -> None:
        self.arn = arn
        self._stepfunctions = client("stepfunctions")

    def start(self, name: str, given: object) -> bool:
        """Start a run called ``name``; False if there is, or was, one of that name."""
        try:
            self._stepfunctions.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        except ClientError as error:
            if error_code(error) == "ExecutionAlreadyExists":
                return False
            raise
        return True


def _source(source: str) -> str:
    return f"SOURCE#{source}"


def _ingestion(upload: Upload) -> str:
    return f"INGESTION#{upload.version_id}#{_fitting(upload.file)}"


def _fitting(file: str) -> str:
    """A file's name in a sort key, of which DynamoDB allows 1,024 bytes: a longer one is named by its hash."""
    name = file.encode("utf-8", "surrogatepass")
    return file if len(name) <= 900 else hashlib.sha256(name).hexdigest()
