"""The policy at work: answers those who give reasons, starts trainings, follows them, and says why it doesn't.

Everything follows from the model's state, which changes by one conditional write at a time, and from how things stand.
An event only says that it is time to look: it may come twice, late, in another order, or never, and the next look finds
the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol

from headwater.clock import Clock, utc_now
from headwater.declare import Catalog, Model, Retraining
from headwater.retraining import machine
from headwater.retraining.costs import dollars_of
from headwater.retraining.errors import NoSuchModel, RetrainingBusy
from headwater.retraining.store import Claim, RetrainStore, Seen
from headwater.retraining.types import (
    AT_ONCE,
    BY_ALARM,
    Armed,
    Ask,
    Blocked,
    CurrentRun,
    Decision,
    Kind,
    Outcome,
    Phase,
    RetrainState,
    Standing,
    Verdict,
)
from headwater.storage.retries import tries

_TRIES = 10
_LONGEST_MODEL = 44


class Starts(Protocol):
    """Starts trainings and looks at them; `headwater.retraining.store.Trainings` does."""

    def start(self, model: str, run: CurrentRun) -> None: ...

    def look(self, run_id: str) -> Seen | None: ...


class Size(NamedTuple):
    """The container of a training."""

    vcpus: float
    memory_mib: float


@dataclass(frozen=True)
class Policies:
    """The policies of all models."""

    catalog: Catalog
    """The deployed products."""
    store: RetrainStore
    trainings: Starts
    standing: Callable[[Model], Standing]
    """How a model stands now."""
    size: Size
    """Size of the container, for what a training costs."""
    now: Clock = utc_now
    pause: Callable[[float], None] = time.sleep
    """Called with seconds before a contended write is tried again."""

    @property
    def models(self) -> Collection[str]:
        """The models' names."""
        return self.catalog.models.keys()

    def policy(self, model: str) -> Retraining:
        """The policy of a model; raises `NoSuchModel`."""
        return self._model(model).retraining

    def look_at_all(self) -> tuple[list[RetrainState], dict[str, Exception]]:
        """Look at every model; the states, and by model why it couldn't be looked at."""
        states, failed = [], {}
        for model in sorted(self.catalog.models):
            try:
                states.append(self.look(model))
            except Exception as error:  # The others can be looked at all the same.
                failed[model] = error
        return states, failed

    def ask(self, model_name: str, ask: Ask) -> Decision:
        """Answer an event: the same event gets the same answer, and starts nothing again.

        Raises
        ------
        NoSuchModel
        RetrainingBusy
        """
        model = self._model(model_name)
        self._settle(model)
        for _ in tries(_TRIES, self.pause):
            if (known := self.store.answer(model.name, ask.id)) is not None:
                # Whoever died after the answer was written left the rest to the next look.
                self.look(model.name)
                return known
            if self._answered(model, ask):
                self.look(model.name)
        raise RetrainingBusy(f"model {model.name!r}: others kept writing its retraining state first")

    def look(self, model_name: str) -> RetrainState:
        """Follow the current training, take up reasons that are there by themselves, and start what is due."""
        model = self._model(model_name)
        self._settle(model)
        if not _may_train(self.store.state(model.name), model.retraining):
            return self.store.state(model.name)
        for _ in tries(_TRIES, self.pause):
            state = machine.cooled(before := self.store.state(model.name), self.now())
            if state.phase is Phase.REQUESTED:
                self._settle(model)
            if state.run is not None:
                return self.store.state(model.name)
            if state != before:
                self._write(state, before, Verdict.COOLED, words="the cool-down is over")
                continue
            standing = self.standing(model)
            if not self._moved(model, state, standing):
                return state
        raise RetrainingBusy(f"model {model.name!r}: others kept writing its retraining state first")

    # -- reasons ------------------------------------------------------------------------------------------------

    def _answered(self, model: Model, ask: Ask) -> bool:
        """Write the answer to an event, unless others wrote first."""
        before, policy = self.store.state(model.name), model.retraining
        state, standing = machine.cooled(before, self.now()), self.standing(model)
        ask = _resolved(ask, policy, standing)
        if (refusal := _unfounded(ask, policy, standing)) is not None:
            return self._write(state, before, Verdict.REFUSED, ask=ask, blocked=refusal)
        kind = _kind(ask)
        if kind not in AT_ONCE:
            words = ask.why
            if state.run is not None:
                words = f"run {state.run.run_id} is in progress: looked at again when it is over"
            return self._write(machine.arm(state, kind, ask.why, self.now()), before, Verdict.ARMED, words, ask=ask)
        if (blocked := machine.blocker(state, policy, standing, (kind,), self.now())) is not None:
            return self._write(state, before, Verdict.REFUSED, ask=ask, blocked=blocked)
        return self._request(state, before, standing, ask)

    def _moved(self, model: Model, state: RetrainState, standing: Standing) -> bool:
        """Whether something was written, or others did: then it is looked at anew."""
        policy, now = model.retraining, self.now()
        last = state.last
        if last and last.outcome is Outcome.STAGED and last.run_id == standing.champion_run:
            promoted = machine.settled_late(state, last.run_id, Outcome.PROMOTED)
            return self._write(promoted, state, Verdict.PROMOTED, "a person promoted it", run_id=last.run_id) or True
        if (weighed := machine.weighed(state, standing, now)) != state:
            return self._write(weighed, state) or True
        if gone := machine.over(state, policy, now):
            words = f"{', '.join(sorted(gone))}: over for a day, or no reason of the policy any more"
            return self._write(machine.disarm(state, gone), state, Verdict.DISARMED, words) or True
        # One alarm stands for both, and it is told once: while a reason by it waits, so does the other.
        alarms = any(one.kind in BY_ALARM for one in state.armed)
        for kind, is_there, why in (
            ("performance", alarms and bool(standing.worse), standing.worse),
            ("drift", alarms and bool(standing.drifted), standing.drifted),
            ("upload", machine.has_new_data(state, standing), "there are new rows"),
            ("labels", machine.has_new_labels(state, standing, policy), f"labelled until {standing.labels_until}"),
        ):
            there = any(one.kind == kind for one in state.armed)
            if kind in policy.reasons and is_there and not there:
                armed = machine.arm(state, kind, why, now)
                return self._write(armed, state, Verdict.ARMED, why, kind=kind) or True
        blocked, held = machine.gone_quiet(state), machine.holding(state)
        if blocked is None:
            if not machine.is_due(state, policy, now):
                return False
            blocked = machine.blocker(state, policy, standing, [one.kind for one in held], now)
        if blocked is None:
            first = held[0]
            self._request(state, state, standing, Ask(id=first.kind, kind=first.kind, why=first.why), armed=first)
            return True
        if state.blocked is None or state.blocked.code != blocked.code:
            update = state.model_copy(update={"blocked": blocked})
            kind = state.armed[0].kind
            return self._write(update, state, Verdict.BLOCKED, kind=kind, blocked=blocked) or True
        return False

    def _request(
        self, state: RetrainState, before: RetrainState, standing: Standing, ask: Ask, armed: Armed | None = None
    ) -> bool:
        now = self.now()
        assert standing.data_version is not None  # noqa: S101 - without one it is blocked
        run = CurrentRun(
            run_id=ask.run or f"{state.model[:_LONGEST_MODEL]}-{ask.kind}-{standing.key[:16]}",
            key=standing.key,
            kind=_kind(ask),
            why=ask.why,
            by=ask.by,
            tick=ask.tick,
            data_version=standing.data_version,
            pinned=standing.pinned,
            champion=standing.champion,
            requested_at=now,
            expires_at=now + 2 * machine.LONGEST_USUAL,
        )
        if standing.key_run and not ask.run:
            # The one before failed, and its name is taken for ninety days.
            run = run.model_copy(update={"run_id": f"{run.run_id}-{before.revision}"})
        claim = Claim(run.key, run.run_id, failed=standing.key_run)
        after = machine.requested(state, run, standing)
        told = None if armed is not None else ask
        return self._write(after, before, Verdict.REQUESTED, ask.why, ask=told, kind=run.kind, claim=claim)

    # -- trainings ----------------------------------------------------------------------------------------------

    def _settle(self, model: Model) -> None:
        """Start what was requested, and take down what became of what runs."""
        for _ in tries(_TRIES, self.pause):
            before, now = self.store.state(model.name), self.now()
            run = before.run
            if run is None:
                self._settle_expired(before)
                return
            if before.phase is Phase.REQUESTED:
                # Started first and noted after: it is started once by its name, whoever comes again.
                self.trainings.start(model.name, run)
                self._write(machine.started(before, now), before)
                continue
            seen = self.trainings.look(run.run_id)
            if seen is not None and seen.outcome is not None:
                self._end(model, before, seen)
            elif now >= run.expires_at:
                words = f"nothing was heard of it for {_hours(now, run)}: look at it, and stop it if it hangs"
                after = machine.ended(before, model.retraining, Outcome.EXPIRED, now, reason=words)
                self._write(after, before, Verdict.EXPIRED, words, kind=run.kind, run_id=run.run_id)
            else:
                return
        raise RetrainingBusy(f"model {model.name!r}: others kept writing its retraining state first")

    def _end(self, model: Model, before: RetrainState, seen: Seen) -> None:
        run = before.run
        assert run is not None and seen.outcome is not None  # noqa: S101, PT018 - the caller looked
        after = machine.ended(
            before, model.retraining, seen.outcome, self.now(),
            seconds=seen.seconds, dollars=self._dollars(seen), reason=seen.reason,
        )  # fmt: skip
        failed = run if seen.outcome is Outcome.FAILED else None
        verdict = Verdict(seen.outcome.value)
        self._write(after, before, verdict, seen.reason, kind=run.kind, run_id=run.run_id, failed=failed)

    def _settle_expired(self, before: RetrainState) -> None:
        last = before.last
        if last is None or last.outcome is not Outcome.EXPIRED or last.seconds is not None:
            return
        seen = self.trainings.look(last.run_id)
        if seen is None or seen.outcome is None or seen.seconds is None:
            return
        after = machine.settled_late(
            before, last.run_id, seen.outcome, seconds=seen.seconds, dollars=self._dollars(seen)
        )
        words = f"it ended after all: {seen.reason}"
        self._write(after, before, Verdict(seen.outcome.value), words, run_id=last.run_id)

    def _dollars(self, seen: Seen) -> float | None:
        if seen.seconds is None:
            return None
        return dollars_of(seen.seconds, vcpus=self.size.vcpus, memory_mib=self.size.memory_mib)

    # -- writes -------------------------------------------------------------------------------------------------

    def _write(
        self,
        state: RetrainState,
        before: RetrainState,
        verdict: Verdict | None = None,
        words: str = "",
        *,
        ask: Ask | None = None,
        kind: Kind | None = None,
        blocked: Blocked | None = None,
        run_id: str = "",
        claim: Claim | None = None,
        failed: CurrentRun | None = None,
    ) -> bool:
        after = state.model_copy(update={"revision": before.revision + 1})
        decision = None
        if verdict is not None:
            decision = Decision(
                model=state.model,
                at=self.now(),
                revision=after.revision,
                verdict=verdict,
                kind=kind or (_kind(ask) if ask else None),
                code=blocked.code if blocked else "",
                words=blocked.words if blocked else words,
                run_id=run_id or (claim.run_id if claim else ""),
                ask_id=ask.id if ask else "",
            )
        return self.store.write(after, before, decision, claim=claim, failed_key=failed)

    def _model(self, name: str) -> Model:
        if (found := self.catalog.models.get(name)) is None:
            known = ", ".join(sorted(self.catalog.models)) or "none"
            raise NoSuchModel(f"the stack has no model {name!r}: it has {known}")
        return found


