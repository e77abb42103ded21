"""The bases of the library's frozen values, of those that are stored, and the pointer to an object's version."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from headwater.errors import Refused
from headwater.version import __version__


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


class Packed(Stored):
    """A stored value that is kept as gzipped JSON."""

    def packed(self) -> bytes:
        """Its JSON, gzipped: equal values give the same bytes."""
        return gzip.compress(self.model_dump_json().encode(), mtime=0)

    @classmethod
    def unpacked(cls, body: bytes) -> Self:
        """Read what `packed` gave."""
        return cls.model_validate_json(gzip.decompress(body))


class Pointer(Value):
    """One version of one S3 object: what it names can't change."""

    bucket: str = Field(min_length=1)
    key: str = Field(min_length=1)
    version_id: str = Field(min_length=1)
