"""SQL expressions made into nodes of an ONNX graph: the language of on-demand features.

It is the part of SQL that means the same in every engine. A missing number is NaN in the graph and NULL in SQL; a
missing text is empty.

===============  =================================================================================================
arithmetic       ``+ - * / %``, ``abs floor ceil sqrt exp ln power sin cos``, ``greatest least`` (of what is known)
conditions       ``= <> < <= > >=``, ``BETWEEN``, ``IN``, ``IS [NOT] NULL``, ``AND OR NOT`` (three-valued); true is 1
choices          ``CASE``, ``if``, ``coalesce``, ``nullif``, ``CAST(condition AS INTEGER)``
text             compared with ``=``, ``<>``, ``IN``, ``IS NULL`` and ``CASE``
===============  =================================================================================================

Numbers are float32. What isn't a finite number (a division by zero, ``ln(-1)``) is NULL.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import sqlglot
from onnx import TensorProto, helper
from sqlglot import exp
from sqlglot.errors import SqlglotError

from headwater.declare import InvalidProduct, Model, OnDemand

TEXT_DOMAIN = "ai.onnx.ml"
"""The domain of the one operator that reads text."""


@dataclass(frozen=True)
class Number:
    """A tensor of float32, NaN where SQL says NULL."""

    tensor: str


@dataclass(frozen=True)
class Truth:
    """A condition of SQL's three-valued logic: where it is true and where it is false; elsewhere it is NULL."""

    yes: str
    no: str


@dataclass(frozen=True)
class Text:
    """A column of text; empty where SQL says NULL."""

    column: str


Value = Number | Truth | Text


