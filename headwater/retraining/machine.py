"""The state machine of the policy, as plain functions: from a state to the next one, and whether to train.

IDLE -> ARMED -> REQUESTED -> RUNNING -> (PROMOTED, STAGED, REJECTED, FAILED, EXPIRED) -> COOLDOWN -> IDLE or ARMED.
A tick and a person go from IDLE, ARMED and COOLDOWN to REQUESTED at once, or are refused.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from statistics import median

from headwater.declare import Retraining
from headwater.retraining.types import (
    AT_ONCE,
    Armed,
    Blocked,
    CurrentRun,
    Kind,
    Outcome,
    Phase,
    RetrainState,
    Standing,
    Token,
)

BUDGET_DAYS = timedelta(days=30)
MOST_FACTOR = 8
LONGEST_USUAL = timedelta(hours=6)
"""A training is usual for so long until the first one is over: the machine's own limit."""
LEAST_EXPIRY = timedelta(hours=1)
KEPT = timedelta(days=1)
"""A reason that holds no longer is kept so long, in case that it comes back."""
NEXT_LABELS = timedelta(days=7)
"""A window of labels that shares no day with the one before ends so much later."""


def arm(state: RetrainState, kind: Kind, why: str, now: datetime) -> RetrainState:
    """Add a reason; one that is there already stays as old as it is."""
    if any(one.kind == kind for one in state.armed):
        return state
    phase = Phase.ARMED if state.phase is Phase.IDLE else state.phase
    return state.model_copy(update={"phase": phase, "armed": (*state.armed, Armed(kind=kind, since=now, why=why))})


def disarm(state: RetrainState, kinds: Collection[Kind]) -> RetrainState:
    """Take reasons back."""
    armed = tuple(one for one in state.armed if one.kind not in kinds)
    phase = Phase.IDLE if state.phase is Phase.ARMED and not armed else state.phase
    return state.model_copy(update={"armed": armed, "phase": phase, "blocked": state.blocked if armed else None})


def cooled(state: RetrainState, now: datetime) -> RetrainState:
    """The state with the cool-down over, if it is."""
    if state.phase is not Phase.COOLDOWN or state.cool_until is None or now < state.cool_until:
        return state
    phase = Phase.ARMED if state.armed else Phase.IDLE
    return state.model_copy(update={"phase": phase, "cool_until": None})


def weighed(state: RetrainState, standing: Standing, now: datetime) -> RetrainState:
    """The state in which each reason knows since when it holds no longer.

    A figure about its limit is worse at one look and not at the next, while the alarm fires all the time and is told
    once: so a reason is kept for `KEPT`.
    """
    absent = {kind for kind, found in (("performance", standing.worse), ("drift", standing.drifted)) if not found}
    armed = tuple(
        one.model_copy(update={"over_since": (one.over_since or now) if one.kind in absent else None})
        for one in state.armed
    )
    return state if armed == state.armed else state.model_copy(update={"armed": armed, "blocked": None})


def holding(state: RetrainState) -> tuple[Armed, ...]:
    """The reasons that the last look found, the oldest first."""
    return tuple(one for one in state.armed if one.over_since is None)


def is_due(state: RetrainState, policy: Retraining, now: datetime) -> bool:
    """Whether a reason that holds has waited long enough."""
    held = holding(state)
    return state.phase is Phase.ARMED and bool(held) and now >= held[0].since + policy.debounce


def over(state: RetrainState, policy: Retraining, now: datetime) -> set[Kind]:
    """Reasons that are dropped: they haven't held for `KEPT`, or the policy no longer has them."""
    return {
        one.kind
        for one in state.armed
        if one.kind not in policy.reasons or (one.over_since is not None and now >= one.over_since + KEPT)
    }


def gone_quiet(state: RetrainState) -> Blocked | None:
    """The obstacle that no reason that waits holds now; None if one does."""
    if not state.armed or holding(state):
        return None
    kinds = " and no ".join(one.kind for one in state.armed)
    until = max(one.over_since for one in state.armed if one.over_since is not None) + KEPT
    return Blocked(code="over", words=f"the monitor finds no {kinds} now; dropped at {until:%Y-%m-%d %H:%M} UTC")


