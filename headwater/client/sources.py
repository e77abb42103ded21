"""Sources: their definitions and files, and reingestion of files of older definitions."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from headwater.client.errors import NotDeclared, ReingestFailed
from headwater.client.people import me
from headwater.client.stack import StackDescription
from headwater.client.waiting import wait_for
from headwater.lake.refusal import one_line
from headwater.lake.store import IngestionLog
from headwater.lake.types import Definition, Reingestion, ReingestOrder, ReingestStatus, dataset_of, digest_in
from headwater.storage.clients import client
from headwater.versions.errors import DatasetNotFound
from headwater.versions.service import Versions

UNRECORDED = "unrecorded"
"""Files from before definitions were recorded."""
BY_HAND = "by hand"
"""Files that a person committed to the source's dataset."""


class SourceView(BaseModel):
    """A source of the stack."""

    model_config = ConfigDict(frozen=True)

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


class StartedReingest(BaseModel):
    """A reingestion that runs."""

    model_config = ConfigDict(frozen=True)

    source: str
    run_id: str


class Sources:
    """The verbs on sources; ``headwater.connect().sources``."""

    def __init__(self, stack: StackDescription, using: Callable[[], AbstractContextManager[None]]) -> None:
        self._stack, self._using = stack, using

    def list(self) -> list[SourceView]:
        """Every source that the stack declares, by name."""
        return [self.show(name) for name in sorted(self._stack.sources or ())]

    def show(self, name: str) -> SourceView:
        """A source with its definitions and its files; raises `NotDeclared`."""
        self._stack.require_source(name)
        with self._using():
            ingestion_log = IngestionLog(self._stack.registry_table)
            definitions, latest = ingestion_log.definitions(name), ingestion_log.latest_definition(name)
            files: Counter[str] = Counter()
            size = 0
            dataset = Versions(self._stack.lake_bucket, self._stack.registry_table).dataset(dataset_of(name))
            try:
                for entry in dataset.files():
                    digest = digest_in(name, entry.key)
                    files[BY_HAND if digest is None else digest or UNRECORDED] += 1
                    size += entry.size
            except DatasetNotFound:
                if not definitions and self._stack.sources is None:
                    raise NotDeclared(f"stack {self._stack.name!r} knows no source {name!r}") from None
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
        self._stack.require_source(name)
        since = since.replace(tzinfo=UTC) if since and since.tzinfo is None else since
        order = ReingestOrder(source=name, since=since, drop=drop, dry_run=dry_run, by=me())
        run_id = f"reingest-{name[:32]}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        with self._using():
            client("stepfunctions").start_execution(
                stateMachineArn=self._stack.ingestion_arn,
                name=run_id,
                input=json.dumps({"reingest": order.model_dump(mode="json")}),
            )
        return StartedReingest(source=name, run_id=run_id)

    def wait(self, started: StartedReingest, *, timeout: float = 7200) -> Reingestion:
        """Wait until a reingestion is over and the dependent features are online.

        Raises
        ------
        ReingestFailed
            The dataset wasn't switched, or not all dependent features could be brought up to date.
        TookTooLong
        """
        execution = f"{self._stack.ingestion_arn.replace(':stateMachine:', ':execution:')}:{started.run_id}"

        def look() -> dict[str, Any] | None:
            seen: dict[str, Any] = client("stepfunctions").describe_execution(executionArn=execution)
            return None if seen["status"] in ("RUNNING", "PENDING_REDRIVE") else seen

        with self._using():
            ended = wait_for(look, what=f"reingestion {started.run_id}", timeout=timeout)
            done = IngestionLog(self._stack.registry_table).reingestion(started.source, started.run_id)
        if ended["status"] == "SUCCEEDED" and done is not None:
            return done
        said = f"{ended.get('error') or ended['status']}: {one_line(ended.get('cause'))}"
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
