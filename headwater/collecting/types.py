"""Values of collectors, and those that are written down: requests, batches, the state with its cursor, runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, Field

from headwater.declare.collectors import RunsIn
from headwater.values import Pointer, Stored, Value

LONGEST_CURSOR = 50_000
"""Characters of a cursor's JSON; what is longer goes into a batch's `memory`."""
LONGEST_REASON = 500
LONGEST_SETTING, MOST_SETTINGS = 2_000, 50
"""Characters of a setting's value, and settings of a collector, that a stack has for itself."""
ANY = "*"
"""The table or address of a cursor that a person set: whatever is read next."""


class Unchanged:
    """The type of `UNCHANGED`."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = Unchanged()
"""A batch's cursor if the batch moves none."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """The question to a collector: the argument of each function of a user's."""

    collector: str
    cursor: Any
    """The cursor of the last batch that counts, as JSON holds it; None at first and after a reset."""
    memory: bytes
    """The last batch's memory, likewise; empty if it left none."""
    since: datetime | None
    """Beginning of the interval that the tick stands for, UTC, part of it; None if nobody knows."""
    until: datetime
    """Its end, UTC: the tick's time."""
    secret: Callable[[str], str]
    """The secret of a name that the collector declares, or of a reference such as ``ssm:/path``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The settings that the collector declares, with the values that the stack has for itself."""
    seconds_left: Callable[[], float]
    """Until the function is stopped. Whoever yields its batches in time goes on in the next call."""
    folder: Path
    """An empty folder for files."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A file's worth of rows, and how far the collector is once they have landed: both count, or neither.

    Exactly one of `rows` and `file` is given, or neither to move the cursor alone.
    """

    rows: Iterable[Mapping[str, Any]] | None = None
    """Written as JSON lines, digit by digit: `headwater.json_values.json_value` says what a value may be."""
    file: Path | None = None
    """A file in `Request.folder`."""
    suffix: str = ".jsonl.gz"
    """The file's suffix: one that an upload may have. Only with `file`."""
    count: int | None = None
    """Rows of the file, if they are known."""
    name: str = ""
    """Name of the file, without its suffix, by which it replaces an earlier one; empty: the file is numbered."""
    cursor: Any = UNCHANGED
    """A JSON value."""
    memory: bytes | Unchanged = UNCHANGED
    """Further knowledge for the next run, of any size: kept in S3. Goes with `cursor`."""
    landed: Callable[[], None] | None = None
    """Called once the batch counts and its file has landed: the origin, such as a queue, may forget its rows. Not
    called if the process is killed before: the rows come again, and only `memory` can know them."""


Read = Callable[[Request], Iterable[Batch]]
"""A function that collects: of a built-in kind, or a user's."""


class CollectorState(Stored):
    """How far a collector is. Whoever changes it does so on condition of its write id."""

    collector: str
    write: str
    """Id of the write that made it."""
    ticket: int = Field(default=0, ge=0)
    """Number of the run that holds the collector: a batch that moves the cursor counts only with the newest."""
    run: str = ""
    """Id of the run that holds it."""
    sequence: int = Field(default=0, ge=0)
    """Number of the last batch."""
    cursor: str | None = None
    """JSON text; None before the first batch that moves it."""
    memory: Pointer | None = None
    identity: str = ""
    """The table and column, or the address, that the cursor belongs to; `ANY` if a person set it."""
    pending: tuple[int, ...] = ()
    """Batches that count and may not have landed yet."""


class BatchRecord(Stored):
    """A batch that counts."""

    collector: str
    sequence: int = Field(ge=1)
    source: str
    file: str
    """Its name in the source; empty if the batch moved the cursor alone."""
    run: str
    rows: int | None = None
    """None if nobody counted."""
    size: int = 0
    """Bytes."""
    sha256: str = ""
    staged: Pointer | None = None
    replaces: bool = False
    """Whether its file replaces the one of earlier batches; if not, the file is its alone."""
    landed: Pointer | None = None
    """The upload; None until it has landed, or if a newer batch of the file came first."""
    replaced: bool = False
    """Whether a newer batch of the same file came first, so that this one never landed."""
    cursor: str | None = None
    """The cursor after it."""
    at: AwareDatetime


class FileRecord(Stored):
    """The newest batch of a file that batches replace."""

    ticket: int
    sequence: int
    sha256: str


class CollectorSettings(Stored):
    """Values that a stack has for itself, instead of those that a collector of the project's own declares."""

    collector: str
    write: str
    """Id of the write that made it."""
    settings: Mapping[str, str] = Field(default_factory=dict)
    """By name; a name that isn't here has the declared value."""
    by: str = ""
    """The person who set them last."""
    at: AwareDatetime


class RunStatus(StrEnum):
    """How a run stands."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    SUPERSEDED = "SUPERSEDED"
    """A later run took over; it has the rows."""


class CollectionRun(Stored):
    """One run of a collector."""

    collector: str
    run: str
    at: AwareDatetime
    """The tick's time, UTC."""
    since: AwareDatetime | None = None
    """Beginning of the tick's interval."""
    runs_in: RunsIn = "function"
    """Where it runs: in the function, or in a container."""
    status: RunStatus = RunStatus.RUNNING
    batches: int = 0
    rows: int = 0
    """Rows of files whose rows are counted."""
    size: int = 0
    """Bytes that landed."""
    reason: str = ""
    """Why it failed, without secrets; or what there is to know."""
    started_at: AwareDatetime
    changed_at: AwareDatetime

    @property
    def key(self) -> str:
        """Its sort key."""
        return f"RUN#{self.at:%Y-%m-%dT%H:%M:%S}Z#{self.run}"


class Outcome(Value):
    """The answer of a call of the collect function."""

    collector: str
    run_id: str
    complete: bool
    """False: there is more, and the next call goes on."""
    status: RunStatus
    batches: int
    rows: int
