"""A page of S3's ListObjectVersions, read from its XML: ten times as fast as botocore's reading of it.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree


class Listed(NamedTuple):
    """The newest version under a key."""

    key: str
    version_id: str | None
    """None if the key was deleted: its newest version is a delete marker."""
    size: int


class Page(NamedTuple):
    """A part of a listing."""

    listed: Sequence[Listed]
    """In the order of the keys."""
    more: tuple[str, str] | None
    """Key and version after which the next page begins; None if this is the last."""


def of(answer: Mapping[str, Any]) -> Page:
    """What botocore made of a page."""
    found = [
        Listed(item["Key"], item["VersionId"], item["Size"]) for item in answer.get("Versions", ()) if item["IsLatest"]
    ]
    gone = [Listed(item["Key"], None, 0) for item in answer.get("DeleteMarkers", ()) if item["IsLatest"]]
    more = (answer["NextKeyMarker"], answer.get("NextVersionIdMarker", "")) if answer.get("IsTruncated") else None
    return Page(sorted(found + gone) if gone else found, more)


def read(body: bytes) -> Page:
    """A page as S3 sent it."""
    root = ElementTree.fromstring(body)  # noqa: S314 - S3's own words, and expat bounds what entities may become
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
    told = {child.tag: child.text or "" for child in root if not len(child)}
    encoded = told.get(f"{space}EncodingType") == "url"
    found, gone = [], []
    key, version, size, latest = (f"{space}{name}" for name in ("Key", "VersionId", "Size", "IsLatest"))
    for kind, kept in ((f"{space}Version", found), (f"{space}DeleteMarker", gone)):
        for element in root.iterfind(kind):
            if element.findtext(latest) == "true":
                name = element.findtext(key, "")
                name = unquote_plus(name) if encoded else name
                if kept is found:
                    found.append(Listed(name, element.findtext(version, ""), int(element.findtext(size, "0"))))
                else:
                    gone.append(Listed(name, None, 0))
    more = None
    if told.get(f"{space}IsTruncated") == "true":
        marker = told[f"{space}NextKeyMarker"]
        more = (unquote_plus(marker) if encoded else marker, told.get(f"{space}NextVersionIdMarker", ""))
    return Page(sorted(found + gone) if gone else found, more)
