"""People hold a model's policy up, and let it go on: by their own permissions, where they are."""

from __future__ import annotations

from datetime import datetime

from headwater.clock import Clock, in_utc, utc_now
from headwater.retraining.errors import BadPause, NotPaused, RetrainingBusy
from headwater.retraining.store import RetrainStore
from headwater.retraining.types import Decision, Pause, RetrainState, Verdict

_TRIES = 10


def pause(
    store: RetrainStore,
    model: str,
    *,
    by: str,
    until: datetime | None = None,
    why: str = "",
    now: Clock = utc_now,
) -> Pause:
    """Start nothing before ``until``; what runs goes on, and reasons wait.

    Raises
    ------
    BadPause
        ``until`` is past.
    RetrainingBusy
    """
    until = None if until is None else in_utc(until, "until")
    if until is not None and until <= now():
        raise BadPause(f"a pause until {until:%Y-%m-%d %H:%M} UTC is over already: give a later time")
    made = Pause(by=by, since=now(), until=until, why=why)
    _change(store, model, made, Verdict.PAUSED, str(made), now)
    return made


def resume(store: RetrainStore, model: str, *, by: str, now: Clock = utc_now) -> None:
    """End a pause; raises `NotPaused` if there is none."""
    if store.state(model).pause is None:
        raise NotPaused(f"retraining of {model} isn't paused")
    _change(store, model, None, Verdict.RESUMED, f"resumed by {by or 'somebody'}", now)


def _change(
    store: RetrainStore, model: str, held: Pause | None, verdict: Verdict, words: str, now: Clock
) -> RetrainState:
    for _ in range(_TRIES):
        before = store.state(model)
        if before.pause == held:
            return before
        after = before.model_copy(update={"pause": held, "revision": before.revision + 1, "blocked": None})
        decision = Decision(model=model, at=now(), revision=after.revision, verdict=verdict, words=words)
        if store.write(after, before, decision):
            return after
    raise RetrainingBusy(f"model {model!r}: others kept writing its retraining state first; try again")
