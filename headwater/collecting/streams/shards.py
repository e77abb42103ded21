"""How far each shard of a stream has been read, which may be read next, and which lost records unread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from headwater.collecting.errors import CollectFailed
from headwater.collecting.streams.aggregation import HashRange

TRIM_HORIZON, LATEST = "TRIM_HORIZON", "LATEST"
MOST_SHARDS = 250
"""Shards that a cursor holds, closed ones too."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard as the stream lists it."""

    id: str
    parents: frozenset[str]
    hashes: HashRange

    @classmethod
    def of(cls, listed: Mapping[str, Any]) -> Shard:
        """The shard of ListShards' answer."""
        hashes = listed["HashKeyRange"]
        parents = (listed.get("ParentShardId"), listed.get("AdjacentParentShardId"))
        return cls(
            id=listed["ShardId"],
            parents=frozenset(filter(None, parents)),
            hashes=HashRange(int(hashes["StartingHashKey"]), int(hashes["EndingHashKey"])),
        )


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a shard has been read."""

    after: str | None = None
    """Sequence number of the last record; None if none was read yet."""
    arrived: datetime | None = None
    """Arrival of that record."""
    read_to: datetime | None = None
    """All that arrived before has been read."""
    ended: bool = False
    """The shard is closed, and has been read to its end."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far a stream has been read."""

    start: datetime | None
    """Where shards begin that have no position; None: at the oldest record that is there."""
    created: datetime | None = None
    """When the stream was made; None if nobody looked yet."""
    shards: Mapping[str, Position] = field(default_factory=dict)
    lost: str = ""
    """Words about records that may be lost, for the end of the run; empty if there are none."""
    lost_at: datetime | None = None
    """The tick whose run found out: it says so and fails, and the next one goes on."""

    def moved(self, shard: str, **to: Any) -> Cursor:
        """The cursor after a shard was read further."""
        return replace(self, shards={**self.shards, shard: replace(self.position(shard), **to)})

    def position(self, shard: str) -> Position:
        """How far a shard has been read."""
        return self.shards.get(shard, Position())

    def ready(self, listed: Mapping[str, Shard], done: Iterable[str]) -> list[str]:
        """Shards to be read now: neither ended nor done, and each parent that is still listed has ended.

        A parent that isn't listed any more is gone with all its records: its children wait for nothing.
        """
        left_out = set(done)
        return [
            shard.id
            for shard in listed.values()
            if shard.id not in left_out
            and not self.position(shard.id).ended
            and all(self.position(parent).ended for parent in shard.parents if parent in listed)
        ]

    def reconciled(self, listed: Mapping[str, Shard], horizon: datetime, tick: datetime) -> Cursor:
        """The cursor without shards that are gone, and with what is known to be lost.

        Parameters
        ----------
        listed : mapping of str to Shard
        horizon : datetime
            What arrived before, the stream doesn't have any more.
        tick : datetime
            The tick that this run stands for.
        """
        late = {
            shard: position.read_to
            for shard, position in self.shards.items()
            if not position.ended
            and (shard not in listed or (position.read_to is not None and position.read_to < horizon))
        }
        kept = {
            shard: replace(position, read_to=None if shard in late else position.read_to)
            for shard, position in self.shards.items()
            if shard in listed
        }
        cursor = replace(self, shards=kept)
        if self.lost_at is not None and self.lost_at != tick:
            cursor = replace(cursor, lost="", lost_at=None)
        if not late:
            return cursor
        shard, read_to = min(late.items(), key=lambda one: (one[1] is not None, one[1] or horizon, one[0]))
        more = f" (and {len(late) - 1:,} other shards)" if len(late) > 1 else ""
        since = f"{read_to:%Y-%m-%d %H:%M:%S}Z" if read_to else "its beginning"
        said = (
            f"records may be lost: shard {shard}{more} was read up to {since}, and the stream has nothing any more "
            f"that arrived before {horizon:%Y-%m-%d %H:%M:%S}Z. All that is left has landed. Let the stream keep its "
            "records for longer, or let the collector run more often"
        )
        return replace(cursor, lost=said, lost_at=tick)

    def kept(self) -> dict[str, Any]:
        """The cursor as it is kept."""
        return {
            "start": self.start.isoformat() if self.start else TRIM_HORIZON,
            **({"created": self.created.isoformat()} if self.created else {}),
            "shards": {shard: _position(position) for shard, position in sorted(self.shards.items())},
            **({"lost": self.lost, "lost_at": self.lost_at.isoformat()} if self.lost_at else {}),
        }


def _position(position: Position) -> dict[str, Any]:
    if position.ended:
        return {"ended": True}
    return {
        **({"after": position.after} if position.after else {}),
        **({"arrived": position.arrived.isoformat(timespec="milliseconds")} if position.arrived else {}),
        **({"read_to": position.read_to.isoformat(timespec="milliseconds")} if position.read_to else {}),
    }


def cursor_of(kept: Any, start: datetime | str, tick: datetime) -> Cursor:
    """The cursor that was kept, that a person set, or of a first run.

    Parameters
    ----------
    kept : object
        What `Cursor.kept` gave; or a time, ``TRIM_HORIZON`` or ``LATEST`` that a person set; None before the first run.
    start : datetime or str
        The declared beginning.
    tick : datetime
        LATEST begins there: all shards alike, and after a crash again.

    Raises
    ------
    CollectFailed
        It is none of these.
    """
    if kept is None:
        return Cursor(start=_start(start, tick))
    if isinstance(kept, str):
        return Cursor(start=_start(kept, tick))
    try:
        return Cursor(
            start=_start(kept.get("start", TRIM_HORIZON), tick),
            created=_time(kept.get("created")),
            shards={
                shard: Position(
                    after=_number(position.get("after")),
                    arrived=_time(position.get("arrived")),
                    read_to=_time(position.get("read_to")),
                    ended=bool(position.get("ended")),
                )
                for shard, position in kept.get("shards", {}).items()
            },
            lost=str(kept.get("lost", "")),
            lost_at=_time(kept.get("lost_at")),
        )
    except (AttributeError, TypeError, ValueError):
        raise _unknown(kept) from None


def _start(given: datetime | str, tick: datetime) -> datetime | None:
    if isinstance(given, datetime):
        return given
    if given in (TRIM_HORIZON, LATEST):
        return tick if given == LATEST else None
    try:
        return _time(given)
    except (TypeError, ValueError):
        raise _unknown(given) from None


def _time(given: Any) -> datetime | None:
    if given is None:
        return None
    found = datetime.fromisoformat(given)
    if found.tzinfo is None:
        raise ValueError("a time without a zone")
    return found


def _number(given: Any) -> str | None:
    if given is not None and not str(given).isdecimal():
        raise ValueError("no sequence number")
    return None if given is None else str(given)


def _unknown(given: Any) -> CollectFailed:
    return CollectFailed(
        f"{str(given)[:60]!r} is no cursor of a stream: expected a time with its zone, TRIM_HORIZON, LATEST, or "
        '{"shards": {"shardId-...": {"after": "..."}}} as headwater collect show has it'
    )
