"""Names of commits: ``main``, ``v1``, ``3fa9c1``, ``main~2``, ``main@{2026-11-01}``."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from headwater.versions.errors import AmbiguousRevision, InvalidRevision, RevisionNotFound
from headwater.versions.history import History
from headwater.versions.refs import Refs
from headwater.versions.types import Kind

SHORTEST = 4
"""Digits of a commit's id that can name it, at least."""
_HEX = re.compile(r"[0-9a-f]{4,64}")
_STEPS = re.compile(r"(?P<base>.+?)~(?P<back>\d*)$")
_AT = re.compile(r"(?P<name>[^@]+)@\{(?P<time>[^}]*)\}$")
_KINDS: tuple[Kind, ...] = ("branch", "tag")


def resolve(revision: str, refs: Refs, history: History) -> str:
    """The id of the commit that ``revision`` names.

    A revision is a branch or tag (or ``branch:<name>``, ``tag:<name>``), or an id's first digits, at least four. Any of
    these may have ``~n``, the n-th first parent; a branch may have ``@{time}``, its commit at that time. A name takes
    precedence over an id.

    Raises
    ------
    InvalidRevision, RevisionNotFound, AmbiguousRevision
    """
    if steps := _STEPS.fullmatch(revision):
        return _back(resolve(steps["base"], refs, history), int(steps["back"] or 1), revision, history)
    if at := _AT.fullmatch(revision):
        return _at(at["name"], at["time"], refs)
    if len(revision) == 64 and _HEX.fullmatch(revision):
        # A whole id: no branch or tag can be called that.
        return _by_digits(revision, refs, history)
    kind, _, name = revision.partition(":")
    kinds = [one for one in _KINDS if one == kind] if name else list(_KINDS)
    if not revision or (name and not kinds):
        raise InvalidRevision(
            f"{revision!r} names no commit: expected a branch, a tag or a commit's first digits, "
            "maybe with ~n or @{time}"
        )
    found = [ref for one in kinds if (ref := refs.get(one, name or revision)) is not None]
    if len(found) > 1:
        raise AmbiguousRevision(
            f"{revision!r} is a branch and a tag of dataset {refs.dataset!r}",
            next_steps=[f"branch:{revision}", f"tag:{revision}"],
        )
    if found:
        return found[0].commit
    if not name and _HEX.fullmatch(revision):
        return _by_digits(revision, refs, history)
    raise _unknown(revision, refs)


def _by_digits(digits: str, refs: Refs, history: History) -> str:
    found = history.starting_with(digits, refs.dataset)
    if len(found) > 1:
        shown = ", ".join(name[: len(digits) + 6] for name in found[:5])
        raise AmbiguousRevision(f"{digits!r} begins the ids of {len(found)} commits: {shown}; give more digits")
    if not found:
        raise _unknown(digits, refs)
    return found[0]


def _back(commit: str, steps: int, revision: str, history: History) -> str:
    name = commit
    for done in range(steps):
        parents = history.get(name).parents
        if not parents:
            raise RevisionNotFound(f"{revision!r}: commit {commit[:12]} has only {done} before it")
        name = parents[0]
    return name


def _at(name: str, text: str, refs: Refs) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRevision(
            f"@{{{text}}}: expected a date or a time as in @{{2026-11-01}} or @{{2026-11-01T12:30:00Z}}"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    log = refs.log("branch", name)
    if not log:
        raise _unknown(name, refs)
    earlier = [move for move in log if move.at <= moment]
    if not earlier or earlier[-1].to is None:
        when = f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment.tzinfo is UTC else moment.isoformat()
        raise RevisionNotFound(f"branch {name!r} of dataset {refs.dataset!r} didn't exist at {when}: its log begins at "
                               f"{log[0].at:%Y-%m-%d %H:%M:%S} UTC")  # fmt: skip
    return earlier[-1].to


def _unknown(revision: str, refs: Refs) -> RevisionNotFound:
    known = ", ".join(f"{ref.kind} {ref.name}" for ref in refs.all()[:10]) or "none"
    return RevisionNotFound(
        f"dataset {refs.dataset!r} has no branch, tag or commit {revision!r}. It has: {known}",
        next_steps=[f"headwater data log {refs.dataset}"],
    )
