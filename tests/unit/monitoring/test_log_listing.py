"""Listings of the prediction log, read in columns."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.monitoring.errors import UnreadableListing
from headwater.monitoring.log.listing import objects
from headwater.storage.clients import client
from headwater.storage.http.connection import Answer, connection
from tests.unit.monitoring.logs import BUCKET, Log

PAGE = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{more}</IsTruncated>{rest}'
ENTRY = "<Contents><Key>a</Key><ETag>&quot;1&quot;</ETag></Contents>"
KEYS = ["m/a b+c%41.json", "m/a&amp;<b>.json", "m/ünï/ćode.json", "m/x/date=2026-03-01/y.json"]


class Pages:
    """Answers pages in turn, and notes what was asked."""

    def __init__(self, *pages: str) -> None:
        self._pages = list(pages)
        self.asked: list[dict[str, str]] = []

    def request(self, _operation: str, _method: str, _bucket: str, **more: Any) -> Answer:
        self.asked.append(dict(more["query"]))
        return Answer(200, {}, self._pages.pop(0).encode())


def test_a_listing_gives_keys_and_etags_as_botocores_does(log: Log) -> None:
    for key in KEYS:
        log.put(key, key)
    for delimiter in ("", "/"):
        asked = {"Bucket": BUCKET, "Prefix": "m/", "Delimiter": delimiter}
        theirs = client("s3").list_objects_v2(**asked).get("Contents", [])
        expected = [(entry["Key"], entry["ETag"].strip('"')) for entry in theirs]
        assert list(objects(connection("s3"), BUCKET, "m/", delimiter)) == expected
    assert not list(objects(connection("s3"), BUCKET, "nothing/"))


def test_pages_follow_each_other_by_their_tokens() -> None:
    wire = Pages(
        PAGE.format(more="true", rest=ENTRY + "<NextContinuationToken>1&amp;2</NextContinuationToken>"),
        PAGE.format(more="false", rest=ENTRY.replace(">a<", ">b<")),
    )
    assert list(objects(wire, "bucket", "m/")) == [("a", "1"), ("b", "1")]  # type: ignore[arg-type]
    assert [asked.get("continuation-token") for asked in wire.asked] == [None, "1&2"]


@pytest.mark.parametrize(
    "text",
    ["", "<html>", PAGE.format(more="false", rest="<Contents><Key>a</Key></Contents>"),
     PAGE.format(more="true", rest=ENTRY)],
)  # fmt: skip
def test_what_is_no_whole_listing_is_refused(text: str) -> None:
    with pytest.raises(UnreadableListing, match="'m/'"):
        list(objects(Pages(text), "bucket", "m/"))  # type: ignore[arg-type]
