"""One run of a collector: what counts is decided by one conditional step a batch, and lands after it.

A batch is first staged, then counted: state, cursor and the batch's record are one transaction. Only then does it land,
under a name that follows from its number, on condition that nothing is there. Whoever is killed in between leaves a
batch that is pending, and the next run lands it first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from headwater.clock import Clock
from headwater.collecting.errors import BadCursor, CollectFailed, CollectorBusy, CollectorMoved, DeclarationChanged
from headwater.collecting.files import Fetched, fetched
from headwater.collecting.kinds import read_of
from headwater.collecting.landing import Landing
from headwater.collecting.redaction import Redaction
from headwater.collecting.settings import settings_of
from headwater.collecting.store import CollectedFiles, CollectorStore, Commit
from headwater.collecting.types import (
    ANY,
    LONGEST_CURSOR,
    Batch,
    BatchRecord,
    CollectionRun,
    CollectorState,
    FileRecord,
    Outcome,
    Read,
    Request,
    RunStatus,
    Unchanged,
)
from headwater.declare import Code, Collector
from headwater.errors import HeadwaterError
from headwater.json_values import NotJson, dumps, json_value, loads
from headwater.settings import LakeSettings
from headwater.storage.clients import Clients
from headwater.storage.objects import ObjectGone
from headwater.storage.retries import tries
from headwater.storage.table import Table
from headwater.values import Value

MARGIN = 90.0
"""Seconds that are left when a run begins no further batch, and leaves the rest to the next call."""
LONGEST_FILE = 500
"""Bytes of a file's name, as UTF-8: S3 takes keys of 1,024 bytes, and DynamoDB sort keys of as many."""
_TRIES = 12


class Tick(Value):
    """The tick that a run stands for, as the ledger of ticks tells it."""

    at: datetime
    since: datetime | None = None

    @classmethod
    def given(cls, told: Mapping[str, Any]) -> Self:
        """The tick in the ledger's words: ``{"tick", "interval", ...}``."""
        since = (told.get("interval") or [None])[0]
        return cls.model_validate({"at": told["tick"], "since": since})


class Order(Value):
    """One run of a collector, as the collecting machine asks for it."""

    collector: str
    run_id: str
    tick: Mapping[str, Any]
    """The ledger's words."""
    started_at: datetime | None = None
    """When the machine began to wait for the container; None for a function."""


