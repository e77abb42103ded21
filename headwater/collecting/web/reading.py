"""Reads what an address has: page by page, or only if it has changed."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from headwater.collecting.errors import CollectFailed
from headwater.collecting.files import JSON_LINES, LinesFile
from headwater.collecting.types import UNCHANGED, Batch, Request
from headwater.collecting.web.requests import Page, Requests, joined
from headwater.declare import Http, LinkHeader, NextToken, PageNumber
from headwater.json_values import dumps, loads

ROUNDS = 3
"""How often a list is read that changes while it is read."""
_PARAMETER = r"[^\s;,=\"<>]+(?:\s*=\s*(?:\"(?:[^\"\\]|\\.)*\"|[^\s;,\"]+))?"
_LINK = re.compile(rf"<([^<>]*)>((?:\s*;\s*{_PARAMETER})*)")
_PARAMETERS = re.compile(_PARAMETER)


def read_http(reads: Http, request: Request, *, pause: Any = time.sleep) -> Iterator[Batch]:
    """One batch with what the address has; none if it has nothing new. Raises `CollectFailed`."""
    if reads.by_interval and request.since is None:
        raise CollectFailed("nobody knows where the tick's interval begins: run a tick of the schedule")
    url = reads.address(request.since or request.until, request.until)
    secret_headers = {name: request.secret(place) for name, place in reads.secret_headers.items()}
    if bad := [name for name, value in secret_headers.items() if not value.isprintable()]:
        raise CollectFailed(f"the secret of header {bad[0]!r} has a line break")
    requests = Requests.of(
        request,
        headers={**_accepted(reads), **reads.headers, **secret_headers},
        allow_private=reads.allow_private,
        max_bytes=reads.max_bytes,
        pause=pause,
    )
    name = f"{request.until:%Y-%m-%dT%H%M%SZ}" if reads.by_interval else "all"
    if reads.paging is None:
        yield from _one(reads, request, requests, url, name)
    else:
        file, count = _pages(reads, reads.paging, requests, url)
        yield from _batch(reads, file, count, name, UNCHANGED)


def _accepted(reads: Http) -> Mapping[str, str]:
    kinds = {
        "json": "application/json",
        "jsonl": "application/x-ndjson, application/jsonl, */*",
        "csv": "text/csv, */*",
    }
    return {"Accept": kinds[reads.format]}


def _one(reads: Http, request: Request, requests: Requests, url: str, name: str) -> Iterator[Batch]:
    """A single answer, asked for only if it has changed since the last one."""
    known = request.cursor if isinstance(request.cursor, Mapping) and not reads.by_interval else {}
    asked = {"If-None-Match": known.get("etag"), "If-Modified-Since": known.get("last_modified")}
    page = requests.get(url, {header: value for header, value in asked.items() if value})
    if page.is_unchanged:
        return
    cursor: Any = UNCHANGED
    validators = {"etag": page.headers.get("etag"), "last_modified": page.headers.get("last-modified")}
    if not reads.by_interval and any(validators.values()):
        cursor = {key: value for key, value in validators.items() if value}
    if reads.format == "json":
        with LinesFile(requests.folder) as file:
            _write(file, _records(reads, page))
        yield from _batch(reads, file.path, file.rows, name, cursor)
    else:
        count = None if page.size else 0
        yield from _batch(reads, page.path, count, name, cursor, suffix=f".{reads.format}")


def _batch(
    reads: Http, path: Path, count: int | None, name: str, cursor: Any, *, suffix: str = JSON_LINES
) -> Iterator[Batch]:
    if count == 0 and not reads.by_interval:
        raise CollectFailed("the address has no records, and no file can say so: what landed before still counts")
    yield Batch(file=path, suffix=suffix, count=count, name=name, cursor=cursor)


def _pages(reads: Http, paging: LinkHeader | NextToken | PageNumber, requests: Requests, url: str) -> tuple[Path, int]:
    """Every page's records as one file."""
    for _ in range(ROUNDS):
        with LinesFile(requests.folder) as file:
            first, pages = "", 0
            for page in _followed(reads, paging, requests, url):
                first, pages = first or _digest(page), pages + 1
                _write(file, records := _records(reads, page, may_be_null=pages > 1))
                page.path.unlink()
                if isinstance(paging, PageNumber) and not records:
                    break
        if not isinstance(paging, PageNumber) or pages < 2:
            return file.path, file.rows
        again = requests.get(_with(url, paging.parameter, str(paging.first)))
        if _digest(again) == first:
            return file.path, file.rows
        file.path.unlink()
    raise CollectFailed(
        f"the list changed each of {ROUNDS} times while its pages were read, so that records moved between them: ask "
        "for a fixed range ({since} and {until}), or page by token"
    )


