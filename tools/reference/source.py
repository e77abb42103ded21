"""What a class says of its fields: the text below each, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

WIDTH = 120


@dataclass(frozen=True)
class FieldText:
    """A field as a class's source declares it."""

    name: str
    annotation: str
    """Without ``Annotated`` and what that adds."""
    default: str | None
    """Python; None if there is none."""
    text: str
    """The docstring below it; empty without."""


@cache
def fields(owner: type) -> tuple[FieldText, ...]:
    """The annotated fields of a class's body, in order; names that begin with an underscore are left out."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(tree, ast.ClassDef)
    found = []
    for node, following in zip(tree.body, [*tree.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        if node.target.id.startswith("_") or "ClassVar" in ast.unparse(node.annotation):
            continue
        text = ""
        if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
            text = inspect.cleandoc(str(following.value.value))
        found.append(FieldText(node.target.id, _plain(node.annotation), _default(node.value), text))
    return tuple(found)


def _plain(annotation: ast.expr) -> str:
    class Strip(ast.NodeTransformer):
        def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
            self.generic_visit(node)
            if isinstance(node.value, ast.Name) and node.value.id == "Annotated" and isinstance(node.slice, ast.Tuple):
                return node.slice.elts[0]
            return node

    return ast.unparse(Strip().visit(ast.parse(ast.unparse(annotation), mode="eval").body))


def _default(value: ast.expr | None) -> str | None:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in ("Field", "field"):
        given = {keyword.arg: keyword.value for keyword in value.keywords}
        if "default_factory" in given:
            return {"dict": "{}", "list": "[]"}.get(made := ast.unparse(given["default_factory"]), f"{made}()")
        return ast.unparse(given["default"]) if "default" in given else None
    return None if value is None else ast.unparse(value)


def summary(text: str) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(text).split("\n\n")[0].split())


def prose(text: str) -> str:
    """A docstring up to its first NumPy section, as Markdown."""
    whole = re.split(r"\n\n(?=[A-Z][A-Za-z ]+\n-+\n)", inspect.cleandoc(text))[0]
    return "\n\n".join(wrapped(markdown(part)) for part in whole.split("\n\n"))


def markdown(text: str) -> str:
    """A docstring's words, in one line, with Markdown's marks for code."""
    return " ".join(text.replace("``", "`").split())


def wrapped(text: str, indent: str = "", first: str | None = None) -> str:
    """Lines of at most `WIDTH` characters; short code between backticks stays on one line."""
    whole = re.sub(r"`[^`]{1,60}`", lambda found: found[0].replace(" ", "\0"), text)
    filled = textwrap.fill(
        whole,
        WIDTH,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return filled.replace("\0", " ")


def bullet(head: str, text: str) -> str:
    """A list item."""
    return wrapped(f"{head}: {text}" if text else head, "  ", "* ")


def attributes(doc: str) -> dict[str, str]:
    """A docstring's NumPy section ``Attributes``: names and their texts."""
    _, _, section = inspect.cleandoc(doc).partition("Attributes\n----------\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.split("\n\n")[0].splitlines():
        if line.startswith(" "):
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            found[name := line.partition(" :")[0]] = ""
    return found


def signature(function: Callable[..., Any]) -> str:
    """A function's parameters and answer as its source writes them, without ``self``."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    assert isinstance(tree, ast.FunctionDef)
    given = [*tree.args.posonlyargs, *tree.args.args]
    tree.args.posonlyargs, tree.args.args = [], [entry for entry in given if entry.arg not in ("self", "cls")]
    answer = f" -> {ast.unparse(tree.returns)}" if tree.returns else ""
    return f"{function.__name__}({ast.unparse(tree.args)}){answer}"
