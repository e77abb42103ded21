"""Listed versions: their keys percent-encoded, which moto leaves out, after any marker, and without their bytes.

XML can't hold NUL and other control characters: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html.
Moto copies every version of a bucket for a page of its listing, and with it what it holds: the bundles of a deployment
would fill the memory many times over. And with a key as marker it leaves out the first key that isn't before it, though
the marker's own may be gone.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import models
from moto.s3.models import FakeDeleteMarker, FakeKey, S3Backend
from moto.s3.responses import S3Response

from localcloud.moto_patches.patches import Patches

_NAMES = ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")


def apply(patches: Patches) -> None:
    """Let moto's S3 list copies without bytes, and encode their names when it is asked to."""
    patches.set(models, "copy", SimpleNamespace(copy=copy.copy, deepcopy=_without_bytes))
    after_a_version = S3Backend.list_object_versions

    def after_a_key(self: Any, bucket_name: str, key_marker: str | None = None, **asked: Any) -> Any:
        # With a delimiter the marker may be a folder, whose keys don't come again.
        if key_marker and not asked.get("version_id_marker") and not asked.get("delimiter"):
            keys = self.get_bucket(bucket_name).keys
            key_marker = max((key for key in list(keys) if key <= key_marker), default=None)
            if key_marker is not None:
                # Of a key's versions moto lists the oldest last, and of those alike the one that it knows last.
                oldest = min(reversed(keys.getlist(key_marker)), key=lambda version: version.last_modified)
                asked["version_id_marker"] = oldest.version_id
        return after_a_version(self, bucket_name, key_marker=key_marker, **asked)

    patches.set(S3Backend, "list_object_versions", after_a_key)
    plain = S3Response.list_object_versions

    def list_object_versions(self: Any) -> Any:
        if self.querystring.get("encoding-type", [None])[0] != "url":
            return plain(self)
        serialized = self.serialized

        def encoded(result: Any) -> Any:
            listed = result.result
            for entry in (*listed["Versions"], *listed["DeleteMarkers"]):
                entry["Key"] = _encoded(entry["Key"])
            for entry in listed.get("CommonPrefixes", ()):
                entry["Prefix"] = _encoded(entry["Prefix"])
            listed.update({name: _encoded(listed[name]) for name in _NAMES if listed.get(name)}, EncodingType="url")
            return serialized(result)

        self.serialized = encoded
        try:
            return plain(self)
        finally:
            del self.serialized

    patches.set(S3Response, "list_object_versions", list_object_versions)


class _Listed(FakeKey):
    """A key's twin, which a listing marks as the latest or not; the bytes stay the key's."""

    def __init__(self, key: FakeKey) -> None:
        # Not copy.copy: a key's way of being copied reads all its bytes. What is summed once stays with the key.
        _ = key.etag
        vars(self).update(vars(key))

    def dispose(self, garbage: bool = False) -> None:
        """Nothing is the twin's to close."""


def _without_bytes(versions: list[FakeKey | FakeDeleteMarker]) -> list[FakeKey | FakeDeleteMarker]:
    return [_Listed(version) if isinstance(version, FakeKey) else copy.copy(version) for version in versions]


def _encoded(name: str) -> str:
    return quote_plus(name, safe="/")
