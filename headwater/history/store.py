"""The state bucket's files, the history's items in the registry table, and kept graphs; calls AWS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from headwater.code.types import CodeState
from headwater.history.errors import StateBucketMissing, StateUnknown
from headwater.history.graph import Graph
from headwater.history.types import StackName
from headwater.storage.clients import Clients, error_code
from headwater.storage.objects import GONE, Bucket, ObjectGone
from headwater.storage.table import ABSENT, Scalar, Table

GRAPHS = "infrastructure/"
_STACKS = "LEDGER#"


@dataclass(frozen=True)
class Moment:
    """One version of a file, or its deletion."""

    key: str
    version_id: str
    modified: datetime
    """By S3's clock, whole seconds."""
    deleted: bool = False


class StateBucket:
    """Pulumi's backend, read only, every version of it: what was deleted is still there."""

    def __init__(self, name: str, clients: Clients) -> None:
        self.name = name
        self._s3 = clients("s3")

    def moments(self, prefix: str) -> list[Moment]:
        """Every version and deletion under ``prefix``, each file's newest first; raises `StateBucketMissing`."""
        found = []
        try:
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.name, Prefix=prefix):
                found += [_moment(each, False) for each in page.get("Versions", ())]
                found += [_moment(each, True) for each in page.get("DeleteMarkers", ())]
        except ClientError as error:
            raise self._explain(error) from error
        return found

    def first(self, key: str) -> Moment | None:
        """The version of ``key`` that was written first: history is never rewritten, so it is the one that counts."""
        versions = [each for each in self.moments(key) if each.key == key and not each.deleted]
        return versions[-1] if versions else None

    def read(self, moment: Moment) -> bytes | None:
        """The bytes of that version; None if they were removed for good."""
        try:
            answer = self._s3.get_object(Bucket=self.name, Key=moment.key, VersionId=moment.version_id)
            body: bytes = answer["Body"].read()
        except ClientError as error:
            if error_code(error) in GONE:
                return None
            raise self._explain(error) from error
        return body

    def _explain(self, error: ClientError) -> Exception:
        if error_code(error) != "NoSuchBucket":
            return error
        return StateBucketMissing(
            f"there is no state bucket {self.name!r}", next_steps=["headwater bootstrap makes it"]
        )


def _moment(entry: dict[str, Any], deleted: bool) -> Moment:
    return Moment(entry["Key"], entry["VersionId"], entry["LastModified"], deleted)


class HistoryTable:
    """Items under ``LEDGER#<project>/<stack>``: ``UPDATE#<ns>#<fact>``, each a function of one file alone.

    Writing a fact again changes nothing, so events may come twice, late and in any order. A fact that knows more
    replaces one that knows less, never the other way round.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, of: StackName, ns: int, fact: str, document: str, rank: int) -> bool:
        """Keep a fact unless one that knows as much (``rank``) is there; False if there was one."""
        # The name first: a fact of a stack that isn't listed would never be found.
        self._table.write(self._table.put({"pk": _STACKS, "sk": f"STACK#{of}"}))
        sk = f"UPDATE#{ns:020d}#{fact}"
        item: dict[str, Scalar] = {"pk": f"{_STACKS}{of}", "sk": sk, "rank": rank, "document": document}
        return self._table.write(self._table.put(item, only_if=f"{ABSENT} OR #rank < :rank", rank=rank))

    def facts(self, of: StackName) -> Iterator[tuple[int, str, int, str]]:
        """``ns``, name, rank and document of every fact of the stack's updates, in the order of time."""
        for item in self._table.query(f"{_STACKS}{of}", "UPDATE#"):
            _, ns, fact = item["sk"].split("#", 2)
            yield int(ns), fact, item["rank"], item["document"]

    def stacks(self) -> list[StackName]:
        """Every stack that the history knows of."""
        names = [item["sk"].removeprefix("STACK#").split("/") for item in self._table.query(_STACKS, "STACK#")]
        return [StackName(project=project, stack=stack) for project, stack in names]


class GraphStore:
    """Canonical graphs in the artifacts bucket, named by their contents; without secrets, not even encrypted."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._objects = Bucket(bucket, clients, gone=GONE | {"NoSuchBucket"})

    def keep(self, name: str, packed: bytes) -> None:
        """Keep a graph; one that is there already becomes a new version with the same contents."""
        self._objects.put(_graph_key(name), packed, ContentType="application/gzip")

    def load(self, name: str) -> Graph:
        """The graph called ``name``; raises `StateUnknown` if it isn't there."""
        try:
            return Graph.unpack(name, self._objects.read(_graph_key(name)))
        except ObjectGone as error:
            raise StateUnknown(str(error)) from error


class CodeStates:
    """States of the deployed code in the artifacts bucket."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._objects = Bucket(bucket, clients, gone=GONE | {"NoSuchBucket"})

    def load(self, key: str) -> CodeState | None:
        """The state under ``key``; None if it isn't there."""
        try:
            return CodeState.model_validate_json(self._objects.read(key))
        except ObjectGone:
            return None


def _graph_key(name: str) -> str:
    return f"{GRAPHS}{name}.json.gz"


class Holdings:
    """Whether a resource holds data that would go with it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def of(self, kind: str, identity: str) -> bool:
        """Whether the bucket, table, queue, ... holds anything; True if it can't be looked into."""
        look = {"aws:s3/bucket:Bucket": self._bucket, "aws:dynamodb/table:Table": self._table,
                "aws:sqs/queue:Queue": self._queue}.get(kind)  # fmt: skip
        if look is None or not identity:
            return True
        try:
            return look(identity)
        except ClientError as error:
            return not error_code(error).startswith(
                ("NoSuch", "ResourceNotFound", "AWS.SimpleQueueService.NonExistent")
            )

    def _bucket(self, name: str) -> bool:
        answer = self._clients("s3").list_object_versions(Bucket=name, MaxKeys=1)
        return bool(answer.get("Versions") or answer.get("DeleteMarkers"))

    def _table(self, name: str) -> bool:
        return bool(self._clients("dynamodb").scan(TableName=name, Limit=1)["Count"])

    def _queue(self, url: str) -> bool:
        names: Sequence[str] = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        answer = self._clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(names))
        return any(int(value) for value in answer["Attributes"].values())