@dataclass(frozen=True)
class Collecting:
    """Runs one collector."""

    collector: Collector
    read: Read
    """Fetches: of the collector's kind."""
    store: CollectorStore
    files: CollectedFiles
    _: KW_ONLY
    secret: Callable[[str], str]
    """Reads a secret by its reference."""
    now: Clock
    pause: Callable[[float], None]
    """Called with seconds before another try."""
    redaction: Redaction = field(default_factory=Redaction, init=False)
    """Knows the secrets that were read, once the run has read them."""

    @classmethod
    def from_settings(
        cls,
        collector: Collector,
        settings: LakeSettings,
        clients: Clients,
        *,
        secret: Callable[[str], str],
        now: Clock,
        pause: Callable[[float], None],
    ) -> Self:
        """The collector on the stack that ``settings`` lead to; it fetches in the way of its kind."""
        store = CollectorStore(Table(settings.registry_table, clients), collector.name)
        files = CollectedFiles(settings.lake_bucket, clients)
        return cls(collector, read_of(collector, clients), store, files, secret=secret, now=now, pause=pause)

    def run(self, run_id: str, tick: Tick, *, seconds_left: Callable[[], float], is_last_call: bool = False) -> Outcome:
        """Fetch what is new, batch by batch; a run that is done is not run again.

        Parameters
        ----------
        run_id : str
        tick : Tick
        seconds_left : callable
            Until this process must have ended.
        is_last_call : bool
            Whether nobody goes on with the run: it fails if there is more than the time allows.

        Raises
        ------
        CollectFailed
            In one line, without secrets. Batches before it count.
        """
        run = self._begun(run_id, tick)
        if run.status is not RunStatus.RUNNING:
            return _outcome(run)
        try:
            with TemporaryDirectory(prefix="headwater-collect-") as folder:
                run = self._collected(run, tick, Path(folder), seconds_left)
            if is_last_call and run.status is RunStatus.RUNNING:
                raise CollectFailed(
                    f"its time is up after {run.batches:,} batches, which count: the next run goes on there"
                )
            return _outcome(run)
        except CollectorMoved as error:
            return _outcome(self._ended(run, RunStatus.SUPERSEDED, error.message))
        except Exception as error:
            failed = self._failure(error)
            self._ended(run, RunStatus.FAILED, failed.message)
        # Not chained: what is behind it repeats addresses with their passwords, and would be logged.
        raise failed

    def _failure(self, error: Exception) -> CollectFailed:
        said, is_known = self.redaction.line(error), isinstance(error, HeadwaterError)
        failed = CollectFailed(
            f"collector {self.collector.name!r}: {said if is_known else f'{type(error).__name__}: {said}'}",
            next_steps=[f"headwater collect history {self.collector.name}"],
        )
        if not is_known:
            failed.add_note(self.redaction.trace(error))
        return failed

    def _collected(
        self, run: CollectionRun, tick: Tick, folder: Path, seconds_left: Callable[[], float]
    ) -> CollectionRun:
        """The run after it has ended, or as it stands once the time is up."""
        state, landing = self._claim(run.run), Landing(self.store, self.files, self.pause)
        landing.land_pending(folder)
        for batch in self.read(self._request(state, tick, folder, seconds_left)):
            file = fetched(batch, folder)
            run, number = self._count(batch, file, run, ticket=state.ticket)
            if file is not None:
                if number:
                    landing.land_pending(folder, {number: file.path})
                file.path.unlink(missing_ok=True)
            if batch.landed is not None:
                batch.landed()
            if seconds_left() < MARGIN:
                return run
        landing.sweep(state.collector, self.now())
        return self._ended(run, RunStatus.DONE)

    def _begun(self, run_id: str, tick: Tick) -> CollectionRun:
        now = self.now()
        run = CollectionRun(
            collector=self.collector.name,
            run=run_id,
            at=tick.at,
            since=tick.since,
            runs_in=self.collector.runs_in,
            started_at=now,
            changed_at=now,
        )
        before = self.store.run(run.key)
        if before is None or before.status is RunStatus.FAILED:
            run = run if before is None else before.model_copy(update={"status": RunStatus.RUNNING, "reason": ""})
            self.store.put_run(run)
            return run
        return before

    def _ended(self, run: CollectionRun, status: RunStatus, reason: str = "") -> CollectionRun:
        # Its last batch may be counted, and this run's caller not know of it.
        run = self.store.run(run.key) or run
        ended = run.model_copy(update={"status": status, "reason": reason, "changed_at": self.now()})
        self.store.put_run(ended)
        return ended

    def _claim(self, run_id: str) -> CollectorState:
        """Take the collector over: batches of runs before this one move its cursor no more."""
        name, identity = self.collector.name, self.collector.reads.identity
        for _ in tries(_TRIES, self.pause):
            before = self.store.state() or None
            state = before or CollectorState(collector=name, write="")
            if state.cursor is not None and state.identity not in {identity, ANY}:
                raise DeclarationChanged(
                    f"it reads {identity or 'without a cursor'}, and its cursor is of {state.identity or 'nothing'}",
                    next_steps=[f"headwater collect reset {name}"],
                )
            claimed = {"ticket": state.ticket + 1, "run": run_id, "identity": identity, "write": _new_id()}
            state = state.model_copy(update=claimed)
            if self.store.commit(Commit(state, before)) or self._is_there(state):
                return state
        raise CollectorBusy("others kept writing the collector first")

    def _request(self, state: CollectorState, tick: Tick, folder: Path, seconds_left: Callable[[], float]) -> Request:
        reads = self.collector.reads
        names = reads.secret_names if isinstance(reads, Code) else {}

        def secret(name: str) -> str:
            if (place := names.get(name, name)) not in reads.secrets:
                raise CollectFailed(f"no secret {name!r} is declared: it has {', '.join(sorted(names)) or 'none'}")
            return self.redaction.add(self.secret(place))

        try:
            memory = self.files.memory(state.memory) if state.memory else b""
        except ObjectGone as error:
            raise CollectFailed(f"its memory is gone ({error}): headwater collect reset {state.collector}") from None
        (scratch := folder / "fetched").mkdir()
        return Request(
            collector=state.collector,
            cursor=None if state.cursor is None else loads(state.cursor),
            memory=memory,
            since=tick.since,
            until=tick.at,
            secret=secret,
            settings=settings_of(reads, self.store) if isinstance(reads, Code) else {},
            seconds_left=seconds_left,
            folder=scratch,
        )

    def _count(
        self, batch: Batch, file: Fetched | None, run: CollectionRun, *, ticket: int
    ) -> tuple[CollectionRun, int]:
        """The run with a batch that counts from now on, and the batch's number; 0 if it brings nothing new."""
        moves, staged, memory = not isinstance(batch.cursor, Unchanged), None, None
        cursor = _text_of(batch.cursor) if moves else None
        for _ in tries(_TRIES, self.pause):
            before = self.store.state()
            assert before is not None  # noqa: S101 -- the claim made it
            if moves and before.ticket != ticket:
                raise CollectorMoved(f"run {before.run} took over")
            name = self._name_of(batch, file, before.sequence + 1)
            file = self._if_new(name, file, ticket) if batch.name else file
            if file is None and (not moves or (cursor == before.cursor and isinstance(batch.memory, Unchanged))):
                return run, 0
            if file is not None and staged is None:
                staged = self.files.stage(self.collector.name, f"{_new_id()}{file.suffix}", file.path)
            if moves and memory is None and isinstance(batch.memory, bytes):
                memory = self.files.remember(self.collector.name, batch.memory, _new_id())
            record = self._record(before, file, name, run.run, replaces=bool(batch.name)).model_copy(
                update={"staged": staged if file is not None else None, "cursor": cursor if moves else before.cursor}
            )
            counted = run.model_copy(
                update={
                    "batches": run.batches + 1,
                    "rows": run.rows + (record.rows or 0),
                    "size": run.size + record.size,
                    "changed_at": record.at,
                }
            )
            state = before.model_copy(
                update={
                    "write": _new_id(),
                    "sequence": record.sequence,
                    "cursor": record.cursor,
                    "memory": memory or before.memory,
                    "pending": before.pending if file is None else (*before.pending, record.sequence),
                }
            )
            newest = None
            if file is not None and batch.name:
                newest = FileRecord(ticket=ticket, sequence=record.sequence, sha256=file.sha256)
            if self.store.commit(Commit(state, before, record, newest, counted)) or self._is_there(state):
                if memory is not None and before.memory is not None:
                    self.files.forget(before.memory)
                return counted, record.sequence
        raise CollectorBusy("others kept writing the collector first")

    def _name_of(self, batch: Batch, file: Fetched | None, sequence: int) -> str:
        if file is None:
            return ""
        # The hash: a number may come again where the registry was lost and the lake was not.
        name = batch.name or f"{sequence:08}-{file.sha256[:8]}"
        # Half of a surrogate pair isn't printable, and has no bytes.
        if not name.isprintable() or len(name.encode()) > LONGEST_FILE or name.startswith("/"):
            raise CollectFailed(
                f"a batch's name {name[:60]!r}: expected at most {LONGEST_FILE} bytes of printable characters, and no "
                "slash at the beginning"
            )
        return f"{self.collector.name}/{name}{file.suffix}"

    def _if_new(self, name: str, file: Fetched | None, ticket: int) -> Fetched | None:
        """The file, unless the newest of its name is the same; raises `CollectorMoved` if a later run replaced it."""
        there = self.store.file(name) if file is not None else None
        if there is None or file is None:
            return file
        if there.ticket > ticket:
            raise CollectorMoved(f"a later run has replaced {name}")
        return None if there.sha256 == file.sha256 else file

    def _record(
        self, before: CollectorState, file: Fetched | None, name: str, run_id: str, *, replaces: bool
    ) -> BatchRecord:
        return BatchRecord(
            collector=self.collector.name,
            sequence=before.sequence + 1,
            source=self.collector.source,
            file=name,
            run=run_id,
            rows=file.rows if file else 0,
            size=file.size if file else 0,
            sha256=file.sha256 if file else "",
            replaces=replaces,
            at=self.now(),
        )

    def _is_there(self, state: CollectorState) -> bool:
        """Whether a write whose answer was lost came through."""
        there = self.store.state()
        return there is not None and there.write == state.write


