"""Results of materialisations, and their records in the registry: definition, data version and counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pydantic import AwareDatetime

from headwater.registry.errors import RegistryBusy
from headwater.storage.retries import tries
from headwater.storage.table import Table, WriteRefused
from headwater.values import Stored, Value

_TRIES = 8


class Materialised(Value):
    """Result of a materialisation."""

    view: str
    version: str = ""
    """Version of the view's definition."""
    data_version: str = ""
    rows: int = 0
    """Offline rows of the view."""
    entities: int = 0
    """Entities with a row that is available by now."""
    written: int = 0
    """Online items that it changed."""
    complete: bool = True
    """False if the run was stopped early (the same call resumes it), or was handed over."""
    execution: str = ""
    """Execution of the materialisation machine that has taken the run over: no further call is needed."""
    skipped: str = ""
    """Why nothing was materialised; empty otherwise."""


class Materialisation(Stored):
    """A completed materialisation: one record for each definition and data version, however often it ran."""

    view: str
    version: str
    """Version of the view's definition."""
    data_version: str
    """Version of the data of the view's sources."""
    commits: Mapping[str, str]
    """The commit of each source."""
    revision: int
    """Revision of the data: among a definition's materialisations the newest data have the highest."""
    rows: int
    """Offline rows."""
    entities: int
    """Entities with a row that was available the last time."""
    written: int
    """Online items that the first run changed."""
    newest_event: AwareDatetime | None
    """Newest event time of the rows that were available at the last run."""
    at: AwareDatetime
    """The moment whose newest values the first run brought online; taken before anything was read."""
    last_at: AwareDatetime
    """The same moment of the last run: rows that were available by then are online."""


@dataclass(frozen=True)
class Materialisations:
    """The materialisations of each view."""

    store: Table
    """The registry table."""
    pause: Callable[[float], None] = time.sleep
    """Called with seconds before a contended write is tried again."""

    def record(self, done: Materialisation) -> Materialisation:
        """Store the record of a materialisation; a repeated one only moves `last_at`.

        Raises
        ------
        RegistryBusy
            The write was never acknowledged; materialising again is safe.
        """
        pk, key = f"VIEW#{done.view}", f"{_of(done.version)}{done.revision:012}#{done.data_version[:12]}"
        for _ in tries(_TRIES, self.pause):
            if before := self.store.document(pk, key, Materialisation):
                # Rows that became available since may be newer.
                now = {"last_at": done.last_at, "newest_event": done.newest_event, "entities": done.entities}
                done = before.model_copy(update=now if done.last_at > before.last_at else {})
            write = self.store.put({"pk": pk, "sk": key, "document": done.model_dump_json()})
            # A second write makes the same item.
            with suppress(WriteRefused):
                self.store.transact([write])
                return done
        raise RegistryBusy(f"feature view {done.view!r}: its materialisation couldn't be recorded in {_TRIES} tries")

    def newest(self, view: str, version: str) -> Materialisation | None:
        """The materialisation of a definition from the newest data; None if there was none."""
        item = self.store.newest(f"VIEW#{view}", _of(version))
        return Materialisation.model_validate_json(item["document"]) if item else None

    def of(self, view: str, version: str) -> tuple[Materialisation, ...]:
        """The materialisations of a definition, from the oldest data to the newest."""
        return tuple(self.store.documents(f"VIEW#{view}", _of(version), Materialisation))

    def all(self, view: str) -> tuple[Materialisation, ...]:
        """Every materialisation of a view, whatever its definition, oldest first."""
        found = self.store.documents(f"VIEW#{view}", "MATERIALISATION#", Materialisation)
        return tuple(sorted(found, key=lambda entry: (entry.at, entry.revision)))


def _of(version: str) -> str:
    return f"MATERIALISATION#{version}#"
