"""Retraining: where each model's policy stands, why it trains or doesn't, and how people ask it and hold it up."""

from __future__ import annotations

import uuid
from datetime import datetime

from headwater.client.connection import Verbs
from headwater.client.people import me
from headwater.declare import Retraining as Policy
from headwater.retraining.errors import NoPolicy, RetrainingRefused
from headwater.retraining.pausing import pause, resume
from headwater.retraining.store import PolicyFunction, RetrainStore
from headwater.retraining.types import Ask, Decision, Pause, RetrainState, Verdict

MOST_SHOWN = 1000
_BY_HAND = "headwater train {model}  # asks nobody"
_NEXT = {
    "paused": "headwater retrain resume {model}",
    "running": "headwater runs list {model}",
    "quality": "headwater monitor quality {model}",
}
"""The command that helps against a refusal, by its code."""


class Retraining(Verbs):
    """The verbs on retraining policies; ``headwater.connect().retraining``."""

    @property
    def _store(self) -> RetrainStore:
        return RetrainStore(self._connection.table)

    @property
    def _function(self) -> PolicyFunction:
        if not self._description.retraining_function:
            raise NoPolicy("the stack was deployed by a version of Headwater without retraining policies: deploy it")
        return PolicyFunction(self._description.retraining_function, self._connection.clients)

    def status(self, model: str | None = None) -> tuple[RetrainState, ...]:
        """Where the policy of a model stands, or those of all: its phase, what waits, what holds it back, its budget.

        Raises
        ------
        NotDeclared
            The stack has no such model.
        """
        if model is not None:
            self._description.require_model(model)
        names = [model] if model is not None else sorted(self._description.models or ())
        return tuple(self._store.state(name) for name in names)

    def why(self, model: str, *, number: int = 20) -> tuple[Decision, ...]:
        """The last decisions of a model's policy, newest first: each reason, what became of it, and why.

        Raises
        ------
        NotDeclared
        """
        self._description.require_model(model)
        return tuple(self._store.log(model, min(number, MOST_SHOWN)))

    def run(self, model: str, *, why: str = "") -> Decision:
        """Ask the policy for a training now: neither debounce nor cool-down holds it back, everything else does.

        `Stack.train` asks nobody.

        Raises
        ------
        NotDeclared
        RetrainingRefused
            Nothing is trained; the message says why.
        NoPolicy
            The stack has no retraining policy.
        RetrainingBusy
        """
        self._description.require_model(model)
        words = " ".join(why.split())[:300] or "by hand"
        ask = Ask(id=f"person:{uuid.uuid4().hex}", kind="person", why=words, by=me()[:100])
        decision = self._function.ask(model, ask)
        if decision.verdict is Verdict.REFUSED:
            raise RetrainingRefused(
                f"model {model!r} isn't retrained: {decision.words}",
                next_steps=[f"headwater retrain why {model}", _NEXT.get(decision.code, _BY_HAND).format(model=model)],
            )
        return decision

    def pause(self, model: str, *, until: datetime | None = None, why: str = "") -> Pause:
        """Start no retraining of a model, before ``until`` if that is given; reasons wait, and what runs goes on.

        Raises
        ------
        NotDeclared
        BadPause
            ``until`` is past.
        """
        self._description.require_model(model)
        return pause(self._store, model, by=me(), until=until, why=" ".join(why.split())[:300])

    def resume(self, model: str) -> None:
        """End a pause: reasons that waited are looked at within the hour.

        Raises
        ------
        NotDeclared, NotPaused
        """
        self._description.require_model(model)
        resume(self._store, model, by=me())

    def policy(self, model: str) -> Policy:
        """A model's policy as it is deployed.

        Raises
        ------
        NotDeclared, NoPolicy, RetrainingBusy
        """
        self._description.require_model(model)
        return self._function.policy(model)
