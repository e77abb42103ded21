"""Declarations for an inspected file, in Python's words."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property

import duckdb

from headwater.lake.database import literal, quoted
from headwater.templates.inspecting import FEWEST_ROWS, MOST_CATEGORIES, Column, NotATable, Table
from headwater.templates.naming import standard_name

_DTYPES = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "time": 'pandas.DatetimeTZDtype(unit="us", tz="UTC")',
    "text": "str",
}
_MOST_NAMES = 20
"""Columns that are told by name; of more the first are."""
_WIDTH, _LONGEST = 100, 60
_INPUTS = {"int": "number", "float": "number", "bool": "number", "time": "timestamp", "text": "category"}


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A label, inputs and a task for a file; `words` are what the templates need."""

    table: Table
    label: Column
    file: str
    was_told: bool
    """Whether the user named the label."""

    @classmethod
    def of(cls, table: Table, label: str | None, file: str) -> Guess:
        """Take ``label``, or the last column that can be one.

        Raises
        ------
        NotATable
            There is no such column, or no model can answer with it, or nothing is left to ask with.
        """
        named = [column for column in table.columns if column.name == label]
        if label is not None and not named:
            raise NotATable(f"{file} has no column {label!r}: it has {', '.join(c.name for c in table.columns)}")
        usable = [column for column in named or reversed(table.columns) if table.may_be_label(column)]
        if not usable:
            several = bool(named) and named[0].kind == "text" and 2 < named[0].values <= MOST_CATEGORIES
            which = f"column {label!r} can't" if label is not None else "none of its columns can"
            raise NotATable(
                f"{file}: {which} be a label: expected numbers, or two different values"
                + (f", found {named[0].values:,} values of kind {named[0].kind}" if named else "")
                + ("; ask for one of them against the rest: examples.sql of product.py can tell" if several else "")
            )
        if table.rows < FEWEST_ROWS:
            raise NotATable(f"{file}: expected at least {FEWEST_ROWS} rows to learn from, found {table.rows}")
        guess = cls(table=table, label=usable[0], file=file, was_told=label is not None)
        if not guess.inputs:
            raise NotATable(
                f"{file}: beside the label {usable[0].name!r} no column can be an input of a request: the others hold "
                "names, ids, prose, one value or next to nothing"
            )
        return guess

    @property
    def is_classifier(self) -> bool:
        """Whether the label has two values."""
        return self.label.values == 2

    @cached_property
    def inputs(self) -> Mapping[str, Column]:
        """The columns that a request carries, by the input's name."""
        found: dict[str, Column] = {}
        for column in self.table.columns:
            if column is not self.label and self.table.is_input(column) and column not in self.twins:
                found[standard_name(column.name, [*found, self.label_name])] = column
        return found

    @cached_property
    def twins(self) -> Sequence[Column]:
        """The columns that are the label in other words, in all rows of the sample: no request could carry them."""
        values = self.label.values
        if values * 10 > self.table.rows:  # of numbers that seldom repeat, nothing can be told
            return ()
        return [
            column
            for column in self.table.columns
            if column is not self.label and column.values == values and len(self._together(column)) == values
        ]

    def _together(self, column: Column) -> set[tuple[str, str]]:
        places = [self.table.columns.index(one) for one in (column, self.label)]
        return {(row[places[0]], row[places[1]]) for row in self.table.sample}

    @property
    def label_name(self) -> str:
        """The label's name in the examples."""
        return standard_name(self.label.name)

    @property
    def _is_zero_or_one(self) -> bool:
        return self.label.kind == "bool" or set(self.label.pair) == {"0", "1"}

    @property
    def _positive(self) -> str:
        """The value that the model tells the chance of: 1 or true, else the rarer one."""
        return next((value for value in self.label.pair if value.lower() in ("1", "true")), self.label.pair[0])

    def words(self, source: str) -> dict[str, str]:
        """The values for the templates."""
        shown = _prose(self.label.name)
        positive = f"{shown} is {_prose(self._positive)}" if self.is_classifier else ""
        kind = "Classifier" if self.is_classifier else "Regressor"
        return {
            "task": "classification" if self.is_classifier else "regression",
            "question": _text(f"Whether {positive}." if self.is_classifier else f"What {shown} will be."),
            "file": _prose(self.file),
            "written": self._written(),
            "label": self.label_name,
            "positive": f"\n        positive={_text(positive)}," if self.is_classifier else "",
            "gates": 'Gate(metric="roc_auc", at_least=0.5)'
            if self.is_classifier
            else 'Gate(metric="r2", at_least=0.0)',
            "estimator": f"HistGradientBoosting{kind}",
            "categories": _value([name for name, column in self.inputs.items() if column.kind == "text"]),
            "kinds": ", ".join(sorted({_INPUTS[column.kind] for column in self.inputs.values()})),
            "inputs": "\n".join(_input(name, column) for name, column in self.inputs.items()),
            "columns": "\n".join(map(_declared, self.table.columns)),
            "sql": self._sql(source),
            "learned": "assert len(model.predict(columns.iloc[1::2])) == len(label.iloc[1::2])",
            "imports": "import pandas\n" if any(column.kind == "time" for column in self.table.columns) else "",
        }

    def told(self) -> list[str]:
        """The findings and guesses, a line each, for the user to correct."""
        table, declared = self.table, self.table.writing.declared()
        others = [one for one in table.columns if one is not self.label and one not in self.inputs.values()]
        lists: Mapping[str, Sequence[str]] = {
            "written with (guessed; product.py declares it)": [f"{key} {_value(one)}" for key, one in declared.items()],
            "dropped, since the header has no name for them: columns": list(map(str, table.unnamed)),
            "the first line was read as the header; if it is a row, add one": [
                name for name in self._names if re.fullmatch(r"[-+]?[0-9.]+", name)
            ],
            "no label, since models answer with a number or one of two values": [
                f"{column.name} ({column.values} values)"
                for column in table.columns[table.columns.index(self.label) + 1 :]
                if not self.was_told and column.kind == "text" and 2 < column.values <= _MOST_NAMES
            ],
            "inputs": [f"{name} ({_INPUTS[column.kind]})" for name, column in self.inputs.items()],
            "no inputs, since they tell the label itself": [column.name for column in self.twins],
            "no inputs, since they hold names, ids, prose, one value or next to nothing": [
                column.name for column in others if column not in self.twins
            ],
        }
        return [
            f"{self.file}: {table.rows:,} rows of {len(table.columns)} columns, all read",
            self._told_label(),
            *(f"{head}: {_some(names)}" for head, names in lists.items() if names),
            *table.writing.doubts,
        ]

    def _told_label(self) -> str:
        told = f"label: {self.label.name}" + ("" if self.was_told else " (guessed; --label names another)")
        if not self.is_classifier:
            return told
        there = self.table.rows - self.label.missing
        count = self.label.rarer if self._positive == self.label.pair[0] else there - self.label.rarer
        return f"{told}: a classifier of {self.label.name} = {self._positive}, {count:,} of {there:,} rows"

    @property
    def _names(self) -> list[str]:
        return [column.name for column in self.table.columns]

    def _written(self) -> str:
        """The fields of the source that tell how the file is written, a line each."""
        fields = self.table.writing.declared()
        if not fields:
            return ""
        lines = [f"    {name}={_value(value)}," for name, value in fields.items()]
        return "\n".join(
            ["\n    # How the file is written, by all of its rows; what is written otherwise is refused.", *lines]
        )

    def sample(self) -> bytes:
        """The file's sample, as CSV in the file's encoding."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(self._names)
        writer.writerows(self.table.sample)
        return written.getvalue().encode(self.table.writing.encoding)

    def request(self) -> dict[str, object]:
        """The inputs of the sample's first row with the most of them, as a request carries them."""
        missing = self.table.writing.missing
        rows = (dict(zip(self._names, row, strict=True)) for row in self.table.sample)
        row = max(rows, key=lambda row: sum(row[column.name] not in missing for column in self.inputs.values()))
        return {
            name: self._json(column, row[column.name])
            for name, column in self.inputs.items()
            if row[column.name] not in missing
        }

    def _json(self, column: Column, cell: str) -> object:
        match column.kind:
            case "int":
                return int(self.table.writing.numbers.plain(cell))
            case "float":
                return float(self.table.writing.numbers.plain(cell))
            case "bool":
                return cell.strip().lower() == "true"
            case "time" if written := self.table.writing.times.get(column.name):
                return datetime.strptime(cell.strip(), written).isoformat()  # noqa: DTZ007 - of no zone in the file
            case _:
                return cell

    def _sql(self, source: str) -> str:
        selected = [_selected(name, column) for name, column in self.inputs.items()]
        label = _named(self.label.name)
        if self.is_classifier and not self._is_zero_or_one:
            is_text = self.label.kind == "text"
            value = literal(self._positive) if is_text else self.table.writing.numbers.plain(self._positive)
            label = f"CAST({label} = {value} AS INTEGER)"
        selected.append(f"{label} AS {_named(self.label_name)}")
        sql = (
            "            SELECT\n"
            + ",\n".join(f"                {one}" for one in selected)
            + f"\n            FROM {source}"
        )
        return sql.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def _selected(name: str, column: Column) -> str:
    return _named(name) if column.name == name else f"{_named(column.name)} AS {_named(name)}"


