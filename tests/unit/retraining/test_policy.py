"""The policy: what starts a training, what holds it back, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headwater.retraining.errors import BadPause, NoSuchModel, NotPaused
from headwater.retraining.pausing import pause, resume
from headwater.retraining.types import Outcome, Phase, Standing, Verdict
from tests.unit.retraining.world import DAY, HOUR, NAME, World


def test_a_tick_starts_a_training_at_once_and_the_same_tick_starts_none_again(world: World) -> None:
    first = world.ask("schedule", named="tick:a", run="run-a")
    assert (first.verdict, first.run_id, world.phase) == (Verdict.REQUESTED, "run-a", Phase.RUNNING)
    assert world.ask("schedule", named="tick:a", run="run-a") == first
    assert list(world.runs.started) == ["run-a"]


def test_by_default_nothing_but_the_schedule_trains(world: World) -> None:
    world.declare()
    world.worse()
    refused = world.ask("performance")
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "no-reason")
    assert refused.words == "performance is no reason of the model's policy, which has schedule"
    world.upload()
    assert world.later(30 * DAY).phase is Phase.IDLE
    assert not world.runs.started


def test_the_data_that_the_champion_learnt_from_is_not_trained_again(world: World) -> None:
    world.ask("schedule", run="run-a")
    world.end(Outcome.PROMOTED)
    refused = world.ask("schedule", run="run-b")
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "same-data")
    assert refused.words == "version 2, which serves, learnt from the very data that there is now"
    world.upload()
    assert world.ask("schedule", run="run-c").verdict is Verdict.REQUESTED


def test_data_that_a_rejected_challenger_learnt_from_is_not_trained_again(world: World) -> None:
    world.ask("person")
    world.end(Outcome.REJECTED)
    refused = world.ask("person")
    assert refused.code == "same-data"
    assert "trained on the very data" in refused.words
    assert len(world.runs.started) == 1


def test_a_failed_training_is_tried_again_by_a_tick_but_by_no_alarm(world: World) -> None:
    world.ask("schedule", run="run-a")
    world.end(Outcome.FAILED)
    world.worse()
    world.ask("alarm")
    world.later(3 * DAY)
    assert world.state.blocked is not None
    assert world.state.blocked.code == "same-data"
    assert "failed: train it by hand" in world.state.blocked.words
    assert world.ask("schedule", run="run-b").verdict is Verdict.REQUESTED


def test_an_alarm_waits_for_the_debounce_and_then_trains(world: World) -> None:
    world.worse()
    armed = world.ask("alarm")
    assert (armed.verdict, armed.kind, world.phase) == (Verdict.ARMED, "performance", Phase.ARMED)
    assert not world.later(HOUR / 2).run
    world.later(HOUR)
    assert world.phase is Phase.RUNNING
    (run,) = world.runs.started.values()
    assert (run.kind, run.champion) == ("performance", 1)


def test_an_alarm_that_is_over_before_the_debounce_trains_nothing(world: World) -> None:
    world.worse()
    world.ask("alarm")
    world.standing = Standing(champion=1, champion_data="before")
    state = world.later(2 * HOUR)
    assert state.blocked is not None
    assert state.blocked.words == "the monitor finds no performance now; dropped at 2026-03-03 02:00 UTC"
    world.later(23 * HOUR)
    assert world.phase is Phase.ARMED
    world.later(2 * HOUR)
    assert (world.phase, world.state.armed, world.state.blocked) == (Phase.IDLE, (), None)
    assert not world.runs.started
    assert world.log == ["ARMED", "BLOCKED over", "DISARMED"]


def test_a_figure_about_its_limit_is_retrained_for_though_the_alarm_is_told_once(world: World) -> None:
    # CloudWatch's alarm looks at two hours: it goes on firing while the monitor's figure comes and goes.
    world.worse()
    world.ask("alarm")
    quiet, loud = Standing(champion=1, champion_data="before"), world.standing
    world.standing = quiet
    world.later(2 * HOUR)
    assert world.phase is Phase.ARMED
    world.standing = loud
    assert world.later(HOUR).phase is Phase.RUNNING


def test_an_alarm_that_goes_on_for_its_other_reason_is_retrained_for(world: World) -> None:
    world.worse()
    world.ask("alarm")
    labelled = {"labelled": 900, "coverage": 0.95}
    world.standing = Standing(champion=1, champion_data="before", drifted="temp range 80%", **labelled)
    world.later(HOUR / 2)
    assert [one.kind for one in world.state.armed] == ["performance", "drift"]
    world.later(2 * HOUR)
    (run,) = world.runs.started.values()
    assert (run.kind, run.why) == ("drift", "temp range 80%")


def test_an_alarm_that_comes_late_is_refused(world: World) -> None:
    assert world.ask("alarm").code == "over"


def test_broken_requests_are_never_learnt(world: World) -> None:
    world.standing = world.standing.model_copy(update={"quality": "late6 stuck 100% (usual 4-9%), stuck at 0"})
    refused = world.ask("alarm")
    assert (refused.verdict, refused.code) == (Verdict.REFUSED, "quality")
    assert world.ask("schedule", run="run-a").code == "quality"
    assert "what comes in is broken, and would be learnt: late6 stuck" in refused.words
    assert not world.runs.started


def test_drift_beside_a_broken_feature_waits_until_that_is_mended(world: World) -> None:
    world.worse()
    world.standing = world.standing.model_copy(update={"drifted": "temp range", "quality": "late6 stuck 100%"})
    world.ask("alarm")
    world.later(2 * HOUR)
    assert world.state.blocked is not None
    assert world.state.blocked.code == "quality"
    # Said once, not every hour.
    world.later(HOUR)
    world.later(HOUR)
    assert world.log.count("BLOCKED quality") == 1
    world.standing = world.standing.model_copy(update={"quality": ""})
    assert world.later(HOUR).phase is Phase.RUNNING


@pytest.mark.parametrize(
    ("labelled", "coverage", "words"),
    [
        (120, 1.0, "120 of the last days' predictions are labelled, 500 are needed"),
        (900, 0.4, "40% of the last days' predictions are labelled, 80% are needed"),
    ],
)
def test_too_few_matured_labels_are_waited_for(world: World, labelled: int, coverage: float, words: str) -> None:
    world.worse(labelled=labelled, coverage=coverage)
    world.ask("alarm")
    world.later(2 * HOUR)
    assert world.state.blocked is not None
    assert (world.state.blocked.code, world.state.blocked.words) == (
        "labels",
        words,
    )
    world.worse()
    assert world.later(HOUR).phase is Phase.RUNNING


def test_one_bad_window_is_too_few(world: World) -> None:
    world.worse(windows=1)
    world.ask("alarm")
    world.later(2 * HOUR)
    assert world.state.blocked is not None
    assert world.state.blocked.words.endswith("in 1 of the last 3 windows, 2 are needed")


def test_uploads_that_come_together_are_one_training(world: World) -> None:
    world.declare(reasons=("schedule", "upload"))
    world.ask("schedule", run="run-a")
    world.end(Outcome.PROMOTED)
    world.later(2 * DAY)
    for _ in range(3):
        world.upload()
        world.later(HOUR / 4)
    world.later(HOUR)
    assert [run.kind for run in world.runs.started.values()] == ["schedule", "upload"]


def test_labels_of_a_whole_new_window_are_a_reason(world: World) -> None:
    world.declare(reasons=("labels",))
    world.worse()
    world.later(HOUR)
    world.later(2 * HOUR)
    assert [run.kind for run in world.runs.started.values()] == ["labels"]
    world.end(Outcome.REJECTED)
    world.upload()
    world.worse()
    world.later(3 * DAY)
    assert world.phase is Phase.IDLE
    world.now += 5 * DAY
    world.worse()
    world.later(HOUR)
    assert world.later(2 * HOUR).phase is Phase.RUNNING


def test_each_rejection_doubles_the_cool_down_and_a_promotion_sets_it_back(world: World) -> None:
    lengths = []
    for outcome in (Outcome.REJECTED, Outcome.REJECTED, Outcome.FAILED, Outcome.REJECTED, Outcome.PROMOTED):
        world.upload()
        world.ask("schedule", run=f"run-{len(lengths)}")
        state = world.end(outcome)
        assert state.cool_until is not None
        lengths.append((state.cool_until - world.now) / DAY)
    assert lengths == [2, 4, 8, 8, 1]


def test_a_reason_that_comes_while_it_cools_down_waits(world: World) -> None:
    world.ask("schedule", run="run-a")
    world.end(Outcome.REJECTED)
    world.upload()
    world.worse()
    world.ask("alarm")
    assert world.later(DAY).phase is Phase.COOLDOWN
    world.worse()
    assert world.later(DAY + HOUR).phase is Phase.RUNNING
    assert len(world.runs.started) == 2


def test_a_training_in_progress_refuses_ticks_and_people(world: World) -> None:
    world.ask("schedule", run="run-a")
    world.upload()
    refused = world.ask("person")
    assert (refused.code, refused.words) == ("running", "run run-a is in progress")


def test_the_budget_of_runs_is_that_of_thirty_days(world: World) -> None:
    world.declare(runs=2)
    for number in range(2):
        world.ask("schedule", run=f"run-{number}")
        world.end(Outcome.PROMOTED)
        world.upload()
        world.now += DAY
    refused = world.ask("schedule", run="run-2")
    assert refused.words == ("2 trainings in 30 days are all of its budget; the next is free at 2026-04-01 00:00 UTC")
    world.now += 29 * DAY
    assert world.ask("schedule", run="run-3").verdict is Verdict.REQUESTED


def test_the_budget_in_dollars_counts_what_trainings_took(world: World) -> None:
    world.declare(dollars=0.25)
    world.ask("schedule", run="run-a")
    world.end(Outcome.PROMOTED, seconds=3600)
    (token,) = world.state.tokens
    # An hour of 2 vCPUs, 8 GB and a public address.
    assert token.dollars == pytest.approx(2 * 0.0405 + 8 * 0.0044 + 0.005)
    world.upload()
    assert world.ask("schedule", run="run-b").verdict is Verdict.REQUESTED
    world.end(Outcome.PROMOTED, seconds=3600)
    world.upload()
    refused = world.ask("schedule", run="run-c")
    assert refused.words == "trainings cost 0.24 USD in 30 days, and one more may cost 0.12: the budget is 0.25 USD"


def test_a_training_that_is_not_heard_of_expires_and_counts_when_it_ends_after_all(world: World) -> None:
    for number in range(3):
        world.ask("schedule", run=f"run-{number}")
        if number < 2:
            world.end(Outcome.PROMOTED, seconds=2 * 3600)
        world.upload()
    assert world.later(3.9 * HOUR).phase is Phase.RUNNING
    state = world.later(0.2 * HOUR)
    assert state.phase is Phase.COOLDOWN
    assert state.last is not None
    assert state.last.outcome is Outcome.EXPIRED
    assert world.log[-1] == "EXPIRED"
    world.end(Outcome.REJECTED, seconds=5 * 3600)
    last = world.state.last
    assert last is not None
    assert (last.outcome, last.seconds) == (Outcome.REJECTED, 5 * 3600)


def test_a_staged_challenger_counts_as_promoted_once_a_person_promotes_it(world: World) -> None:
    world.ask("schedule", run="run-a")
    world.end(Outcome.REJECTED)
    world.upload()
    world.ask("schedule", run="run-b")
    assert world.end(Outcome.STAGED).factor == 2
    world.serves(world.runs.started["run-b"])
    state = world.later(HOUR)
    assert state.factor == 1
    assert state.last is not None
    assert state.last.outcome is Outcome.PROMOTED


def test_a_pause_holds_everything_up_until_it_is_over(world: World) -> None:
    world.worse()
    world.ask("alarm")
    pause(world.store, NAME, by="Ann", until=world.now + DAY, why="the feed moves", now=lambda: world.now)
    world.later(2 * HOUR)
    assert world.state.blocked is not None
    assert world.state.blocked.words == "paused by Ann until 2026-03-03 00:00 UTC: the feed moves"
    assert world.ask("person").code == "paused"
    assert world.later(DAY).phase is Phase.RUNNING
    resume(world.store, NAME, by="Ann")
    with pytest.raises(NotPaused, match="isn't paused"):
        resume(world.store, NAME, by="Ann")
    with pytest.raises(BadPause, match="is over already"):
        pause(world.store, NAME, by="Ann", until=world.now - DAY, now=lambda: world.now)


def test_a_model_without_data_says_so(world: World) -> None:
    world.policies = replace(world.policies, standing=lambda _: Standing(no_data="no data for source 'visits'"))
    assert world.ask("person").words == "no data for source 'visits'"


def test_another_model_is_not_known(world: World) -> None:
    with pytest.raises(NoSuchModel, match="the stack has no model 'other': it has buys"):
        world.policies.ask("other", world.event("person"))
