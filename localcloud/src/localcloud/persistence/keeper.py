"""Keeps the cloud's state: each call that changes something is written down before it is answered.

A backend of moto is pickled whole, but for its large collections, of which only touched rows are written. Log events,
metrics and received messages are written within `SWEEP_SECONDS`, with whatever changed without a call.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localcloud.api_call import ApiCall
from localcloud.moto_patches.patches import Patches
from localcloud.persistence import backends, executions, instruments, restoring, versions
from localcloud.persistence.book import Book, Entry
from localcloud.persistence.calls import EVERYTHING, effect_of
from localcloud.persistence.errors import StateNotKept
from localcloud.persistence.pickling import Codec, Names, Pickled

if TYPE_CHECKING:
    from localcloud.context import CloudContext

SWEEP_SECONDS = 1.0
_CHECKPOINT_SECONDS, _FULL_SWEEP_SECONDS, _GARBAGE_SECONDS = 5.0, 15.0, 120.0

logger = logging.getLogger(__name__)


class Keeper:
    """The state of one cloud.

    Parameters
    ----------
    cloud : CloudContext
        Whose emulators are built and not yet open.
    directory : Path
        Where the state lies.
    """

    def __init__(self, cloud: CloudContext, directory: Path) -> None:
        self._cloud = cloud
        self.book = Book(directory)
        self._patches = Patches()
        self._codec = Codec(self.book.blobs, Names(), backends.managed_policies)
        self._digests: dict[str, bytes] = {}
        self._soon: set[str] = set()
        self._changed = False
        self._frozen = False
        self._lock = cloud.dispatcher.lock
        self._pending: dict[str, Any] = {}
        self._done: set[str] = set()
        self._numbers = itertools.count(time.time_ns())
        self._told: set[str] = set()
        self._unkept: list[str] = []
        self._thread = threading.Thread(target=self._sweep, name="keeper", daemon=True)

    # Beginning and end

    def restore(self) -> None:
        """Load what is kept; the server must not answer yet.

        Raises
        ------
        StateUnusable
            The state is damaged, or of other versions. Nothing of it is changed.
        """
        versions.check(self.book)
        instruments.install(self._patches, self.book.blobs)
        restoring.name_rooms(self._cloud, self._codec.names)
        self._digests = restoring.load(self._cloud, self.book, self._codec)

    def resume(self) -> None:
        """The emulators are open: do what was under way, and keep what changes from now on."""
        restoring.reopen(self._cloud)
        self.book.note(clean="no")
        self._cloud.dispatcher.kept = self.kept
        self._commit([EVERYTHING], emulators=True)
        self._collect(also_young=True)
        self._thread.start()
        restoring.redeliver(self._cloud, self.book, self._codec)

    def copy(self, to: Path) -> None:
        """Write all that is kept to a new folder, as it is between two calls; raises what `Book.copy` does."""
        with self._lock:
            self._commit([EVERYTHING], emulators=True)
            self.book.copy(to)

    def freeze(self) -> None:
        """Write what is left; nothing after this is kept, so that a stop and a crash leave the same."""
        with self._lock:
            if not self._frozen:
                self._commit([EVERYTHING], emulators=True)
                self._frozen = True

    def close(self) -> None:
        """Bring the state through to the disk and give moto its classes back."""
        if self._thread.is_alive():
            self._thread.join()
        self.book.note(clean="yes")
        self.book.close()
        self._patches.close()

    # Keeping

    def kept(self, call: ApiCall) -> None:
        """Write what ``call``, which was just answered, has changed.

        Raises
        ------
        StateNotKept
            It couldn't be written, or not all of it: the call must fail.
        """
        effect = effect_of(call)
        if effect is None:
            if call.service in ("s3", "dynamodb"):
                with self._lock:
                    instruments.settle()  # what was only read needn't be written
            return
        if self._frozen and not effect.soon:
            raise StateNotKept("the local cloud is closing")
        self._changed = True
        if effect.soon:
            self._soon.update(effect.services)
        elif effect.services or effect.emulators or self._pending or self._done:
            with self._lock:
                self._commit(effect.services, thorough=effect.thorough, emulators=effect.emulators)
                if self._unkept:
                    raise StateNotKept(f"it can't be kept: {'; '.join(self._unkept)}")

    def begin(self, delivery: Any) -> str:
        """Keep something that is to be delivered until `end`; it is written with the call that is being answered."""
        number = f"{next(self._numbers):020d}"
        self._pending[number] = delivery
        return number

    def end(self, number: str) -> None:
        """That was delivered, or given up."""
        if not self._cloud.stopped.is_set() and self._pending.pop(number, None) is None:
            self._done.add(number)

    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.book.directory.rglob("*") if path.is_file())

    def _commit(self, services: Iterable[str], *, thorough: bool = False, emulators: bool = False) -> None:
        """Write what changed in ``services``; the dispatcher's lock is held."""
        self._unkept.clear()
        if self._frozen:
            return
        entries: list[Entry] = []
        collections: list[Any] = []
        digests: dict[str, bytes] = {}
        for key, backend in backends.of([EVERYTHING]):
            for name, held in backends.named(key, backend):
                self._codec.names.set(name, held)
        for key, backend in backends.of(services):
            pickled = self._dump(key, vars(backend))
            if pickled is None:
                continue
            entries += self._changed_entry(backends.PART, key, pickled, digests)
            collections += pickled.collections
            for execution in pickled.records:
                entries += self._execution(execution, digests)
        for collection in collections:
            for row, value in collection.changes(thorough=thorough):
                entries.append(self._entry(collection.uid, row, value))
        if emulators:
            for name, state in restoring.states_of(self._cloud):
                if (pickled := self._dump(name, state)) is not None:
                    entries += self._changed_entry(restoring.ROOMS, name, pickled, digests)
        pending, done = list(self._pending.items()), list(self._done)
        entries += [self._entry(restoring.DELIVERIES, number, it) for number, it in pending]
        entries += [Entry(restoring.DELIVERIES, number, None) for number in done]
        self.book.write(entries)
        # Written: only now it is known as such.
        self._digests |= digests
        for collection in collections:
            collection.settle()
        for number, _ in pending:
            if self._pending.pop(number, None) is None:  # delivered meanwhile
                self._done.add(number)
        self._done.difference_update(done)

    def _entry(self, part: str, key: str, value: Any) -> Entry:
        if value is None:
            return Entry(part, key, None)
        pickled = self._codec.dump(value)
        return Entry(part, key, pickled.data, pickled.blobs)

    def _changed_entry(self, part: str, key: str, pickled: Pickled, digests: dict[str, bytes]) -> list[Entry]:
        name, digest = f"{part}/{key}", hashlib.blake2b(pickled.data, digest_size=16).digest()
        if self._digests.get(name) == digest:
            return []
        digests[name] = digest
        return [Entry(part, key, pickled.data, pickled.blobs)]

    def _execution(self, execution: Any, digests: dict[str, bytes]) -> list[Entry]:
        if vars(execution).get("_kept"):
            return []
        pickled = self._dump(execution.exec_arn, executions.to_record(execution))
        if pickled is None:
            return []
        if executions.is_over(execution):
            execution._kept = True
        return self._changed_entry(restoring.EXECUTIONS, execution.exec_arn, pickled, digests)

    def _dump(self, name: str, value: Any) -> Pickled | None:
        """Pickled; None, and noted for the call that asks, if it can't be: the state on disk is what it was before."""
        try:
            return self._codec.dump(value)
        except Exception as error:
            self._unkept.append(f"{name}: {type(error).__name__}: {error}")
            if name not in self._told:
                self._told.add(name)
                logger.exception("%s can't be kept and will be missing after a restart: %s", name, error)
            return None

    # Housekeeping

    def _sweep(self) -> None:
        last_checkpoint = last_full = last_garbage = time.monotonic()
        while not self._cloud.stopped.wait(SWEEP_SECONDS):
            now = time.monotonic()
            full = self._changed and now - last_full >= _FULL_SWEEP_SECONDS
            soon, self._soon = self._soon, set()
            try:
                if full:
                    self._changed, last_full = False, now
                    soon = {EVERYTHING}
                for key in backends.keys_of(soon):
                    with self._lock:
                        self._commit([key])
                with self._lock:
                    self._commit([], emulators=True)
                if now - last_checkpoint >= _CHECKPOINT_SECONDS:
                    last_checkpoint = now
                    self.book.checkpoint()
                if now - last_garbage >= _GARBAGE_SECONDS:
                    last_garbage = now
                    self._collect()
            except Exception:
                self._soon |= soon
                logger.exception("the state couldn't be written")

    def _collect(self, *, also_young: bool = False) -> None:
        """Delete rows of collections that are gone, and blobs that nobody refers to any more."""
        with self._lock:
            live: set[str] = {backends.PART, restoring.ROOMS, restoring.DELIVERIES, restoring.EXECUTIONS}
            records: set[str] = set()
            for _, backend in backends.of([EVERYTHING]):
                pickled = self._codec.dump(vars(backend))
                live.update(collection.uid for collection in pickled.collections)
                records.update(execution.exec_arn for execution in pickled.records)
            self.book.forget(self.book.parts() - live)
            gone = {arn for arn, _ in self.book.entries(restoring.EXECUTIONS)} - records
            self.book.write([Entry(restoring.EXECUTIONS, arn, None) for arn in gone])
            self.book.blobs.forget(self.book.referred(), also_young=also_young)