def _resolved(ask: Ask, policy: Retraining, standing: Standing) -> Ask:
    """The event with the reason that an alarm is, by what the monitor says."""
    if ask.kind != "alarm":
        return ask
    found: dict[Kind, str] = {}
    if standing.worse:
        found["performance"] = standing.worse
    if standing.drifted or not found:
        found["drift"] = standing.drifted
    kind = next((one for one in found if one in policy.reasons), next(iter(found)))
    return ask.model_copy(update={"kind": kind, "why": (found[kind] or ask.why)[:500]})


def _kind(ask: Ask) -> Kind:
    assert ask.kind != "alarm"  # noqa: S101 - it was resolved
    return ask.kind


def _unfounded(ask: Ask, policy: Retraining, standing: Standing) -> Blocked | None:
    """Why an event is no reason to train."""
    if ask.kind == "person":
        return None
    if ask.kind == "drift" and not standing.drifted and standing.quality and policy.block_on_quality:
        return Blocked(code="quality", words=f"what comes in is broken, and would be learnt: {standing.quality}")
    if ask.kind not in policy.reasons:
        allowed = ", ".join(policy.reasons) or "none"
        return Blocked(code="no-reason", words=f"{ask.kind} is no reason of the model's policy, which has {allowed}")
    if (ask.kind == "drift" and not standing.drifted) or (ask.kind == "performance" and not standing.worse):
        return Blocked(code="over", words=f"the monitor finds no {ask.kind}: the alarm is over by now")
    return None


def _may_train(state: RetrainState, policy: Retraining) -> bool:
    """False if a look can find nothing to do, which spares an idle stack its reads."""
    by_itself = {"upload", "labels"} & set(policy.reasons)
    is_idle = state.phase is Phase.IDLE and not state.armed
    is_staged = state.last is not None and state.last.outcome is Outcome.STAGED
    return bool(by_itself) or not is_idle or is_staged


def _hours(now: datetime, run: CurrentRun) -> str:
    return f"{(now - (run.started_at or run.requested_at)).total_seconds() / 3600:.1f} hours"
