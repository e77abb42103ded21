"""Listed records, read from S3's XML in columns: a twentieth of what botocore takes, which reads each one's time too.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html. Every object has one Key and one ETag, and no
text of XML holds ``<``: so the columns are found without a tree. Keys are asked for percent-encoded, for XML can't hold
every character that they may.
"""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple, Self
from urllib.parse import unquote_plus

from headwater.monitoring.errors import UnreadableListing

_KEYS, _ETAGS, _NEXT = (
    re.compile(f"<{name}>([^<]*)</{name}>").findall for name in ("Key", "ETag", "NextContinuationToken")
)


class Page(NamedTuple):
    """A part of a listing."""

    objects: list[tuple[str, str]]
    """Key and ETag of each, by key."""
    token: str
    """Where the next page begins; empty on the last one."""

    @classmethod
    def read(cls, text: str, prefix: str) -> Self:
        """Read S3's answer.

        Parameters
        ----------
        text : str
        prefix : str
            What was asked for.

        Raises
        ------
        UnreadableListing
            It is no list of objects.
        """
        keys, etags = _KEYS(text), _ETAGS(text)
        if "<ListBucketResult" not in text or not len(keys) == len(etags) == text.count("<Contents>"):
            raise UnreadableListing(
                f"S3's list of objects under {prefix!r} can't be read: {text.count('<Contents>')} objects, "
                f"{len(keys)} keys, {len(etags)} ETags"
            )
        decoded = unquote_plus if "<EncodingType>url</EncodingType>" in text else unescape
        found = [(decoded(key), unescape(etag).strip('"')) for key, etag in zip(keys, etags, strict=True)]
        if "<IsTruncated>true</IsTruncated>" not in text:
            return cls(found, "")
        if not (tokens := _NEXT(text)):
            raise UnreadableListing(f"S3's list of objects under {prefix!r} has more pages and doesn't say where")
        return cls(found, unescape(tokens[0]))


def asked(prefix: str, delimiter: str = "", token: str = "") -> list[tuple[str, str]]:
    """The query of a page; with a delimiter only objects that have none behind the prefix."""
    query = [("list-type", "2"), ("encoding-type", "url"), ("prefix", prefix)]
    query += [("delimiter", delimiter)] if delimiter else []
    return query + ([("continuation-token", token)] if token else [])
