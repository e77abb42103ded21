"""Makes files of an older definition again from landing, and switches their dataset over by one commit."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from headwater.errors import HeadwaterError
from headwater.lake.committing import AUTHOR, ROUNDS, rounds
from headwater.lake.errors import ReingestBlocked
from headwater.lake.making import Making, Refusal, landed_of
from headwater.lake.store import IngestionLog, Objects
from headwater.lake.types import (
    SHOWN_REASONS,
    FileNote,
    Ingestion,
    IngestionStatus,
    Reingestion,
    ReingestOrder,
    ReingestStatus,
    Upload,
    cut,
    dataset_of,
    digest_in,
)
from headwater.versions.errors import Conflicts, HookRefused, NothingToCommit, RefsBusy, VersionGone
from headwater.versions.hooks import Hook, Proposal
from headwater.versions.refs import Ref, Refs
from headwater.versions.service import Versions
from headwater.versions.types import MAIN, Entry

SMALL_BYTES = 64 * 1024**2
"""Landed bytes up to which the ingestion function makes files again by itself."""
SMALL_FILES = 200
LONGEST_MESSAGE = 2000
NO_UPLOAD = "the registry knows no upload that it was made of"
DELETED = "what landed was deleted"


class _Overtaken(Exception):
    """The dataset's files changed since the plan was made."""


@dataclass
class _Task:
    """A path of the dataset, and the uploads that may be its file, the newest first."""

    path: str
    held: Entry | None
    counting: Upload | None
    retried: list[Upload] = field(default_factory=list)
    """Refused under an older definition after ``counting`` had landed."""
    rows: int = 0
    older: bool = False
    """Whether ``held`` is of an older definition."""


@dataclass
class _Made:
    """Results of a plan's files."""

    good: dict[str, Ingestion] = field(default_factory=dict)
    refused: list[FileNote] = field(default_factory=list)
    gone: list[FileNote] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    still_refused: int = 0


