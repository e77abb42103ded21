"""Listings of the prediction log, read in columns."""

from __future__ import annotations

import pytest

from headwater.monitoring.errors import UnreadableListing
from headwater.monitoring.log.listing import Page, asked
from headwater.monitoring.log.store import Listed
from headwater.storage.environment import CLIENTS
from headwater.storage.http.connection import connection
from tests.unit.monitoring.logs import BUCKET, Log

PAGE = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>{more}</IsTruncated>{rest}'
ENTRY = "<Contents><Key>{key}</Key><ETag>&quot;1&quot;</ETag></Contents>"
FOLDER = "compact/m/"
KEYS = ["a b+c%41.json", "a&<b>.json", "ünï/ćode.json", "x/date=2026-03-01/y.json"]


def test_a_listing_gives_keys_and_etags_as_botocores_does(log: Log) -> None:
    for key in KEYS:
        log.put(FOLDER + key, key)
    theirs = CLIENTS("s3").list_objects_v2(Bucket=BUCKET, Prefix=FOLDER)["Contents"]
    expected = [Listed(entry["Key"], entry["ETag"].strip('"')) for entry in theirs]
    assert len(expected) == len(KEYS)
    assert list(log.store.stored_parts("m")) == expected
    assert not list(log.store.stored_parts("nobody"))


def test_pages_follow_each_other_by_their_tokens(log: Log) -> None:
    for key in KEYS:
        log.put(FOLDER + key, key)
    found, token, pages = [], "", 0
    while token or not pages:
        query = [*asked(FOLDER, "", token), ("max-keys", "3")]
        answer = connection("s3", CLIENTS).request("ListObjectsV2", "GET", BUCKET, query=query)
        page = Page.read(answer.body.decode(), FOLDER)
        found, token, pages = [*found, *page.objects], page.token, pages + 1
    assert pages == 2
    assert [Listed(*entry) for entry in found] == list(log.store.stored_parts("m"))


def test_keys_are_read_whether_they_are_encoded_or_not() -> None:
    plain = PAGE.format(more="false", rest=ENTRY.format(key="m/a&amp;%41+b"))
    assert Page.read(plain, "m/") == ([("m/a&%41+b", "1")], "")
    encoded = PAGE.format(more="false", rest="<EncodingType>url</EncodingType>" + ENTRY.format(key="m/a%26%2541+b"))
    assert Page.read(encoded, "m/") == ([("m/a&%41 b", "1")], "")


@pytest.mark.parametrize(
    "text",
    ["", "<html>", PAGE.format(more="false", rest="<Contents><Key>a</Key></Contents>"),
     PAGE.format(more="true", rest=ENTRY.format(key="a"))],
)  # fmt: skip
def test_what_is_no_whole_listing_is_refused(text: str) -> None:
    with pytest.raises(UnreadableListing, match="'m/'"):
        Page.read(text, "m/")
