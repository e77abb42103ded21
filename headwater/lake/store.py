"""The lake's objects in S3 and its items in the registry table: the only calls to AWS of this package."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from headwater.aws import client, error_code
from headwater.lake.errors import LakeBusy
from headwater.lake.types import Definition, Ingestion, IngestionStatus, Order, Reingestion, Upload
from headwater.values import Pointer
from headwater.versions.errors import VersionGone

ARRIVED = "arrived/"
"""Prefix of streamed rows that aren't committed yet, a folder for each view and version of its definition."""
DELETED_AT_ONCE = 1000
FIRST, LATEST = "FIRSTDEFINITION", "LATESTDEFINITION"
BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "503", "500"})
GONE = frozenset({"NoSuchVersion", "NoSuchKey", "404", "InvalidArgument"})


class Objects:
    """Versioned objects of one bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3 = client("s3")

    def fetch(self, pointer: Pointer, path: Path) -> Order:
        """Write the bytes that ``pointer`` names to ``path``. Returns when they landed; raises `VersionGone`."""
        answer = self._version(self._s3.get_object, pointer)
        with path.open("wb") as file:
            for chunk in answer["Body"].iter_chunks(1 << 20):
                file.write(chunk)
        return Order.of(answer["Metadata"], answer["LastModified"])

    def tail(self, pointer: Pointer, count: int) -> bytes:
        """The last ``count`` bytes of the object that ``pointer`` names, or all if there are fewer; raises
        `VersionGone`."""
        get_range = partial(self._s3.get_object, Range=f"bytes=-{count}")
        read: bytes = self._version(get_range, pointer)["Body"].read()
        return read

    def gone(self, pointers: Sequence[Pointer]) -> list[bool]:
        """For each pointer whether its object was deleted."""

        def is_gone(pointer: Pointer) -> bool:
            try:
                self._version(self._s3.head_object, pointer)
            except VersionGone:
                return True
            return False

        with ThreadPoolExecutor(16, thread_name_prefix="gone") as pool:
            return list(pool.map(is_gone, pointers))

    def order(self, pointer: Pointer) -> Order:
        """When the file that ``pointer`` names landed; raises `VersionGone`."""
        answer = self._version(self._s3.head_object, pointer)
        return Order.of(answer["Metadata"], answer["LastModified"])

    def _version(self, call: Callable[..., Any], pointer: Pointer) -> Any:
        try:
            return call(Bucket=pointer.bucket, Key=pointer.key, VersionId=pointer.version_id)
        except ClientError as error:
            if error_code(error) in GONE:
                raise VersionGone(
                    f"s3://{pointer.bucket}/{pointer.key} has no version {pointer.version_id} (any more)"
                ) from error
            raise

    def in_order(self, pointers: Sequence[Pointer]) -> list[Pointer]:
        """The pointers in the order in which their files landed; files that landed at the same moment keep their
        order."""
        with ThreadPoolExecutor(16, thread_name_prefix="order") as pool:
            orders = list(pool.map(self.order, pointers))
        return [pointers[number] for number in sorted(range(len(pointers)), key=orders.__getitem__)]

    def fetch_in_order(self, pointers: Sequence[Pointer], folder: Path) -> list[Path]:
        """Write each pointer's bytes to a file of its own in ``folder``. Returns the files in the order in which they
        landed.

        Files that landed at the same moment keep the order of ``pointers``.
        """
        fetched = [folder / f"fetched-{number}" for number in range(len(pointers))]
        with ThreadPoolExecutor(8, thread_name_prefix="fetch") as pool:
            orders = list(pool.map(self.fetch, pointers, fetched))
        in_order = sorted(range(len(pointers)), key=orders.__getitem__)
        return [fetched[number].rename(folder / f"{place:06}.parquet") for place, number in enumerate(in_order)]

    def put(self, key: str, path: Path, metadata: Mapping[str, str] | None = None) -> Pointer:
        """Store a file's bytes as a new version of ``key``, with a checksum that stands for them."""
        with path.open("rb") as body:
            answer = self._s3.put_object(
                Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256", Metadata=dict(metadata or {})
            )
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

    def landed(self, prefix: str) -> Iterator[tuple[datetime, Upload]]:
        """The newest version of each object under ``prefix`` that isn't deleted, and when it landed.

        A listing has no sequencers, which would order two versions of one second; the time orders all others.
        """
        pages = self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix)
        for page in pages:
            for found in page.get("Versions", ()):
                if found["IsLatest"]:
                    key, version_id, size = found["Key"], found["VersionId"], found["Size"]
                    upload = Upload(bucket=self.bucket, key=key, version_id=version_id, size=size, sequencer="0")
                    yield found["LastModified"], upload


