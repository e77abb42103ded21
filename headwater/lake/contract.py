"""A source's contract: its columns, their types, and demands that are refused.

Types and missing values are judged where cells are converted (`headwater.lake.conversion`), everything else by pandera
itself (`headwater.lake.verdicts`). Nothing of a contract changes a value: what would is named by `contract_problems`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandera.pandas as pa

from headwater.declare import Source
from headwater.lake.dtypes import ANY, Kind, Unsupported, kind_of
from headwater.lake.errors import FileRefused, SourceFailed
from headwater.lake.phrases import listed
from headwater.lake.times import EPOCHS

_IN_SQL = "do that in Source.sql"


def schema_of(contract: Any) -> Any:
    """A pandera schema from what a product names: a schema, or a model class."""
    return contract.to_schema() if hasattr(contract, "to_schema") else contract


def contract_problems(contract: Any) -> list[str]:
    """A contract's demands that would change values or that no file can meet; empty if there are none.

    Parameters
    ----------
    contract : DataFrameSchema or DataFrameModel
    """
    schema = schema_of(contract)
    if not hasattr(schema, "columns") or not hasattr(schema, "validate"):
        return [f"expected a pandera DataFrameSchema, not {type(contract).__name__}"]
    found = []
    if schema.parsers:
        found.append(f"parsers change rows: {_IN_SQL}")
    if schema.add_missing_columns:
        found.append(f"add_missing_columns invents values: {_IN_SQL}")
    if schema.drop_invalid_rows:
        found.append("drop_invalid_rows drops rows without a reason: take it out, bad rows go to quarantine")
    if schema.index is not None:
        found.append("an index: a file has none, name its columns")
    for name, column in schema.columns.items():
        where = f"column {name!r}"
        if not isinstance(name, str):
            found.append(f"{where}: a file's columns are named by texts")
        if column.parsers:
            found.append(f"{where}: parsers change values: {_IN_SQL}")
        if column.default is not None:
            found.append(f"{where}: default={column.default!r} fills what is missing: {_IN_SQL}")
        if column.drop_invalid_rows:
            found.append(f"{where}: drop_invalid_rows drops rows without a reason: take it out")
        try:
            kind_of(schema.dtype or column.dtype)
        except Unsupported as error:
            found.append(f"{where}: {error}")
    return found


def landed_types(contract: Any) -> dict[str, str]:
    """DuckDB's type of each column in ``landed``, the table that ``Source.sql`` reads, as far as the contract says.

    Columns named by a pattern, and those whose type is the file's, count as text.
    """
    schema = schema_of(contract)
    return {
        name: kind_of(schema.dtype or column.dtype).sql or "VARCHAR"
        for name, column in schema.columns.items()
        if not column.regex
    }


@dataclass(frozen=True)
class Column:
    """A contract's demands on one of a file's columns."""

    name: str
    kind: Kind
    nullable: bool
    declared: Any
    """pandera's column."""


class Contract:
    """The demands on a source's files.

    Parameters
    ----------
    source : Source
    contract : DataFrameSchema or DataFrameModel

    Raises
    ------
    SourceFailed
        The contract would change values.
    """

    def __init__(self, source: Source, contract: Any) -> None:
        if problems := contract_problems(contract):
            raise SourceFailed(f"source {source.name!r}: its contract can't be kept: {'; '.join(problems[:5])}")
        self._source, self.schema = source, schema_of(contract)

    @property
    def drops_others(self) -> bool:
        """Whether columns outside the contract are dropped."""
        return bool(self.schema.strict == "filter")

    def required(self) -> list[str]:
        """The columns that a file must have."""
        return [name for name, column in self.schema.columns.items() if column.required and not column.regex]

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], Any]]:
        return [(re.compile(name), column) for name, column in self.schema.columns.items() if column.regex]

    def _declared(self, name: str) -> Any:
        exact = self.schema.columns.get(name)
        if exact is not None and not exact.regex:
            return exact
        return next((column for pattern, column in self._patterns if pattern.match(name)), None)

    def named(self, present: Sequence[str]) -> list[str]:
        """The columns of a file that the contract names."""
        return [name for name in present if self._declared(name) is not None]

    def written_as_text(self) -> dict[str, str]:
        """The columns in which a JSON number can only be a mistake, and what is expected instead."""
        found = {}
        for name, column in self.schema.columns.items():
            kind = self._kind(column)
            counted = EPOCHS.keys() & {*self._source.times_of(name), *kind.formats}
            if kind.family in ("time", "date", "duration") and not counted:
                found[name] = kind.words
        return found

    def _kind(self, column: Any) -> Kind:
        return kind_of(self.schema.dtype or column.dtype)

    def columns(self, present: Sequence[str]) -> dict[str, Column]:
        """The demands on each kept column of a file, in the file's order."""
        found = {}
        for name in present:
            declared = self._declared(name)
            if declared is not None:
                found[name] = Column(name, self._kind(declared), declared.nullable, declared)
            elif not self.drops_others:
                found[name] = Column(name, ANY, True, None)
        return found

    def refuse_columns(self, present: Sequence[str]) -> None:
        """Raise `FileRefused` if a file with these columns lacks required columns or has forbidden ones."""
        there = set(present)
        lacking = [name for name in self.required() if name not in there]
        lacking += [
            f"{column.name} (a pattern)"
            for pattern, column in self._patterns
            if column.required and not any(map(pattern.match, present))
        ]
        if lacking:
            raise FileRefused(f"missing columns: {listed(lacking)}. The file has: {listed(present)}")
        if self.schema.strict is True and (more := [name for name in present if self._declared(name) is None]):
            raise FileRefused(f"unexpected columns: {listed(more)}. The contract has: {listed(self.schema.columns)}")

    def judge(self, columns: Sequence[Column]) -> Any:
        """The contract as pandera judges a frame whose types, missing and repeated values are settled."""
        judged = {}
        for column in columns:
            if column.declared is None:
                continue
            entry = copy.copy(column.declared)
            entry._dtype = None
            entry.name, entry.regex, entry.coerce, entry.nullable, entry.unique = column.name, False, False, True, False
            judged[column.name] = entry
        return pa.DataFrameSchema(judged, checks=self.schema.checks, ordered=self.schema.ordered, strict=False)

    def unique(self, columns: Sequence[Column]) -> list[tuple[list[str], str]]:
        """The columns, alone or together, whose values may come once; and which of those that repeat are at fault."""
        present = {column.name for column in columns}
        found = [
            ([column.name], str(column.declared.report_duplicates))
            for column in columns
            if column.declared is not None and column.declared.unique
        ]
        together = self.schema.unique or []
        groups = [together] if together and isinstance(together[0], str) else list(together)
        found += [(list(group), str(self.schema.report_duplicates)) for group in groups if present.issuperset(group)]
        return found
