"""The report on an entity: where its data lies, and the effect of removing it. Nothing here deletes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from pydantic import AwareDatetime

from headwater.errors import InvalidRequest, NotFound
from headwater.lineage.impact import TouchedVersion
from headwater.values import Pointer, Value

DAYS = 14
"""Days of the prediction log that are searched unless the caller says otherwise."""

Progress = Callable[[int], None]
"""Called with the number of objects that were searched since the last call."""


class InvalidEntity(InvalidRequest):
    """The keys or values name no entity that rows could be compared with."""


class UnknownColumn(NotFound):
    """No file, view or prediction has a column of that name."""


class Entity(Value):
    """Whose data is looked for: values of join keys, or of a source's columns."""

    values: Mapping[str, str]
    """Each value by its join key or column; a row must have all of them."""
    source: str | None = None
    """The only source that is looked through; None: everything that has the join keys."""

    def __str__(self) -> str:
        prefix = f"{self.source}." if self.source else ""
        return ", ".join(f"{prefix}{name}={value}" for name, value in self.values.items())


class Held(Value):
    """A version of an object that holds rows of the entity."""

    kind: str
    """``curated``, ``landed``, ``quarantined``, ``streamed``, ``arrived``, ``offline rows``, ``training set``,
    ``prediction`` or ``label``, a batch of written labels; ``file`` of a dataset that is no source's."""
    of: str
    """The dataset, view or model that it belongs to."""
    at: Pointer
    rows: int | None
    """How many rows; of a prediction the instances, of a batch the labels; None of a landed
    file, whose rows were found where it led to."""
    commits: int = 0
    """How many commits hold the file."""
    refs: tuple[str, ...] = ()
    """Branches and tags whose commit holds it now."""

    @property
    def uri(self) -> str:
        """The version as text."""
        return f"s3://{self.at.bucket}/{self.at.key}?versionId={self.at.version_id}"

    @property
    def command(self) -> str:
        """The command that deletes the version, for ever."""
        words = ("--bucket", self.at.bucket, "--key", self.at.key, "--version-id", self.at.version_id)
        return "aws s3api delete-object " + " ".join(map(shlex.quote, words))


class OnlineItem(Value):
    """An item of the online store that holds the entity's newest values."""

    table: str
    key: str
    views: tuple[str, ...]
    """The feature views that share the item."""

    @property
    def command(self) -> str:
        """The command that deletes the item."""
        key = json.dumps({"pk": {"S": self.key}})
        return f"aws dynamodb delete-item --table-name {shlex.quote(self.table)} --key {shlex.quote(key)}"


class HoldingCommit(Value):
    """A commit whose tree holds rows of the entity: without them it can't be read whole any more."""

    dataset: str
    commit: str
    at: AwareDatetime
    refs: tuple[str, ...]
    """The branches and tags that point at it now."""
    files: int
    """How many of its files hold such rows."""


class Searched(Value):
    """How many objects of one kind were looked through."""

    kind: str
    objects: int
    size: int
    """Bytes."""
    gone: int = 0
    """Versions that commits name and that were deleted before."""


class Forgetting(Value):
    """The report on one entity."""

    entity: Entity
    files: tuple[Held, ...] = ()
    online: tuple[OnlineItem, ...] = ()
    commits: tuple[HoldingCommit, ...] = ()
    """Oldest first, dataset by dataset."""
    views: tuple[str, ...] = ()
    """Rows of feature views that were made from such commits, as nodes."""
    sets: tuple[str, ...] = ()
    """Training sets that were made from such commits, as nodes."""
    versions: tuple[TouchedVersion, ...] = ()
    """Versions of models that learnt from such commits."""
    searched: tuple[Searched, ...] = ()
    unsearched: tuple[str, ...] = ()
    """Everything that was not looked through, or couldn't be, and why."""
    commands: tuple[str, ...] = ()
    """The commands that remove what was found, in their order. Nobody has run them."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.files or self.online)

    @property
    def serving(self) -> tuple[TouchedVersion, ...]:
        """The versions that learnt from the entity and that an alias points at still."""
        return tuple(each for each in self.versions if any(alias.until is None for alias in each.aliases))


def entity_of(keys: Mapping[str, str], columns: Mapping[str, str]) -> Entity:
    """The entity that a caller names.

    Parameters
    ----------
    keys : mapping of str to str
        Value by join key.
    columns : mapping of str to str
        Value by ``<source>.<column>``; all of one source.

    Raises
    ------
    InvalidEntity
        Nothing is named, both are, several sources are, or a value is empty or no text.
    """
    if bool(keys) == bool(columns):
        raise InvalidEntity("name an entity by its join keys or by columns of one source, not by both and not by none")
    values, source = dict(keys), None
    if columns:
        parts = {name: name.partition(".") for name in columns}
        if bad := next((name for name, part in parts.items() if not (part[0] and part[2])), None):
            raise InvalidEntity(f"column {bad!r}: expected SOURCE.COLUMN, such as orders.customer")
        sources = sorted({part[0] for part in parts.values()})
        if len(sources) > 1:
            raise InvalidEntity(f"columns of several sources ({', '.join(sources)}): ask about one after the other")
        source, values = sources[0], {parts[name][2]: value for name, value in columns.items()}
    for name, value in values.items():
        if not name or not value:
            raise InvalidEntity(f"{name or value!r} has no {'value' if name else 'name'}: a missing value is nobody's")
        try:
            f"{name}{value}".encode()
        except UnicodeEncodeError:
            raise InvalidEntity(f"the value of {name!r} is no text in UTF-8") from None
    return Entity(values=values, source=source)


def commands_of(
    files: Sequence[Held], online: Sequence[OnlineItem], serving: Iterable[TouchedVersion], file_of: Mapping[str, str]
) -> list[str]:
    """The commands that remove what was found.

    Corrected files come first: as long as ``main`` holds the rows, the next materialisation and training bring them
    back. Then versions are trained that never saw them; then versions and items are deleted.

    Parameters
    ----------
    files : sequence of Held
    online : sequence of OnlineItem
    serving : iterable of TouchedVersion
    file_of : mapping of str to str
        The uploaded file behind a curated version, as ``<source>/<file>``, by its `Held.uri`.
    """
    current = [held for held in files if "main" in held.refs]
    uploads = dict.fromkeys(file_of[held.uri].partition("/") for held in current if held.uri in file_of)
    made = [
        f"headwater upload {shlex.quote(source)} {shlex.quote(file)} --wait  # the file without these rows"
        for source, _, file in uploads
    ]
    others = dict.fromkeys(held.of for held in current if held.uri not in file_of)
    for name in others:
        made.append(f"headwater data checkout {name} FOLDER  # take the rows out of the files there")
        made.append(f'headwater data upload {name} FOLDER -m "rows taken out"')
    made += [f"headwater train {model} --watch" for model in dict.fromkeys(each.model for each in serving)]
    made += [held.command for held in files]
    return [*made, *(item.command for item in online)]


def days_left(days: Sequence[date], searched: int, today: date) -> tuple[list[date], list[date]]:
    """The days among ``days`` of the last ``searched``, and the earlier ones."""
    recent = [day for day in days if (today - day).days < searched]
    return recent, [day for day in days if day not in set(recent)]
