"""Updates, the facts they are put together from, and what existed: frozen values without any heavy import."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import AwareDatetime, Field

from headwater.values import Stored, Value

HISTORY_PREFIX = ".pulumi/history/"
SECRET = "[secret]"  # noqa: S105 - what stands for one wherever people read
_FILE = re.compile(
    re.escape(HISTORY_PREFIX)
    + r"(?P<project>[^/]+)/(?P<stack>[^/]+)/(?P=stack)-(?P<ns>\d{1,19})"
    + r"\.(?P<part>history|checkpoint)\.json(?:\.gz|\.zst)?"
)


class Part(StrEnum):
    """The two files that Pulumi's backend writes for each update, in this order."""

    HISTORY = "history"
    CHECKPOINT = "checkpoint"


class StackName(Value):
    """One stack of one project."""

    project: str
    stack: str

    def __str__(self) -> str:
        return f"{self.project}/{self.stack}"


class HistoryFile(Value):
    """One of an update's two files, by its key: ``.pulumi/history/<project>/<stack>/<stack>-<ns>.<part>.json``."""

    key: str
    of: StackName
    ns: int
    """When the backend wrote it by its own clock, nanoseconds since 1970: what tells an update from all others."""
    part: Part

    @classmethod
    def parse(cls, key: str) -> Self | None:
        """The file that ``key`` names; None if it is something else."""
        found = _FILE.fullmatch(key)
        if found is None:
            return None
        of = StackName(project=found["project"], stack=found["stack"])
        return cls(key=key, of=of, ns=int(found["ns"]), part=Part(found["part"]))


class UpdateRecord(Stored):
    """A history file's record of an update. Secret settings are named, never kept, not even encrypted."""

    kind: str
    """``update``, ``destroy``, ``refresh``, ``resource-import``, ...; ``unknown`` if the file can't be read."""
    result: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    message: str = ""
    environment: Mapping[str, str] = Field(default_factory=dict)
    config: Mapping[str, Any] = Field(default_factory=dict)
    secret_config: tuple[str, ...] = ()
    changes: Mapping[str, int] = Field(default_factory=dict)
    version: int = 0
    """Counted by Pulumi Cloud; Pulumi's own backend always writes 0."""
    problem: str = ""


class Checkpoint(Stored):
    """A checkpoint's record: the infrastructure after an update."""

    digest: str = ""
    """The canonical graph's hash; empty if the checkpoint can't be read."""
    graph: str = ""
    """The stored graph's name: the sha256 of its bytes."""
    resources: int = 0
    pending: int = 0
    """Creations that had begun when the update was interrupted."""
    providers: Mapping[str, str] = Field(default_factory=dict)
    engine: str = ""
    """The version of Pulumi that wrote the state."""
    problem: str = ""


class UpdateContext(Stored):
    """The circumstances of an update in the state bucket: the holder of the stack's lock, and the state before."""

    by: str = ""
    """``user@host`` of the lock."""
    before: str = ""
    """The digest of the state that the update began with; empty if it isn't known."""
    before_graph: str = ""

    @property
    def known(self) -> int:
        """How many of the two are known."""
        return bool(self.by) + bool(self.before)


class Update(Value):
    """One update as the history knows it."""

    id: str
    of: StackName
    kind: str
    result: str
    started_at: AwareDatetime
    ended_at: AwareDatetime
    message: str = ""
    by: str = ""
    """The user who ran the update, ``user@host``; empty if the backend's lock of the time is gone."""
    author: str = ""
    """The commit's author."""
    commit: str = ""
    branch: str = ""
    dirty: bool | None = None
    """Whether the tree differed from the commit; None if there was no repository."""
    run_by: str = ""
    """``cli``, ``auto.inline``, ``auto.local`` or ``localcloud.embedded``."""
    cli: str = ""
    """The version of Pulumi."""
    providers: Mapping[str, str] = Field(default_factory=dict)
    changes: Mapping[str, int] = Field(default_factory=dict)
    config: Mapping[str, Any] = Field(default_factory=dict)
    secret_config: tuple[str, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)
    digest: str = ""
    graph: str = ""
    resources: int | None = None
    before: str = ""
    before_graph: str = ""
    jumped: bool | None = None
    """Whether the state it began with isn't the one that the update before left: `pulumi stack import`, `state delete`,
    a restored backup, an update that was killed. None if one of the two isn't known."""
    problems: tuple[str, ...] = ()
    source: Literal["backend", "export"] = "backend"
    """The record's origin: the state bucket, or ``pulumi stack history --json``."""

    @property
    def succeeded(self) -> bool:
        """Whether the update came to its end."""
        return self.result == "succeeded"


class Resource(Value):
    """One resource of the canonical graph: what the program asked for, without what differs from run to run."""

    urn: str
    type: str
    id: str = ""
    """AWS's name of the resource. Not part of the digest."""
    custom: bool = True
    parent: str = ""
    provider: str = ""
    dependencies: tuple[str, ...] = ()
    inputs: Mapping[str, Any] = Field(default_factory=dict)
    protect: bool = False
    condemned: bool = False
    """Replaced, and waiting for its deletion when the state was written."""

    @property
    def name(self) -> str:
        """The name that the program gave."""
        return self.urn.split("::", 3)[-1]


class PropertyChange(Value):
    """One property that differs; None where it isn't there. A secret is shown as ``[secret]``."""

    path: str
    before: Any = None
    after: Any = None


class ResourceChange(Value):
    """One resource that both graphs have."""

    urn: str
    type: str
    name: str
    properties: tuple[PropertyChange, ...] = ()
    secrets: tuple[str, ...] = ()
    """Properties that are secret on both sides: whether they differ can't be told."""


class Difference(Value):
    """From one update's infrastructure to another's."""

    before: str
    after: str
    added: tuple[Resource, ...] = ()
    removed: tuple[Resource, ...] = ()
    changed: tuple[ResourceChange, ...] = ()
    undecided: tuple[ResourceChange, ...] = ()
    """Equal but for secrets, which can't be compared."""
    same: int = 0


class Standing(Value):
    """Which infrastructure existed at a time."""

    at: AwareDatetime
    update: Update
    """The last one that had ended by then."""
    during: Update | None = None
    """The one that was under way: some of its changes were made by then."""
    resources: tuple[Resource, ...] = ()


def update_id(of: StackName, ns: int, more: str = "") -> str:
    """The update's id: the same wherever it is computed from, because the backend has none of its own."""
    return hashlib.sha256(f"{of}\0{ns}\0{more}".encode()).hexdigest()[:32]


def at_ns(ns: int) -> datetime:
    """The time that ``ns`` nanoseconds since 1970 are, to the microsecond."""
    seconds, rest = divmod(ns, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=rest // 1000)
