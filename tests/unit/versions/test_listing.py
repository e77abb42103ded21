"""A listed page holds every key as it is, whether S3 encodes it or not."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater.versions.errors import Corrupt
from headwater.versions.listing import Page

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
