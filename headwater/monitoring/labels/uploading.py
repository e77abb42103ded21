"""Labels from a file, in bulk: read as the lake reads uploads, checked row by row, stored as batches of Parquet.

A file that is uploaded again changes nothing: its batches are named by its bytes. A row that can't be a label is named
with its column, its value and the reason; the others are taken.
"""

# ruff: noqa: S608 - what stands in the SQL are quoted names, literals and numbers of our own
from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pandera.pandas as pa

from headwater.clock import Clock, utc_now
from headwater.declare import Model, RequestInput, Source
from headwater.lake.contract import Contract
from headwater.lake.conversion import convert
from headwater.lake.database import columns_of, connect, literal, quoted
from headwater.lake.errors import FileRefused
from headwater.lake.reading import DELIMITED, ROW, read
from headwater.lake.reasons import Reason, Reasons
from headwater.lake.types import Upload
from headwater.monitoring.labels.checking import (
    FIELDS,
    LARGEST,
    LONGEST_ID,
    LONGEST_SOURCE,
    LONGEST_WRITE_ID,
    key_inputs,
    micros_of,
)
from headwater.monitoring.labels.errors import InvalidLabels
from headwater.monitoring.labels.store import LabelStore
from headwater.monitoring.labels.types import CLOCKS, LabelBatch, micros
from headwater.values import Value

ROWS = 250_000
"""Labels of a batch."""
SHOWN = 20
"""Refused rows that are told one by one."""
_TIME = "datetime64[us, UTC]"
_KINDS: dict[str, Any] = {"category": str, "number": float, "timestamp": _TIME}
Progress = Callable[[int, int], None]


class RefusedRow(Value):
    """A row of the file that is no label."""

    row: int
    """The first row after the header is 1."""
    reason: str
    """Column, expectation and value."""


class UploadedLabels(Value):
    """The labels of a file."""

    model: str
    file: str
    rows: int
    taken: int
    """Labels that are stored now."""
    known: int
    """Labels of an upload of the same file."""
    refused: int
    reasons: tuple[str, ...]
    """Each rule that refused rows, with the first of them."""
    refused_rows: tuple[RefusedRow, ...]
    """The first `SHOWN`."""


def column_of(entry: RequestInput) -> str:
    """The file's column of a label key; one that is called like another column is ``keys.<name>``."""
    return f"keys.{entry.name}" if entry.name in FIELDS else entry.name


