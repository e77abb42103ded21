"""Looks through every version of a stack's files for rows of an entity."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from headwater.features.errors import InvalidInput
from headwater.features.inputs import entity_text
from headwater.lineage.forgetting.labels import Labelled, MatchedLabels
from headwater.lineage.forgetting.matching import Matched, Matcher, Unfit
from headwater.lineage.forgetting.report import Entity, Held, InvalidEntity, Progress, Searched, UnknownColumn
from headwater.lineage.forgetting.store import READERS, Listed, ObjectVersions, at_once
from headwater.storage.clients import Clients
from headwater.values import Pointer

_AT_ONCE = 4
"""Parquet files that are fetched at the same time, and so lie on the disk together."""
MOST_ENTITIES = 1_000
"""Entities of a view that one value of a composite key may be a part of, and that are looked up online."""
_SHOWN = 5
_TYPED = {"curated", "file"}
"""Kinds of files whose columns have the types of a source's contract and SQL."""


class Candidate(NamedTuple):
    """A file version that may hold rows."""

    kind: str
    of: str
    at: Pointer
    size: int
    keys: tuple[tuple[str, ...], ...] = ()
    """The join keys of a view's definitions, if its rows are in the file."""


@dataclass
class _Count:
    objects: int = 0
    size: int = 0
    gone: int = 0


