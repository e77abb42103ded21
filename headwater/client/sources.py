"""Sources: their definitions and files, and reingestion of files of older definitions."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from headwater.client.connection import Connection, Verbs
from headwater.client.errors import NotDeclared, ReingestFailed
from headwater.client.machines import Machine, reason_of
from headwater.client.people import me
from headwater.lake.store import IngestionLog
from headwater.lake.types import Definition, Reingestion, ReingestOrder, ReingestStatus, dataset_of, digest_in
from headwater.values import Value
from headwater.versions.errors import DatasetNotFound
from headwater.versions.service import Versions

UNRECORDED = "unrecorded"
"""Files from before definitions were recorded."""
BY_HAND = "by hand"
"""Files that a person committed to the source's dataset."""


class SourceView(Value):
    """A source of the stack."""

    name: str
    definition: str | None = None
    """The definition that was last used to ingest a file, or to look for older ones; None before the first."""
    files: dict[str, int]
    """Files that count, by their definition's digest, `UNRECORDED` or `BY_HAND`."""
    size: int = 0
    """Bytes of the curated files."""
    definitions: tuple[Definition, ...] = ()
    """Every definition under which files were ingested, the oldest first."""

    @property
    def older(self) -> int:
        """Files of another definition."""
        return sum(count for digest, count in self.files.items() if digest not in (self.definition, BY_HAND))


class StartedReingest(Value):
    """A reingestion that runs."""

    source: str
    run_id: str


class Sources(Verbs):
    """The verbs on sources; ``headwater.connect().sources``."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._machine = Machine(self._description.ingestion_arn, connection.clients)

    def list(self) -> tuple[SourceView, ...]:
        """Every source that the stack declares, by name."""
        return tuple(self.show(name) for name in sorted(self._description.sources or ()))

    def show(self, name: str) -> SourceView:
        """A source with its definitions and its files; raises `NotDeclared`."""
        self._description.require_source(name)
        ingestion_log = IngestionLog(self._connection.table)
        definitions, latest = ingestion_log.definitions(name), ingestion_log.latest_definition(name)
        files: Counter[str] = Counter()
        size = 0
        dataset = Versions(self._description.lake_bucket, self._connection.table, self._connection.clients).dataset(
            dataset_of(name)
        )
        try:
            for entry in dataset.files():
                digest = digest_in(name, entry.key)
                files[BY_HAND if digest is None else digest or UNRECORDED] += 1
                size += entry.size
        except DatasetNotFound:
            if not definitions and self._description.sources is None:
                raise NotDeclared(f"stack {self._description.name!r} knows no source {name!r}") from None
        return SourceView(name=name, definition=latest, files=dict(files), size=size, definitions=definitions)

    def reingest(
        self, name: str, *, since: datetime | None = None, drop: bool = False, dry_run: bool = False
    ) -> StartedReingest:
        """Start a reingestion of a source's files of older definitions; it goes on by itself.

        Parameters
        ----------
        name : str
        since : datetime, optional
            Only files that were ingested at that time or later (UTC without a zone); older files stay unread.
        drop : bool
            Whether the rows of files that are refused now, or whose landed version is gone, leave the dataset; by
            default nothing is switched then.
        dry_run : bool
            Only find out what would be made again.

        Raises
        ------
        NotDeclared
        """
        self._description.require_source(name)
        since = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
        order = ReingestOrder(source=name, since=since, drop=drop, dry_run=dry_run, by=me())
        run_id = self._machine.begin(f"reingest-{name[:32]}", {"reingest": order.model_dump(mode="json")})
        return StartedReingest(source=name, run_id=run_id)

    def wait(self, started: StartedReingest, *, timeout: float = 7200) -> Reingestion:
        """Wait until a reingestion is over and the dependent features are online.

        Raises
        ------
        ReingestFailed
            The dataset wasn't switched, or not all dependent features could be brought up to date.
        TookTooLong
        """
        ended = self._machine.wait(started.run_id, what=f"reingestion {started.run_id}", timeout=timeout)
        done = IngestionLog(self._connection.table).reingestion(started.source, started.run_id)
        if ended["status"] == "SUCCEEDED" and done is not None:
            return done
        said = reason_of(ended)
        steps = [f"headwater source show {started.source}", "headwater local logs ingest"]
        if done is not None and done.status is ReingestStatus.BLOCKED:
            steps = [
                "correct the definition, or upload the files again, and run it again",
                f"headwater source reingest {started.source} --drop --wait takes their rows out",
            ]
        if done is not None and done.status is ReingestStatus.SWITCHED:
            said = f"its files were made again (commit {str(done.commit)[:12]}); what came after failed: {said}"
        elif done is not None and done.message:
            said = done.message
        raise ReingestFailed(said, next_steps=steps, done=done)
