"""Declarations for an inspected file, in Python's words."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from headwater.lake.database import literal, quoted
from headwater.templates.inspecting import Column, NotATable, Table, standard_name

_DTYPES = {
    "int": "int",
    "float": "float",
    "bool": "bool",
    "time": 'pandas.DatetimeTZDtype(unit="us", tz="UTC")',
    "text": "str",
}
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
            which = f"column {label!r}" if label is not None else "none of its columns"
            raise NotATable(
                f"{file}: {which} can be a label: expected numbers, or two different values"
                + (f", found {named[0].values:,} values of kind {named[0].kind}" if named else "")
            )
        guess = cls(table=table, label=usable[0], file=file, was_told=label is not None)
        if not guess.inputs:
            raise NotATable(f"{file}: beside the label {usable[0].name!r} no column can be an input of a request")
        return guess

    @property
    def is_classifier(self) -> bool:
        """Whether the label has two values."""
        return self.label.values == 2

    @property
    def inputs(self) -> Mapping[str, Column]:
        """The columns that a request carries, by the input's name."""
        found: dict[str, Column] = {}
        for column in self.table.columns:
            if column is not self.label and self.table.is_input(column):
                found[standard_name(column.name, [*found, self.label_name])] = column
        return found

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
        positive = f"{self.label.name} is {self._positive}" if self.is_classifier else ""
        kind = "Classifier" if self.is_classifier else "Regressor"
        return {
            "task": "classification" if self.is_classifier else "regression",
            "question": f"Whether {positive}." if self.is_classifier else f"What {self.label.name} will be.",
            "label": self.label_name,
            "positive": f"\n        positive={_text(positive)}," if self.is_classifier else "",
            "gates": 'Gate(metric="roc_auc", at_least=0.5)'
            if self.is_classifier
            else 'Gate(metric="r2", at_least=0.0)',
            "estimator": f"HistGradientBoosting{kind}",
            "categories": repr([name for name, column in self.inputs.items() if column.kind == "text"]).replace(
                "'", '"'
            ),
            "kinds": ", ".join(sorted({_INPUTS[column.kind] for column in self.inputs.values()})),
            "inputs": "\n".join(_input(name, column) for name, column in self.inputs.items()),
            "columns": "\n".join(map(_declared, self.table.columns)),
            "sql": self._sql(source),
            "learned": "assert len(model.predict(columns.iloc[1::2])) == len(label.iloc[1::2])",
            "imports": "import pandas\n" if any(column.kind == "time" for column in self.table.columns) else "",
        }

    def told(self) -> list[str]:
        """The findings and guesses, a line each, for the user to correct."""
        label = f"label: {self.label.name}" + ("" if self.was_told else " (guessed; --label names another)")
        if self.is_classifier:
            label += f": a classifier of {self.label.name} = {self._positive}"
        left = [c.name for c in self.table.columns if c is not self.label and c not in self.inputs.values()]
        return [
            f"{self.file}: {self.table.rows:,} rows of {len(self.table.columns)} columns, all read",
            label,
            f"inputs: {', '.join(self.inputs)}",
            *([f"no inputs, since they hold names, ids, prose or nothing: {', '.join(left)}"] if left else []),
        ]

    def sample(self) -> str:
        """The file's sample, as CSV."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow([column.name for column in self.table.columns])
        writer.writerows(self.table.sample)
        return written.getvalue()

    def request(self) -> dict[str, object]:
        """The inputs of the sample's first row, as a request carries them."""
        row = dict(zip(self.table.columns, self.table.sample[0], strict=True))
        return {name: _json(column, row[column]) for name, column in self.inputs.items() if row[column]}

    def _sql(self, source: str) -> str:
        selected = [_selected(name, column) for name, column in self.inputs.items()]
        label = quoted(self.label.name)
        if self.is_classifier and not self._is_zero_or_one:
            is_text = self.label.kind in ("text", "time")
            label = f"CAST({label} = {literal(self._positive) if is_text else self._positive} AS INTEGER)"
        selected.append(f"{label} AS {self.label_name}")
        return (
            "            SELECT\n"
            + ",\n".join(f"                {one}" for one in selected)
            + f"\n            FROM {source}"
        )


def _selected(name: str, column: Column) -> str:
    return name if column.name == name else f"{quoted(column.name)} AS {name}"


def _input(name: str, column: Column) -> str:
    required = ", required=False" if column.missing else ""
    return f'        {_INPUTS[column.kind]}("{name}"{required}),'


def _declared(column: Column) -> str:
    dtype = _DTYPES[column.kind]
    if column.missing and column.kind in ("int", "bool"):
        dtype = '"Int64"' if column.kind == "int" else '"boolean"'  # pandas' types with a place for what is missing
    nullable = ", nullable=True" if column.missing or not column.values else ""
    return f"        {_text(column.name)}: pa.Column({dtype}{nullable}),"


def _text(value: str) -> str:
    text = repr(value)
    return '"' + text[1:-1] + '"' if text[0] == "'" and '"' not in text else text


def _json(column: Column, cell: str) -> object:
    match column.kind:
        case "int":
            return int(cell)
        case "float":
            return float(cell)
        case "bool":
            return cell.lower() == "true"
        case _:
            return cell
