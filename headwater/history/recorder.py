"""From files of the state bucket to facts of the history: what an event starts, and what `sync` does for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from headwater.history.reading import read_existed, read_history, read_lock, written_at
from headwater.history.store import GraphStore, HistoryTable, Moment, StateBucket
from headwater.history.types import Checkpoint, HistoryFile, Part, StackName, UpdateContext, UpdateRecord, at_ns

HAPPENED, EXISTED, CIRCUMSTANCES = "HISTORY", "STATE", "CONTEXT"
UNREADABLE, READABLE = 1, 2
_EMPTY = b'{"version":3,"checkpoint":{"latest":null}}'


class Recorder:
    """Writes files of the state bucket into the history: each by itself, in any order, any number of times."""

    def __init__(self, state: StateBucket, table: HistoryTable, graphs: GraphStore) -> None:
        self._state, self._table, self._graphs = state, table, graphs

    def record(self, file: HistoryFile, moments: Callable[[str], list[Moment]] | None = None) -> bool:
        """Keep what ``file`` says; False if the history knew it all, or the file is gone for good.

        Parameters
        ----------
        file : HistoryFile
            The file, by its key. Which version an event told of makes no difference: the first one counts.
        moments : callable, optional
            Every version and deletion under a prefix; by default the bucket is asked.

        Raises
        ------
        StateBucketMissing
            There is no such bucket.
        """
        moments = moments or self._state.moments
        versions = [each for each in moments(file.key) if each.key == file.key and not each.deleted]
        body = self._state.read(versions[-1]) if versions else None
        if body is None:
            return False
        if file.part is Part.CHECKPOINT:
            return self._put(file, EXISTED, self._existed(body))
        happened = read_history(body, at_ns(file.ns))
        circumstances = self._circumstances(file, versions[-1], happened, moments)
        new = self._put(file, CIRCUMSTANCES, circumstances)
        return self._put(file, HAPPENED, happened) or new

    def _put(self, file: HistoryFile, name: str, fact: UpdateRecord | Checkpoint | UpdateContext) -> bool:
        rank = 1 + fact.known if isinstance(fact, UpdateContext) else UNREADABLE if fact.problem else READABLE
        return self._table.put(file.of, file.ns, name, fact.model_dump_json(), rank)

    def _existed(self, body: bytes) -> Checkpoint:
        existed, packed = read_existed(body)
        if existed.graph:
            self._graphs.keep(existed.graph, packed)
        return existed

    def _circumstances(
        self, file: HistoryFile, history: Moment, happened: UpdateRecord, moments: Callable[[str], list[Moment]]
    ) -> UpdateContext:
        lock = self._lock(file, history, moments)
        began, since = (lock[0].modified, lock[2]) if lock else (happened.started_at, None)
        before = self._before(file.of, began, since, moments)
        return UpdateContext(
            by=lock[1] if lock else "",
            before=before.digest if before else "",
            before_graph=before.graph if before else "",
        )

    def _lock(
        self, file: HistoryFile, history: Moment, moments: Callable[[str], list[Moment]]
    ) -> tuple[Moment, str, datetime] | None:
        """The lock that was held when the history was written: who ran the update, which no other file says."""
        listed = moments(f".pulumi/locks/organization/{file.of}/")
        released = {each.key: each.modified for each in listed if each.deleted}
        held = []
        for each in listed:
            if each.deleted or each.modified > history.modified:
                continue
            if released.get(each.key, history.modified) < history.modified:
                continue
            read = read_lock(self._state.read(each) or b"")
            # One clock, the client's, wrote both; it tells a lock of the next update in the same second.
            if read is not None and read[1] <= at_ns(file.ns):
                held.append((each, *read))
        # Whoever came while it was held gave up again: the first one is the holder.
        return min(held, key=lambda entry: entry[2], default=None)

    def _before(
        self, of: StackName, began: datetime, since: datetime | None, moments: Callable[[str], list[Moment]]
    ) -> Checkpoint | None:
        """The state when the update began: a change of it that no update made shows here and nowhere else."""
        names = {f".pulumi/stacks/{of}.json{suffix}" for suffix in ("", ".gz", ".zst")}
        listed = [each for each in moments(f".pulumi/stacks/{of}.json") if each.key in names]
        earlier = [each for each in listed if each.modified <= began]
        # Stable: S3 lists each file's newest version first, which decides within a second.
        for each in sorted(earlier, key=lambda moment: moment.modified, reverse=True):
            if each.modified == began.replace(microsecond=0) and not self._is_before(each, since):
                continue
            body = _EMPTY if each.deleted else self._state.read(each)
            if body is None:
                return None
            existed = self._existed(body)
            return existed if existed.digest else None
        return None

    def _is_before(self, moment: Moment, since: datetime | None) -> bool:
        """Whether a version of the very second in which the update began was there before it."""
        if since is None or moment.deleted:
            return False
        written = written_at(self._state.read(moment) or b"")
        return written is None or written < since


def listed_once(state: StateBucket, prefixes: Sequence[str]) -> Callable[[str], list[Moment]]:
    """A way to ask for versions that lists each of ``prefixes`` once at most: for `sync`, which asks for all."""
    known: dict[str, list[Moment]] = {}

    def moments(prefix: str) -> list[Moment]:
        covering = next((each for each in prefixes if prefix.startswith(each)), prefix)
        if covering not in known:
            known[covering] = state.moments(covering)
        return [each for each in known[covering] if each.key.startswith(prefix)]

    return moments
