"""Parquet of S3's versions, or of files, read and written where Spark's tasks run.

Spark's own reader knows keys and no versions, and its writer needs to list, rename and delete. So a task fetches the
pinned version, and reports the version that it wrote. A task that runs twice leaves one more version, which no list
names. Tasks import their modules by name: an archive brings the modules to the workers.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.features.errors import InvalidView
from headwater.features.spark.jobs import pointer_of, url_of
from headwater.lake.store import Objects
from headwater.storage.environment import CLIENTS

FILE, ROW = "__file", "__row"
"""Columns that are added to a source's own: the number of the row's file, and the row's number in the file."""
_FOOTER = 1 << 16
"""Bytes of a file's end that are read first; most footers fit."""
_BATCH, _GROUP = 1 << 14, 1 << 17
"""Rows that a task hands to Spark at once, and rows of a written row group."""
_WIDER = {
    pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.uint64(): pa.decimal128(20, 0),
    pa.large_string(): pa.string(), pa.large_binary(): pa.binary(),
}  # fmt: skip
"""Types that Spark lacks, with the types that Spark's own reader uses instead."""


@cache
def _objects(bucket: str) -> Objects:
    # An executor of Spark is a process of its own: it gets the work, not what was made for the driver.
    return Objects(bucket, CLIENTS)


@contextmanager
def local(path: str) -> Iterator[Path]:
    """The file that ``path`` names. A version in S3 is fetched and kept until the block ends."""
    pointer = pointer_of(path)
    if pointer is None:
        yield Path(path)
        return
    with TemporaryDirectory(prefix="headwater-part-") as scratch:
        fetched = Path(scratch, "part")
        _objects(pointer.bucket).fetch(pointer, fetched)
        yield fetched


def keep(source: Path, path: str) -> str:
    """Move a file to ``path``. Returns its name there, with the version if ``path`` is in S3."""
    if not path.startswith("s3://"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return str(shutil.move(source, path))
    where = urlsplit(path)
    return url_of(_objects(where.netloc).put(where.path.lstrip("/"), source))


def schema_of(paths: Sequence[str]) -> pa.Schema:
    """The columns of files put together by name, in Spark's types; a column that a file lacks is NULL there.

    Raises
    ------
    InvalidView
        A column's types in two files have no type in common.
    """
    with ThreadPoolExecutor(16, thread_name_prefix="footers") as pool:
        found = list(pool.map(_footer, paths))
    schemas = [pa.schema([pa.field(field.name, _plain(field.type)) for field in schema]) for schema in found]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InvalidView(f"files of one source differ: {error}") from error


def _footer(path: str) -> pa.Schema:
    pointer = pointer_of(path)
    if pointer is None:
        return pq.read_schema(path)
    tail = partial(_objects(pointer.bucket).tail, pointer)
    end = tail(_FOOTER)
    if (length := int.from_bytes(end[-8:-4], "little") + 8) > len(end):
        end = tail(length)
    return pq.read_schema(pa.BufferReader(end))


def _plain(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    return _plain(kind.value_type) if pa.types.is_dictionary(kind) else _WIDER.get(kind, kind)


@dataclass(frozen=True)
class Read:
    """Reads the files with the given numbers, called by Spark's ``mapInArrow``: their rows with `FILE` and `ROW`."""

    paths: Sequence[str]
    schema: pa.Schema

    def __call__(self, numbers: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The rows of those files, in order."""
        for batch in numbers:
            for number in batch.column(0).to_pylist():
                with local(self.paths[number]) as path, pq.ParquetFile(path) as file:
                    row = 0
                    for rows in file.iter_batches(_BATCH):
                        yield self._shaped(rows, number, row)
                        row += rows.num_rows

    def _shaped(self, rows: pa.RecordBatch, number: int, first: int) -> pa.RecordBatch:
        columns = [
            # Spark has microseconds: what a nanosecond says is left out, as DuckDB's cast does.
            rows.column(field.name).cast(field.type, safe=not pa.types.is_timestamp(field.type))
            if field.name in rows.schema.names
            else pa.nulls(rows.num_rows, field.type)
            for field in self.schema
        ]
        columns += [pa.array([number] * rows.num_rows, pa.int32())]
        columns += [pa.array(range(first, first + rows.num_rows), pa.int64())]
        return pa.RecordBatch.from_arrays(columns, schema=self.whole)

    @property
    def whole(self) -> pa.Schema:
        """The columns of the output."""
        return self.schema.append(pa.field(FILE, pa.int32())).append(pa.field(ROW, pa.int64()))


@dataclass(frozen=True)
class Write:
    """Writes a partition's rows, called by Spark's ``mapInArrow``. Yields one row of `WRITTEN` with the file's name."""

    folder: str
    partition: Callable[[], int]
    """The partition's number; known only within the task."""

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write a partition, if it has rows."""
        coming = (batch for batch in batches if batch.num_rows)
        if first := next(coming, None):
            number = self.partition()
            path = write(part(self.folder, number), first.schema, chain([first], coming))
            yield pa.RecordBatch.from_arrays([pa.array([number], pa.int32()), pa.array([path])], ["number", "path"])


WRITTEN = "number int, path string"
"""The columns of what `Write` answers, in Spark's words."""


def part(folder: str, number: int) -> str:
    """Paths of the partitions' files: their names sort in the order of the rows."""
    return f"{folder}/part-{number:05}.parquet"


def write(path: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> str:
    """Write rows to ``path`` as Parquet. Returns their file's name."""
    with TemporaryDirectory(prefix="headwater-part-") as scratch:
        file = Path(scratch, "part.parquet")
        with pq.ParquetWriter(file, schema, compression="zstd") as writer:
            # A row group takes more rows than Spark hands over at once.
            for group in _gathered(batches):
                writer.write_table(pa.Table.from_batches(group, schema))
        return keep(file, path)


def _gathered(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        if sum(one.num_rows for one in group) >= _GROUP:
            yield group
            group = []
    if group:
        yield group