class Nodes:
    """The nodes of a stage and their constants; equal ones are made once."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._made: dict[tuple[Any, ...], str] = {}

    def add(self, operator: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        key = (operator, inputs, output, tuple(sorted((name, repr(value)) for name, value in attributes.items())))
        if key not in self._made:
            name = output or f"on_demand/{len(self._made)}"
            self.nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **attributes))
            self._made[key] = name
        return self._made[key]

    def constant(self, value: float) -> str:
        key = ("constant", repr(value))
        if key not in self._made:
            name = f"on_demand/{len(self._made)}"
            self.constants.append(helper.make_tensor(name, TensorProto.FLOAT, [], [value]))
            self._made[key] = name
        return self._made[key]


_FUNCTIONS: Mapping[type[exp.Expr], str] = {
    exp.Abs: "Abs", exp.Floor: "Floor", exp.Ceil: "Ceil", exp.Sqrt: "Sqrt", exp.Exp: "Exp", exp.Ln: "Log",
    exp.Sin: "Sin", exp.Cos: "Cos", exp.Neg: "Neg",
}  # fmt: skip
_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "Add", exp.Sub: "Sub", exp.Mul: "Mul", exp.Pow: "Pow"}
# Where it is true and where it is false: of a missing value, neither.
_COMPARISONS: Mapping[type[exp.Expr], tuple[str, str]] = {
    exp.LT: ("Less", "GreaterOrEqual"), exp.LTE: ("LessOrEqual", "Greater"),
    exp.GT: ("Greater", "LessOrEqual"), exp.GTE: ("GreaterOrEqual", "Less"),
}  # fmt: skip


class Expression:
    """Compiles one feature's SQL."""

    def __init__(self, nodes: Nodes, known: Mapping[str, Value], model: Model, feature: OnDemand) -> None:
        self._nodes, self._known, self._feature = nodes, known, feature
        self._where = f"model {model.name!r}: on-demand feature {feature.name!r}"
        self._used: set[str] = set()

    def compile(self) -> frozenset[str]:
        """Add the nodes that make the feature; say which columns it is made from."""
        try:
            parsed = sqlglot.parse_one(self._feature.sql, read="duckdb")
        except SqlglotError as error:
            raise InvalidProduct(f"{self._where}: {self._feature.sql!r} isn't an SQL expression: {error}") from error
        made = self._number(parsed)
        if not self._used:
            raise InvalidProduct(f"{self._where}: {self._feature.sql!r} names no column of the model")
        finite = self._finite(made)
        self._nodes.add("Identity", finite, output=self._feature.name)
        return frozenset(self._used)

    def _finite(self, tensor: str) -> str:
        infinite = self._nodes.add("IsInf", tensor)
        return self._nodes.add("Where", infinite, self._nodes.constant(math.nan), tensor)

    def _number(self, node: exp.Expr) -> str:
        value = self._value(node)
        if isinstance(value, Text):
            raise self._refusal(node, "text can only be compared")
        if isinstance(value, Number):
            return value.tensor
        return self._choose(value.yes, self._nodes.constant(1.0), self._otherwise(value))

    def _otherwise(self, truth: Truth) -> str:
        return self._choose(truth.no, self._nodes.constant(0.0), self._nodes.constant(math.nan))

    def _truth(self, node: exp.Expr) -> Truth:
        value = self._value(node)
        if isinstance(value, Truth):
            return value
        if isinstance(value, Text):
            raise self._refusal(node, "text is no condition")
        return Truth(*self._unequal(value.tensor, self._nodes.constant(0.0))[::-1])

    def _value(self, node: exp.Expr) -> Value:
        for kinds, make in self._makers():
            if isinstance(node, kinds):
                return make(node)
        raise self._refusal(node, "it isn't part of the language")

    def _makers(self) -> Sequence[tuple[tuple[type[exp.Expr], ...], Callable[[Any], Value]]]:
        return (
            ((exp.Paren,), lambda node: self._value(node.this)),
            ((exp.Column,), self._named),
            ((exp.Literal, exp.Null, exp.Boolean), self._literal),
            (tuple(_FUNCTIONS), lambda node: self._function(node)),
            (tuple(_ARITHMETIC), lambda node: Number(self._binary(_ARITHMETIC[type(node)], node))),
            ((exp.Div, exp.Mod), self._division),
            ((*_COMPARISONS, exp.EQ, exp.NEQ), self._comparison),
            ((exp.Between,), self._between),
            ((exp.In,), self._in),
            ((exp.Is,), self._is),
            ((exp.Not,), lambda node: _swapped(self._truth(node.this))),
            ((exp.And, exp.Or), self._connected),
            ((exp.Case, exp.If), self._case),
            ((exp.Coalesce,), self._coalesce),
            ((exp.Nullif,), self._nullif),
            ((exp.Greatest,), lambda node: self._extreme("Max", node)),
            ((exp.Least,), lambda node: self._extreme("Min", node)),
            ((exp.Cast,), self._cast),
        )

    def _named(self, node: exp.Column) -> Value:
        name = f"{node.table}__{node.name}" if node.table else node.name
        if name not in self._known:
            raise InvalidProduct(
                f"{self._where}: unknown column {node.sql()!r}; known are "
                f"{', '.join(known.replace('__', '.') for known in self._known)}"
            )
        self._used.add(name)
        return self._known[name]

    def _literal(self, node: exp.Expr) -> Value:
        if isinstance(node, exp.Null):
            return Number(self._nodes.constant(math.nan))
        if isinstance(node, exp.Boolean):
            return Number(self._nodes.constant(float(node.this)))
        if node.is_string:
            raise self._refusal(node, "text can only be compared with a column of text")
        return Number(self._nodes.constant(float(node.this)))

    def _function(self, node: exp.Expr) -> Number:
        return Number(self._nodes.add(_FUNCTIONS[type(node)], self._number(node.this)))

    def _binary(self, operator: str, node: exp.Expr) -> str:
        return self._nodes.add(operator, self._number(node.this), self._number(node.expression))

    def _division(self, node: exp.Expr) -> Number:
        above, below = self._number(node.this), self._number(node.expression)
        zero = self._nodes.add("Equal", below, self._nodes.constant(0.0))
        safe = self._choose(zero, self._nodes.constant(math.nan), below)
        if isinstance(node, exp.Mod):
            return Number(self._nodes.add("Mod", above, safe, fmod=1))
        return Number(self._nodes.add("Div", above, safe))

    def _comparison(self, node: exp.Expr) -> Truth:
        left, right = node.this, node.expression
        if isinstance(node, exp.EQ | exp.NEQ):
            truth = self._equality(left, right)
            return truth if isinstance(node, exp.EQ) else _swapped(truth)
        yes, no = _COMPARISONS[type(node)]
        first, second = self._number(left), self._number(right)
        return Truth(self._nodes.add(yes, first, second), self._nodes.add(no, first, second))

    def _equality(self, left: exp.Expr, right: exp.Expr) -> Truth:
        if left.is_string:
            left, right = right, left
        if right.is_string:
            return self._among(left, [right])
        return Truth(*self._unequal(self._number(left), self._number(right)))

    def _unequal(self, first: str, second: str) -> tuple[str, str]:
        """Where two numbers are equal, and where they are known to differ."""
        less, more = self._nodes.add("Less", first, second), self._nodes.add("Greater", first, second)
        return self._nodes.add("Equal", first, second), self._nodes.add("Or", less, more)

    def _among(self, node: exp.Expr, texts: Sequence[exp.Expr]) -> Truth:
        value = self._value(node)
        if not isinstance(value, Text) or not all(text.is_string for text in texts):
            raise self._refusal(node, "only a column of text can be compared with text")
        keys = sorted({str(text.this) for text in texts} - {""})
        code = self._nodes.add(
            "LabelEncoder", value.column, domain=TEXT_DOMAIN, keys_strings=[*keys, ""],
            values_floats=[1.0] * len(keys) + [2.0], default_float=0.0,
        )  # fmt: skip
        return Truth(
            self._nodes.add("Equal", code, self._nodes.constant(1.0)),
            self._nodes.add("Equal", code, self._nodes.constant(0.0)),
        )

    def _between(self, node: exp.Between) -> Truth:
        low = exp.GTE(this=node.this, expression=node.args["low"])
        return self._both(self._truth(low), self._truth(exp.LTE(this=node.this, expression=node.args["high"])))

    def _in(self, node: exp.In) -> Truth:
        if not node.expressions:
            raise self._refusal(node, "IN takes a list of values")
        if any(value.is_string for value in node.expressions):
            return self._among(node.this, node.expressions)
        return reduce(self._either, [self._equality(node.this, value) for value in node.expressions])

    def _is(self, node: exp.Is) -> Truth:
        if not isinstance(node.expression, exp.Null):
            raise self._refusal(node, "IS takes NULL")
        value = self._value(node.this)
        if isinstance(value, Text):
            code = self._nodes.add(
                "LabelEncoder",
                value.column,
                domain=TEXT_DOMAIN,
                keys_strings=[""],
                values_floats=[1.0],
                default_float=0.0,
            )
            missing = self._nodes.add("Equal", code, self._nodes.constant(1.0))
        else:
            missing = self._nodes.add("IsNaN", self._number(node.this))
        return Truth(missing, self._nodes.add("Not", missing))

    def _connected(self, node: exp.Expr) -> Truth:
        join = self._both if isinstance(node, exp.And) else self._either
        return join(self._truth(node.this), self._truth(node.expression))

    def _both(self, first: Truth, second: Truth) -> Truth:
        return Truth(self._nodes.add("And", first.yes, second.yes), self._nodes.add("Or", first.no, second.no))

    def _either(self, first: Truth, second: Truth) -> Truth:
        return _swapped(self._both(_swapped(first), _swapped(second)))

    def _case(self, node: exp.Case | exp.If) -> Number:
        otherwise = node.args.get("default") if isinstance(node, exp.Case) else node.args.get("false")
        answer = self._number(otherwise) if otherwise is not None else self._nodes.constant(math.nan)
        branches = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        for branch in reversed(branches):
            asked = branch.this
            subject = node.this if isinstance(node, exp.Case) else None
            truth = self._equality(subject, asked) if subject is not None else self._truth(asked)
            answer = self._choose(truth.yes, self._number(branch.args["true"]), answer)
        return Number(answer)

    def _coalesce(self, node: exp.Coalesce) -> Number:
        return Number(reduce(self._first_known, [self._number(part) for part in (node.this, *node.expressions)]))

    def _first_known(self, first: str, second: str) -> str:
        return self._choose(self._nodes.add("IsNaN", first), second, first)

    def _nullif(self, node: exp.Nullif) -> Number:
        first = self._number(node.this)
        return Number(
            self._choose(self._equality(node.this, node.expression).yes, self._nodes.constant(math.nan), first)
        )

    def _extreme(self, operator: str, node: exp.Expr) -> Number:
        def of_two(first: str, second: str) -> str:
            # ONNX's own of a number and NaN is NaN, SQL's the number.
            one, two = self._first_known(first, second), self._first_known(second, first)
            return self._nodes.add(operator, one, two)

        return Number(reduce(of_two, [self._number(part) for part in (node.this, *node.expressions)]))

    def _cast(self, node: exp.Cast) -> Number:
        value, kind = self._value(node.this), node.to.this
        numbers = exp.DataType.FLOAT_TYPES if isinstance(value, Number) else exp.DataType.NUMERIC_TYPES
        if isinstance(value, Text) or kind not in numbers:
            raise self._refusal(node, "only a condition can be cast to a whole number, and only a number to DOUBLE")
        return Number(self._number(node.this))

    def _choose(self, condition: str, first: str, second: str) -> str:
        return self._nodes.add("Where", condition, first, second)

    def _refusal(self, node: exp.Expr, why: str) -> InvalidProduct:
        return InvalidProduct(f"{self._where}: {node.sql(dialect='duckdb')!r}: {why}")


def _swapped(truth: Truth) -> Truth:
    return Truth(truth.no, truth.yes)
