"""Listed versions: their keys percent-encoded, which moto's ListObjectVersions leaves out, and without their bytes.

XML can't hold NUL and other control characters: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html.
Moto copies every version of a bucket for a page of its listing, and with it what it holds: the bundles of a deployment
would fill the memory many times over.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote_plus

from moto.s3 import models
from moto.s3.models import FakeDeleteMarker, FakeKey
from moto.s3.responses import S3Response

from headwater.local.mends.patch import Patches

_NAMES = ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")


def mend(patches: Patches) -> None:
    """Let moto's S3 list copies without bytes, and encode their names when it is asked to."""
    patches.set(models, "copy", SimpleNamespace(copy=copy.copy, deepcopy=_without_bytes))
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
