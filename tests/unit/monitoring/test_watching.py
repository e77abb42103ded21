"""Questions about a watched model: what was said, what today's rules say, and why."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from scipy import stats

from headwater.errors import InvalidRequest
from headwater.monitoring.asked_days import AskedDays
from headwater.monitoring.drift.channels import Channel
from headwater.monitoring.drift.judging import SUSPECT_LIMIT
from headwater.monitoring.drift.standing import State
from headwater.monitoring.drift.verdicts import Outcome
from headwater.monitoring.errors import NoBank
from headwater.monitoring.watching import NoSuchDay, NoSuchFeature, Watching
from headwater.registry.errors import AliasNotFound, ModelNotRegistered, VersionNotFound
from tests.unit.monitoring.logs import HOUR
from tests.unit.monitoring.watched import BANKED, MODEL, TODAY, Watched, bank_with, morning, new_watched, rows_of

DAYS = 6
STUCK = TODAY + timedelta(days=4)
LATE = TODAY + timedelta(days=5)
"""A day of which rows came after it was judged."""
BEGUN = TODAY + timedelta(days=DAYS)
NOW = datetime(BEGUN.year, BEGUN.month, BEGUN.day, 3, 40, tzinfo=UTC)


def faults_of(place: int) -> dict[str, float]:
    return {"amount": 0.25} if TODAY + timedelta(days=place) == STUCK else {}


@pytest.fixture(scope="module")
def world() -> Iterator[Watched]:
    """Six days of which the fifth is broken, and a seventh that has begun."""
    with new_watched() as made:
        bank = bank_with(importance={"amount": 0.125, "shop": 0.0})
        made.version(bank)
        made.serve(1)
        for place in range(DAYS):
            day = TODAY + timedelta(days=place)
            made.day(day, rows_of(800 + place, **faults_of(place)))
            made.hour(morning(day))
        made.request(LATE, 22, rows_of(850, 60, shop="new"), name="late")
        made.hour(morning(LATE) + HOUR)
        made.request(BEGUN, 3, rows_of(860, 70))
        yield made


def asking(world: Watched, *, known: datetime | None = None) -> Watching:
    return Watching(
        world.registry, world.log.store, world.days, world.store, world.versions, now=NOW, known=known
    )  # fmt: skip


def test_drift_is_of_the_last_days_that_have_predictions_and_of_a_minute_ago(world: Watched) -> None:
    found = asking(world).drift(MODEL)
    assert [one.day for one in found.days] == [TODAY + timedelta(days=place) for place in range(DAYS + 1)]
    assert [one.verdict.rows for one in found.days] == [80, 80, 80, 80, 80, 140, 70]
    by_day = {one.day: one for one in found.days}
    assert (by_day[STUCK].verdict.outcome, by_day[STUCK].state) == (Outcome.EXTREME, State.ALARM)
    assert [finding.feature for finding in by_day[STUCK].verdict.findings] == ["amount"]
    # A day that isn't over is looked at, and changes no state.
    assert [one.running for one in found.days] == [False] * DAYS + [True]
    frame = found.frame()
    assert list(frame["rows"]) == [80, 80, 80, 80, 80, 140, 70]
    assert asking(world).drift(MODEL, AskedDays(since=STUCK, until=STUCK)).days[0].verdict == by_day[STUCK].verdict


def test_today_s_rules_say_of_untouched_days_what_was_said(world: Watched) -> None:
    found = asking(world).replay(MODEL, AskedDays(since=TODAY, until=LATE))
    for one in found.days:
        assert one.said is not None
        if one.day != LATE:
            assert one.verdict.p == one.said.p
            assert one.verdict.outcome is one.said.outcome
    assert (found.alarms_then, found.alarms_now) == (1, 1)
    assert list(found.frame()["now"])[4] == "ALARM"


def test_status_tells_all_that_was_said(world: Watched) -> None:
    (every,) = asking(world).statuses()
    assert every.status is not None
    found = asking(world).status(MODEL)
    assert found.status == every.status
    assert found.importance == {"amount": 0.125, "shop": 0.0}
    assert [one.day for one in found.days] == [TODAY + timedelta(days=place) for place in range(DAYS)]
    assert [len(one.said) for one in found.days] == [1, 1, 1, 1, 1, 2]
    assert list(found.frame()["state"])[4] == "ALARM"
    with pytest.raises(ModelNotRegistered):
        asking(world).status("nobody")


def test_what_was_said_at_a_moment_is_said_as_of_it(world: Watched) -> None:
    # The versions' own moves are of the machine's clock, so that the moment's version is given.
    before, after = morning(STUCK) + timedelta(minutes=5), morning(LATE) - 2 * HOUR
    then = asking(world, known=before).drift(MODEL, AskedDays(version=1))
    assert then.days[-1].day == STUCK
    assert [one.verdict.rows for one in asking(world, known=after).drift(MODEL, AskedDays(version=1)).days][-1] == 80
    replayed = asking(world, known=before).replay(MODEL, AskedDays(since=STUCK, until=STUCK, version=1))
    assert replayed.days[0].said is None
    with pytest.raises(AliasNotFound, match="no version of model 'buys' served at"):
        asking(world, known=before).drift(MODEL)
    with pytest.raises(InvalidRequest, match="has no time zone"):
        asking(world, known=before.replace(tzinfo=None))


def test_a_week_is_judged_beside_weeks(world: Watched) -> None:
    found = asking(world).drift(MODEL, AskedDays(since=STUCK, until=LATE), horizon=3)
    assert [one.verdict.rows for one in found.days] == [240, 300]
    assert [one.verdict.horizon for one in found.days] == [3, 3]
    # Sixty days are twenty separate runs of three.
    assert {one.verdict.reason for one in found.days} == {f"{BANKED // 3} reference windows, fewer than 30"}


def test_quality_shows_each_share_beside_its_usual_range(world: Watched) -> None:
    found = asking(world).quality(MODEL, AskedDays(since=STUCK, until=LATE))
    shares = {(one.day, one.feature): one.shares for one in found.columns}
    assert shares[STUCK, "amount"][Channel.FROZEN].value == 1.0
    usual = shares[STUCK, "amount"][Channel.FROZEN].usual
    assert usual is not None
    assert usual[1] < 0.1
    assert shares[LATE, "shop"][Channel.UNSEEN].value == pytest.approx(60 / 140)
    unusual = {(one.day, one.feature) for one in found.columns if one.is_unusual}
    assert {(STUCK, "amount"), (LATE, "shop")} <= unusual
    assert set(found.frame()["channel"]) == {"missing", "unseen", "infinite", "frozen", "range"}


def test_segments_show_shares_and_raise_no_alarm(world: Watched) -> None:
    found = asking(world).segments(MODEL, AskedDays(since=LATE, until=LATE))
    shares = {one.segment: one for one in found.segments}
    assert sum(one.rows for one in found.segments) == 140
    assert shares["shop=(other)"].share > 0.5
    before = shares["shop=(other)"].before
    assert before is not None
    assert before < 0.5
    assert shares["shop=n"].verdict.reason == "5 reference windows, fewer than 30" or (
        shares["shop=n"].verdict.reason.endswith("rows, fewer than 50")
    )
    drifted = asking(world).drift(MODEL, AskedDays(since=LATE, until=LATE), segment="shop=(other)")
    assert drifted.days[0].verdict.rows == shares["shop=(other)"].rows
    with pytest.raises(NoSuchDay):
        asking(world).segments(MODEL, AskedDays(since=TODAY - timedelta(days=9), until=TODAY - timedelta(days=8)))


def test_a_day_is_explained_by_its_most_unusual_feature(world: Watched) -> None:
    found = asking(world).explain(MODEL, STUCK)
    assert found.features[0].feature == "amount"
    assert found.features[0].importance == 0.125
    assert found.hours == {2: 20, 8: 20, 14: 20, 20: 20}
    (one,) = asking(world).explain(MODEL, LATE, "shop").features
    assert one.histogram is not None
    bars = {bar.label: bar for bar in one.histogram.bars}
    assert bars["never seen in training"].now == pytest.approx(60 / 140)
    assert sum(bar.now for bar in bars.values()) == pytest.approx(1.0)
    assert sum(bar.usual for bar in bars.values()) == pytest.approx(1.0)
    (scores,) = asking(world).explain(MODEL, LATE, "predictions").features
    assert scores.histogram is not None
    with pytest.raises(NoSuchFeature, match=r"has no column 'colour'\. It has amount, shop; predictions"):
        asking(world).explain(MODEL, LATE, "colour")
    with pytest.raises(NoSuchDay, match=f"The last day that has some is {BEGUN}"):
        asking(world).explain(MODEL, TODAY - timedelta(days=3))


def test_shown_figures_are_those_of_scipy(world: Watched) -> None:
    (one,) = asking(world).explain(MODEL, TODAY, "amount").features
    assert one.histogram is not None
    now = np.asarray([row["amount"] for row in rows_of(800)])
    usual = np.asarray([row["amount"] for place in range(BANKED) for row in rows_of(place)])
    shown = one.histogram.shown
    # A bin holds one of 256 parts of the reference.
    assert shown.kolmogorov_smirnov == pytest.approx(stats.ks_2samp(now, usual).statistic, abs=2 / 256 + 1 / 80)
    assert shown.wasserstein == pytest.approx(
        stats.wasserstein_distance(now, usual) / usual.std(), abs=0.05
    )  # fmt: skip


def test_a_version_without_a_bank_says_what_to_do(world: Watched) -> None:
    bare = world.version(None, "bare")
    with pytest.raises(NoBank, match="has no profiles of its training days"):
        asking(world).drift(MODEL, AskedDays(version=bare))
    with pytest.raises(VersionNotFound):
        asking(world).drift(MODEL, AskedDays(version=99))


def drawn(figure: Any) -> Any:
    """The axes of a figure that can be written."""
    figure.savefig(BytesIO(), format="png", dpi=40)
    (canvas,) = figure.axes
    return canvas


def names(ticks: Any) -> list[str]:
    return [tick.get_text() for tick in ticks]


def test_days_are_drawn_beside_their_limit_and_unusual_ones_stand_out(world: Watched) -> None:
    found = asking(world)
    for answer, title in (
        (found.drift(MODEL), "buys@1"), (found.status(MODEL), "buys"),
        (found.replay(MODEL, AskedDays(since=TODAY, until=LATE)), "buys@1, replayed"),
    ):  # fmt: skip
        canvas = drawn(answer.plot())  # type: ignore[attr-defined]
        line, limit, unusual = canvas.get_lines()
        frame = answer.frame()  # type: ignore[attr-defined]
        assert canvas.get_title() == title
        assert line.get_ydata() == pytest.approx(-np.log10(frame["p"].to_numpy(dtype=float)), nan_ok=True)
        assert limit.get_ydata()[0] == pytest.approx(-np.log10(SUSPECT_LIMIT))
        outcome = frame["outcome"].isin(["SUSPICIOUS", "EXTREME"])
        assert STUCK in list(unusual.get_xdata()) == list(frame["day"][outcome])
        # A tick a day, and none at an hour.
        assert names(canvas.get_xticklabels()) == [str(day) for day in list(frame["day"])]
    nobody = found.drift(MODEL, AskedDays(since=TODAY - timedelta(days=9), until=TODAY - timedelta(days=8)))
    assert names(drawn(nobody.plot()).texts) == ["no day was judged beside its reference"]


def test_shares_that_stay_usual_are_not_drawn(world: Watched) -> None:
    canvas = drawn(asking(world).quality(MODEL).plot())
    told = names(canvas.get_legend().get_texts())
    assert told[:2] == ["amount frozen", "shop unseen"]
    assert all(max(line.get_ydata()) > 0 for line in canvas.get_lines())
    found = asking(world).quality(MODEL)
    usual = found.model_copy(update={"columns": tuple(one for one in found.columns if not one.is_unusual)})
    assert names(drawn(usual.plot()).texts) == ["no share was above its usual range"]


def test_segments_and_features_are_bars_with_their_names(world: Watched) -> None:
    found = asking(world).segments(MODEL)
    canvas = drawn(found.plot())
    assert names(canvas.get_yticklabels())[0] == max(found.segments, key=lambda one: one.share).segment
    # There were no days before: no bar says zero of them.
    assert names(canvas.get_legend().get_texts()) == ["now"]
    features = drawn(asking(world).explain(MODEL, STUCK).plot())
    assert names(features.get_yticklabels())[0] == "amount"
    one = asking(world).explain(MODEL, LATE, feature="shop")
    shown = drawn(one.plot())
    assert names(shown.get_yticklabels())[-1] == "never seen in training"
    widths = [bar.get_width() for bar in shown.patches]
    histogram = one.features[0].histogram
    assert histogram is not None
    assert widths == [bar.now for bar in histogram.bars] + [bar.usual for bar in histogram.bars]


def test_pictures_need_matplotlib_and_say_so(world: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(InvalidRequest, match=r"plot\(\) draws with matplotlib, which isn't installed"):
        asking(world).drift(MODEL, AskedDays(since=TODAY, until=TODAY)).plot()
