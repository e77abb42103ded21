"""The digest of a source's definition: curated files with equal digests mean the same."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import Any

from headwater.declare import InvalidProduct, Source, resolve
from headwater.lake.contract import schema_of
from headwater.lake.types import DIGITS, Definition

READING = 1
"""Version of the curation code; raised when it makes other curated rows of the same file and definition."""
UNTOLD = frozenset({"title", "description", "metadata", "n_failure_cases", "error", "report_duplicates"})
"""Fields of a schema that don't affect which rows pass or how they are converted."""
DEPTH = 12


def definition_of(source: Source) -> Definition:
    """The definition of ``source`` as its product declares it now, with the code of its contract.

    All declared fields count but the description, and of the contract each column, each check with its numbers, and
    the text of functions of the product that checks call (without comments and layout). Code of libraries doesn't.

    Raises
    ------
    InvalidProduct
        The contract can't be imported.
    """
    declared = source.model_dump(mode="json", exclude={"description"})
    contract = _told(schema_of(resolve(source.contract)), _Seen())
    text = json.dumps({"reading": READING, "source": declared, "contract": contract}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    columns = contract.get("columns") if isinstance(contract, dict) else None
    return Definition(
        source=source.name,
        digest=digest,
        declared=declared,
        columns={name: _kind(column) for name, column in columns.items()} if isinstance(columns, dict) else {},
    )


def definition_if_known(source: Source) -> Definition | None:
    """The declared definition; None if the product's code or pandera isn't installed."""
    try:
        return definition_of(source)
    except InvalidProduct:
        return None


class _Seen:
    """Functions that were told already: they may call each other in a circle."""

    def __init__(self) -> None:
        self.names: set[str] = set()


def _kind(column: Any) -> str:
    told = column.get("fields", column) if isinstance(column, dict) else {}
    checks = [str(check["fields"].get("name")) for check in told.get("checks") or () if isinstance(check, dict)]
    kind = str(told.get("dtype") or told.get("_dtype") or "any")
    return " ".join([kind, *(["nullable"] if told.get("nullable") else []), *checks])


def _told(value: Any, seen: _Seen, depth: int = 0) -> Any:
    """A value as plain JSON: equal for equal rules, in every process."""
    again = partial(_told, seen=seen, depth=depth + 1)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > DEPTH:
        return f"<{type(value).__qualname__}>"
    if isinstance(value, Mapping):
        return {str(key): again(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [again(inner) for inner in value]
    if isinstance(value, set | frozenset):
        return sorted(json.dumps(again(inner), sort_keys=True) for inner in value)
    if isinstance(value, partial):
        return {"partial": again(value.func), "args": again(value.args), "keywords": again(value.keywords)}
    if isinstance(value, MethodType):
        return again(value.__func__)
    if isinstance(value, FunctionType):
        return _function(value, seen, depth)
    if isinstance(value, type | BuiltinFunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if type(value).__module__.split(".")[0] == "pandera" and not _is_type(value):
        fields = {name: inner for name, inner in vars(value).items() if name not in UNTOLD}
        if "_check_fn" in fields and not _is_own(fields["_check_fn"]):
            # A check of pandera's own: its name and its numbers say all, and its code is the library's.
            fields["_check_fn"] = getattr(fields["_check_fn"], "__qualname__", str(fields["_check_fn"]))
        return {"kind": type(value).__qualname__, **_columns(fields, again), "fields": again(_plain(fields))}
    text = str(value)
    # The default text of an object is its address, another one in each process.
    return f"<{type(value).__qualname__}>" if " at 0x" in text else text


def _columns(fields: Mapping[str, Any], again: Any) -> dict[str, Any]:
    return {"columns": again(fields["columns"])} if "columns" in fields else {}


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: inner for name, inner in fields.items() if name != "columns"}


def _is_type(value: Any) -> bool:
    return any(kind.__name__ == "DataType" for kind in type(value).__mro__)


def _is_own(function: Any) -> bool:
    """Whether a function is a product's: not of pandera, whose version the lock says."""
    return (getattr(function, "__module__", "") or "").split(".")[0] != "pandera"


def _function(function: FunctionType, seen: _Seen, depth: int) -> Any:
    name = f"{function.__module__}.{function.__qualname__}"
    top = function.__module__.split(".")[0]
    key = f"{name}:{function.__code__.co_firstlineno}"
    if key in seen.names:
        return name
    seen.names.add(key)
    again = partial(_told, seen=seen, depth=depth + 1)
    try:
        held = inspect.getclosurevars(function)
    except (TypeError, ValueError):
        return {"text": _text(function)}
    used = {**held.globals, **held.nonlocals}
    own = {
        name: again(value)
        for name, value in sorted(used.items())
        # A library's function is called by its name, which the text has; a product's own is followed.
        if not inspect.ismodule(value) and (getattr(value, "__module__", None) or top).split(".")[0] == top
    }
    return {"text": _text(function), "defaults": again([function.__defaults__, function.__kwdefaults__]), "uses": own}


def _text(function: FunctionType) -> str:
    """A function's source without comments and layout; of one without a source its bytecode."""
    code = function.__code__
    try:
        tree = ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return "".join(_bytecode(code))
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        and code.co_firstlineno in {node.lineno, *(entry.lineno for entry in getattr(node, "decorator_list", ()))}
    ]
    named = [node for node in found if getattr(node, "name", "<lambda>") == code.co_name]
    return "\n".join(ast.unparse(node) for node in named) if named else "".join(_bytecode(code))


def _bytecode(code: CodeType) -> Iterator[str]:
    yield code.co_code.hex()
    for constant in code.co_consts:
        yield from _bytecode(constant) if isinstance(constant, CodeType) else [repr(constant)]
    yield repr(code.co_names)