def reset(store: CollectorStore, collector: str, cursor: Any, *, pause: Callable[[float], None]) -> CollectorState:
    """Set a collector's cursor, or forget it if ``cursor`` is None; what a run in progress fetches counts no more.

    Raises
    ------
    BadCursor
        JSON can't hold it, or it is too long.
    CollectorBusy
    """
    for _ in tries(_TRIES, pause):
        before = store.state()
        state = before or CollectorState(collector=collector, write="")
        given = {"cursor": None, "memory": None, "identity": ""}
        if cursor is not None:
            given |= {"cursor": _text_of(cursor), "identity": ANY}
        state = state.model_copy(update={**given, "ticket": state.ticket + 1, "run": "", "write": _new_id()})
        there = None if store.commit(Commit(state, before)) else store.state()
        if there is None or there.write == state.write:
            return state
    raise CollectorBusy(f"collector {collector!r}: others kept writing it first")


def _text_of(cursor: Any) -> str:
    try:
        text = dumps(json_value(cursor, "the cursor"))
    except NotJson as error:
        raise BadCursor(error.message) from None
    if len(text) > LONGEST_CURSOR:
        raise BadCursor(f"the cursor has {len(text):,} characters, at most {LONGEST_CURSOR:,}: put it into memory")
    return text


def _outcome(run: CollectionRun) -> Outcome:
    return Outcome(
        collector=run.collector,
        run_id=run.run,
        complete=run.status is not RunStatus.RUNNING,
        status=run.status,
        batches=run.batches,
        rows=run.rows,
    )


def _new_id() -> str:
    return uuid.uuid4().hex