def _followed(reads: Http, paging: LinkHeader | NextToken | PageNumber, requests: Requests, url: str) -> Iterator[Page]:
    """The pages in their order, at most as many as are allowed."""
    seen: set[str] = set()
    number = paging.first if isinstance(paging, PageNumber) else 0
    at: str | None = _with(url, paging.parameter, str(number)) if isinstance(paging, PageNumber) else url
    while at is not None:
        if at in seen:
            raise CollectFailed(f"page {len(seen)} names a page that was read before as the next one")
        if len(seen) >= reads.max_pages:
            raise CollectFailed(f"there are more than max_pages={reads.max_pages:,} pages")
        seen.add(at)
        page = requests.get(at)
        if page.is_unchanged:
            raise CollectFailed("HTTP 304, and nobody asked whether the page has changed")
        # Before the page is given: whoever takes it removes its file.
        match paging:
            case LinkHeader():
                following = next_link(page.headers.get("link", ""))
                at = joined(at, following) if following else None
            case NextToken():
                at = _by_token(paging, page, at, url)
            case PageNumber():
                number += paging.step
                at = _with(url, paging.parameter, str(number))
        yield page


def _by_token(paging: NextToken, page: Page, at: str, url: str) -> str | None:
    found = _at(_json(page), paging.field, missing=None)
    if found is None or found == "" or found is False:
        return None
    if not isinstance(found, str | int) or isinstance(found, bool):
        raise CollectFailed(f"{paging.field} is {type(found).__name__}, expected a token or an address")
    return _with(url, paging.parameter, str(found)) if paging.parameter else joined(at, str(found))


def next_link(header: str) -> str:
    """The address of ``rel="next"`` in a header ``Link``; empty without one."""
    for address, parameters in _LINK.findall(header):
        for parameter in _PARAMETERS.findall(parameters):
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "rel" and "next" in value.strip(' "').lower().split():
                return str(address)
    return ""


def _with(url: str, parameter: str, value: str) -> str:
    """The address with a parameter set."""
    parts = urlsplit(url)
    query = [(name, given) for name, given in parse_qsl(parts.query, keep_blank_values=True) if name != parameter]
    return urlunsplit(parts._replace(query=urlencode([*query, (parameter, value)])))


def _json(page: Page) -> Any:
    try:
        return loads(page.path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        kind = page.headers.get("content-type", "no type")
        raise CollectFailed(f"the answer ({kind}) is no JSON: {str(error)[:200]}") from None


def _records(reads: Http, page: Page, *, may_be_null: bool = False) -> Sequence[Mapping[str, Any]]:
    found = _at(_json(page), reads.records, missing=_MISSING) if reads.records else _json(page)
    if found is None and may_be_null:
        # Behind the last page some hosts have one whose list is null. Of the first one nobody knows what it means.
        return []
    if not isinstance(found, list):
        where = f"{reads.records!r} of the answer" if reads.records else "the answer"
        said = "isn't there" if found is _MISSING else f"is {_kind(found)}"
        raise CollectFailed(f"{where} {said}, expected a list of records")
    for number, record in enumerate(found, start=1):
        if not isinstance(record, dict):
            raise CollectFailed(f"record {number:,} is {_kind(record)}, expected an object")
    return found


def _write(file: LinesFile, records: Sequence[Mapping[str, Any]]) -> None:
    for record in records:
        file.write(dumps(record))


_MISSING = object()


def _at(value: Any, path: str, *, missing: Any) -> Any:
    """The value at ``path``, such as ``data.items``."""
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return missing
        value = value[name]
    return value


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"a number ({json.dumps(str(value))[:40]})")


def _digest(page: Page) -> str:
    return hashlib.sha256(page.path.read_bytes()).hexdigest()
