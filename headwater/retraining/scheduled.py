"""A schedule's ticks as reasons of the policy: it decides whether a training starts, and says why if none does."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from headwater.retraining.asking import tick_ask
from headwater.retraining.types import Ask, Decision, Verdict
from headwater.schedules.targets import Seen
from headwater.schedules.types import BACKFILL, Work
from headwater.training.scheduled import ScheduledTraining


class Answers(Protocol):
    """The decisions on events that came before; `headwater.retraining.store.RetrainStore` has them."""

    def answer(self, model: str, ask_id: str) -> Decision | None: ...


@dataclass(frozen=True)
class PolicyTraining:
    """Hands ticks over to the policy."""

    training: ScheduledTraining
    """Looks at trainings and stops them."""
    ask: Callable[[str, Ask], Decision]
    """Asks the policy of a model."""
    answers: Answers
    """Answers that it gave before."""

    def start(self, work: Work, run: str, given: Mapping[str, Any]) -> None:
        """Ask the policy once; it starts the run, or refuses."""
        by_hand = str(given.get("by") or "")
        tick = json.dumps(dict(given))
        ask = Ask(id=tick_ask(run), kind="schedule", why=_said(given), by=by_hand[:100], run=run, tick=tick)
        self.ask(work.name, ask)

    def look(self, work: Work, run: str) -> Seen | None:
        """How the run stands; SKIPPED if the policy refused it."""
        if (seen := self.training.look(work, run)) is not None:
            return seen
        decision = self.answers.answer(work.name, tick_ask(run))
        if decision is not None and decision.verdict is Verdict.REFUSED:
            return Seen("SKIPPED", decision.words)
        return None

    def stop(self, work: Work, run: str, why: str, at: datetime) -> None:
        """Stop the run."""
        self.training.stop(work, run, why, at)


def _said(given: Mapping[str, Any]) -> str:
    """A tick in words."""
    at = f"{datetime.fromisoformat(given['tick']).astimezone(UTC):%Y-%m-%d %H:%M} UTC" if given.get("tick") else ""
    if given.get("origin") == "manual":
        by = f" by {given['by']}" if given.get("by") else ""
        return f"the schedule was run by hand{by}, {at}"[:500]
    return f"{'backfilled ' if given.get('origin') == BACKFILL else ''}tick of {at}"
