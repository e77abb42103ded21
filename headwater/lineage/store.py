"""Lineage's objects in the artifacts bucket: layouts of pictures, and OpenLineage events that came or went."""

from __future__ import annotations

from collections.abc import Sequence

from botocore.exceptions import ClientError
from pydantic import ValidationError

from headwater.graph import Edge, Node
from headwater.lineage.pictures.canonical import name_of
from headwater.lineage.pictures.layout import Layout, lay_out
from headwater.storage.clients import Clients, error_code
from headwater.storage.objects import Bucket, ObjectGone

LAYOUTS = "lineage/layouts/"
EVENTS = "lineage/events/"
"""Events of Headwater's own facts; the keys are those of `headwater.lineage.openlineage.events.event_key`."""
RECEIVED = "lineage/in/"
"""Events that others sent, by `headwater.lineage.openlineage.reading.Event.key`."""
_REFUSED = frozenset({"AccessDenied", "403"})
_TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})


class Layouts:
    """Layouts that were computed before, in the artifacts bucket."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._bucket = Bucket(bucket, clients)

    def of(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> Layout:
        """The layout of a graph: the one that is kept, or a new one, which is kept for the next reader."""
        key = f"{LAYOUTS}{name_of(nodes, edges)}.json"
        try:
            return Layout.model_validate_json(self._bucket.read(key))
        except (ObjectGone, ValidationError):
            pass
        except ClientError as error:
            # Without the permission to list a bucket S3 says of a missing key that it is forbidden.
            if error_code(error) not in _REFUSED:
                raise
        made = lay_out(nodes, edges)
        try:
            self._bucket.put(key, made.model_dump_json().encode(), ContentType="application/json")
        except ClientError as error:
            # Whoever may only read sees the same picture and leaves it to others to keep it.
            if error_code(error) not in _REFUSED:
                raise
        return made


class Events:
    """OpenLineage events as objects of the artifacts bucket, each written once."""

    def __init__(self, bucket: str, clients: Clients) -> None:
        self._bucket = Bucket(bucket, clients)

    def keep(self, key: str, body: bytes) -> bool:
        """Keep an event; False if there is one under that key, which is then the same."""
        try:
            self._bucket.put(key, body, IfNoneMatch="*", ContentType="application/json")
        except ClientError as error:
            if error_code(error) not in _TAKEN:
                raise
            return False
        return True

    def read(self, key: str) -> bytes | None:
        """The event under ``key``; None if it was deleted."""
        try:
            return self._bucket.read(key)
        except ObjectGone:
            return None
