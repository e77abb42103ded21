"""A tick as the policy hears of it."""

from __future__ import annotations

from typing import Any

import pytest

from headwater.retraining.scheduled import PolicyTraining
from headwater.retraining.types import Ask, Decision, Verdict
from headwater.schedules.targets import Seen
from headwater.schedules.types import Work
from tests.unit.retraining.world import World

WORK = Work(kind="training", name="buys")


class NoRuns:
    """Trainings of which there is none."""

    def look(self, work: Work, run: str) -> Seen | None:
        return None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"origin": "scheduled"}, "tick of 2026-03-02 06:00 UTC"),
        ({"origin": "backfill", "by": "ann"}, "backfilled tick of 2026-03-02 06:00 UTC"),
        ({"origin": "manual", "by": "ann"}, "the schedule was run by hand by ann, 2026-03-02 06:00 UTC"),
    ],
)
def test_a_tick_is_said_in_words(given: dict[str, Any], words: str) -> None:
    asked: list[Ask] = []

    def ask(_: str, one: Ask) -> Decision:
        asked.append(one)
        return Decision.model_validate(
            {"model": "buys", "at": "2026-03-02T06:00Z", "revision": 1, "verdict": Verdict.REQUESTED}
        )

    training = PolicyTraining(NoRuns(), ask, None)  # type: ignore[arg-type]
    training.start(WORK, "run-a", {"tick": "2026-03-02T07:00:00.384511+01:00", **given})
    (one,) = asked
    assert (one.id, one.kind, one.run, one.why) == ("tick:run-a", "schedule", "run-a", words)


def test_a_tick_that_was_refused_is_skipped_with_the_reason(world: World) -> None:
    training = PolicyTraining(NoRuns(), world.policies.ask, world.store)  # type: ignore[arg-type]
    world.standing = world.standing.model_copy(update={"quality": "late6 stuck"})
    training.start(WORK, "run-a", {"tick": "2026-03-02T06:00:00+00:00", "origin": "scheduled"})
    assert training.look(WORK, "run-a") == Seen("SKIPPED", "what comes in is broken, and would be learnt: late6 stuck")
