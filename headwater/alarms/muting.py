"""Mutes that people ask for, checked, and what each would hit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from headwater.alarms.errors import InvalidMute
from headwater.alarms.types import LONGEST_MUTE, Group, Instance, Mute
from headwater.declare.matchers import Matcher


def new_mute(
    match: Sequence[str],
    *,
    author: str,
    reason: str,
    now: datetime,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    until_resolved: bool = False,
) -> Mute:
    """A mute, checked.

    Parameters
    ----------
    match : sequence of str
        Matchers that must all hold, such as ``['model="flights"']``.
    author, reason : str
        Who doesn't want to hear of it, and why.
    now : datetime
        The time, UTC.
    starts_at, ends_at : datetime, optional
        By default from now on; with `until_resolved` for 30 days at most.
    until_resolved : bool
        Whether it holds only for alarms that fire now, until each has resolved.

    Raises
    ------
    InvalidMute
        It is in the past, longer than 30 days, matches everything, or says nothing of why.
    InvalidMatcher
        A matcher can't be read.
    """
    matchers = tuple(Matcher.parse(text) for text in match)
    if not matchers or all(matcher.matches({}) for matcher in matchers):
        raise InvalidMute("a mute needs a matcher that an alarm without labels doesn't meet, such as 'model=flights'")
    if not reason.strip() or len(reason) > 1_000:
        raise InvalidMute("a mute needs a reason of at most 1,000 characters: people read it once it is over")
    if not author.strip() or len(author) > 200:
        raise InvalidMute("a mute needs an author of at most 200 characters")
    start = starts_at or now
    end = ends_at or (start + LONGEST_MUTE if until_resolved else None)
    if end is None:
        raise InvalidMute("a mute needs an end: say for how long, until when, or until the alarms have resolved")
    if end <= now or end <= start:
        raise InvalidMute(f"the mute would end at {end:%Y-%m-%d %H:%M} UTC: that is in the past, or before it starts")
    if end - start > LONGEST_MUTE:
        days = round((end - start).total_seconds() / 86_400, 1)
        raise InvalidMute(f"the mute would last {days:g} days: at most {LONGEST_MUTE.days} days, then look again")
    id_ = hashlib.sha256("|".join([*map(str, matchers), author, now.isoformat()]).encode()).hexdigest()[:10]
    return Mute(
        id=id_,
        match=matchers,
        starts_at=start,
        ends_at=end,
        until_resolved=until_resolved,
        author=author,
        reason=reason,
        created_at=now,
    )


def hits(mute: Mute, groups: Iterable[tuple[Group, Sequence[Instance]]], now: datetime) -> Iterator[Instance]:
    """Alarms that fire now and that the mute is about."""
    seen = set()
    for _, instances in groups:
        for instance in instances:
            if instance.fires(now) and mute.concerns(instance) and instance.fingerprint not in seen:
                seen.add(instance.fingerprint)
                yield instance
