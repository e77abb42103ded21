"""Escalation as functions: who is told while nobody acknowledges a group, and until when that waits."""

from __future__ import annotations

from datetime import datetime

from headwater.alarms.routing import Leg
from headwater.alarms.types import ChainStep, Group, GroupStatus
from headwater.declare.schedules import said_of


def chain_of(leg: Leg) -> tuple[ChainStep, ...]:
    """The steps that a group of this route takes from its opening on, its repetitions among them."""
    if leg.escalation is None:
        return ()
    steps = [ChainStep(after=step.after, receivers=step.receivers) for step in leg.escalation.steps]
    return tuple(steps * (leg.escalation.repeat + 1))


def advance(
    group: Group, leg: Leg, now: datetime, *, audible: bool, opened: bool
) -> tuple[Group, tuple[str, ...], str]:
    """The group after a look, receivers that a step tells now, and why in words.

    Parameters
    ----------
    group : Group
        As the look leaves it.
    leg : Leg
        Its route.
    now : datetime
        The time, UTC.
    audible : bool
        Whether an alarm fires that isn't muted.
    opened : bool
        Whether people are told of the group for the first time since it was closed.
    """
    if opened:
        group = group.model_copy(update={"chain": chain_of(leg), "chain_next": 0, "chain_at": None, "escalated_to": ()})
    if group.status is GroupStatus.CLOSED:
        return group.model_copy(update={"chain": (), "chain_next": 0, "chain_at": None, "escalated_to": ()}), (), ""
    if group.status.is_quiet:
        return stopped(group), (), ""
    left = group.chain[group.chain_next :]
    if not audible or not left:
        return group.model_copy(update={"chain_at": None}), (), ""
    if group.chain_at is None:
        return group.model_copy(update={"chain_at": now + left[0].after}), (), ""
    if group.chain_at > now:
        return group, (), ""
    changes = {
        "chain_next": group.chain_next + 1,
        "chain_at": now + left[1].after if len(left) > 1 else None,
        "escalated_to": tuple(dict.fromkeys((*group.escalated_to, *left[0].receivers))),
    }
    words = f"nobody acknowledged within {said_of(left[0].after)}: step {group.chain_next + 1} of {len(group.chain)}"
    return group.model_copy(update=changes), left[0].receivers, words


def stopped(group: Group) -> Group:
    """The group while somebody is at it: the steps begin anew if that ends."""
    return group.model_copy(update={"chain_next": 0, "chain_at": None})
