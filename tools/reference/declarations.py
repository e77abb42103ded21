"""docs/reference/declarations.md: every class that a product declares itself with, and every field of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from headwater import declare
from headwater.declare import Declaration, FeatureView, alarms, receivers
from tools.reference.source import FieldText, bullet, fields, markdown, prose, summary

_HEAD = """\
<!-- Written by `make reference` from headwater/declare/: don't edit it. -->
# Declarations

What `pipelines/<product>/product.py` is made of. All of it comes from `headwater.declare`:

    from headwater.declare import Examples, Feature, FeatureView, Gate, Holdout, Model, Source

Every source, feature view and model is declared that the module has a name for, by itself or in a list, a tuple or a
dictionary. A name that begins with an underscore declares nothing.

Declarations are frozen values, checked when they are made; an unknown field is refused. `headwater check` says what
else is wrong, and a deployment refuses the same. Types that stand for text of a form:

* `Name`: lower-case words joined by underscores, at most 48 characters.
* `Reference`: `.module:name`, relative to the package of the module that declares it (`.train:fit` of
  `pipelines/shop/product.py` is `pipelines.shop.train:fit`; two dots start from `pipelines`), or `package.module:name`.
  Imported only where it runs.
* `Duration`: whole numbers with `s`, `m`, `h`, `d` or `w` (seconds to weeks), the largest unit first: `"90s"`, `"24h"`,
  `"1h30m"`. Read as a `timedelta` of Python's `datetime`; positive. `OptionalDuration` may be None.
"""
_ALARMS = """\
## Alarms

What a project's `alarms.py` is made of: `alarms = Alarms(...)`. All of it comes from `headwater.declare.alarms`
([how to](../how-to/route-alarms.md), [on call](../how-to/on-call.md)). A `Secret` says where a secret is kept,
`ssm:/path` or `secretsmanager:name`; a matcher is a text such as `model=~"flight.*"`.
"""
_KIND = "kind"
"""Field that tells one class of receivers from another: nobody writes it."""
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


def of_alarms() -> Sequence[type[Declaration]]:
    """The classes of a project's ``alarms.py``, the whole first."""
    found = [
        value
        for value in (vars(receivers) | vars(alarms)).values()
        if isinstance(value, type) and issubclass(value, Declaration) and value is not Declaration
    ]
    first = [alarms.Alarms, alarms.Route, alarms.Escalation, alarms.Step]
    return [*first, *(owner for owner in found if owner not in first)]


def words() -> Mapping[str, Sequence[Callable[..., Any]]]:
    """The functions that make declarations, and those of a view, under what they are for."""
    exported = [value for name in declare.__all__ if inspect.isfunction(value := getattr(declare, name))]
    return {
        "A window, the `aggregate` of a feature:": [one for one in exported if one.__module__.endswith(".windows")],
        "A calendar, the `calendar` of a schedule:": [one for one in exported if one.__module__.endswith(".calendars")],
        "An input, of a model's `inputs`:": [one for one in exported if one.__module__.endswith(".inputs")],
        "Features of a view, for a model's `features`:": [FeatureView.all, FeatureView.select],
    }


def render() -> str:
    """The page."""
    lines = [_HEAD]
    lines += ["## Words for windows, inputs and features", ""]
    for title, found in words().items():
        lines += [title, "", *(bullet(_called(word), markdown(summary(word.__doc__ or ""))) for word in found), ""]
    for owner in declarations():
        lines += [f"## {owner.__name__}", "", prose(owner.__doc__ or ""), ""]
        lines += [*_entries(owner), ""]
    lines += [_ALARMS]
    for owner in of_alarms():
        lines += [f"### {owner.__name__}", "", prose(owner.__doc__ or ""), "", *_entries(owner), ""]
    return "\n".join(lines)


def _called(word: Callable[..., Any]) -> str:
    """A function as it is called: its name, parameters and defaults."""
    given = inspect.signature(word)
    plain = [one.replace(annotation=one.empty) for one in given.parameters.values() if one.name != "self"]
    name = word.__qualname__.replace("FeatureView.", "view.")
    return f"`{name}{given.replace(parameters=plain, return_annotation=given.empty)}`"


def undocumented() -> list[str]:
    """Classes, fields and functions without a text."""
    unsaid = [word.__name__ for found in words().values() for word in found if not word.__doc__]
    return unsaid + [name for owner in (*declarations(), *of_alarms()) for name in silent(owner)]


def silent(owner: type) -> Iterator[str]:
    """Of one class."""
    # A subclass without a docstring would show its parent's.
    if not vars(owner).get("__doc__"):
        yield owner.__name__
    yield from (f"{owner.__name__}.{entry.name}" for entry in _fields(owner) if not entry.text and entry.name != _KIND)


def _fields(owner: type) -> Iterator[FieldText]:
    """The fields of a class, then those of its bases that have no section of their own."""
    own = {Declaration, *declarations(), *of_alarms()} - {owner}
    for base in owner.__mro__:
        if issubclass(base, Declaration) and base not in own:
            yield from fields(base)


def _entries(owner: type[Declaration]) -> Iterator[str]:
    for entry in _fields(owner):
        if entry.name == _KIND:
            continue
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
