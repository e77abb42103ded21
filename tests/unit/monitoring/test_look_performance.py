"""Performance in the hourly look: as labels come, restated as they change, and a page once it is worse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from headwater import declare
from headwater.lake.errors import LakeBusy
from headwater.monitoring.dashboards.store import Statuses
from headwater.monitoring.drift.bank import Bank
from headwater.monitoring.drift.standing import State
from headwater.monitoring.performance.service import Performance
from headwater.monitoring.status import Severity
from headwater.monitoring.watch.figures import JudgedPerformance
from headwater.monitoring.watch.records import WatchRecords
from headwater.monitoring.watching import Watching
from headwater.registry.types import DEFINITION_FILE
from headwater.storage.environment import CLIENTS
from headwater.storage.table import Table
from tests.crashing import crash_points, dying_at
from tests.unit.lake.world import REGISTRY
from tests.unit.monitoring.data import scheme_of
from tests.unit.monitoring.logs import HOUR
from tests.unit.monitoring.performing import DECLARED, SOURCE, Performing
from tests.unit.monitoring.watched import MODEL, SHOPS, TODAY, Watched, bank_with, morning, new_watched, rows_of

DAY = timedelta(days=1)
STUCK = {"amount": 0.25}


@pytest.fixture
def model(watched: Watched) -> Performing:
    made = Performing(watched)
    made.version()
    return made


def history(model: Performing, version: int = 1) -> list[JudgedPerformance]:
    """All that was written down of windows, in the order of its keys."""
    items = Table(REGISTRY, CLIENTS).query(f"WATCH#{MODEL}", f"PERF#v{version}#")
    return [JudgedPerformance.model_validate_json(item["judged"]) for item in items]


def test_without_labels_there_is_an_estimate_and_a_word_why_nothing_is_realised(model: Performing) -> None:
    status = model.days(TODAY, 2, labelled=False)
    assert status.estimated is not None
    assert (status.realised, status.estimated.rows, status.severity) == (None, 160, Severity.NONE)
    assert status.notes == ("no realised roc_auc: no label",)


def test_sales_that_land_late_restate_the_days_and_what_was_known_stays(model: Performing) -> None:
    # IFCA-Advanced-Computing/frouros#42: the next label that came was taken for the next prediction's.
    model.days(TODAY, 2, labelled=False)
    model.land(TODAY, morning(TODAY + DAY) + HOUR)
    status = model.hour(morning(TODAY + DAY) + 2 * HOUR)
    assert status.realised is not None
    assert (status.realised.coverage, status.realised.rows) == (0.5, 80)
    # A row says from which moment on it may be known, and needs no commit of its own then.
    model.land(TODAY + DAY, morning(TODAY + DAY) + 3 * HOUR, known=morning(TODAY + 2 * DAY))
    assert model.hour(morning(TODAY + DAY) + 4 * HOUR).realised == status.realised
    status = model.hour(morning(TODAY + 2 * DAY))
    assert status.realised is not None
    assert (status.realised.coverage, status.realised.rows) == (1.0, 160)
    assert [one.labelled for one in history(model)] == [0, 80, 160]
    before = model.watched.store.performances(MODEL, 1, morning(TODAY + DAY) + 3 * HOUR)
    assert [one.labelled for one in before] == [80]
    watched = model.watched
    places = watched.registry, watched.log.store, watched.days, watched.store, watched.versions
    # The version serves by the clock of this machine.
    later = datetime.now(UTC) + DAY
    then = Watching(*places, now=later, known=later).status(MODEL).status
    assert then is not None
    assert then.realised == status.realised


def test_rows_are_counted_again_only_when_something_changed(model: Performing, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[date] = []
    count = Performance.count

    def noted(self: Performance, name: str, version: int, day: date, *given: Any) -> Any:
        counted.append(day)
        return count(self, name, version, day, *given)

    monkeypatch.setattr(Performance, "count", noted)
    model.days(TODAY, 2)
    now = morning(TODAY + DAY)
    assert counted == [TODAY, TODAY + DAY]
    for hours in (0, 1, 2):
        model.hour(now + hours * HOUR)
    assert len(counted) == 2
    model.write([{"prediction_id": model.ids[TODAY][0], "value": 1}], now + 3 * HOUR)
    # The look came a moment before the batch, and counts it an hour later.
    model.hour(now + 2 * HOUR + timedelta(minutes=59))
    model.hour(now + 3 * HOUR)
    model.hour(now + 4 * HOUR)
    assert len(counted) in (4, 6)
    counted.clear()
    model.hour(now + 24 * HOUR)
    assert len(counted) == 2


def test_labels_twice_conflicting_and_of_unknown_predictions_say_nothing_wrong(model: Performing) -> None:
    status = model.days(TODAY, 1)
    at = morning(TODAY) + HOUR
    model.tell(TODAY, at)
    model.write([{"prediction_id": "nobody-asked.0", "value": 1}], at)
    again = model.hour(at + HOUR)
    assert again.realised == status.realised
    # The lake says otherwise; what was written beats it.
    model.land(TODAY, at + HOUR, wrong=1.0)
    assert model.hour(at + 2 * HOUR).realised == status.realised
    assert len(history(model)) == 1


def test_labels_of_one_class_give_no_figure_and_no_alarm(model: Performing) -> None:
    model.day(TODAY)
    model.write([{"prediction_id": name, "value": 1} for name in model.ids[TODAY]], morning(TODAY))
    status = model.hour(morning(TODAY))
    assert (status.realised, status.severity) == (None, Severity.NONE)
    assert status.notes == ("no realised roc_auc: 0 rows of class 0, fewer than 5",)


def test_a_loss_alone_is_a_page_and_the_alarm_ends_with_it(model: Performing) -> None:
    status = model.days(TODAY, 3, wrong=0.8)
    assert (status.state, status.severity) == (State.NORMAL, Severity.PAGE)
    assert status.reason.startswith("realised roc_auc 0.")
    assert "is worse than its limit" in status.reason
    # The labels were wrong, and are corrected.
    for day in model.rows:
        model.tell(day, morning(TODAY + 2 * DAY) + HOUR)
    status = model.hour(morning(TODAY + 2 * DAY) + 2 * HOUR)
    assert (status.state, status.severity) == (State.NORMAL, Severity.NONE)


def test_drift_alone_is_a_ticket_and_with_a_loss_a_page(model: Performing) -> None:
    status = model.days(TODAY, 3, **STUCK)
    assert (status.state, status.severity) == (State.ALARM, Severity.TICKET)
    for day in model.rows:
        model.tell(day, morning(TODAY + 2 * DAY) + HOUR, wrong=0.8)
    status = model.hour(morning(TODAY + 2 * DAY) + 2 * HOUR)
    assert (status.state, status.severity) == (State.ALARM, Severity.PAGE)


def test_a_worse_estimate_pages_only_while_nothing_is_realised(model: Performing) -> None:
    # All scores lie in the middle: the model hardly tells anything apart.
    for place in range(3):
        rows = [{**row, "score": 0.45 + row["score"] / 10} for row in rows_of(place)]
        model.day(TODAY + place * DAY, rows=rows)
    status = model.hour(morning(TODAY + 2 * DAY))
    assert (status.realised, status.severity) == (None, Severity.PAGE)
    assert status.reason.startswith("estimated roc_auc 0.5")
    model.declared = DECLARED.model_copy(update={"monitoring": declare.Monitoring(tolerance=0.4)})
    # The tolerance that is declared now counts, without another training.
    assert model.hour(morning(TODAY + 2 * DAY) + HOUR).severity is not Severity.PAGE


def test_a_concept_that_moved_withdraws_the_estimates_for_good(model: Performing) -> None:
    status = model.days(TODAY, 3, wrong=0.9)
    assert status.estimated is None
    last = TODAY + 2 * DAY
    said = f"no estimated roc_auc: withdrawn on {last}: 3 estimates in a row were wrong, the concept moved"
    assert status.notes == (said,)
    assert [one.estimate.is_miss for one in model.watched.store.scored(MODEL, 1)] == [True] * 3
    # Corrected labels don't bring them back, and what was scored isn't scored again.
    for day in model.rows:
        model.tell(day, morning(last) + HOUR)
    assert model.hour(morning(last) + 2 * HOUR).notes == (said,)
    assert model.watched.store.standing(MODEL, 1).revision == 3


def test_an_estimate_is_scored_once_labels_came_or_after_thirty_days(model: Performing) -> None:
    model.day(TODAY)
    model.tell(TODAY, morning(TODAY), share=0.5)
    model.hour(morning(TODAY))
    assert model.watched.store.scored(MODEL, 1) == []
    model.hour(morning(TODAY) + 30 * DAY)
    (scored,) = model.watched.store.scored(MODEL, 1)
    assert (scored.coverage, scored.estimate.is_miss) == (0.5, False)


def test_a_retrained_version_in_mid_window_is_judged_by_its_own_days(model: Performing) -> None:
    status = model.days(TODAY, 2, wrong=0.9)
    assert status.severity is Severity.PAGE
    assert model.version("run-2", bank=bank_with(seed=3)) == 2
    day = TODAY + 2 * DAY
    model.day(day, version=2)
    model.tell(day, morning(day))
    status = model.hour(morning(day))
    assert status.realised is not None
    assert (status.version, status.severity, status.realised.since, status.realised.rows) == (
        2, Severity.NONE, day, 80,
    )  # fmt: skip
    assert len(history(model, 1)) == len(history(model, 2)) == 1


def test_a_version_without_an_estimator_is_judged_by_labels_alone(watched: Watched) -> None:
    model = Performing(watched)
    model.version(estimates=False)
    status = model.days(TODAY, 1)
    assert status.realised is not None
    assert status.realised.baseline == 0.72
    assert status.notes == ("no estimated roc_auc: the version was trained before estimators were kept",)


def test_a_regression_without_numbers_is_judged(watched: Watched) -> None:
    """Its only input is text, and its labels come from nobody but the API."""
    gates = (declare.Gate(metric="mae", at_most=9),)
    changes = {"task": "regression", "gates": gates, "inputs": DECLARED.inputs[:1]}
    declared = DECLARED.model_copy(update=changes)
    bank = Bank(scheme=scheme_of({}, {"shop": SHOPS}, scores=[row["score"] for row in rows_of(0)]), windows=())
    product = declare.Product(sources=(SOURCE,), models=(declared,))
    watched.version(
        bank, more={DEFINITION_FILE: product.model_dump_json().encode()}, task="regression", columns=("shop",),
        inputs=declared.inputs,
    )  # fmt: skip
    watched.serve(1)
    model = Performing(watched, declared)
    rows = [{"shop": row["shop"], "score": row["score"]} for row in rows_of(1)]
    model.day(TODAY, rows=rows)
    items = [
        {"prediction_id": name, "value": row["score"] + 1} for name, row in zip(model.ids[TODAY], rows, strict=True)
    ]
    model.write(items, morning(TODAY))
    status = model.hour(morning(TODAY))
    (judged,) = history(model)
    assert (judged.labelled, judged.predictions) == (80, 80)
    # Training measured no such figure of it.
    assert status.notes[0] == "no realised mae: training has no baseline of it"


def test_labels_that_cannot_be_joined_are_a_reason_and_keep_what_was_known(
    model: Performing, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = model.days(TODAY, 1)
    broken = DECLARED.model_copy(
        update={"examples": DECLARED.examples.model_copy(update={"sql": "SELECT nothing FROM sales"})}
    )
    files = {DEFINITION_FILE: declare.Product(sources=(SOURCE,), models=(broken,)).model_dump_json().encode()}
    model.land(TODAY, morning(TODAY) + HOUR)
    model.watched.version(bank_with(), "run-2", files)
    from headwater.monitoring.labels.definitions import Definitions

    product = Definitions.product

    def other(self: Definitions, name: str, version: int | None) -> Any:
        return product(self, name, 2)

    monkeypatch.setattr(Definitions, "product", other)
    later = model.hour(morning(TODAY) + 2 * HOUR)
    assert later.realised == status.realised
    assert later.notes[0].startswith("labels can't be joined: ")
    assert later.state is status.state


def test_an_unexpected_error_fails_the_look_and_drift_is_told(model: Performing) -> None:
    before = model.days(TODAY, 1)
    day = TODAY + DAY
    model.day(day, **STUCK)

    def busy(name: str, now: Any) -> Any:
        raise LakeBusy("S3 asks for a slower pace")

    with pytest.raises(LakeBusy):
        model.hour(morning(day), labels=busy)
    status = model.watched.store.status(MODEL)
    assert status is not None
    assert (status.state, status.day, status.realised) == (State.ALARM, day, before.realised)
    assert status.notes == ("performance is that of an earlier look: S3 asks for a slower pace",)


def test_a_look_whose_time_is_up_leaves_the_other_days_to_the_next(model: Performing) -> None:
    for place in range(3):
        model.day(TODAY + place * DAY)
    now = morning(TODAY + 2 * DAY)
    model.watched.log.compact(now)
    # All is counted and judged, and then time is up after each day's rows.
    model.watched.watch().run(now)
    kept = []
    for _ in range(3):
        left = iter([False] * 2)
        look, versions = model.look(), model.watched
        found = look(MODEL, 1, now, versions.store.judged(MODEL, 1), None, lambda left=left: next(left, True))
        kept.append((sum(versions.store.counts(MODEL, 1, day) is not None for day in model.rows), found.complete))
    assert kept == [(1, False), (2, False), (3, True)]


WRITES = ("put_counts", "score", "put_performance", "put_status")


def outcome(model: Performing) -> tuple[Any, ...]:
    """What is kept, whenever it was written."""
    store = model.watched.store
    status, standing = store.status(MODEL), store.standing(MODEL, 1)
    assert status is not None
    said = [one.model_copy(update={"known": morning(TODAY)}) for one in history(model)]
    return status.realised, status.severity, standing, [one.estimate for one in store.scored(MODEL, 1)], said


def two_days(model: Performing) -> None:
    for day in (TODAY, TODAY + DAY):
        model.day(day)
        model.tell(day, morning(day))
    model.watched.log.compact(morning(TODAY + DAY))


def test_a_look_that_is_killed_at_any_write_or_doubled_is_made_up_for() -> None:
    now, expected = morning(TODAY + DAY), None
    # The first time nothing dies.
    for number in chain([0], crash_points(1, "performance")):
        with new_watched() as watched:
            model = Performing(watched)
            model.version()
            two_days(model)
            with dying_at(number, (WatchRecords, WRITES)) as death:
                watched.watch(performance=model.look()).run(now)
            for _ in range(2):
                assert not watched.watch(performance=model.look()).run(now).failed
            expected = expected or outcome(model)
            assert outcome(model) == expected
        if number and not death.came:
            break
    assert number > 6


def test_history_has_each_judged_day_with_its_performance(model: Performing) -> None:
    model.days(TODAY, 1, wrong=0.9)
    last = model.days(TODAY + DAY, 1, **STUCK)
    samples = list(Statuses(Table(REGISTRY, CLIENTS)).samples())
    assert [sample.at for sample in samples] == [
        morning(TODAY).replace(minute=0), morning(TODAY + DAY).replace(minute=0), last.at,
    ]  # fmt: skip
    assert [sample.status.day for sample in samples] == [TODAY, TODAY + DAY, TODAY + DAY]
    assert samples[0].status.severity is Severity.PAGE
    assert samples[1].status.realised == last.realised


def test_counts_that_nothing_follows_from_any_more_are_removed(model: Performing) -> None:
    model.days(TODAY, 1)
    assert model.watched.store.counts(MODEL, 1, TODAY) is not None
    model.version("run-2", bank=bank_with(seed=3))
    model.hour(morning(TODAY) + 24 * HOUR)
    assert model.watched.store.counts(MODEL, 1, TODAY) is None
