"""The base of all declarations: a frozen value that knows the line of the product which made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import StringConstraints

from headwater.declare.locations import NAME, Location, declared_at
from headwater.errors import InvalidRequest
from headwater.values import Value

Name = Annotated[str, StringConstraints(pattern=NAME)]
"""Lower-case words joined by underscores, at most 48 characters: safe in keys, ARNs, SQL and URLs."""


class InvalidProduct(InvalidRequest):
    """A declaration is wrong in itself or names something that doesn't exist."""


class Declaration(Value):
    """A frozen value that knows which line of a product made it."""

    # A slot is no part of the value: neither of what compares, nor of what is hashed, copied out or kept.
    __slots__ = ("_location",)

    def __init__(self, /, **fields: Any) -> None:
        super().__init__(**fields)
        object.__setattr__(self, "_location", declared_at())

    # Declarations that are read from what was kept are made without it, as fast as before.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def __copy__(self) -> Self:
        made = super().__copy__()
        object.__setattr__(made, "_location", location_of(self))
        return made


def location_of(declaration: Declaration) -> Location | None:
    """The line that made a declaration; None if it was read from what was kept."""
    found: Location | None = getattr(declaration, "_location", None)
    return found


def refuse_repeats(owner: str, names: Iterable[str]) -> None:
    """Raise `InvalidProduct` if a name comes more than once."""
    if repeated := sorted(name for name, times in Counter(names).items() if times > 1):
        raise InvalidProduct(f"{owner}: {', '.join(map(repr, repeated))} declared more than once")
