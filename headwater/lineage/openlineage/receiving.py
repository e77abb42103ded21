"""Taking in an event that another tool sent: size, JSON, schema and names are checked before anything is kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from headwater import json_values
from headwater.graph import Told
from headwater.lineage.openlineage.errors import EventTooLarge, InvalidEvent
from headwater.lineage.openlineage.naming import FOREIGN, OUTPUTS, StackNames
from headwater.lineage.openlineage.reading import Event, told
from headwater.lineage.openlineage.validation import DEEPEST, problems

LARGEST = 256 * 1024
"""Bytes of an event: as many as the API takes of any request."""
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"?|[\[\]{}]', re.DOTALL)


def receive(body: bytes | str, names: StackNames) -> Event:
    """The event that ``body`` is, checked: everything that `told` reads of it can be kept.

    Parameters
    ----------
    body : bytes or str
        JSON, one event.
    names : StackNames
        Tells Headwater's own datasets from others.

    Raises
    ------
    EventTooLarge
        It has more than `LARGEST` bytes.
    InvalidEvent
        It is no JSON (also: a name twice in an object, NaN, nested too deep), not valid by OpenLineage's schemas, has
        a dataset or a job without a name, or says how one of Headwater's own versions was made.
    """
    event = Event.of(_document(body))
    if found := problems(event.document, received=True):
        raise InvalidEvent(f"no valid OpenLineage event: {'; '.join(found)}")
    if nameless := list(_nameless(event.document)):
        raise InvalidEvent(f"{', '.join(nameless[:5])}: the name is empty, expected one that tells it from others")
    claimed = sorted(
        {edge.below.id for edge in _read(event, names).edges if edge.below.kind not in {FOREIGN, *OUTPUTS}}
    )
    if claimed:
        raise InvalidEvent(
            f"the event says how {claimed[0]} was made, which only Headwater does; as outputs it takes foreign "
            "datasets, objects of its own buckets and its own datasets"
        )
    return event


def _read(event: Event, names: StackNames) -> Told:
    try:
        return told(event, names, seen=datetime.now(UTC))
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"the event has half of a surrogate pair, {error.object[error.start]!a}") from error


def _document(body: bytes | str) -> Mapping[str, Any]:
    size = len(body) if isinstance(body, bytes) else len(body.encode(errors="surrogatepass"))
    if size > LARGEST:
        raise EventTooLarge(
            f"the event has {size:,} bytes, at most {LARGEST:,} are taken; leave out facets such as spark.logicalPlan "
            "(the client's setting facets.<name>.disabled)"
        )
    try:
        text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    except UnicodeDecodeError as error:
        raise InvalidEvent(f"the event is no UTF-8: byte {error.start:,} is {body[error.start]!r}") from error
    if _depth(text) > DEEPEST:
        raise InvalidEvent(f"objects and arrays lie more than {DEEPEST} deep in each other; no event needs that")
    try:
        found = json_values.loads(text)
    except ValueError as error:
        raise InvalidEvent(f"the event is no JSON: {ascii(str(error))[1:-1][:300]}") from error
    if not isinstance(found, Mapping):
        raise InvalidEvent(f"an event is a JSON object, not {type(found).__name__}; send one event a request")
    return found


def _depth(text: str) -> int:
    """How deep brackets lie in each other outside of strings, before a parser follows them."""
    depth = deepest = 0
    for found in _BRACKET.finditer(text):
        if (bracket := found[0]) in {"[", "{"}:
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in {"]", "}"}:
            depth -= 1
    return deepest


def _nameless(event: Mapping[str, Any]) -> Iterator[str]:
    for member in ("job", "dataset"):
        if member in event and not event[member]["name"]:
            yield member
    for member in ("inputs", "outputs"):
        yield from (f"{member}[{place}]" for place, one in enumerate(event.get(member, ())) if not one["name"])
