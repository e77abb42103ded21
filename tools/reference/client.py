"""docs/reference/client.md: the Python client's classes, methods, values and errors."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

import headwater.client.alarms
import headwater.client.features
from headwater.client.api import Api
from headwater.client.connection import Connection, Verbs
from headwater.client.errors import VersionMismatch
from headwater.client.machines import Machine
from headwater.errors import HeadwaterError
from headwater.features.online.records import Materialised
from headwater.versions.dataset import Dataset
from headwater.versions.service import Versions
from tools.reference.source import attributes, bullet, fields, markdown, prose, signature, summary, wrapped

_HEAD = """\
<!-- Written by `make reference` from headwater/client: don't edit it. -->
# Python client

    import headwater

    stack = headwater.connect()          # the local cloud of this project, HEADWATER_STACK, or connect("prod")
    stack.upload("flights", "flights-2013-01.csv")

The client does what the command line does, with the AWS credentials of whoever calls it. `help(headwater.connect)` and
the docstrings say more of parameters and errors.
"""
# What `Stack.data` hands out, beside what `headwater.client` itself declares.
_BESIDE = (Versions, Dataset)
# What the groups of verbs stand on.
_INSIDE = Api | Connection | Machine


def modules() -> Iterator[Any]:
    """The client's modules and those of its alarms and features, by name."""
    for package in (headwater.client, headwater.client.alarms, headwater.client.features):
        for entry in sorted(pkgutil.iter_modules(package.__path__), key=lambda entry: entry.name):
            yield importlib.import_module(f"{package.__name__}.{entry.name}")


def classes() -> Sequence[type]:
    """Every public class that the client declares."""
    return [
        value
        for module in modules()
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
    ]


def verbs() -> Sequence[type]:
    """The classes whose methods people call, `Stack` first."""
    found = [
        owner for owner in classes() if owner is not Verbs and not issubclass(owner, BaseModel | Exception | _INSIDE)
    ]
    return sorted(found, key=lambda owner: owner is not headwater.client.Stack) + list(_BESIDE)


def values() -> Sequence[type[BaseModel]]:
    """What they answer with."""
    return [owner for owner in classes() if issubclass(owner, BaseModel) and fields(owner)] + [Materialised]


def errors() -> Sequence[type[HeadwaterError]]:
    """What they raise, beside what the capabilities raise."""
    return [owner for owner in classes() if issubclass(owner, HeadwaterError)]


def methods(owner: type) -> Iterator[tuple[str, Any]]:
    """Public methods and properties, as they stand in the class."""
    for name, value in vars(owner).items():
        if not name.startswith("_") and (callable(value) or hasattr(value, "__get__")):
            yield name, value


def render() -> str:
    """The page."""
    connect = headwater.client.connect
    lines = [_HEAD, "## connect", "", wrapped(f"`{signature(connect)}`"), "", _text(connect), ""]
    for owner in verbs():
        lines += [f"## {owner.__name__}", "", _text(owner), ""]
        given = attributes(_doc(owner))
        lines += [bullet(f"`{name}`", markdown(text)) for name, text in given.items() if name not in vars(owner)]
        lines += [bullet(_signature(name, value), markdown(summary(_doc(value)))) for name, value in methods(owner)]
        lines.append("")
    lines += ["## Values", "", "Frozen, with these fields; most have `model_dump()`, as pydantic's models do.", ""]
    for owner in values():
        lines += [f"### {owner.__name__}", "", _text(owner), ""]
        lines += [bullet(f"`{entry.name}` (`{entry.annotation}`)", markdown(entry.text)) for entry in fields(owner)]
        lines.append("")
    lines += ["## Errors", "", *_errors(), ""]
    return "\n".join(lines)


def undocumented() -> list[str]:
    """Classes and methods without a docstring."""
    owners = [*verbs(), *values(), *errors()]
    return [name for owner in owners for name in silent(owner)]


def silent(owner: type) -> Iterator[str]:
    """Of one class."""
    if not vars(owner).get("__doc__"):
        yield owner.__name__
    if not issubclass(owner, HeadwaterError):
        yield from (f"{owner.__name__}.{name}" for name, value in methods(owner) if not _doc(value))


def _doc(value: Any) -> str:
    return getattr(getattr(value, "__func__", value), "__doc__", None) or ""


def _text(value: Any) -> str:
    return prose(_doc(value))


def _signature(name: str, value: Any) -> str:
    function = getattr(value, "__func__", value)
    return f"`{signature(function)}`" if inspect.isfunction(function) else f"`{name}`"


def _errors() -> Iterator[str]:
    yield wrapped(
        "Every error is a `headwater.errors.HeadwaterError`: it has `message`, `reason` (its class's name), "
        "`next_steps` and the `exit_code` that the command line ends with."
    )
    yield ""
    yield bullet(f"`{VersionMismatch.__name__}` (a warning)", markdown(summary(VersionMismatch.__doc__ or "")))
    for owner in errors():
        yield bullet(f"`{owner.__name__}` (exit code {owner.exit_code})", markdown(summary(owner.__doc__ or "")))
