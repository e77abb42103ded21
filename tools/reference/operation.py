"""What one route does, for the description of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from headwater.errors import HeadwaterError
from headwater.serving.messages import ErrorAnswer

JSON = "application/json"


@dataclass(frozen=True)
class Operation:
    """What one route does."""

    identity: str
    summary: str
    answer: Any
    """Type of the body of success."""
    errors: Sequence[type[HeadwaterError]]
    body: Any = None
    query: Sequence[Mapping[str, Any]] = ()
    status: int = HTTPStatus.OK
    refusal: Any = ErrorAnswer
    """Type of the body with a status from 400 on."""
    kinds: Sequence[str] = (JSON,)
    """Media types of the body of success."""
    has_tag: bool = False
    """Whether the answer has an ETag, by which a caller that has it already is told so."""
    security: Sequence[Mapping[str, Any]] = ()
    """Of a route that is open to requests without a signature: what they show instead, in OpenAPI's words."""


def parameter(
    name: str, description: str, schema: Mapping[str, Any] | None = None, *, within: str = "query", **more: bool
) -> Mapping[str, Any]:
    """A parameter as OpenAPI describes it, by default a text in the query; ``more`` may say that it is ``required``."""
    return {"name": name, "in": within, **more, "description": description, "schema": schema or {"type": "string"}}
