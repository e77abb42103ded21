"""Puts our collections in place of moto's large ones."""

from __future__ import annotations

from base64 import b64encode
from copy import deepcopy
from types import SimpleNamespace
from typing import Any
from weakref import WeakValueDictionary

from moto.awslambda import models as lambdas
from moto.awslambda.models import LambdaFunction, LayerVersion
from moto.cloudwatch.models import CloudWatchBackend
from moto.dynamodb.models.table import StreamShard, Table
from moto.logs.models import LogStream
from moto.s3 import models as s3

from localcloud.moto_patches.patches import Patches
from localcloud.persistence import given
from localcloud.persistence.blobs import Blobs, Body
from localcloud.persistence.collections import Growing, ObjectVersions, TableItems

_touched: WeakValueDictionary[str, Any] = WeakValueDictionary()


def install(patches: Patches, blobs: Blobs) -> None:
    """Let moto make our collections from now on."""
    given.install(patches)
    patches.set(s3, "_VersionedKeyStore", _object_versions)
    patches.set(s3, "tempfile", SimpleNamespace(SpooledTemporaryFile=lambda *_, **__: Body(blobs)))
    for kind in (LambdaFunction, LayerVersion):
        patches.set(kind, "code_bytes", _code(blobs))
    patches.wrap(lambdas, "_s3_content", _code_of_object)
    _after_init(patches, Table, "items", lambda _: _table_items())
    _after_init(patches, StreamShard, "items", Growing)
    _after_init(patches, LogStream, "events", Growing)
    _after_init(patches, CloudWatchBackend, "metric_data", Growing)


def note(collection: Any) -> None:
    """Let `settle` know a collection."""
    _touched[collection.uid] = collection


def settle() -> None:
    """A call only read, and the dispatcher's lock is held: nothing that it touched has changed."""
    for collection in list(_touched.values()):
        collection.settle()


def _object_versions() -> ObjectVersions:
    made = ObjectVersions()
    note(made)
    return made


def _table_items() -> TableItems:
    made = TableItems()
    note(made)
    return made


def _code(blobs: Blobs) -> property:
    """A zip that is read when a function starts: moto keeps one of some 50 MB for each function and version."""

    def get(self: Any) -> bytes:
        held = vars(self).get("code_bytes", b"")  # an image has none
        return Body(blobs, held.inline, held.name).read() if isinstance(held, Body) else held

    def put(self: Any, data: bytes | Body) -> None:
        if isinstance(data, Body):
            vars(self)["code_bytes"] = data
            return
        body = Body(blobs)
        body.write(data)
        vars(self)["code_bytes"] = body

    return property(get, put)


def _code_of_object(original: Any) -> Any:
    """An object's content, size and hash without reading it: some 20 functions share a zip of 50 MB."""

    def content(key: Any) -> tuple[Any, int, str, str]:
        body = key._value_buffer
        if not (isinstance(body, Body) and body.name):
            found: tuple[Any, int, str, str] = original(key)
            return found
        return deepcopy(body), key.size, b64encode(bytes.fromhex(body.name)).decode(), body.name

    return content


def _after_init(patches: Patches, kind: type, name: str, make: Any) -> None:
    patches.after_init(kind, lambda made: setattr(made, name, make(getattr(made, name))))
