"""Brings back what the book holds: backends first, then what emulators knew, then what was under way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from moto.logs.models import LogEvent, logs_backends

from localcloud.persistence import backends, executions
from localcloud.persistence.book import Book
from localcloud.persistence.errors import StateUnusable
from localcloud.persistence.pickling import Codec, Names

if TYPE_CHECKING:
    from localcloud.context import CloudContext

ROOMS, DELIVERIES, EXECUTIONS = "emulators", "deliveries", "executions"


@runtime_checkable
class Remembers(Protocol):
    """An emulator that knows more than moto does."""

    def remember(self) -> Any:
        """What it knows, such that it can be pickled; called under the dispatcher's lock."""

    def recall(self, remembered: Any) -> None:
        """Take up what `remember` returned; nothing is open yet."""


@runtime_checkable
class Reopens(Protocol):
    """An emulator with something to do when the cloud is open again."""

    def reopen(self) -> None:
        """Take up what the last cloud left, or end it with a reason."""


@runtime_checkable
class Redelivers(Protocol):
    """An emulator that delivers what the last cloud had taken on."""

    def redeliver(self, delivery: Any, number: str) -> bool:
        """Deliver it, if it is this emulator's; False if it is another's."""


def name_rooms(cloud: CloudContext, names: Names) -> None:
    """Let emulators, and what they are made of, be referred to."""
    names.set("cloud", cloud)
    for emulator in cloud.emulators:
        kind = type(emulator).__name__
        names.set(kind, emulator)
        for attribute, value in vars(emulator).items():
            if type(value).__module__.startswith("localcloud.") and value is not cloud and not names.of(value):
                names.set(f"{kind}.{attribute}", value)


def states_of(cloud: CloudContext) -> Iterator[tuple[str, Any]]:
    """What each emulator remembers, and the cloud itself."""
    yield "cloud", cloud.remember()
    for emulator in cloud.emulators:
        if isinstance(emulator, Remembers):
            yield type(emulator).__name__, emulator.remember()


def load(cloud: CloudContext, book: Book, codec: Codec) -> dict[str, bytes]:
    """Load everything; the digests of what was loaded.

    Raises
    ------
    StateUnusable
        Something is missing or damaged; nothing was put in place then.
    """
    book.blobs.check(book.referred())
    records: dict[str, Any] = {}

    def record(arn: str) -> Any:
        if arn not in records:
            raise StateUnusable(f"{book.directory}: the execution {arn} is missing")
        return records[arn]

    codec.rows = lambda uid: _read(book, codec, uid)
    codec.record = record
    digests: dict[str, bytes] = {}
    kept = {part: dict(book.entries(part)) for part in (backends.PART, ROOMS)}
    for part, entries in kept.items():
        for key, data in entries.items():
            digests[f"{part}/{key}"] = hashlib.blake2b(data, digest_size=16).digest()
    for key in kept[backends.PART]:
        try:
            named = backends.named(key, backends.find(key))
        except LookupError as error:
            raise StateUnusable(f"{book.directory}: {error}") from error
        for name, held in named:
            codec.names.set(name, held)
    for arn, held in _read(book, codec, EXECUTIONS):
        records[arn] = executions.from_record(held)
    loaded = {key: _loaded(book, codec, key, data) for key, data in kept[backends.PART].items()}
    remembered = {key: _loaded(book, codec, key, data) for key, data in kept[ROOMS].items()}
    for execution in records.values():
        execution._kept = executions.is_over(execution)
    for key, state in loaded.items():
        attributes = vars(codec.names.value(key))
        attributes.clear()
        attributes.update(state)
    _count_on(cloud)
    emulators: dict[str, Any] = {"cloud": cloud, **{type(emulator).__name__: emulator for emulator in cloud.emulators}}
    for name, state in remembered.items():
        emulators[name].recall(state)
    return digests


def reopen(cloud: CloudContext) -> None:
    """Let each emulator take up what the last cloud left."""
    for emulator in cloud.emulators:
        if isinstance(emulator, Reopens):
            emulator.reopen()


def redeliver(cloud: CloudContext, book: Book, codec: Codec) -> None:
    """Deliver what was under way: it may arrive a second time."""
    for number, delivery in list(_read(book, codec, DELIVERIES)):
        emulators: list[Any] = [emulator for emulator in cloud.emulators if isinstance(emulator, Redelivers)]
        if not any(emulator.redeliver(delivery, number) for emulator in emulators):
            raise StateUnusable(f"{book.directory}: nobody knows the delivery {number}")


def _read(book: Book, codec: Codec, part: str) -> Iterator[tuple[str, Any]]:
    for key, data in book.entries(part):
        yield key, _loaded(book, codec, f"{part}/{key}", data)


def _loaded(book: Book, codec: Codec, name: str, data: bytes) -> Any:
    try:
        return codec.load(data)
    except StateUnusable:
        raise
    except Exception as error:
        raise StateUnusable(f"{book.directory}: {name} can't be read: {error!r}") from error


def _count_on(cloud: CloudContext) -> None:
    """Moto numbers log events by a counter of its own."""
    groups = logs_backends[cloud.account_id][cloud.region].groups.values()
    numbers = [event.event_id for group in groups for stream in group.streams.values() for event in stream.events]
    LogEvent._event_id = max([LogEvent._event_id, *(number + 1 for number in numbers)])
