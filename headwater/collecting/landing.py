"""Batches that count land: each once, in their order, and never over a newer one."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from headwater.collecting.errors import CollectFailed, CollectorBusy
from headwater.collecting.store import CollectedFiles, CollectorStore
from headwater.collecting.types import BatchRecord
from headwater.lake.types import LANDING
from headwater.storage.objects import ObjectGone
from headwater.storage.retries import tries

LEFT_AFTER = timedelta(days=1)
"""Age of a file that nothing names, after which it is deleted."""
_TRIES = 12
_MOST = 50
"""Batches that are written down as landed in one transaction."""


@dataclass(frozen=True)
class Landing:
    """Lands what is pending; see `headwater.collecting.service.Collecting` for the arguments."""

    store: CollectorStore
    files: CollectedFiles
    pause: Callable[[float], None]

    def land_pending(self, folder: Path, here: Mapping[int, Path] | None = None) -> None:
        """Land every batch that counts and hasn't landed.

        Parameters
        ----------
        folder : Path
            For files that have to be fetched.
        here : mapping of int to Path
            Files of batches that are on disk.

        Raises
        ------
        CollectFailed
            A file of that name isn't the collector's, or a staged file is gone.
        CollectorBusy
            Others kept coming first.
        """
        for _ in tries(_TRIES, self.pause):
            before = self.store.state()
            if before is None or not before.pending:
                return
            wanted = before.pending[:_MOST]
            found = [self._land(self._batch(number), folder, here or {}) for number in wanted]
            rest = before.pending[len(wanted) :]
            state = before.model_copy(update={"pending": rest, "write": uuid.uuid4().hex})
            there = None if self.store.settle(state, before, found) else self.store.state()
            if there is None or there.write == state.write:
                for batch in found:
                    if batch.staged is not None:
                        self.files.forget(batch.staged)
                if not rest:
                    return
        raise CollectorBusy("others kept writing the collector first")

    def sweep(self, collector: str, now: datetime) -> None:
        """Delete what killed runs left: files and memories that nothing names, and that are too old to be counted yet.

        A call lives fifteen minutes at most, a container twelve hours: what one wrote a day ago counts by now, or
        never will.
        """
        # Listed before the state is read: what is counted in between is younger, and not listed.
        old = list(self.files.old(collector, now - LEFT_AFTER))
        if old and (state := self.store.state()) is not None:
            kept = {self._batch(number).staged for number in state.pending} | {state.memory}
            for pointer in old:
                if pointer not in kept:
                    self.files.forget(pointer)

    def _batch(self, number: int) -> BatchRecord:
        batch = self.store.batch(number)
        assert batch is not None  # noqa: S101 -- written in one transaction with the state
        return batch

    def _land(self, batch: BatchRecord, folder: Path, here: Mapping[int, Path]) -> BatchRecord:
        """The batch as it is once its file has landed, now or by somebody before."""
        if batch.staged is None:
            return batch
        key, mark = f"{LANDING}/{batch.source}/{batch.file}", f"{batch.collector}#{batch.sequence}"
        for _ in tries(_TRIES, self.pause):
            there = self.files.landed(key)
            if there is not None and there.batch == mark:
                return batch.model_copy(update={"landed": there.pointer})
            if there is not None and not there.batch.startswith(f"{batch.collector}#"):
                raise CollectFailed(
                    f"s3://{there.pointer.bucket}/{key} isn't the collector's: somebody uploaded a file of that name. "
                    "Upload it under another name and delete it there"
                )
            # Looked at after the object was: a newer batch that lands from now on changes the ETag.
            if batch.replaces and self._is_old(batch):
                return batch.model_copy(update={"replaced": True})
            if (path := here.get(batch.sequence) or self._fetched(batch, folder)) is None:
                return self._batch(batch.sequence)
            over = there.etag if there is not None and batch.replaces else None
            if (landed := self.files.land(key, path, batch=mark, over=over)) is not None:
                return batch.model_copy(update={"landed": landed})
        raise CollectorBusy(f"others kept writing {key} first")

    def _is_old(self, batch: BatchRecord) -> bool:
        newest = self.store.file(batch.file)
        return newest is not None and newest.sequence != batch.sequence

    def _fetched(self, batch: BatchRecord, folder: Path) -> Path | None:
        """The staged file; None if a run beside this one has landed the batch by now, and deleted it."""
        path = folder / f"pending-{batch.sequence}"
        if not path.exists():
            assert batch.staged is not None  # noqa: S101 -- the caller looked
            try:
                self.files.fetch(batch.staged, path)
            except ObjectGone as error:
                landed = self.store.batch(batch.sequence)
                if landed is None or (landed.landed is None and not landed.replaced):
                    raise CollectFailed(f"batch {batch.sequence} counts, and its file is gone: {error}") from None
                return None
        return path