class Reingesting:
    """Makes a source's files again.

    Parameters
    ----------
    versions : Versions
    objects : Objects
    ingestion_log : IngestionLog
    making : Making
    refs : callable
        The refs of a dataset by its name.
    now, pause : callable
    """

    def __init__(
        self,
        versions: Versions,
        objects: Objects,
        ingestion_log: IngestionLog,
        making: Making,
        *,
        refs: Callable[[str], Refs],
        now: Callable[[], datetime],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._versions, self._objects, self._ingestion_log, self._making = versions, objects, ingestion_log, making
        self._refs, self._now, self._pause = refs, now, pause

    def run(self, order: ReingestOrder, run_id: str, *, small: bool = False) -> Reingestion | None:
        """Carry out ``order``; with ``small`` only if it fits a function, else return None.

        Made files are kept before the dataset is switched: the next run finishes a killed one, and concurrent runs make
        one commit. Files that land meanwhile stay in the dataset.

        Raises
        ------
        ReingestBlocked
            Some files would no longer count, and ``order`` doesn't drop them. Nothing was switched.
        RefsBusy
            Others kept coming first.
        """
        definition = self._making.definition(order.source).digest
        try:
            return self._run(order, run_id, definition, small=small)
        except ReingestBlocked:
            raise
        except HeadwaterError as error:
            self._end(self._begun(order, run_id, definition, message=f"{error.reason}: {error.message}"))
            raise

    def _begun(self, order: ReingestOrder, run_id: str, definition: str, **facts: Any) -> Reingestion:
        return Reingestion(
            source=order.source,
            run_id=run_id,
            definition=definition,
            by=order.by,
            at=self._now(),
            **{"status": ReingestStatus.FAILED, **facts},
        )

    def _run(self, order: ReingestOrder, run_id: str, definition: str, *, small: bool) -> Reingestion | None:
        for _ in rounds(self._pause):
            head = self._refs(dataset_of(order.source)).get("branch", MAIN)
            tasks = self._plan(order, head, definition)
            if small and not _is_small(tasks):
                return None
            done = self._begun(
                order,
                run_id,
                definition,
                status=ReingestStatus.NOTHING,
                files=len(tasks),
                size=sum(upload.size for task in tasks for upload in _candidates(task)[:1]),
                rows_before=sum(task.rows for task in tasks),
                older=self._older(order.source, head, definition),
            )
            if order.dry_run:
                return self._end(self._with_gone(done, tasks).model_copy(update={"status": ReingestStatus.PLANNED}))
            made = self._make(order.source, tasks, definition)
            done = done.model_copy(update=_counts(made))
            if made.lost and not order.drop:
                raise self._blocked(done)
            if not made.good and not made.lost:
                return self._end(done)
            try:
                commit = self._switch(order, run_id, definition, tasks, made, done)
            except (_Overtaken, Conflicts, RefsBusy, NothingToCommit):
                # An upload or a concurrent run came first: plan again; files that were made already are found again.
                continue
            older = self._older(order.source, self._refs(dataset_of(order.source)).get("branch", MAIN), definition)
            return self._end(
                done.model_copy(update={"status": ReingestStatus.SWITCHED, "commit": commit, "older": older})
            )
        raise RefsBusy(f"source {order.source!r}: {ROUNDS} times another commit came first; run it again")

    def _end(self, done: Reingestion) -> Reingestion:
        self._ingestion_log.record_reingestion(done)
        return done

    def _blocked(self, done: Reingestion) -> ReingestBlocked:
        shown = "; ".join(f"{note.file}: {note.note}" for note in [*done.refused, *done.gone][:3])
        more = f"; and {done.lost - 3} more" if done.lost > 3 else ""
        message = (
            f"source {done.source!r}: {done.lost:,} of {done.files:,} files can't be made again: {shown}{more}. "
            "Nothing was switched"
        )
        self._end(done.model_copy(update={"status": ReingestStatus.BLOCKED, "message": cut(message, LONGEST_MESSAGE)}))
        return ReingestBlocked(
            message,
            next_steps=[
                "correct the definition, or upload the files again, and run it again",
                f"headwater source reingest {done.source} --drop --wait takes their rows out",
            ],
        )

    # -- planning -----------------------------------------------------------------------------------------------

    def _plan(self, order: ReingestOrder, head: Ref | None, definition: str) -> list[_Task]:
        """The plan: files of older definitions, and later files that were refused under older definitions."""
        held = {entry.path: entry for entry in self._files(order.source, head)}
        records = self._ingestion_log.ingestions(order.source)
        remade = self._ingestion_log.remade(order.source)
        made_of = {
            entry.curated.version_id: entry for entry in (*records, *remade) if entry.curated is not None
        }  # fmt: skip
        refused: defaultdict[str, list[Ingestion]] = defaultdict(list)
        for record in records:
            if _may_pass_now(record, definition):
                refused[record.upload.path].append(record)
        self._settle(records, held, head)
        tasks = []
        for path in sorted(held.keys() | refused.keys()):
            entry = held.get(path)
            digest = digest_in(order.source, entry.key) if entry else None
            if entry and digest is None:
                continue  # A person's own commit of the file: it isn't ingestion's to replace.
            known = made_of.get(entry.version_id) if entry else None
            counting = known.upload if known else None
            # A sequencer orders the versions of one key; no upload is later than a file without a known upload.
            later = [
                found
                for found in refused.get(path, ())
                if not entry or (counting is not None and found.upload.order > counting.order)
            ]
            older = entry is not None and digest != definition
            times = [found.at for found in [*later, *([known] if known else [])]]
            if not (older or later) or (order.since and times and max(times) < order.since):
                continue
            later.sort(key=lambda found: found.upload.order, reverse=True)
            tasks.append(
                _Task(path, entry, counting, [found.upload for found in later], known.rows_out if known else 0, older)
            )
        return tasks

    def _settle(self, records: Sequence[Ingestion], held: Mapping[str, Entry], head: Ref | None) -> None:
        """Finish the records of a run that was killed after its commit."""
        there = {entry.version_id for entry in held.values()}
        for entry in records:
            if head and entry.curated and not entry.settled and entry.curated.version_id in there:
                self._ingestion_log.record(entry.model_copy(update={"commit": head.commit}))

    def _older(self, source: str, head: Ref | None, definition: str) -> int:
        return sum(digest_in(source, entry.key) not in (definition, None) for entry in self._files(source, head))

    def _files(self, source: str, head: Ref | None) -> list[Entry]:
        return list(self._versions.dataset(dataset_of(source)).files(head.commit)) if head else []

    def _with_gone(self, done: Reingestion, tasks: Sequence[_Task]) -> Reingestion:
        known = [task for task in tasks if task.counting]
        landed = [landed_of(task.counting) for task in known if task.counting]
        notes = [
            FileNote(file=_file(task), note=DELETED)
            for task, gone in zip(known, self._objects.gone(landed), strict=True)
            if gone and task.older
        ]
        notes += [FileNote(file=_file(task), note=NO_UPLOAD) for task in tasks if task.older and not task.counting]
        return done.model_copy(update={"gone": tuple(notes[:SHOWN_REASONS]), "lost": len(notes)})

    # -- making -------------------------------------------------------------------------------------------------

    def _make(self, source: str, tasks: Sequence[_Task], definition: str) -> _Made:
        known = {
            (entry.upload.version_id, entry.file): entry
            for entry in (self._ingestion_log.remade(source, definition) if tasks else ())
        }
        made = _Made()
        for task in tasks:
            self._make_one(task, known, made)
        return made

    def _make_one(self, task: _Task, known: Mapping[tuple[str, str], Ingestion], made: _Made) -> None:
        """The newest upload of a path that counts under the new definition becomes its file."""
        reason, gone = "", NO_UPLOAD
        for upload in _candidates(task):
            # A file that counts under this definition already stays.
            if upload == task.counting and not task.older:
                return
            try:
                entry = self._again(upload, known.get((upload.version_id, upload.file)))
            except VersionGone:
                gone = f"{DELETED}: s3://{upload.bucket}/{upload.key} version {upload.version_id}"
                continue
            if entry.status is IngestionStatus.INGESTED:
                made.good[task.path] = entry
                return
            if upload == task.counting:
                reason = entry.reasons[0] if entry.reasons else "refused"
        if not task.older:
            made.still_refused += 1
            return
        made.lost.add(task.path)
        if reason:
            made.refused.append(FileNote(file=_file(task), note=cut(reason)))
        else:
            made.gone.append(FileNote(file=_file(task), note=gone))

    def _again(self, upload: Upload, known: Ingestion | None) -> Ingestion:
        if known is not None and known.status is IngestionStatus.INGESTED:
            return known
        try:
            return self._ingestion_log.keep_remade(self._making.make(upload))
        except Refusal as refusal:
            return self._ingestion_log.keep_remade(refusal.outcome)

    # -- switching ----------------------------------------------------------------------------------------------

    def _switch(
        self,
        order: ReingestOrder,
        run_id: str,
        definition: str,
        tasks: Sequence[_Task],
        made: _Made,
        done: Reingestion,
    ) -> str:
        """The one commit; its id. Raises `_Overtaken` if the dataset holds other files than were planned for."""
        expected = {task.path: task.held for task in tasks}
        dataset = self._versions.dataset(
            dataset_of(order.source), hooks={"pre-commit": [_stays(expected, set(made.good) | made.lost)]}
        )
        retried = {upload.id for task in tasks for upload in task.retried}
        accepted = [entry for entry in made.good.values() if entry.upload.id in retried]
        for entry in accepted:
            self._ingestion_log.record(entry)
        edits: list[tuple[str, Entry | None]] = [(path, None) for path in made.lost]
        for path, entry in made.good.items():
            assert entry.curated is not None  # noqa: S101 - what was ingested has its rows somewhere
            place = entry.curated.key.removesuffix(path)
            edits.append((path, dataset.pin(f"s3://{entry.curated.bucket}/{place}", path, entry.curated.version_id)))
        dropped = f", {len(made.lost):,} dropped" if made.lost else ""
        try:
            commit = dataset.commit(
                f"Reingest {order.source}: {len(made.good):,} files under definition {definition}{dropped}",
                edits=edits,
                meta={
                    "reingestion": run_id,
                    "definition": definition,
                    "files": str(len(made.good)),
                    "dropped": str(len(made.lost)),
                    "rows_before": str(done.rows_before),
                    "rows_after": str(done.rows_after),
                    "asked_by": order.by,
                },
                author=AUTHOR,
            ).id
        except HookRefused as error:
            if isinstance(error.__cause__, _Overtaken):
                raise error.__cause__ from error
            raise
        for entry in accepted:
            self._ingestion_log.record(entry.model_copy(update={"commit": commit}))
        return commit


def _stays(expected: Mapping[str, Entry | None], edited: set[str]) -> Hook:
    """A hook that accepts a commit only if each changed path is still as planned."""

    def stays(proposal: Proposal) -> None:
        changed = [change for change in proposal.changes() if change.path in edited]
        if len(changed) != len(edited) or any(change.before != expected[change.path] for change in changed):
            raise _Overtaken("the dataset moved on while its files were made again")

    return stays


def _candidates(task: _Task) -> list[Upload]:
    return [*task.retried, *([task.counting] if task.counting else [])]


def _is_small(tasks: Sequence[_Task]) -> bool:
    uploads = [upload for task in tasks for upload in _candidates(task)]
    return len(uploads) <= SMALL_FILES and sum(upload.size for upload in uploads) <= SMALL_BYTES


def _may_pass_now(entry: Ingestion, definition: str) -> bool:
    """Whether a refused upload was judged by another definition than the declared one; False for runs without a
    record."""
    judged = bool(entry.definition or entry.code_version)
    return entry.status is IngestionStatus.REFUSED and judged and entry.definition != definition


def _file(task: _Task) -> str:
    return task.counting.file if task.counting else str(PurePosixPath(task.path).with_suffix(""))


def _counts(made: _Made) -> Mapping[str, object]:
    return {
        "rows_after": sum(entry.rows_out for entry in made.good.values()),
        "refused": tuple(made.refused[:SHOWN_REASONS]),
        "gone": tuple(made.gone[:SHOWN_REASONS]),
        "lost": len(made.lost),
        "still_refused": made.still_refused,
    }
