"""Listed versions with percent-encoded keys, which moto's ListObjectVersions leaves as they are.

XML can't hold NUL and other control characters: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

from moto.s3.responses import S3Response

from headwater.local.mends.patch import Patches

_NAMES = ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker")


def mend(patches: Patches) -> None:
    """Let moto's S3 encode what it lists when it is asked to."""
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


def _encoded(name: str) -> str:
    return quote_plus(name, safe="/")
