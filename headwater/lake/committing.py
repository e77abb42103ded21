"""Each upload becomes one commit of its source's dataset, unless a later upload of its file came before it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from headwater.lake.errors import Superseded
from headwater.lake.store import Objects
from headwater.lake.types import Ingestion, dataset_of
from headwater.values import Pointer
from headwater.versions.errors import Conflicts, HookRefused, RefsBusy
from headwater.versions.hooks import Hook, Proposal
from headwater.versions.service import Versions
from headwater.versions.writing import Committed

AUTHOR = "ingestion"
ROUNDS = 12
"""Each of them makes the library's own tries; with the pauses between them enough for a hundred files at once."""
LONGEST_PAUSE = 15.0


def insist(commit: Callable[[], Committed], pause: Callable[[float], None]) -> Committed:
    """Call ``commit`` again while other writers move the branch or change the same paths.

    A burst of uploads makes many writers of one branch: each gets its turn, at the latest when the others are done.

    Raises
    ------
    RefsBusy, Conflicts
        Other writers still came first after `ROUNDS`.
    """
    for attempt in range(ROUNDS - 1):
        try:
            return commit()
        except (Conflicts, RefsBusy):
            pause(random.uniform(0, min(LONGEST_PAUSE, 0.25 * 2**attempt)))  # noqa: S311
    return commit()


class Committing:
    """Commits ingested uploads.

    Parameters
    ----------
    versions : Versions
    objects : Objects
        Knows when a curated version landed.
    pause : callable
        Called with seconds before another round is begun.
    """

    def __init__(self, versions: Versions, objects: Objects, *, pause: Callable[[float], None] = time.sleep) -> None:
        self._versions, self._objects, self._pause = versions, objects, pause

    def commit(self, ingestion: Ingestion) -> str:
        """The id of the one commit that holds an ingested upload, made now or by an earlier call.

        Raises
        ------
        Superseded
            A later upload of the file was committed first; this one never counts.
        HookRefused
            A rule of the dataset said no.
        RefsBusy
            Others kept coming first.
        """
        upload, curated = ingestion.upload, ingestion.curated
        assert curated is not None  # noqa: S101 - what was ingested has its rows somewhere
        hook = self._keeps_order(upload.path, curated)
        dataset = self._versions.dataset(dataset_of(ingestion.source), hooks={"pre-commit": [hook]})
        entry = dataset.pin(f"s3://{curated.bucket}/{curated.key.removesuffix(upload.path)}", upload.path,
                            curated.version_id)  # fmt: skip
        made = partial(
            dataset.commit,
            f"Ingest {ingestion.file}: {ingestion.rows_out:,} rows",
            edits=[(upload.path, entry)],
            meta=lineage(ingestion),
            author=AUTHOR,
            # An upload is committed once, although its event may come twice and a process may die in between.
            write_id=upload.id,
        )
        try:
            return insist(made, self._pause).id
        except HookRefused as error:
            if not isinstance(error.__cause__, Superseded):
                raise
        try:
            # Looked up again: a concurrent run may have made the commit, and a later upload may have superseded it.
            return insist(made, self._pause).id
        except HookRefused as error:
            if isinstance(error.__cause__, Superseded):
                raise error.__cause__ from error
            raise

    def _keeps_order(self, path: str, curated: Pointer) -> Hook:
        """A hook that refuses to replace a later upload by an earlier one, whatever the branch's tree is by then."""

        def keeps_order(proposal: Proposal) -> None:
            for change in proposal.changes():
                if change.path != path or change.before is None or change.after is None:
                    continue
                before = change.before
                there = Pointer(bucket=before.bucket, key=before.key, version_id=before.version_id)
                if self._objects.order(curated).precedes(self._objects.order(there)):
                    raise Superseded(f"a later upload of {path.removesuffix('.parquet')} counts already")

        return keeps_order


def lineage(ingestion: Ingestion) -> Mapping[str, str]:
    """The origin of a commit, as texts."""
    upload, quarantine = ingestion.upload, ingestion.quarantine
    facts: dict[str, str | int | datetime] = {
        "upload": f"s3://{upload.bucket}/{upload.key}?versionId={upload.version_id}",
        "upload_id": upload.id,
        "definition": ingestion.definition,
        "contract": ingestion.contract,
        "rows_in": ingestion.rows_in,
        "rows_out": ingestion.rows_out,
        "rows_rejected": ingestion.rows_rejected,
        "rows_repeated": ingestion.rows_repeated,
        "quarantine": f"s3://{quarantine.bucket}/{quarantine.key}?versionId={quarantine.version_id}"
        if quarantine
        else "",
        "code_version": ingestion.code_version,
    }
    return {name: str(fact) for name, fact in facts.items() if fact != ""}
