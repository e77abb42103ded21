"""What a call needs, and where it is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Place:
    """The account and region that short names belong to."""

    account: str
    region: str


@dataclass(frozen=True)
class RequiredAction:
    """An action on a resource, with the condition keys that belong to it (in lower case)."""

    action: str
    resource: str
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)