class Arrivals:
    """Streamed rows that aren't committed yet: a small object for each call, named by the hash of its content.

    The same rows sent again have the same key. An object is deleted by version id, so that the deleted version is the
    one that was read, and rows that are sent again later are committed again.

    Parameters
    ----------
    bucket : str
        The lake's, which keeps versions.
    """

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self._s3 = client("s3")

    def put(self, view: str, version: str, body: bytes) -> str:
        """Keep a call's rows, lines of JSON, for a version of a view's definition. Returns the object's key.

        Raises
        ------
        LakeBusy
            S3 throttled; calling again is safe.
        """
        key = f"{ARRIVED}{view}/{version}/{hashlib.sha256(body).hexdigest()}.jsonl"
        try:
            self._s3.put_object(Bucket=self.bucket, Key=key, Body=body, ChecksumAlgorithm="SHA256")
        except ClientError as error:
            if error_code(error) in BUSY:
                raise LakeBusy(f"s3://{self.bucket}/{ARRIVED}: throttled until all retries were spent") from error
            raise
        return key

    def views(self) -> tuple[str, ...]:
        """The views that have arrived rows, in order."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=ARRIVED, Delimiter="/")
        return tuple(
            entry["Prefix"].removeprefix(ARRIVED).rstrip("/")
            for page in pages
            for entry in page.get("CommonPrefixes", ())
        )

    def waiting(self, view: str) -> Iterator[Pointer]:
        """The arrived objects of a view, every version, by key. Objects may be deleted while this iterates."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self.bucket, Prefix=f"{ARRIVED}{view}/"
        )  # fmt: skip
        for page in pages:
            # A delete marker means that a person deleted the object; the versions below it count.
            for entry in page.get("Versions", ()):
                yield Pointer(bucket=self.bucket, key=entry["Key"], version_id=entry["VersionId"])

    def fetch(self, pointer: Pointer, path: Path) -> bool:
        """Write a call's rows to a file; False if they were committed and deleted meanwhile."""
        try:
            answer = self._s3.get_object(Bucket=pointer.bucket, Key=pointer.key, VersionId=pointer.version_id)
        except ClientError as error:
            if error_code(error) in GONE:
                return False
            raise
        path.write_bytes(answer["Body"].read())
        return True

    def delete(self, pointers: Sequence[Pointer]) -> None:
        """Delete committed objects for ever; a missing object is no error.

        Raises
        ------
        ClientError
            Some objects weren't deleted: they are committed a second time, which changes no answer.
        """
        for start in range(0, len(pointers), DELETED_AT_ONCE):
            some = pointers[start : start + DELETED_AT_ONCE]
            answer = self._s3.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": one.key, "VersionId": one.version_id} for one in some], "Quiet": True},
            )
            for error in answer.get("Errors", ()):
                raise ClientError({"Error": error}, "DeleteObjects")


