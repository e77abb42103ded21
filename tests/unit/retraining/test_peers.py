"""What users reported of other platforms' automatic retraining: each report played against our policy."""

from __future__ import annotations

from headwater.retraining.pausing import pause, resume
from headwater.retraining.standing import learnt_by
from headwater.retraining.types import Outcome, Phase, Verdict
from headwater.training.prepare import definition_of
from tests.unit.retraining.world import DAY, HOUR, NAME, World
from tests.unit.training.products import BUYS


def test_a_retraining_has_a_name_that_no_earlier_one_has(world: World) -> None:
    """https://github.com/activetigger/activetigger/issues/666: each retraining failed, for "Model already exists"."""
    world.ask("person")
    for _ in range(3):
        world.end(Outcome.FAILED)
        # The same data, and a name of Step Functions is taken for ninety days.
        assert world.ask("person").verdict is Verdict.REQUESTED
    assert len(world.runs.started) == 4


def test_looking_again_trains_nothing_again(world: World) -> None:
    """https://github.com/activetigger/activetigger/issues/719: it trained each time that a panel was opened."""
    world.declare(reasons=("upload",))
    world.later(HOUR)
    world.later(2 * HOUR)
    world.end(Outcome.PROMOTED)
    for _ in range(30):
        world.later(HOUR)
    assert len(world.runs.started) == 1


def test_new_data_are_learnt_without_anybody_who_looks_and_once(world: World) -> None:
    """https://github.com/activetigger/activetigger/issues/584: only opening a window trained, and each time anew."""
    world.declare(reasons=("upload",))
    world.later(HOUR)
    assert world.later(2 * HOUR).phase is Phase.RUNNING
    world.end(Outcome.REJECTED)
    world.later(30 * DAY)
    assert len(world.runs.started) == 1


def test_what_changes_no_row_is_no_new_data(world: World) -> None:
    """https://github.com/activetigger/activetigger/issues/725: texts that were skipped counted as new ones."""
    world.declare(reasons=("schedule", "upload"))
    world.ask("schedule", run="run-a")
    world.end(Outcome.PROMOTED)
    # The lake makes no commit of a file that it has: `DataVersion` is the same.
    world.later(3 * DAY)
    assert world.phase is Phase.IDLE
    assert world.ask("schedule", run="run-b").code == "same-data"


def test_a_training_that_somebody_stopped_holds_back_no_other(world: World) -> None:
    """https://github.com/activetigger/activetigger/issues/883: after a stop nothing could be trained any more."""
    world.ask("schedule", run="run-a")
    assert world.end(Outcome.FAILED).run is None
    assert world.ask("person").verdict is Verdict.REQUESTED


def test_what_a_pause_held_up_is_one_training_and_not_one_for_each_tick(world: World) -> None:
    """https://github.com/kubeflow/pipelines/issues/8344: on being enabled again, a disabled run caught up on all."""
    pause(world.store, NAME, by="Ann", now=lambda: world.now)
    for day in range(7):
        assert world.ask("schedule", run=f"run-{day}").code == "paused"
        world.upload()
        world.now += DAY
    resume(world.store, NAME, by="Ann", now=lambda: world.now)
    world.later(HOUR)
    assert not world.runs.started
    assert world.ask("schedule", run="run-7").verdict is Verdict.REQUESTED


def test_ticks_of_an_outage_that_come_at_once_are_one_training(world: World) -> None:
    """https://github.com/apache/airflow/issues/25265: a day without a scheduler made 96 runs of the same."""
    answers = [world.ask("schedule", run=f"run-{tick}") for tick in range(8)]
    assert [one.code for one in answers] == ["", *["running"] * 7]
    world.end(Outcome.PROMOTED)
    assert world.ask("schedule", run="run-8").code == "same-data"


def test_a_training_that_fails_is_not_started_over_and_over(world: World) -> None:
    """https://github.com/kubeflow/pipelines/issues/8294: a run that always fails was started at every time anew."""
    world.declare(reasons=("performance", "upload"))
    world.worse()
    world.ask("alarm")
    world.later(2 * HOUR)
    world.end(Outcome.FAILED)
    for _ in range(12):
        world.worse()
        world.ask("alarm")
        world.later(DAY)
    assert len(world.runs.started) == 1
    assert world.state.factor == 2


def test_a_deployment_leaves_the_training_in_progress_alone(world: World) -> None:
    """https://github.com/kubeflow/pipelines/issues/7421: an update of the schedule ended the run in progress."""
    world.ask("schedule", run="run-a")
    world.declare(reasons=("schedule",), runs=3, cool_down="3d")
    assert world.later(HOUR).phase is Phase.RUNNING
    assert world.ask("schedule", run="run-b").code == "running"
    state = world.end(Outcome.PROMOTED)
    assert state.cool_until == world.now + 3 * DAY


def test_a_deployment_that_changes_nothing_that_is_learnt_trains_nothing(world: World) -> None:
    """https://github.com/aws/sagemaker-python-sdk/issues/2736 and 2940: each upsert of a pipeline lost its cache."""
    world.ask("schedule", run="run-a")
    world.end(Outcome.REJECTED)
    world.declare(reasons=("schedule", "drift"), runs=7)
    assert world.ask("schedule", run="run-b").code == "same-data"
    before = learnt_by(definition_of(world.catalog, BUYS))
    renamed = BUYS.model_copy(update={"description": "said better", "owner": "others"})
    assert learnt_by(definition_of(world.catalog, renamed)) == before


def test_the_cool_down_begins_when_the_training_ends_whatever_days_it_learnt(world: World) -> None:
    """https://github.com/freqtrade/freqtrade/pull/8619: counted from the data's end, it was over before it began."""
    world.ask("schedule", run="run-a")
    world.now += 5 * HOUR
    state = world.end(Outcome.STAGED, seconds=5 * 3600)
    assert state.cool_until == world.now + DAY


def test_a_model_that_is_always_about_to_be_trained_needs_somebody_who_asks_for_it(world: World) -> None:
    """https://github.com/freqtrade/freqtrade/issues/8062: by default models were trained again without an end."""
    world.declare()
    for _ in range(48):
        world.upload()
        world.later(HOUR)
    assert not world.runs.started


def test_trainings_in_progress_and_those_that_timed_out_count_in_the_budget(world: World) -> None:
    """https://github.com/ohdearquant/lionagi/pull/2310: only runs that had ended well or badly counted."""
    world.declare(runs=2)
    world.ask("schedule", run="run-a")
    assert len(world.state.tokens) == 1
    world.later(13 * HOUR)
    assert world.state.last is not None
    assert world.state.last.outcome is Outcome.EXPIRED
    world.upload()
    assert world.ask("schedule", run="run-b").verdict is Verdict.REQUESTED
    world.end(Outcome.FAILED)
    world.upload()
    assert world.ask("schedule", run="run-c").code == "budget"


def test_one_alarm_that_is_told_to_many_is_one_training(world: World) -> None:
    """https://github.com/aws-samples/mlops-at-edge-for-quality-inspection/issues/10: it was triggered twice."""
    world.worse()
    for _ in range(5):
        world.ask("alarm", named="alarm:group-1-people")
        world.ask("alarm")
        world.now += HOUR / 4
    world.later(HOUR)
    assert len(world.runs.started) == 1
    # What was told while it ran is over once the new model serves, though new rows are there.
    world.end(Outcome.PROMOTED)
    world.upload()
    world.later(2 * DAY)
    world.later(DAY)
    assert (len(world.runs.started), world.state.armed) == (1, ())
