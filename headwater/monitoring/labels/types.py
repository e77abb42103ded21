"""Values of written labels: one label, a batch of them, and what became of each."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, NamedTuple, Self

from pydantic import AwareDatetime

from headwater.serving.store import LABELLED
from headwater.values import Stored

RETENTION = timedelta(days=30)
"""Time that a label waits for its prediction: the prediction may be logged later."""
CLOCKS = timedelta(minutes=5)
"""Time by which two machines' clocks may differ."""
MOST_ITEMS = 500
"""Labels that a request may carry."""
LONGEST_BODY = 512 * 1024
"""Bytes of a request's body that are read."""

_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds: int) -> datetime:
    """The moment, UTC."""
    return _EPOCH + microseconds * _MICROSECOND


def words(moment: datetime) -> str:
    """A moment as text that sorts by time: ``2026-03-01T05:30:00.000000Z``."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


class Verdict(StrEnum):
    """Whether a label was taken in."""

    TAKEN = "TAKEN"
    """The label is stored. Whether its prediction is known is found when labels are read."""
    KNOWN = "KNOWN"
    """The very same label is stored already."""
    REFUSED = "REFUSED"
    """No label of the model can be so; nothing is stored."""


class Label(NamedTuple):
    """One written label, checked. Times are microseconds since 1970."""

    prediction_id: str | None
    """``<request id>.<instance>``; None of a label that names its prediction by inputs and moment."""
    keys: str | None
    """The inputs as a JSON object."""
    as_of: int | None
    """The moment that the prediction was asked about."""
    value: float
    """0 or 1 of a classifier."""
    observed_at: int | None
    """When it was observed; None: when it was received first."""
    source: str
    """The person or program that says so; may be empty."""
    write_id: str | None
    """Tells a doubled call from a label that says the same again."""

    def line(self) -> str:
        """Its JSON: the same label gives the same text."""
        return json.dumps({name: value for name, value in self._asdict().items() if value is not None}, sort_keys=True)

    @classmethod
    def read(cls, line: str) -> Self:
        """Read what `line` gave."""
        held = json.loads(line)
        return cls(*(held.get(name) for name in cls._fields))


COLUMNS: Mapping[str, str] = {
    "prediction_id": "VARCHAR", "keys": "VARCHAR", "as_of": "BIGINT", "value": "DOUBLE", "observed_at": "BIGINT",
    "source": "VARCHAR", "write_id": "VARCHAR",
}  # fmt: skip
"""Columns of a batch in Parquet: the fields of `Label`."""


class LabelBatch(Stored):
    """Labels that were received together. They count once the registry table notes the batch, and never change."""

    model: str
    name: str
    """A SHA-256 of what is in it: a batch that is sent twice is one."""
    kind: Literal["json", "parquet"]
    labels: int
    received_at: AwareDatetime
    """When it was noted first: the labels are known from then on."""
    origin: str = ""
    """The file that it was read from."""

    @property
    def key(self) -> str:
        """Its key in the predictions bucket."""
        return f"{LABELLED}{self.model}/{self.name}.{'jsonl.gz' if self.kind == 'json' else 'parquet'}"


def packed(labels: Iterable[Label]) -> tuple[str, bytes]:
    """The name and the bytes of a batch of labels, whatever their order."""
    text = "\n".join(sorted({label.line() for label in labels})).encode()
    return hashlib.sha256(text).hexdigest(), gzip.compress(text, mtime=0)


def unpacked(body: bytes) -> list[Label]:
    """Read what `packed` gave."""
    return [Label.read(line) for line in gzip.decompress(body).decode().split("\n")]


class Verdicts(NamedTuple):
    """A verdict on each item of a call, in their order."""

    verdicts: list[dict[str, Any]]
    """``verdict``, and of a refused one ``field``, ``given`` and ``expected``."""
    batch: str | None
    """Name of the batch that holds what was taken; None if nothing was."""
