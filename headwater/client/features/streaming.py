"""Sends feature rows to the API: in batches, with retries, without refused rows."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from headwater.client.api import Api
from headwater.client.errors import ApiRefused, RowsRefused, Unreachable
from headwater.features.inputs import is_missing
from headwater.json_values import NotJson, dumps, json_value
from headwater.routes import STREAM_ROWS
from headwater.values import Value

MOST_ROWS = 500
"""Rows of a request, as in `headwater.features.stream.rows`, which needs packages that a client may lack."""
MOST_BYTES = 4 * 1024 * 1024
"""Bytes of a request: Lambda takes 6 MB, and an event holds the body as text within JSON."""
TRIES = 6
_ROW = re.compile(r"rows\[(\d+)\]\.?(.*)")

Row = Mapping[str, Any]


class RefusedRow(Value):
    """A row that the API didn't take."""

    row: int
    """The row's number among the given rows, from 0."""
    problem: str
    """The row's first problem."""

    def __str__(self) -> str:
        return f"row {self.row}: {self.problem}"


class Ingested(Value):
    """Result of streaming rows."""

    view: str
    version: str
    """Version of the view's definition; empty if there were no rows."""
    rows: int
    """Rows that were taken."""
    written: int
    """Online items that changed; items with a newer value don't count."""
    refused: tuple[RefusedRow, ...] = ()


def ingest(
    api: Api, view: str, rows: Iterable[Row], *, progress: Callable[[int], None], pause: Callable[[float], None]
) -> Ingested:
    """Send rows; see `headwater.client.features.service.Features.ingest`."""
    version, taken, written, refused = "", 0, 0, []
    for numbered in _batches(rows):
        numbers, batch = [], []
        for number, row in numbered:
            if isinstance(row, RefusedRow):
                refused.append(row)
            else:
                numbers.append(number)
                batch.append(row)
        while batch:
            try:
                answer = _send(api, view, batch, pause)
            except ApiRefused as error:
                wrong = _wrong(error, len(batch))
                if not wrong:
                    raise
                refused += [RefusedRow(row=numbers[place], problem=said) for place, said in wrong.items()]
                kept = [place for place in range(len(batch)) if place not in wrong]
                numbers, batch = [numbers[place] for place in kept], [batch[place] for place in kept]
                continue
            version, taken, written = answer["version"], taken + len(batch), written + answer["written"]
            break
        if not taken:
            # If no row of the first batch is taken, the table is wrong rather than its rows: stop before a million
            # errors.
            raise RowsRefused(f"feature view {view!r}: none of the first {len(refused)} rows was taken", refused)
        progress(len(numbered))
    return Ingested(view=view, version=version, rows=taken, written=written, refused=tuple(refused))


def _batches(rows: Iterable[Row]) -> Iterator[list[tuple[int, dict[str, Any] | RefusedRow]]]:
    """Rows grouped by request; a row that JSON can't hold comes with the reason."""
    batch: list[tuple[int, dict[str, Any] | RefusedRow]] = []
    size = 0
    for number, row in enumerate(rows):
        made: dict[str, Any] | RefusedRow
        try:
            made = {str(name): json_value(value, str(name)) for name, value in row.items() if not is_missing(value)}
            length = len(dumps(made))
        except NotJson as error:
            made, length = RefusedRow(row=number, problem=error.message), 0
        if batch and (len(batch) == MOST_ROWS or size + length > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append((number, made))
        size += length
    if batch:
        yield batch


def _send(api: Api, view: str, batch: list[dict[str, Any]], pause: Callable[[float], None]) -> dict[str, Any]:
    """Send a batch until it is answered: rows that come twice change nothing."""
    for attempt in range(TRIES):
        try:
            return api.send(STREAM_ROWS.method, STREAM_ROWS.url(view=view), {"rows": batch})
        except (Unreachable, ApiRefused) as error:
            passing = isinstance(error, Unreachable) or error.status == 429 or error.status >= 500
            if not passing or attempt == TRIES - 1:
                raise
        # Full jitter, as AWS's SDKs wait.
        pause(random.uniform(0, min(10.0, 0.2 * 2**attempt)))  # noqa: S311
    raise AssertionError("the last attempt answers or raises")


def _wrong(error: ApiRefused, rows: int) -> dict[int, str]:
    """The positions of refused rows within their batch, with each row's problem."""
    found: dict[int, str] = {}
    for problem in error.problems:
        place = _ROW.fullmatch(str(problem.get("field")))
        if place and int(place[1]) < rows:
            said = f"{place[2]}: " if place[2] else ""
            found.setdefault(int(place[1]), f"{said}{problem.get('given')}, expected {problem.get('expected')}")
    return found
