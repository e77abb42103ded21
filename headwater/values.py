"""The bases of the library's frozen values, of those that are stored, and the pointer to an object's version."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from headwater.errors import InvalidRequest, Refused
from headwater.version import __version__

FIRST_YEAR, LAST_YEAR = 1000, 8999
"""Years of the days and times that people may ask about: at the ends of what Python counts, a day more is none."""


def check_year(given: date, said: str) -> None:
    """Raise InvalidRequest unless the year of ``given`` is one that people may ask about; ``said`` begins the words."""
    if not FIRST_YEAR <= given.year <= LAST_YEAR:
        raise InvalidRequest(f"{said}: expected a year from {FIRST_YEAR} to {LAST_YEAR}")


def in_utc(at: datetime, name: str) -> datetime:
    """A moment that somebody gave, as UTC: what is kept and shown says so, whatever offset it came with.

    Raises
    ------
    InvalidRequest
        It has no time zone, or lies before the year 1 or after 9999 in UTC; the message begins with ``name``.
    """
    if at.tzinfo is None:
        raise InvalidRequest(f"{name} {at.isoformat()} has no time zone: give it one, such as {at.isoformat()}+00:00")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise InvalidRequest(f"{name} {at.isoformat()} is before the year 1 or after 9999 in UTC") from error


class FormatTooNew(Refused):
    """A later version of Headwater stored the value, in a format that this version doesn't know."""


class Value(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stored(Value):
    """A value that outlives the version of Headwater that stored it: its JSON names its format.

    A class whose fields change in a way that old JSON doesn't fit raises the default of `format` and brings the JSON of
    each earlier format up to date in `upgraded`, so that everything stored since the first format stays readable.

    Raises
    ------
    FormatTooNew
        When JSON of a later format is read.
    """

    format: int = Field(default=1, ge=1)
    """Format of the value's JSON. JSON that names none is of format 1."""

    @classmethod
    def from_item(cls, item: Mapping[str, Any], **more: Any) -> Self:
        """The value that an item of a table holds field by field, beside its keys; ``more`` are fields of the keys."""
        fields = {name: value for name, value in item.items() if name not in {"pk", "sk"}}
        return cls.model_validate({"format": 1, **more, **fields})

    @classmethod
    def upgraded(cls, document: Mapping[str, Any], given: int) -> Mapping[str, Any]:
        """The JSON of format ``given`` in the newest format."""
        raise NotImplementedError(f"{cls.__name__} reads no format {given}: {document}")

    @model_validator(mode="before")
    @classmethod
    def _check_format(cls, document: Any, info: ValidationInfo) -> Any:
        newest = cls.model_fields["format"].default
        if not isinstance(document, Mapping):
            return document
        given = document.get("format", newest if info.mode == "python" else 1)
        if not isinstance(given, int) or given == newest:
            return document
        if given > newest:
            raise FormatTooNew(
                f"the stored {cls.__name__} is of format {given}, of a later version of Headwater; this one, "
                f"{__version__}, reads formats up to {newest}",
                next_steps=['pip install --upgrade "headwater[local]"'],
            )
        return {**cls.upgraded(document, given), "format": newest}


class Pointer(Value):
    """One version of one S3 object: what it names can't change."""

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    version_id: str = Field(min_length=1)