def has_new_labels(state: RetrainState, standing: Standing, policy: Retraining) -> bool:
    """Whether a window of labels has matured that no training of the policy has seen a day of."""
    if standing.labels_until is None or blocked_by_labels(standing, policy) is not None:
        return False
    return state.labels_until is None or standing.labels_until >= state.labels_until + NEXT_LABELS


def has_new_data(state: RetrainState, standing: Standing) -> bool:
    """Whether sources have other rows than those that were learnt from last."""
    known = {state.data_version, standing.champion_data} - {None}
    return standing.data_version is not None and bool(known) and standing.data_version not in known


def blocker(
    state: RetrainState, policy: Retraining, standing: Standing, kinds: Collection[Kind], now: datetime
) -> Blocked | None:
    """The first thing that holds a training back; None: nothing does.

    Parameters
    ----------
    state : RetrainState
    policy : Retraining
    standing : Standing
    kinds : collection of Kind
        The reasons to train.
    now : datetime
        UTC.
    """
    checks = (
        _paused(state, now),
        _in_progress(state),
        _cooling(state, kinds, now),
        _unknown_data(standing),
        _known_data(standing, kinds),
        _bad_quality(standing, policy),
        _immature(standing, policy, kinds),
        _too_few_windows(standing, policy, kinds),
        _spent(state, policy, now),
    )
    return next(filter(None, checks), None)


def _paused(state: RetrainState, now: datetime) -> Blocked | None:
    if state.pause is None or not state.pause.holds(now):
        return None
    return Blocked(code="paused", words=str(state.pause))


def _in_progress(state: RetrainState) -> Blocked | None:
    return Blocked(code="running", words=f"run {state.run.run_id} is in progress") if state.run else None


def _cooling(state: RetrainState, kinds: Collection[Kind], now: datetime) -> Blocked | None:
    if state.phase is not Phase.COOLDOWN or state.cool_until is None or now >= state.cool_until:
        return None
    if any(kind in AT_ONCE for kind in kinds):
        return None
    after = f", {state.factor} times as long as declared" if state.factor > 1 else ""
    return Blocked(code="cool-down", words=f"it cools down until {state.cool_until:%Y-%m-%d %H:%M} UTC{after}")


def _unknown_data(standing: Standing) -> Blocked | None:
    return None if standing.data_version else Blocked(code="no-data", words=standing.no_data or "there is no data")


def _known_data(standing: Standing, kinds: Collection[Kind]) -> Blocked | None:
    if standing.champion_data is not None and standing.champion_data == standing.data_version:
        words = f"version {standing.champion}, which serves, learnt from the very data that there is now"
        return Blocked(code="same-data", words=words)
    if not standing.key_run or (standing.key_failed and any(kind in AT_ONCE for kind in kinds)):
        return None
    became = "and failed: train it by hand once the cause is gone" if standing.key_failed else "beside this champion"
    return Blocked(
        code="same-data", words=f"run {standing.key_run} trained on the very data that there is now {became}"
    )


def _bad_quality(standing: Standing, policy: Retraining) -> Blocked | None:
    if not policy.block_on_quality or not standing.quality:
        return None
    return Blocked(code="quality", words=f"what comes in is broken, and would be learnt: {standing.quality}")


def blocked_by_labels(standing: Standing, policy: Retraining) -> Blocked | None:
    """Why too few labels have matured; None: enough have."""
    if standing.labelled < policy.least_labels:
        words = f"{standing.labelled:,} of the last days' predictions are labelled, {policy.least_labels:,} are needed"
        return Blocked(code="labels", words=words)
    if standing.coverage < policy.matured:
        words = f"{standing.coverage:.0%} of the last days' predictions are labelled, {policy.matured:.0%} are needed"
        return Blocked(code="labels", words=words)
    return None


def _immature(standing: Standing, policy: Retraining, kinds: Collection[Kind]) -> Blocked | None:
    # A tick, an upload and a person ask for what there is; the others ask for what has changed to be learnt.
    if not set(kinds) <= {"drift", "performance", "labels"}:
        return None
    return blocked_by_labels(standing, policy)


