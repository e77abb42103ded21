"""Names: how OpenLineage's datasets, jobs and runs are called as nodes, and Headwater's nodes as datasets.

A dataset of OpenLineage has a namespace and a name, such as ``s3://lake`` and ``landing/flights/a.csv``. Everything of
Headwater that isn't an object in S3 is in the namespace ``headwater://<account>/<region>/<stack>``: a dataset by its
own name (``sources/flights``), every other kind of node with the kind before it (``model:flight_delay``). Its version
is OpenLineage's facet ``version``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from headwater.graph import Node

FOREIGN = "foreign"
LONGEST_KEY = 1024
"""Bytes of an object's key in S3."""
LONGEST_ID = 900
"""Bytes of a foreign node's id: with a role before it, it fits into a key of DynamoDB, which has 1,024 at most."""
DECLARED = "job:declared"
"""The version of a job that an event tells of without a run. Versions of datasets have no bare colon."""
OUTPUTS = frozenset({"file", "data"})
"""Kinds of Headwater's nodes that programs outside of it may make. All others are made by Headwater alone."""
_DATASET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*", re.ASCII)
_OWN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]{0,499}", re.ASCII)
"""Names and versions of Headwater's own nodes: hashes, numbers, versions of S3, names of runs."""
_KINDS = (
    "definition", "batch", "view", "set", "run", "decision", "model", "image", "bundle", "code", "infra", "prediction"
)  # fmt: skip
_S3 = re.compile(r"s3[an]?://([^/]+)/?")
_ESCAPED = frozenset({"Cc", "Cf", "Cn", "Co", "Zl", "Zp"})


class DatasetName(NamedTuple):
    """A dataset as OpenLineage names it."""

    namespace: str
    name: str
    version: str = ""
    """The facet's ``datasetVersion``; empty if there is none."""


@dataclass(frozen=True, kw_only=True)
class StackNames:
    """The names of one stack in OpenLineage.

    Parameters
    ----------
    account, region, stack : str
    buckets : frozenset of str
        The stack's own buckets: objects in them are Headwater's nodes.
    """

    account: str
    region: str
    stack: str
    buckets: frozenset[str] = frozenset()

    @property
    def namespace(self) -> str:
        """The namespace of the stack's jobs, and of its datasets that aren't objects in S3."""
        return f"headwater://{self.account}/{self.region}/{self.stack}"

    def dataset_of(self, node: Node) -> DatasetName:
        """The dataset that stands for one of Headwater's nodes."""
        if node.kind == "file":
            bucket, _, key = node.name.removeprefix("s3://").partition("/")
            return DatasetName(f"s3://{bucket}", key, node.version)
        if node.kind == "data":
            return DatasetName(self.namespace, node.name, node.version)
        return DatasetName(self.namespace, f"{node.kind}:{node.name}", node.version)

    def node_of(self, dataset: DatasetName) -> Node | None:
        """Headwater's node that a dataset is; None if it is somebody else's."""
        if dataset.version and not _OWN.fullmatch(dataset.version):
            return None
        if dataset.namespace == self.namespace:
            kind, colon, rest = dataset.name.partition(":")
            if colon:
                return Node(kind, rest, dataset.version) if kind in _KINDS and _OWN.fullmatch(rest) else None
            return Node("data", dataset.name, dataset.version) if _DATASET.fullmatch(dataset.name) else None
        dataset = in_s3(dataset)
        bucket, key = dataset.namespace.removeprefix("s3://"), dataset.name
        if not dataset.namespace.startswith("s3://") or bucket not in self.buckets:
            return None
        # A key that a node's id couldn't be read back from, or that S3 doesn't take, is none of ours.
        is_key = 0 < len(key.encode()) <= LONGEST_KEY and "?versionId=" not in key and key.isprintable()
        return Node("file", f"s3://{bucket}/{key}", dataset.version) if is_key else None


def in_s3(dataset: DatasetName) -> DatasetName:
    """A dataset in S3 by the name that the specification gives it; any other one as it is.

    ``s3a://`` and ``s3n://``, as Hadoop says, are ``s3://``; a slash before the key is left out.
    """
    found = _S3.fullmatch(dataset.namespace)
    if found is None:
        return dataset
    return DatasetName(f"s3://{found[1]}", dataset.name.lstrip("/") or dataset.name, dataset.version)


def foreign_dataset(dataset: DatasetName, made_by: str = "") -> Node:
    """The node of somebody else's dataset.

    Parameters
    ----------
    dataset : DatasetName
    made_by : str
        The run that made it. If the dataset has no version of its own, the run's id names the version.
    """
    dataset, version = in_s3(dataset), escaped(dataset.version)
    if not version and made_by:
        version = f"run:{run_id(made_by)}"
    return _node(dataset.namespace, dataset.name, version)


def foreign_run(namespace: str, job: str, run: str) -> Node:
    """The node of a run of somebody else's job; of the job as such if ``run`` is empty."""
    return _node(namespace, job, run_id(run) if run else DECLARED)


def run_id(text: str) -> str:
    """A run's UUID in its one spelling. Parents' ids that are no UUIDs stay what they are."""
    try:
        return str(UUID(text))
    except ValueError:
        return escaped(text)


def escaped(text: str, also: str = "") -> str:
    """``text`` without characters that mean something in a node's id or that nobody sees, which are percent-encoded.

    Different texts stay different.
    """
    return "".join(_encoded(one) if one in "%@#" or one in also or not _is_seen(one) else one for one in text)


def _is_seen(one: str) -> bool:
    return unicodedata.category(one) not in _ESCAPED


def _encoded(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode())


def _node(namespace: str, name: str, version: str) -> Node:
    # The last colon is between namespace and name, so that two pairs are never one node.
    made = Node(FOREIGN, f"{escaped(namespace)}:{escaped(name, ':')}", version)
    if len(made.id.encode()) <= LONGEST_ID:
        return made
    room = (LONGEST_ID - len(f"{FOREIGN}:@~~")) // 2 - 64
    return Node(FOREIGN, _short(made.name, room), _short(made.version, room))


def _short(text: str, room: int) -> str:
    """The beginning of a long text and the hash of all of it."""
    raw = text.encode()
    if len(raw) <= room + 65:
        return text
    return f"{raw[:room].decode(errors='ignore')}~{hashlib.sha256(raw).hexdigest()}"