@dataclass
class Search:
    """Searches for one entity, and remembers what it looked through and what it couldn't."""

    entity: Entity
    progress: Progress
    clients: Clients
    held: list[Held] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Everything that was not looked through, and why."""
    predictions: set[str] = field(default_factory=set)
    """Ids of the predictions that were found."""
    entities: dict[tuple[str, ...], set[tuple[str, ...]]] = field(default_factory=dict)
    """The entities that were found, by the names of their join keys."""
    _counts: dict[str, _Count] = field(default_factory=dict)
    _columns: dict[str, set[str]] = field(default_factory=dict)
    _unfit: dict[tuple[str, Unfit], int] = field(default_factory=dict)
    _lacking: dict[tuple[str, str, tuple[str, ...]], int] = field(default_factory=dict)
    _single: set[str] = field(default_factory=set)
    _seen: set[tuple[str, str, str]] = field(default_factory=set)
    _compared: set[str] = field(default_factory=set)

    # -- files --------------------------------------------------------------------------------------------------

    def through(self, candidates: Iterable[Candidate]) -> None:
        """Look through Parquet files, each version once, whoever names it."""
        stores: dict[str, ObjectVersions] = {}
        waiting = self._new(candidates)
        with TemporaryDirectory(prefix="headwater-forget-") as folder:
            matcher = Matcher(Path(folder) / "spill", self.entity.values)
            try:
                while batch := list(islice(waiting, _AT_ONCE)):
                    self._batch(matcher, Path(folder), batch, stores)
            finally:
                matcher.close()

    def _new(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        for one in candidates:
            place = one.at.bucket, one.at.key, one.at.version_id
            if place not in self._seen:
                self._seen.add(place)
                yield one

    def _batch(
        self, matcher: Matcher, folder: Path, batch: Sequence[Candidate], stores: dict[str, ObjectVersions]
    ) -> None:
        paths = [folder / f"{place}.parquet" for place in range(len(batch))]
        for one in batch:
            stores.setdefault(one.at.bucket, ObjectVersions(one.at.bucket, self.clients))
        pairs = list(zip(batch, paths, strict=True))
        there = at_once(lambda pair: stores[pair[0].at.bucket].fetch(pair[0].at, pair[1]), pairs)
        for one, path, is_there in zip(batch, paths, there, strict=True):
            count = self._counts.setdefault(one.kind, _Count())
            self.progress(1)
            if not is_there:
                count.gone += 1
                continue
            count.objects, count.size = count.objects + 1, count.size + one.size
            self._judge(matcher, one, path)
            path.unlink()

    def _judge(self, matcher: Matcher, one: Candidate, path: Path) -> None:
        found = matcher.match(path)
        self._columns.setdefault(one.of, set()).update(found.columns)
        if found.unreadable:
            self.notes.append(f"{_uri(one.at)}: {one.size:,} bytes that are no Parquet file: {found.unreadable}")
        for unfit in found.unfit:
            self._unfit[one.of, unfit] = self._unfit.get((one.of, unfit), 0) + 1
        if found.lacking:
            lacked = one.kind, one.of, found.lacking
            self._lacking[lacked] = self._lacking.get(lacked, 0) + 1
        if one.kind == "training set" and found.single:
            self._single.add(one.of)
        if not found.was_compared:
            return
        self._compared.add(one.kind)
        if found.rows:
            self.held.append(Held(kind=one.kind, of=one.of, at=one.at, rows=found.rows))
            self._remember(matcher, one, path, found)

    def _remember(self, matcher: Matcher, one: Candidate, path: Path, found: Matched) -> None:
        """The entities of the rows: with one part of a composite key nobody can look them up online."""
        for keys in one.keys:
            if set(keys) <= set(found.columns):
                known = self.entities.setdefault(keys, set())
                known.update(matcher.entities(path, keys, MOST_ENTITIES + 1))

    # -- lines and records --------------------------------------------------------------------------------------

    def through_lines(self, candidates: Iterable[Candidate]) -> None:
        """Look through streamed rows that aren't committed yet: lines of JSON."""
        for one, body in self._bodies(candidates):
            try:
                rows = [dict(json.loads(line)) for line in body.splitlines() if line.strip()]
            except (ValueError, TypeError):
                self.notes.append(f"{_uri(one.at)}: no streamed rows that can be read")
                continue
            matching = [row for row in rows if self._is_of(row)]
            if any(self.entity.values.keys() <= row.keys() for row in rows):
                self._compared.add(one.kind)
            if not matching:
                continue
            self.held.append(Held(kind=one.kind, of=one.of, at=one.at, rows=len(matching)))
            for keys in one.keys:
                known = self.entities.setdefault(keys, set())
                known.update(tuple(str(row[key]) for key in keys) for row in matching if all(map(row.get, keys)))

    def through_records(self, candidates: Iterable[Candidate]) -> None:
        """Look through records of predictions, whose inputs name the entity."""
        for one, body in self._bodies(candidates):
            try:
                record = json.loads(body)
                request, predictions = record["request_id"], [dict(each["inputs"]) for each in record["predictions"]]
            except (ValueError, KeyError, TypeError):
                self.notes.append(f"{_uri(one.at)}: no record of a prediction that can be read")
                continue
            if any(self.entity.values.keys() <= inputs.keys() for inputs in predictions):
                self._compared.add(one.kind)
            mine = [f"{request}.{place}" for place, inputs in enumerate(predictions) if self._is_of(inputs)]
            if mine:
                self.predictions.update(mine)
                self.held.append(Held(kind=one.kind, of=one.of, at=one.at, rows=len(mine)))

    def through_labels(self, candidates: Iterable[Candidate]) -> None:
        """Look through batches of written labels, behind the predictions: a label may name one by its id alone."""
        labelled, shared = Labelled(self._is_of, self.entity.values, self.predictions), 0
        listed = list(candidates)
        for one, found in (
            *self._in_lines(labelled, [one for one in listed if not one.at.key.endswith(".parquet")]),
            *self._in_files(labelled, [one for one in listed if one.at.key.endswith(".parquet")]),
        ):
            if found.named:
                self._compared.add(one.kind)
            if found.rows:
                self.held.append(Held(kind=one.kind, of=one.of, at=one.at, rows=found.rows))
                shared += found.others
        if shared:
            self.notes.append(
                f"{shared:,} labels of others are in the same batches: write them down again before those are deleted "
                "(headwater labels list shows them)"
            )

    def _in_lines(self, labelled: Labelled, listed: Sequence[Candidate]) -> Iterator[tuple[Candidate, MatchedLabels]]:
        for one, body in self._bodies(listed):
            try:
                yield one, labelled.of_lines(body)
            except (ValueError, OSError, EOFError, TypeError, AttributeError):
                self.notes.append(f"{_uri(one.at)}: no batch of labels that can be read")

    def _in_files(self, labelled: Labelled, listed: Sequence[Candidate]) -> Iterator[tuple[Candidate, MatchedLabels]]:
        with TemporaryDirectory(prefix="headwater-forget-") as folder:
            for one in listed:
                path, count = Path(folder) / "labels.parquet", self._counts.setdefault(one.kind, _Count())
                self.progress(1)
                if not ObjectVersions(one.at.bucket, self.clients).fetch(one.at, path):
                    count.gone += 1
                    continue
                count.objects, count.size = count.objects + 1, count.size + one.size
                try:
                    yield one, labelled.of_file(path, Path(folder) / "spill")
                except (ValueError, TypeError, AttributeError) as error:
                    self.notes.append(f"{_uri(one.at)}: no batch of labels that can be read: {error}")

    def _bodies(self, candidates: Iterable[Candidate]) -> Iterator[tuple[Candidate, bytes]]:
        stores: dict[str, ObjectVersions] = {}
        waiting = iter(candidates)
        while batch := list(islice(waiting, 8 * READERS)):
            for one in batch:
                stores.setdefault(one.at.bucket, ObjectVersions(one.at.bucket, self.clients))
            bodies = at_once(lambda one: stores[one.at.bucket].read(one.at), batch)
            for one, body in zip(batch, bodies, strict=True):
                count = self._counts.setdefault(one.kind, _Count())
                self.progress(1)
                if body is not None:
                    count.objects, count.size = count.objects + 1, count.size + one.size
                    yield one, body
                else:
                    count.gone += 1

    def _is_of(self, row: dict[str, Any]) -> bool:
        """Whether a row's join keys are the entity's, as the online store compares them."""
        try:
            return all(name in row and entity_text(row[name]) == value for name, value in self.entity.values.items())
        except InvalidInput:
            return False

    # -- what it came to ----------------------------------------------------------------------------------------

    @property
    def searched(self) -> tuple[Searched, ...]:
        """How much was looked through."""
        return tuple(
            Searched(kind=kind, objects=count.objects, size=count.size, gone=count.gone)
            for kind, count in self._counts.items()
        )

    @property
    def unsearched(self) -> tuple[str, ...]:
        """Files whose columns can't hold the value as it was given, and what else wasn't looked through."""
        found = [
            f"{of}: {unfit}; no row of {count:,} file{'s' * (count > 1)} was compared"
            for (of, unfit), count in sorted(self._unfit.items(), key=lambda entry: (entry[0][0], str(entry[0][1])))
        ]
        found += [
            f"training sets of {of}: numbers have float32's precision there, which {self.entity} doesn't: its rows "
            "can't be told from others"
            for of in sorted(self._single)
        ]
        return (*found, *self._without_columns(), *self.notes)

    def _without_columns(self) -> Iterator[str]:
        """Files that lack a column which others of their kind have, or all others that are looked for.

        Rows of a thing that has none of the columns are nobody's as far as they say.
        """
        for (kind, of, lacking), count in sorted(self._lacking.items()):
            if len(lacking) < len(self.entity.values) or set(lacking) <= self._columns[of]:
                files = f"{count:,} file{'s' * (count > 1)} ({kind}) without {', '.join(lacking)}"
                yield f"{of}: {files}; their rows can't be told apart by {', '.join(self.entity.values)}"

    def insist(self, *, known: bool) -> None:
        """Raise if nothing was found and no row could be the entity's, whatever it holds.

        Parameters
        ----------
        known : bool
            Whether a feature view is looked up by these join keys, even if it has no rows yet.

        Raises
        ------
        InvalidEntity
            Columns of those names have types that the value can't be of.
        UnknownColumn
            Nothing has such columns.
        """
        if self.held:
            return
        # Rows of views and rejected ones are kept as text, which any value can be: the sources' types say more.
        impossible = any(not unfit.written for _, unfit in self._unfit) and not self._compared & _TYPED
        if self._unfit and (impossible or self._compared <= {"quarantined"}):
            reasons = list(dict.fromkeys(f"{of}: {unfit}" for of, unfit in self._unfit))
            raise InvalidEntity(f"{self.entity} can be of no row: {'; '.join(reasons[:_SHOWN])}")
        if not self._compared and not known and any(count.objects for count in self._counts.values()):
            there = "; ".join(
                f"{of}: {', '.join(sorted(names))}" for of, names in sorted(self._columns.items()) if names
            )
            raise UnknownColumn(f"nothing has the columns {', '.join(self.entity.values)}. There are {there}")


def candidates_of(kind: str, of: str, listed: Iterable[Listed], suffix: str = ".parquet") -> Iterator[Candidate]:
    """The listed versions whose keys end with ``suffix``."""
    for one in listed:
        if one.pointer.key.endswith(suffix):
            yield Candidate(kind, of, one.pointer, one.size)


def _uri(pointer: Pointer) -> str:
    return f"s3://{pointer.bucket}/{pointer.key}?versionId={pointer.version_id}"