def _too_few_windows(standing: Standing, policy: Retraining, kinds: Collection[Kind]) -> Blocked | None:
    # Drift's alarm counts days itself: two of three.
    if set(kinds) != {"performance"} or standing.worse_windows >= policy.worse:
        return None
    words = (
        f"performance was worse than its limit in {standing.worse_windows} of the last {policy.windows} windows, "
        f"{policy.worse} are needed"
    )
    return Blocked(code="windows", words=words)


def _spent(state: RetrainState, policy: Retraining, now: datetime) -> Blocked | None:
    tokens = [token for token in state.tokens if now - token.at < BUDGET_DAYS]
    if len(tokens) >= policy.runs:
        free = min(token.at for token in tokens) + BUDGET_DAYS
        words = f"{len(tokens)} trainings in 30 days are all of its budget; the next is free at {free:%Y-%m-%d %H:%M}"
        return Blocked(code="budget", words=f"{words} UTC")
    known = [token.dollars for token in tokens if token.dollars is not None]
    # One that isn't measured may cost as much as the dearest that was.
    spent, dearest = sum(known), max(known, default=0.0)
    likely = spent + dearest * (len(tokens) - len(known) + 1)
    if policy.dollars is not None and (likely > policy.dollars or spent >= policy.dollars):
        words = f"trainings cost {spent:.2f} USD in 30 days, and one more may cost {dearest:.2f}"
        return Blocked(code="budget", words=f"{words}: the budget is {policy.dollars:.2f} USD")
    return None


def usual(state: RetrainState) -> timedelta:
    """How long a training takes usually: the median of the last ones."""
    seconds = [token.seconds for token in state.tokens if token.seconds is not None]
    return timedelta(seconds=median(seconds)) if seconds else LONGEST_USUAL


def requested(state: RetrainState, run: CurrentRun, standing: Standing) -> RetrainState:
    """The state with a training that takes its place in the budget; every reason that waits is answered by it."""
    kept = [token for token in state.tokens if run.requested_at - token.at < BUDGET_DAYS]
    return state.model_copy(
        update={
            "phase": Phase.REQUESTED,
            "armed": (),
            "blocked": None,
            "run": run,
            "tokens": (*(kept or state.tokens[-1:]), Token(run_id=run.run_id, at=run.requested_at)),
            "data_version": run.data_version,
            "labels_until": standing.labels_until or state.labels_until,
            "cool_until": None,
        }
    )


def started(state: RetrainState, now: datetime) -> RetrainState:
    """The state with the requested training under way."""
    assert state.run is not None  # noqa: S101 - the caller looked
    expires = now + max(2 * usual(state), LEAST_EXPIRY)
    run = state.run.model_copy(update={"started_at": now, "expires_at": expires})
    return state.model_copy(update={"phase": Phase.RUNNING, "run": run})


def ended(
    state: RetrainState,
    policy: Retraining,
    outcome: Outcome,
    now: datetime,
    *,
    seconds: float | None = None,
    dollars: float | None = None,
    reason: str = "",
) -> RetrainState:
    """The state after the current training: it cools down, twice as long each time that nothing came of one."""
    assert state.run is not None  # noqa: S101 - the caller looked
    changes = {"outcome": outcome, "seconds": seconds, "dollars": dollars, "reason": reason}
    tokens = tuple(
        token.model_copy(update=changes) if token.run_id == state.run.run_id else token for token in state.tokens
    )
    if outcome is Outcome.PROMOTED:
        factor = 1
    else:
        factor = state.factor if outcome is Outcome.STAGED else min(state.factor * 2, MOST_FACTOR)
    return state.model_copy(
        update={
            "phase": Phase.COOLDOWN,
            "run": None,
            "tokens": tokens,
            "factor": factor,
            "cool_until": now + policy.cool_down * factor,
        }
    )


def settled_late(
    state: RetrainState, run_id: str, outcome: Outcome, *, seconds: float | None = None, dollars: float | None = None
) -> RetrainState:
    """The state with what became later of a training that was over: it ended after all, or a person promoted it."""
    tokens = []
    for token in state.tokens:
        if token.run_id == run_id:
            known = {"seconds": seconds, "dollars": dollars} if seconds is not None else {}
            token = token.model_copy(update={"outcome": outcome, **known})
        tokens.append(token)
    factor = 1 if outcome is Outcome.PROMOTED else state.factor
    return state.model_copy(update={"tokens": tuple(tokens), "factor": factor})
