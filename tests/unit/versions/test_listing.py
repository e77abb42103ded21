"""A listed page holds every key as it is, whether S3 encodes it or not."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.storage.http.connection import Answer, Connection
from headwater.versions.errors import Corrupt
from headwater.versions.listing import Page, newest

NOW = datetime(2026, 11, 1, tzinfo=UTC)
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=12)


def answer(prefix: str, paths: list[str], *, encoded: bool) -> str:
    def written(text: str) -> str:
        return quote_plus(text, safe="/") if encoded else escape(text)

    rows = "".join(
        f"<{kind}><Key>{written(prefix + path)}</Key><VersionId>v{number}</VersionId>"
        f"<IsLatest>{str(number % 3 != 2).lower()}</IsLatest>"
        f"<LastModified>2026-11-01T00:00:{number:02}.000Z</LastModified></{kind}>"
        for number, path in enumerate(paths)
        for kind in (["Version", "DeleteMarker"][number % 2],)
    )
    more = (
        f"<IsTruncated>true</IsTruncated><NextKeyMarker>{written(prefix + paths[-1])}</NextKeyMarker>" if paths else ""
    )
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    return (
        f"<ListVersionsResult><Name>lake</Name><Prefix>{written(prefix)}</Prefix>{kind}{more}"
        f"<NextVersionIdMarker>v9</NextVersionIdMarker>{rows}</ListVersionsResult>"
    )


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), st.lists(st.text(max_size=12), max_size=8))
@example("a@b/", ["nul\0", "new\nline", "%25", "%", "a+b c", "é", "=", "\x7f"])
@example("%/", ["%3D", "day=1/%2B"])
def test_encoded_keys_are_decoded_and_markers_too(prefix: str, paths: list[str]) -> None:
    paths = [path.encode("utf-8", "replace").decode() for path in paths]
    page = Page(answer(prefix, paths, encoded=True), prefix, NOW)
    assert page.paths == paths
    assert page.version_ids == [f"v{number}" for number in range(len(paths))]
    assert page.kinds == [["Version", "DeleteMarker"][number % 2] for number in range(len(paths))]
    assert page.latest == [number % 3 != 2 for number in range(len(paths))]
    assert len(page.written) == len(paths)
    assert page.are_live == (len(paths) < 2)
    assert page.next == ([("key-marker", prefix + paths[-1]), ("version-id-marker", "v9")] if paths else None)


@given(PLAIN, st.lists(PLAIN, max_size=8))
def test_a_store_that_doesnt_encode_is_understood(prefix: str, paths: list[str]) -> None:
    assert Page(answer(prefix, paths, encoded=False), prefix, NOW).paths == paths


def test_a_page_that_isnt_one_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(Corrupt, match="1 versions, 0 keys"):
        Page("<ListVersionsResult><Version></Version></ListVersionsResult>", "a/", NOW)
    with pytest.raises(Corrupt, match="can't be read"):
        Page("<html>busy</html>", "a/", NOW)


class Shelf:
    """What ListObjectVersions answers of some keys' versions, a few at a time; markers come after a page's versions.

    ``twice``: whether a key as the marker is listed once more, as some stores do.
    """

    def __init__(self, rows: Sequence[tuple[str, bool]], each: int, *, twice: bool = False) -> None:
        self.rows = [
            (path, f"v{number}", number == 0 or rows[number - 1][0] != path, "Version" if there else "DeleteMarker")
            for number, (path, there) in enumerate(rows)
        ]
        self._each, self._twice = each, twice
        self.begun: list[str] = []

    @property
    def live(self) -> list[tuple[str, str]]:
        return [(row[0], row[1]) for row in self.rows if row[0] and row[2] and row[3] == "Version"]

    def request(self, *_: Any, query: Sequence[tuple[str, str]]) -> Answer:
        asked = dict(query)
        marker, version = asked.get("key-marker", "").removeprefix("p/"), asked.get("version-id-marker")
        if version is not None:
            start = 1 + [row[1] for row in self.rows].index(version)
        else:
            self.begun.append(marker)
            first = [row[0] > marker or (self._twice and row[0] == marker) or not marker for row in self.rows]
            start = first.index(True) if any(first) else len(self.rows)
        page = self.rows[start : start + self._each]
        more = (
            f"<IsTruncated>true</IsTruncated><NextKeyMarker>p/{quote_plus(page[-1][0])}</NextKeyMarker>"
            f"<NextVersionIdMarker>{page[-1][1]}</NextVersionIdMarker>"
            if start + self._each < len(self.rows)
            else ""
        )
        listed = "".join(
            f"<{kind}><Key>p/{quote_plus(path)}</Key><VersionId>{version_id}</VersionId>"
            f"<IsLatest>{str(is_latest).lower()}</IsLatest><LastModified>2026-11-01T00:00:00.000Z</LastModified></{kind}>"
            for path, version_id, is_latest, kind in sorted(page, key=lambda row: row[3] == "DeleteMarker")
        )
        head = "<ListVersionsResult><Prefix>p/</Prefix><EncodingType>url</EncodingType>"
        return Answer(200, {}, f"{head}{more}{listed}</ListVersionsResult>".encode())


VERSIONS = st.lists(st.tuples(st.text("abc", max_size=3), st.booleans()), max_size=40).map(
    lambda rows: sorted(rows, key=lambda row: row[0])
)


@given(VERSIONS, st.integers(1, 5), st.sets(st.text("abcd", min_size=1, max_size=3), max_size=12), st.booleans())
def test_a_listing_that_is_divided_anywhere_holds_what_an_undivided_one_does(
    rows: list[tuple[str, bool]], each: int, breaks: set[str], twice: bool
) -> None:
    shelf = Shelf(rows, each, twice=twice)
    found = newest(cast(Connection, shelf), "lake", "p/", sorted(breaks))
    assert [row for page in found for row in zip(*page, strict=True)] == shelf.live
    assert set(shelf.begun) == {"", *breaks}


def test_stretches_are_asked_for_side_by_side() -> None:
    shelf = Shelf([(path, True) for path in "abcd"], 1)
    met, plain = threading.Barrier(4, timeout=60), shelf.request

    def request(*given: Any, query: Sequence[tuple[str, str]]) -> Answer:
        if "version-id-marker" not in dict(query):
            met.wait()  # for ever, if one stretch had to be through before the next is begun
        return plain(*given, query=query)

    shelf.request = request  # type: ignore[method-assign]
    found = newest(cast(Connection, shelf), "lake", "p/", ["a", "b", "c"])
    assert [path for paths, _ in found for path in paths] == ["a", "b", "c", "d"]


def test_whoever_has_seen_enough_or_is_refused_waits_for_no_further_pages() -> None:
    shelf = Shelf([(f"{number:03}", True) for number in range(900)], 1)
    found = newest(cast(Connection, shelf), "lake", "p/", [f"{number:03}" for number in range(0, 900, 100)])
    next(found)
    found.close()
    assert len(shelf.begun) <= 9
    empty = Shelf([], 1)
    empty.request = lambda *_, **__: Answer(200, {}, b"<Error/>")  # type: ignore[method-assign]
    with pytest.raises(Corrupt):
        list(newest(cast(Connection, empty), "lake", "p/", ["b"]))
