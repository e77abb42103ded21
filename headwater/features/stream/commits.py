"""Streamed rows become commits: arrived objects become one Parquet file, which is committed, and are deleted.

Each call leaves a small object (`headwater.features.stream.rows`, `headwater.lake.store.Arrivals`). The function may
die or run concurrently: an object is deleted only after a commit holds its rows, and rows that are committed twice
change no answer, since a view's offline rows are the same with a row once or several times. Files that became many are
put into one, so that reading them stays cheap; older commits keep pinning what they hold.
"""

# ruff: noqa: S608 - names in SQL are declared by products and quoted
from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import KW_ONLY, dataclass
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.errors import HeadwaterError
from headwater.features.offline.columns import AVAILABLE, EVENT
from headwater.features.stream.lines import ENTITY, FEATURES, TEXT
from headwater.lake.committing import insist
from headwater.lake.database import connect, literal, quoted, write_parquet
from headwater.lake.service import Lake
from headwater.lake.store import Arrivals
from headwater.lake.types import STREAMED, streamed_of
from headwater.values import Pointer, Value
from headwater.versions.dataset import Dataset
from headwater.versions.errors import DatasetNotFound, RevisionNotFound
from headwater.versions.types import Entry

AUTHOR = "streaming"
MOST_CALLS = 2_000
"""Objects that become one file: at most a million rows."""
MOST_FILES = 32
"""A definition's files smaller than `LARGE`; once there are as many, the next commit puts them into one file."""
LARGE = 64 * 2**20
"""Bytes of a file that is left as it is."""
_READERS = 16


class StreamCommitResult(Value):
    """Result of committing a view's streamed rows."""

    view: str
    calls: int = 0
    """Objects that were committed and deleted."""
    commits: tuple[str, ...] = ()
    complete: bool = True
    """False if the call was stopped early."""


