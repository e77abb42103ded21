"""docs/reference/declarations.md: every class that a product declares itself with, and every field of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from headwater import declare
from headwater.declare import Declaration
from tools.reference.source import bullet, fields, markdown, prose

_HEAD = """\
<!-- Written by `make reference` from headwater/declare/: don't edit it. -->
# Declarations

What `pipelines/<product>/product.py` is made of. All of it comes from `headwater.declare`:

    from headwater.declare import Examples, Feature, FeatureView, Gate, Holdout, Model, Source

Declarations are frozen values, checked when they are made; an unknown field is refused. `headwater check` says what
else is wrong, and a deployment refuses the same. Types that stand for text of a form:

* `Name`: lower-case words joined by underscores, at most 48 characters.
* `Reference`: `package.module:attribute`, imported only where it runs.
* `timedelta`: of Python's `datetime`; positive.
"""
_BOUNDS = (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below"))
_LENGTHS = (("min_length", "at least {} long"), ("max_length", "at most {} long"))


def declarations() -> Sequence[type[Declaration]]:
    """The classes, those of a source first, then of features, then of models."""
    first = ["Source", "FeatureView", "Feature", "Aggregations", "Window", "Schedule", "Model"]
    found = {
        name: value
        for name, value in vars(declare).items()
        if isinstance(value, type) and issubclass(value, Declaration) and value is not Declaration
    }
    return [found.pop(name) for name in first] + list(found.values())


def render() -> str:
    """The page."""
    lines = [_HEAD]
    for owner in declarations():
        lines += [f"## {owner.__name__}", "", prose(owner.__doc__ or ""), ""]
        lines += [*_entries(owner), ""]
    return "\n".join(lines)


def undocumented() -> list[str]:
    """Classes and fields without a text."""
    return [name for owner in declarations() for name in silent(owner)]


def silent(owner: type) -> Iterator[str]:
    """Of one class."""
    # A subclass without a docstring would show its parent's.
    if not vars(owner).get("__doc__"):
        yield owner.__name__
    yield from (f"{owner.__name__}.{entry.name}" for entry in fields(owner) if not entry.text)


def _entries(owner: type[Declaration]) -> Iterator[str]:
    for entry in fields(owner):
        field = owner.model_fields[entry.name]
        facts = [f"`{entry.annotation}`"]
        facts += ["required"] if field.is_required() else [f"default `{entry.default}`"]
        facts += _constraints(field.metadata)
        yield bullet(f"`{entry.name}` ({'; '.join(facts)})", markdown(entry.text))


def _constraints(metadata: Sequence[Any]) -> Iterator[str]:
    for entry in metadata:
        for key, words in _BOUNDS:
            if getattr(entry, key, None) is not None:
                yield f"{words} {getattr(entry, key):,}"
        for key, words in _LENGTHS:
            if getattr(entry, key, None) is not None:
                yield words.format(f"{getattr(entry, key):,}")
