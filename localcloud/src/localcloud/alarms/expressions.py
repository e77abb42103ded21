"""Metric math, as much as alarms commonly use: arithmetic, comparisons, IF, FILL, ABS, CEIL, FLOOR, SUM, AVG, MIN, MAX.

After https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

Points = Mapping[datetime, float]
Value = dict[datetime, float] | float | list[dict[datetime, float]]

_BINARY: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_SERIES: dict[str, Callable[[float], float]] = {"ABS": abs, "CEIL": math.ceil, "FLOOR": math.floor}
_OVER_SERIES: dict[str, Callable[[Sequence[float]], float]] = {
    "SUM": sum,
    "MIN": min,
    "MAX": max,
    "AVG": lambda values: sum(values) / len(values),
}


class NotUnderstood(ValueError):
    """An expression that the local cloud can't compute."""


def compute(text: str, named: Mapping[str, Points], times: Sequence[datetime]) -> dict[datetime, float]:
    """The series that ``text`` stands for, over ``times``, given the series that it names.

    Raises
    ------
    NotUnderstood
        It uses what isn't implemented here.
    """
    try:
        tree = ast.parse(text.replace("^", "**").replace("&&", " and ").replace("||", " or "), mode="eval")
    except SyntaxError as error:
        raise NotUnderstood(f"{text}: {error.msg}") from error
    value = _Evaluation({name: dict(points) for name, points in named.items()}, times).value(tree.body)
    if isinstance(value, list):
        raise NotUnderstood(f"{text} gives several series")
    return value if isinstance(value, dict) else dict.fromkeys(times, value)


class _Evaluation:
    def __init__(self, named: Mapping[str, dict[datetime, float]], times: Sequence[datetime]) -> None:
        self._named = named
        self._times = times

    def value(self, node: ast.expr) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in self._named:
            return self._named[node.id]
        if isinstance(node, ast.List):
            return [self._series(element) for element in node.elts]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._combine(operator.sub, 0.0, self.value(node.operand))
        if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
            return self._combine(_BINARY[type(node.op)], self.value(node.left), self.value(node.right))
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _BINARY:
            return self._combine(_BINARY[type(node.ops[0])], self.value(node.left), self.value(node.comparators[0]))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self._call(node.func.id, node.args)
        raise NotUnderstood(ast.unparse(node))

    def _series(self, node: ast.expr) -> dict[datetime, float]:
        value = self.value(node)
        if isinstance(value, list):
            raise NotUnderstood(ast.unparse(node))
        return value if isinstance(value, dict) else dict.fromkeys(self._times, value)

    def _combine(self, combine: Callable[[float, float], float], left: Value, right: Value) -> Value:
        if isinstance(left, list) or isinstance(right, list):
            raise NotUnderstood("arithmetic with several series")
        if not isinstance(left, dict) and not isinstance(right, dict):
            return float(combine(left, right))
        found: dict[datetime, float] = {}
        for time in self._times:
            one = left.get(time) if isinstance(left, dict) else left
            other = right.get(time) if isinstance(right, dict) else right
            if one is None or other is None:
                continue
            try:
                found[time] = float(combine(one, other))
            except ZeroDivisionError:
                continue  # CloudWatch has no datapoint there
        return found

    def _call(self, name: str, arguments: Sequence[ast.expr]) -> Value:
        if name == "IF" and len(arguments) in (2, 3):
            condition, then = self._series(arguments[0]), self._series(arguments[1])
            otherwise = self._series(arguments[2]) if len(arguments) == 3 else {}
            chosen = {time: (then if condition[time] else otherwise).get(time) for time in condition}
            return {time: value for time, value in chosen.items() if value is not None}
        if name == "FILL" and len(arguments) == 2:
            if isinstance(arguments[1], ast.Name) and arguments[1].id == "REPEAT":
                return self._repeat(self._series(arguments[0]))
            return self._series(arguments[1]) | self._series(arguments[0])
        if name in _SERIES and len(arguments) == 1:
            return {time: float(_SERIES[name](value)) for time, value in self._series(arguments[0]).items()}
        if name in _OVER_SERIES and len(arguments) == 1:
            return self._over(_OVER_SERIES[name], self.value(arguments[0]))
        raise NotUnderstood(name)

    def _over(self, combine: Callable[[Sequence[float]], float], value: Value) -> Value:
        """One series out of several, period by period; a number out of a single one."""
        if isinstance(value, list):
            present = {time: [series[time] for series in value if time in series] for time in self._times}
            return {time: float(combine(values)) for time, values in present.items() if values}
        if isinstance(value, dict):
            return float(combine(list(value.values()))) if value else {}
        return value

    def _repeat(self, series: dict[datetime, float]) -> dict[datetime, float]:
        filled: dict[datetime, float] = {}
        for time in self._times:
            if time in series:
                filled[time] = series[time]
            elif filled:
                filled[time] = next(reversed(filled.values()))
        return filled