class IngestionLog:
    """The registry table's items about uploads.

    Parameters
    ----------
    table : str
    """

    def __init__(self, table: str) -> None:
        self.table = table
        self._dynamodb = client("dynamodb")

    def ingestion(self, upload: Upload) -> Ingestion | None:
        """The ingestion of ``upload``; None if nothing is known."""
        item = self._get(_source(upload.source), _ingestion(upload))
        return Ingestion.model_validate_json(item["document"]["S"]) if item else None

    def ingestions(self, source: str) -> tuple[Ingestion, ...]:
        """The ingestion of every upload to ``source``, the newest first."""
        found = [Ingestion.model_validate_json(item["document"]["S"]) for item in self._query(source, "INGESTION#")]
        return tuple(sorted(found, key=lambda entry: entry.at, reverse=True))

    def record(self, ingestion: Ingestion) -> Ingestion:
        """Store the ingestion of an upload.

        A final success (committed or superseded) is never replaced. Of two successes that aren't final the first stays.
        Everything else is replaced.

        Returns
        -------
        Ingestion
            The stored ingestion: the given one, or a concurrent run's.
        """
        item = {
            "pk": {"S": _source(ingestion.source)},
            "sk": {"S": _ingestion(ingestion.upload)},
            "status": {"S": ingestion.status.value},
            "document": {"S": ingestion.model_dump_json()},
        }
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(settled)"}
        if ingestion.settled:
            item["settled"] = {"N": "1"}
        elif ingestion.status is IngestionStatus.INGESTED:
            condition = {
                "ConditionExpression": "attribute_not_exists(pk) OR #status <> :ingested",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":ingested": {"S": IngestionStatus.INGESTED.value}},
            }
        try:
            self._dynamodb.put_item(TableName=self.table, Item=item, **condition)
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            # Also after a successful write whose answer was lost: the stored item is then our own.
            present = self.ingestion(ingestion.upload)
            assert present is not None  # noqa: S101 - the condition failed, so there is one, and none is ever deleted
            return present
        return ingestion

    def remember(self, definition: Definition) -> None:
        """Store a definition when it is first used, and which definitions are the source's first and latest."""
        document = {"document": {"S": definition.model_dump_json()}}
        pk = _source(definition.source)
        for name in (f"DEFINITION#{definition.digest}", FIRST):
            self._put_first(pk, name, document)
        self._dynamodb.put_item(TableName=self.table, Item={"pk": {"S": pk}, "sk": {"S": LATEST}, **document})

    def definitions(self, source: str) -> tuple[Definition, ...]:
        """The definitions under which files were ingested, the oldest first."""
        found = [Definition.model_validate_json(item["document"]["S"]) for item in self._query(source, "DEFINITION#")]
        return tuple(sorted(found, key=lambda entry: (entry.at is not None, entry.at)))

    def first_definition(self, source: str) -> str | None:
        """The digest of the source's first recorded definition."""
        return self._digest(source, FIRST)

    def latest_definition(self, source: str) -> str | None:
        """The digest of the definition that was last used, to ingest or to look for files of older definitions."""
        return self._digest(source, LATEST)

    def _digest(self, source: str, name: str) -> str | None:
        item = self._get(_source(source), name)
        return Definition.model_validate_json(item["document"]["S"]).digest if item else None

    def remade(self, source: str, digest: str | None = None) -> tuple[Ingestion, ...]:
        """The reingested uploads of a source, under one definition or under any."""
        prefix = f"REMADE#{digest}#" if digest else "REMADE#"
        return tuple(Ingestion.model_validate_json(item["document"]["S"]) for item in self._query(source, prefix))

    def keep_remade(self, made: Ingestion) -> Ingestion:
        """Store the result of an upload under another definition; of two successes the first stays.

        Returns
        -------
        Ingestion
            The stored ingestion.
        """
        name = f"REMADE#{made.definition}#{made.upload.version_id}#{_fitting(made.file)}"
        fields = {"status": {"S": made.status.value}, "document": {"S": made.model_dump_json()}}
        if self._put_first(_source(made.source), name, fields, over=IngestionStatus.REFUSED):
            return made
        item = self._get(_source(made.source), name)
        return Ingestion.model_validate_json(item["document"]["S"]) if item else made

    def record_reingestion(self, done: Reingestion) -> None:
        """Store the end of a reingestion or of its last attempt."""
        item = {"pk": {"S": _source(done.source)}, "sk": {"S": f"REINGESTION#{done.run_id}"}}
        self._dynamodb.put_item(TableName=self.table, Item={**item, "document": {"S": done.model_dump_json()}})

    def reingestion(self, source: str, run_id: str) -> Reingestion | None:
        """The end of a reingestion; None if it hasn't ended."""
        item = self._get(_source(source), f"REINGESTION#{run_id}")
        return Reingestion.model_validate_json(item["document"]["S"]) if item else None

    def _put_first(self, pk: str, sk: str, fields: Mapping[str, Any], over: str | None = None) -> bool:
        """Put an item unless one exists whose status isn't in ``over``. Returns whether this call put it."""
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(pk)"}
        if over is not None:
            condition = {
                "ConditionExpression": "attribute_not_exists(pk) OR #status = :over",
                "ExpressionAttributeNames": {"#status": "status"},
                "ExpressionAttributeValues": {":over": {"S": over}},
            }
        try:
            self._dynamodb.put_item(
                TableName=self.table, Item={"pk": {"S": pk}, "sk": {"S": sk}, **fields}, **condition
            )  # fmt: skip
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

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

    def running(self, prefix: str) -> str | None:
        """A run in progress whose name begins with ``prefix``; a run that began a moment ago may not be listed yet."""
        pages = self._stepfunctions.get_paginator("list_executions").paginate(
            stateMachineArn=self.arn, statusFilter="RUNNING"
        )
        names = (entry["name"] for page in pages for entry in page["executions"])
        return next((name for name in names if name.startswith(prefix)), None)

    def standing(self, name: str) -> tuple[str, str] | None:
        """Status of the run called ``name``, such as ``FAILED``, and why it failed; None if there is no such run."""
        try:
            found = self._stepfunctions.describe_execution(executionArn=self._arn(name))
        except ClientError as error:
            if error_code(error) == "ExecutionDoesNotExist":
                return None
            raise
        return found["status"], found.get("cause") or ""

    def items(self, name: str) -> tuple[int, int] | None:
        """Finished items and all items of a run's distributed map; None before the map has started."""
        runs = self._stepfunctions.list_map_runs(executionArn=self._arn(name))["mapRuns"]
        if not runs:
            return None
        counts = self._stepfunctions.describe_map_run(mapRunArn=runs[0]["mapRunArn"])["itemCounts"]
        return counts["succeeded"], counts["total"]

    def _arn(self, name: str) -> str:
        return f"{self.arn.replace(':stateMachine:', ':execution:', 1)}:{name}"


def _source(source: str) -> str:
    return f"SOURCE#{source}"


def _ingestion(upload: Upload) -> str:
    return f"INGESTION#{upload.version_id}#{_fitting(upload.file)}"


def _fitting(file: str) -> str:
    """A file's name in a sort key, of which DynamoDB allows 1,024 bytes: a longer one is named by its hash."""
    name = file.encode("utf-8", "surrogatepass")
    return file if len(name) <= 900 else hashlib.sha256(name).hexdigest()