@dataclass(frozen=True)
class StreamCommitter:
    """Commits arrived rows."""

    lake: Lake
    arrivals: Arrivals
    _: KW_ONLY
    most_calls: int = MOST_CALLS
    most_files: int = MOST_FILES
    pause: Callable[[float], None] = time.sleep
    """Called with seconds before a contended commit is tried again."""

    def commit_all(self, stop: Callable[[], bool] = lambda: False) -> tuple[StreamCommitResult, ...]:
        """Commit the arrived rows of every view, also of views that aren't declared any more.

        Parameters
        ----------
        stop : callable
            Returns True if the call should break off soon; the next call does the rest.

        Raises
        ------
        HookRefused
            A rule of a dataset said no. The rows stay where they are; those of other views are committed.
        RefsBusy, Conflicts
            Others kept coming first.
        """
        done, failures = [], []
        for view in self.arrivals.views():
            try:
                done.append(self.commit(view, stop))
            except HeadwaterError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return tuple(done)

    def commit(self, view: str, stop: Callable[[], bool] = lambda: False) -> StreamCommitResult:
        """Commit the arrived rows of a view; see `commit_all`."""
        commits: list[str] = []
        calls = 0
        for batch in self._batches(self.arrivals.waiting(view)):
            if stop():
                return StreamCommitResult(view=view, calls=calls, commits=tuple(commits), complete=False)
            if (commit := self._commit(view, batch)) is not None:
                commits.append(commit)
            self.arrivals.delete(batch)
            calls += len(batch)
        return StreamCommitResult(view=view, calls=calls, commits=tuple(commits))

    def _batches(self, waiting: Iterable[Pointer]) -> Iterator[Sequence[Pointer]]:
        """Objects of one definition each: their rows have the same columns."""
        for _, alike in groupby(waiting, key=lambda pointer: pointer.key.rpartition("/")[0]):
            while batch := list(islice(alike, self.most_calls)):
                yield batch

    def _commit(self, view: str, batch: Sequence[Pointer]) -> str | None:
        """Commit a batch's rows in one file; None if another process committed all of them meanwhile."""
        version = batch[0].key.split("/")[-2]
        dataset = self.lake.versions.dataset(streamed_of(view))
        small = self._small(dataset, version)
        together = small if len(small) >= self.most_files else []
        # The write id names the objects' versions: a repeated call makes the same commit, rows sent again make another.
        named = json.dumps([[one.key, one.version_id] for one in batch])
        path = f"{version}/{hashlib.sha256(named.encode()).hexdigest()[:32]}.parquet"
        with TemporaryDirectory(prefix="headwater-streamed-") as scratch:
            file = Path(scratch) / "rows.parquet"
            rows = self._write(batch, together, Path(scratch), file)
            if rows is None:
                return None
            written = self.lake.objects.put(f"{STREAMED}/{view}/{path}", file)
        entry = dataset.pin(f"s3://{written.bucket}/{STREAMED}/{view}", path, written.version_id)
        made = partial(
            dataset.commit,
            f"{len(batch):,} streamed calls"
            + (f"; {len(together):,} files put into one: {rows:,} rows" if together else f": {rows:,} rows"),
            edits=[(path, entry), *((old.path, None) for old in together if old.path != path)],
            meta={"view_version": version, "calls": str(len(batch)), "rows": str(rows)},
            author=AUTHOR,
            write_id=f"streamed-{view}-{path}",
        )
        return insist(made, self.pause).id

    def _small(self, dataset: Dataset, version: str) -> list[Entry]:
        try:
            return [entry for entry in dataset.files(prefix=f"{version}/") if entry.size < LARGE]
        except (DatasetNotFound, RevisionNotFound):
            return []

    def _write(self, batch: Sequence[Pointer], together: Sequence[Entry], folder: Path, file: Path) -> int | None:
        """Write the rows of a batch and of files to a new file, each row once and in order. Returns their number."""
        lines, parts = folder / "lines", folder / "parts"
        lines.mkdir()
        parts.mkdir()
        # Several versions of an object are the same rows.
        wanted = {one.key: one for one in batch}
        files = [lines / f"{number}.jsonl" for number in range(len(wanted))]
        with ThreadPoolExecutor(_READERS, thread_name_prefix="arrivals") as pool:
            there = list(pool.map(self.arrivals.fetch, wanted.values(), files))
        if not any(there):
            return None
        with files[there.index(True)].open(encoding="utf-8") as one:
            first = json.loads(one.readline())
        keys = first[ENTITY].split(",")
        marked = first[FEATURES].strip(",").split(",")
        kinds = {
            **dict.fromkeys(keys, "VARCHAR"),
            EVENT: "BIGINT",
            AVAILABLE: "BIGINT",
            **{one.removeprefix(TEXT): "VARCHAR" if one.startswith(TEXT) else "DOUBLE" for one in marked},
            **dict.fromkeys((ENTITY, FEATURES), "VARCHAR"),
        }
        columns = ", ".join(f"{literal(name)}: {literal(kind)}" for name, kind in kinds.items())
        query = (
            f"SELECT * REPLACE (make_timestamp({EVENT}) AS {EVENT}, make_timestamp({AVAILABLE}) AS {AVAILABLE}) "
            f"FROM read_json({literal(str(lines / '*.jsonl'))}, format = 'newline_delimited', columns = {{{columns}}})"
        )
        pointers = [Pointer(bucket=one.bucket, key=one.key, version_id=one.version_id) for one in together]
        if paths := self.lake.objects.fetch_in_order(pointers, parts):
            names = ", ".join(literal(str(path)) for path in paths)
            query += f" UNION ALL BY NAME SELECT * FROM read_parquet([{names}], union_by_name = true)"
        order = ", ".join(quoted(name) for name in kinds)
        with closing(connect(folder / "spill")) as connection:
            connection.execute(f"CREATE TABLE rows AS SELECT DISTINCT * FROM ({query})")
            write_parquet(connection, f"SELECT * FROM rows ORDER BY {order}", file, encodings=2)
            return int(connection.execute("SELECT count(*) FROM rows").fetchall()[0][0])