class BulkUpload:
    """Uploads files of labels.

    Parameters
    ----------
    store : LabelStore
    model : Model
        As the version that serves declares it.
    """

    def __init__(self, store: LabelStore, model: Model, *, now: Clock = utc_now) -> None:
        self._store, self._model, self._now = store, model, now
        self._keys = key_inputs(model)

    def upload(self, path: Path, progress: Progress | None = None) -> UploadedLabels:
        """Take a file's labels in.

        Parameters
        ----------
        path : Path
            CSV (gzipped or not), JSON lines or Parquet with the columns ``value``, ``prediction_id`` or else ``as_of``
            and the label keys, and if it likes ``observed_at``, ``source`` and ``write_id``.
        progress : callable
            Told the labels that are stored, and how many there are.

        Raises
        ------
        FileRefused
            The file can't be read.
        InvalidLabels
            It lacks a column, or has one that nobody knows.
        """
        with TemporaryDirectory(prefix="headwater-labels-") as scratch:
            folder = Path(scratch)
            connection = connect(folder / "spill")
            try:
                return self._upload(connection, path, folder, progress)
            except FileRefused as error:
                # What a source may declare a file of labels can't: it is written as one form says.
                fault = re.sub(r"[:;,] (if the header comes later, )?declare .*", "", error.message)
                if fault == error.message:
                    raise
                raise FileRefused(f"{fault}: write it as UTF-8, with the columns' names in its first line") from error
            finally:
                connection.close()

    def _upload(
        self, connection: duckdb.DuckDBPyConnection, path: Path, folder: Path, progress: Progress | None
    ) -> UploadedLabels:
        now = self._now()
        # Names, but for what the reader asks of an upload, mean nothing here.
        source = Source(name="labels", contract="headwater.monitoring.labels.uploading:none", missing=("", "NA"))
        upload = Upload(bucket="-", key=f"landing/labels/{path.name}", version_id="-", size=path.stat().st_size,
                        sequencer="0")  # fmt: skip
        contract = Contract(source, self._schema())
        cells = folder / "cells"
        cells.mkdir()
        landed = read(connection, upload, path, source, contract, cells)
        self._check_columns(landed.columns)
        reasons = Reasons(connection, "refused")
        reasons.add(Reason(entry.row, entry.reason, entry.rule) for entry in (*landed.malformed, *landed.misfits))
        columns = contract.columns(landed.columns)
        types = dict(landed.types)
        if self._model.task == "classification":
            _numbers_of_truths(connection, types)
        convert(connection, columns, types, source, reasons, cells, delimited=upload.suffix in DELIMITED)
        self._say_in_words(connection, reasons)
        self._fill(connection)
        self._judge(connection, reasons, now)
        ((rows,),) = connection.execute("SELECT count(*) FROM typed").fetchall()
        self._keep(connection)
        taken, known = self._store_all(connection, path, folder, progress, now)
        told = connection.execute(
            f"SELECT row_number, reason FROM refused ORDER BY row_number, reason LIMIT {SHOWN}"
        ).fetchall()
        return UploadedLabels(
            model=self._model.name,
            file=path.name,
            rows=int(rows) + len(landed.malformed),
            taken=taken,
            known=known,
            refused=reasons.rows(),
            reasons=tuple(reasons.summary()),
            refused_rows=tuple(RefusedRow(row=row, reason=reason) for row, reason in told),
        )

    def _schema(self) -> Any:
        kinds: dict[str, Any] = {
            "prediction_id": str, "value": float, "as_of": _TIME, "observed_at": _TIME, "source": str, "write_id": str,
            **{column_of(entry): _KINDS[entry.kind] for entry in self._keys},
        }  # fmt: skip
        columns = {name: pa.Column(kind, nullable=name != "value", required=name == "value")
                   for name, kind in kinds.items()}  # fmt: skip
        return pa.DataFrameSchema(columns, coerce=True)

    def _check_columns(self, present: Sequence[str]) -> None:
        keys = [column_of(entry) for entry in self._keys]
        wanted = (
            f"value, prediction_id or else as_of with {', '.join(keys)}, and if it likes observed_at, source, write_id"
        )
        if unknown := [name for name in present if name not in {*keys, *FIELDS} - {"keys"}]:
            raise InvalidLabels(
                f"the file has the column {unknown[0]!r}, which is none of a label of {self._model.name}. Expected "
                f"{wanted}"
            )
        lacking = [name for name in ("as_of", *keys) if name not in present]
        if "prediction_id" not in present and lacking:
            raise InvalidLabels(f"the file has neither prediction_id nor {', '.join(lacking)}. Expected {wanted}")

    def _fill(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Give ``typed`` the columns that the file hasn't."""
        present = columns_of(connection, "typed")
        sql = {"prediction_id": "VARCHAR", "source": "VARCHAR", "write_id": "VARCHAR", "as_of": "TIMESTAMPTZ",
               "observed_at": "TIMESTAMPTZ"}  # fmt: skip
        sql |= {column_of(entry): {"category": "VARCHAR", "number": "DOUBLE", "timestamp": "TIMESTAMPTZ"}[entry.kind]
                for entry in self._keys}  # fmt: skip
        for name, kind in sql.items():
            if name not in present:
                connection.execute(f"ALTER TABLE typed ADD COLUMN {quoted(name)} {kind}")

    def _judge(self, connection: duckdb.DuckDBPyConnection, reasons: Reasons, now: datetime) -> None:
        """Say which rows can't be labels, beside those whose cells couldn't be read."""
        keys = [quoted(column_of(entry)) for entry in self._keys]
        by_id, by_keys = (
            "prediction_id IS NOT NULL",
            f"coalesce({', '.join([*keys_as_text(keys), 'NULL'])}) IS NOT NULL",
        )
        future = f"make_timestamptz({micros(now + CLOCKS)})"
        right = "value IN (0, 1)" if self._model.task == "classification" else f"abs(value) <= {LARGEST}"
        wanted = self._wanted()
        rules = [
            ("value", f"NOT coalesce({right}, false)", wanted),
            (
                "prediction_id",
                rf"{by_id} AND NOT (regexp_full_match(prediction_id, '[^\x00-\x1f\x7f]+\.(0|[1-9][0-9]*)') "
                f"AND length(prediction_id) <= {LONGEST_ID})",
                "<request id>.<instance>",
            ),
            ("as_of", f"{by_id} AND as_of IS NOT NULL", "no as_of beside prediction_id"),
            ("prediction_id", f"{by_id} AND {by_keys}", "no label keys beside prediction_id"),
            ("as_of", f"NOT ({by_id}) AND as_of IS NULL", "a moment, as there is no prediction_id"),
            ("observed_at", f"observed_at > {future}", f"a moment that isn't in the future (now {now.isoformat()})"),
            (
                "observed_at",
                f"NOT ({by_id}) AND observed_at < as_of - INTERVAL {micros_of(CLOCKS)} MICROSECONDS",
                "no moment before as_of",
            ),
            ("source", f"length(source) > {LONGEST_SOURCE}", f"at most {LONGEST_SOURCE} characters"),
            ("write_id", f"length(write_id) > {LONGEST_WRITE_ID}", f"at most {LONGEST_WRITE_ID} characters"),
        ]
        for entry in self._keys:
            name = column_of(entry)
            if entry.required:
                missing = f"{quoted(name)} IS NULL" + (f" OR {quoted(name)} = ''" if entry.kind == "category" else "")
                rules.append((name, f"NOT ({by_id}) AND ({missing})", "a value, as there is no prediction_id"))
            if entry.kind == "number":
                rules.append((name, f"NOT ({by_id}) AND isinf({quoted(name)})", "a finite number"))
        for column, condition, expected in rules:
            # A cell that couldn't be read has its reason already.
            named = literal(f"{re.escape(column)}[: ].*")
            told = f"SELECT row_number FROM {reasons.table} WHERE reason SIMILAR TO {named}"
            found = connection.execute(
                f"SELECT {ROW}, left(CAST({quoted(column)} AS VARCHAR), 80) FROM typed "
                f"WHERE ({condition}) AND {ROW} NOT IN ({told}) ORDER BY {ROW}"
            ).fetchall()
            rule = f"{column}: expected {expected}"
            reasons.add(Reason(row, f"{rule}, not {'nothing' if text is None else text}", rule) for row, text in found)

    def _wanted(self) -> str:
        return "0 or 1, or true or false" if self._model.task == "classification" else "a finite number"

    def _say_in_words(self, connection: duckdb.DuckDBPyConnection, reasons: Reasons) -> None:
        """Name what is expected of a value as the API does, instead of the type that it is kept in."""
        known, told = "value: expected float64", f"value: expected {self._wanted()}"
        connection.execute(
            f"UPDATE {reasons.table} SET reason = replace(reason, $1, $2), rule = replace(rule, $1, $2) "
            "WHERE starts_with(reason, $1)",
            [known, told],
        )

    def _keep(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the table ``kept`` of what is stored, numbered from 0."""
        parts = []
        for entry in self._keys:
            cell = quoted(column_of(entry))
            if entry.kind == "timestamp":
                cell = f"strftime({cell}, '%Y-%m-%dT%H:%M:%S.%fZ')"
            elif entry.kind == "number":
                cell = f"CASE WHEN NOT isnan({cell}) THEN {cell} END"
            parts.append(f"{literal(entry.name)}, {cell}")
        connection.execute(
            "CREATE OR REPLACE TABLE kept AS SELECT prediction_id, "
            f"CASE WHEN prediction_id IS NULL THEN CAST(json_object({', '.join(parts)}) AS VARCHAR) END AS keys, "
            "epoch_us(as_of) AS as_of, CAST(value AS DOUBLE) AS value, epoch_us(observed_at) AS observed_at, "
            f"coalesce(source, '') AS source, write_id, row_number() OVER (ORDER BY {ROW}) - 1 AS place "
            f"FROM typed WHERE {ROW} NOT IN (SELECT row_number FROM refused)"
        )

    def _store_all(
        self, connection: duckdb.DuckDBPyConnection, path: Path, folder: Path, progress: Progress | None, now: datetime
    ) -> tuple[int, int]:
        """Store the labels by the batch; how many are new, and how many an earlier upload of the file brought."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        ((rows,),) = connection.execute("SELECT count(*) FROM kept").fetchall()
        taken = known = 0
        meaning = f"{self._model.name} {path.suffixes} {self._model.task} {[column_of(entry) for entry in self._keys]}"
        for number, first in enumerate(range(0, rows, ROWS)):
            count = min(ROWS, rows - first)
            name = hashlib.sha256(f"{digest} {meaning} {rows} {first} {count}".encode()).hexdigest()
            batch = LabelBatch(
                model=self._model.name, name=name, kind="parquet", labels=count, received_at=now, origin=path.name
            )
            new = self._store.known(batch.model, name) is None
            if new:
                made = folder / f"{number}.parquet"
                connection.execute(
                    f"COPY (SELECT * EXCLUDE (place) FROM kept WHERE place >= {first} AND place < {first + count} "
                    f"ORDER BY place) TO {literal(str(made))} (FORMAT parquet, COMPRESSION zstd)"
                )
                self._store.put_file(batch, made)
                _, new = self._store.note(batch)
                made.unlink()
            taken, known = (taken + count, known) if new else (taken, known + count)
            if progress is not None:
                progress(taken + known, rows)
        return taken, known


def _numbers_of_truths(connection: duckdb.DuckDBPyConnection, types: dict[str, str]) -> None:
    """Make 1 and 0 of a classifier's labels that are written true and false, as the API takes them."""
    kind = next((str(row[1]) for row in connection.execute("DESCRIBE raw").fetchall() if row[0] == "value"), "")
    if kind == "BOOLEAN":
        connection.execute("ALTER TABLE raw ALTER value TYPE DOUBLE USING CAST(CAST(value AS INTEGER) AS DOUBLE)")
        types.pop("value", None)
    elif kind == "VARCHAR":
        for word, number in (("true", "1"), ("false", "0")):
            connection.execute(f"UPDATE raw SET value = '{number}' WHERE lower(trim(value)) = '{word}'")


def keys_as_text(keys: Sequence[str]) -> list[str]:
    """The keys as SQL that can stand beside each other."""
    return [f"CAST({key} AS VARCHAR)" for key in keys]


__all__ = ["BulkUpload", "FileRefused", "RefusedRow", "UploadedLabels", "column_of"]
