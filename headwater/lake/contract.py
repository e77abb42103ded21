"""Which rows of a chunk keep a source's contract, and why the others don't: pandera, all failures at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas
from pandera.errors import SchemaError, SchemaErrors

from headwater.lake.errors import FileRefused

TRUE, FALSE = frozenset({"true", "t", "yes", "1"}), frozenset({"false", "f", "no", "0"})
PASSES = 8
_COLUMN_CHECKS = ("column_in_dataframe", "column_in_schema")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was rejected."""

    row: Any
    """The row's label in the frame's index."""
    text: str
    """Such as ``dep_time is 2517, expected in_range(0, 2400)``."""
    rule: str
    """The same without the value, so that reasons can be counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The rows that keep the contract, with the contract's types, and the reasons of those that don't."""

    good: pandas.DataFrame
    reasons: tuple[Reason, ...]


def schema_of(contract: Any) -> Any:
    """A pandera schema from what a product names: a schema, or a model class."""
    return contract.to_schema() if hasattr(contract, "to_schema") else contract


def missing_columns(schema: Any, present: Sequence[str]) -> list[str]:
    """The columns that the contract requires and the file lacks."""
    return [
        name
        for name, column in schema.columns.items()
        if column.required and not column.regex and name not in present
    ]  # fmt: skip


def check(schema: Any, frame: pandas.DataFrame) -> Verdict:
    """Sort a frame's rows into good and bad ones.

    A row whose value can't even be converted is put aside first, for until then pandera can't judge the rest of its
    column; so some rounds may be needed.

    Raises
    ------
    FileRefused
        The contract fails in a way that no row can be blamed for.
    """
    frame, reasons = _converted(schema, frame)
    for _ in range(PASSES):
        if frame.empty:
            return Verdict(frame, tuple(reasons))
        try:
            return Verdict(schema.validate(frame, lazy=True), tuple(reasons))
        except (SchemaErrors, SchemaError) as error:
            found = _blamed(error)
        rows = {reason.row for reason in found} & set(frame.index)
        if not rows:
            raise FileRefused(f"breaks the contract as a whole: {'; '.join(reason.text for reason in found[:5])}")
        reasons += [reason for reason in found if reason.row in rows]
        frame = frame[~frame.index.isin(rows)]
    raise FileRefused(f"the contract still finds bad rows after {PASSES} rounds: {reasons[-1].text}")


def _blamed(error: SchemaErrors | SchemaError) -> list[Reason]:
    cases = error.failure_cases
    if not isinstance(cases, pandas.DataFrame):
        return [Reason(None, str(error).splitlines()[0], "contract")]
    cases = cases.assign(check=cases["check"].astype(str))
    # What can't be converted fails other checks as well, for no fault of its row.
    for conversion in ("coerce_dtype", "dtype"):
        failed = cases["check"].str.startswith(conversion) & cases["index"].notna()
        if failed.any():
            cases = cases[failed]
            break
    found = []
    for case in cases.to_dict("records"):
        column = case.get("column")
        subject = str(column) if isinstance(column, str) else "row"
        rule = str(case["check"])
        if rule in _COLUMN_CHECKS:
            text = f"{'missing' if rule == _COLUMN_CHECKS[0] else 'unexpected'} column {case['failure_case']}"
            found.append(Reason(None, text, text))
            continue
        if rule == "not_nullable":
            text = rule = f"{subject} is missing"
        elif rule.startswith("coerce_dtype"):
            rule = f"{subject}: expected {rule.removeprefix('coerce_dtype').strip('()').strip(chr(39))}"
            text = f"{rule}, not {_shown(case['failure_case'])}"
        else:
            rule, value = f"{subject}: expected {rule}", case["failure_case"]
            text = f"{rule}, not {_shown(value)}"
        index = case["index"]
        found.append(Reason(None if pandas.isna(index) else index, text, rule))
    return found


def _converted(schema: Any, frame: pandas.DataFrame) -> tuple[pandas.DataFrame, list[Reason]]:
    """Convert what pandas would convert wrongly without a word: "false" is true to it, and 2.5 the whole number 2."""
    reasons: list[Reason] = []
    for name, column in schema.columns.items():
        if name not in frame.columns or not (column.coerce or schema.coerce):
            continue
        kind, values = str(column.dtype).lower(), frame[name]
        if kind.startswith("bool") and not pandas.api.types.is_bool_dtype(values):
            known = values.map(_boolean, na_action="ignore")
            bad, expected = known.isna() & values.notna(), "true or false"
            frame = frame.assign(**{name: known.astype(object)})
        elif kind.startswith(("int", "uint")) and pandas.api.types.is_float_dtype(values):
            bad, expected = values.notna() & (values % 1 != 0), "a whole number"
        else:
            continue
        rule = f"{name}: expected {expected}"
        reasons += [Reason(row, f"{rule}, not {_shown(value)}", rule) for row, value in values[bad].items()]
    rows = {reason.row for reason in reasons}
    return (frame[~frame.index.isin(rows)] if rows else frame), reasons


def _boolean(value: Any) -> bool | None:
    text = str(value).strip().lower().removesuffix(".0")
    return True if text in TRUE else False if text in FALSE else None


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