def _named(name: str) -> str:
    """A column's name in SQL, quoted if it needs that."""
    return name if re.fullmatch("[a-z_][a-z0-9_]*", name) and name not in _keywords() else quoted(name)


@cache
def _keywords() -> frozenset[str]:
    """The words that SQL keeps for itself."""
    kept = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
    with duckdb.connect() as connection:
        return frozenset(word for (word,) in connection.execute(kept).fetchall())


def _input(name: str, column: Column) -> str:
    required = ", required=False" if column.missing else ""
    return f'        {_INPUTS[column.kind]}("{name}"{required}),'


def _declared(column: Column) -> str:
    dtype = _DTYPES[column.kind]
    if column.missing and column.kind in ("int", "bool"):
        dtype = '"Int64"' if column.kind == "int" else '"boolean"'  # pandas' types with a place for what is missing
    nullable = ", nullable=True" if column.missing or not column.values else ""
    return f"        {_text(column.name)}: pa.Column({dtype}{nullable}),"


def _prose(text: str) -> str:
    """A text of the file's, as a docstring and a comment can have it."""
    line = " ".join(text.split()).replace("\\", "/").replace('"', "'")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}..."


def _text(value: str) -> str:
    text = repr(value)
    return '"' + text[1:-1] + '"' if text[0] == "'" and '"' not in text else text


def _value(value: object) -> str:
    """A declaration's value as Python writes it, texts in double quotes."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(key)}: {_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_value, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        parts = list(map(_value, value))
        in_one = f"[{', '.join(parts)}]"
        return in_one if len(in_one) <= _WIDTH else "[\n" + "".join(f"    {part},\n" for part in parts) + "]"
    return repr(value)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more
