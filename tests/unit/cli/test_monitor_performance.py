"""`headwater monitor performance` and `errors`: how good a model was, in a terminal of eighty columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO

import pytest

from headwater.cli.monitor.intervals import Axis
from headwater.client import connect
from headwater.errors import InvalidRequest
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.monitoring.outcomes import MODEL, TODAY, Outcomes, new_outcomes

DAYS = [TODAY + timedelta(days=place) for place in range(3)]
EMPTY = TODAY - timedelta(days=20)


pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture(scope="module")
def world() -> Iterator[Outcomes]:
    """Three days: a usual one, one on which a shop went otherwise, and one of which half is labelled."""
    with new_outcomes() as made:
        made.day(DAYS[0], 0)
        made.day(DAYS[1], 10, wrong={"s": 0.45})
        made.day(DAYS[2], 20, wrong={"s": 0.45}, labelled=0.5)
        made.version("run-2")
        made.version("run-3", estimates=False)
        made.day(DAYS[0] - timedelta(days=9), 30, version=3, one_class=True)
        made.day(DAYS[0] - timedelta(days=8), 40, version=3, labelled=0.0)
        describe("dev", {**OUTPUTS, "region": "eu-central-1"})
        yield made


def test_each_day_is_shown_beside_its_limit_on_one_axis(asked: Run) -> None:
    shown = asked("monitor", "performance", MODEL)
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    assert lines[0] == f"{MODEL}@1 roc_auc by day"
    place = lines.index(f"{DAYS[1]}  400 predictions, 100% labelled")
    assert lines[place + 1] == "  worse than its limit"
    realised, estimated = lines[place + 2], lines[place + 3]
    assert realised.split()[:4] == ["realised", "0.786", "0.738..0.828", "0.862"]
    assert realised.endswith("|-----o----|   :")
    # What is expected by scores alone knows nothing of outcomes.
    assert estimated.split()[1] == "0.889"
    picture = [line for line in lines if line.startswith(("  realised", "  estimated"))]
    assert len({line.index(":") for line in picture}) <= 2
    assert max(map(len, lines[: lines.index("")])) <= 80
    assert any(line.startswith(f"all, {DAYS[0]} to {DAYS[2]}  1,200 predictions, 83%") for line in lines)


def test_the_whole_window_has_all_metrics_bias_and_delay(asked: Run) -> None:
    shown = asked("monitor", "performance", MODEL).out.splitlines()
    metrics = [line.split()[0] for line in shown if "(" in line and ".." in line and line.startswith(" ")]
    assert metrics == ["roc_auc", "average_precision", "log_loss", "brier", "accuracy"]
    assert any(line.startswith("labelled predictions are like the others (p 0.") for line in shown)
    delay = shown[shown.index(f"labelled, by the time after {DAYS[2]}:") + 1 :]
    assert [line.split()[:4] for line in delay[:5:4]] == [["1", "h", "400", "33%"], ["3", "d", "1,000", "83%"]]


def test_it_is_shown_as_it_was_known_at_a_moment(asked: Run) -> None:
    known = f"{DAYS[1] + timedelta(days=2)}T12:00Z"
    answer = asked("monitor", "performance", MODEL, "--version", "1", "--as-of", known, "--json").json
    first, second, _ = answer["stretches"]
    assert (first["report"]["bias"]["labelled"], second["report"]["bias"]["labelled"]) == (400, 0)
    assert second["report"]["bias"]["raw"]["roc_auc"]["reason"] == "no label"
    assert second["report"]["estimate"]["is_worse"] is False
    assert [point["labelled"] for point in answer["delay"]] == [400, 400]


def test_weeks_and_segments_have_figures_of_their_own(asked: Run) -> None:
    (week,) = asked("monitor", "performance", MODEL, "--by", "week", "--json").json["stretches"]
    assert (week["report"]["since"], week["report"]["until"]) == (f"{DAYS[0]}", f"{DAYS[2]}")
    answer = asked("monitor", "performance", MODEL, "--segment", "shop=s", "--json").json
    report = answer["whole"]["report"]
    assert answer["whole"]["report"]["bias"]["predictions"] == 371
    assert report["realised"]["is_worse"] is True
    assert report["realised"]["baseline"] != week["report"]["realised"]["baseline"]
    # The shop's outcomes changed and its inputs didn't: its estimate is judged beside its own, and finds nothing.
    assert report["estimate"]["is_worse"] is False
    assert report["estimate"]["baseline"] != week["report"]["estimate"]["baseline"]
    other = asked("monitor", "performance", MODEL, "--segment", "shop=(other)").out
    assert "no figure of training to compare with" in other


def test_days_without_a_figure_say_why(asked: Run) -> None:
    shown = asked("monitor", "performance", MODEL, "--version", "3")
    assert shown.code == 0, shown.err
    assert "  400 predictions, 100% labelled" in shown.out
    assert "\n  0 rows of class 1, fewer than 5\n" in shown.out
    assert "\n  no label\n" in shown.out
    assert "no estimate: the version was trained before estimators were kept" in shown.out


def test_the_slice_that_loses_most_comes_first(asked: Run) -> None:
    shown = asked("monitor", "errors", MODEL, "--since", f"{DAYS[0]}", "--until", f"{DAYS[2]}")
    assert shown.code == 0, shown.err
    assert "1,000 labelled predictions, mean log loss 0.5592" in shown.out
    (row,) = [line for line in shown.out.splitlines() if "shop=s" in line]
    assert row.split() == ["shop=s", "311", "0.8903", "0.4806", "0.334..0.627", "31%", "50%"]
    beside = asked("monitor", "errors", MODEL, "--beside", "2")
    assert (beside.code, "fewer than 50 labelled predictions" in beside.err) == (0, True)
    early = asked("monitor", "errors", MODEL, "-v", "1", "--as-of", f"{DAYS[1]}T00:00Z")
    assert "nothing was searched: 0 rows, fewer than 100" in early.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("performance", "nobody"), 3, "no version of model 'nobody' is registered"),
        (("errors", "nobody"), 3, "no version of model 'nobody' is registered"),
        (("performance", MODEL, "--segment", "carrier=UA"), 3, "has no segment 'carrier=UA'. It has shop=n"),
        (("performance", MODEL, "--since", f"{DAYS[2]}", "--until", f"{DAYS[0]}"), 2, "first one not after the last"),
        (("errors", MODEL, "--since", f"{DAYS[2]}", "--until", f"{DAYS[0]}"), 2, "first one not after the last"),
        (("performance", MODEL, "--since", f"{EMPTY}", "--until", f"{EMPTY}"), 3, f"that has some is {DAYS[2]}"),
        (("performance", MODEL, "--version", "2"), 3, "version 2 of model 'buys' has no predictions"),
        (("performance", MODEL, "--version", "9"), 3, "has no version 9"),
        (("errors", MODEL, "--beside", "1"), 2, "expected another version"),
        (("performance", MODEL, "--since", "March"), 2, "--since 'March' is no day"),
    ],
)
def test_each_refusal_is_one_clear_line(asked: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = asked("monitor", *words)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert said in done.err.splitlines()[0]


def test_the_client_gives_frames_and_refuses_a_moment_without_zone(world: Outcomes) -> None:
    monitor = connect("dev").monitor
    frame = monitor.performance(MODEL).frame()
    assert list(frame["is_worse"]) == [False, True, True]
    assert list(frame["predictions"]) == [400, 400, 400]
    assert frame["coverage"].tolist() == [1.0, 1.0, 0.5]
    slices = monitor.errors(MODEL).frame()
    assert slices["slice"].tolist() == ["shop=s"]
    with pytest.raises(InvalidRequest, match="has no time zone"):
        monitor.performance(MODEL, as_of=datetime(2026, 3, 5))  # noqa: DTZ001


def test_pictures_show_figures_beside_their_limits(world: Outcomes) -> None:
    monitor = connect("dev").monitor
    answer = monitor.performance(MODEL)
    figure = answer.plot()
    figure.savefig(BytesIO(), format="png", dpi=40)
    (canvas,) = figure.axes
    assert canvas.get_ylabel() == "roc_auc"
    assert [str(day) for day in DAYS] == [tick.get_text() for tick in canvas.get_xticklabels()]
    told = {text.get_text() for text in canvas.get_legend().get_texts()}
    assert told == {"realised", "estimated", "limit of realised", "limit of estimated"}
    by_name = {entry.get_label(): entry for entry in canvas.containers}
    realised, estimated = (by_name[name].lines[0] for name in ("realised", "estimated"))
    assert list(realised.get_ydata()) == list(answer.frame()["realised"])
    # Two figures of one day don't hide each other, and a limit has its figure's colour.
    assert set(realised.get_xdata()).isdisjoint(estimated.get_xdata())
    limits = {line.get_label(): line.get_color() for line in canvas.get_lines()}
    assert limits["limit of realised"] == realised.get_color() != limits["limit of estimated"]
    errors = monitor.errors(MODEL)
    (slices,) = errors.plot().axes
    assert [tick.get_text() for tick in slices.get_yticklabels()] == ["shop=s"]
    assert slices.get_xlabel() == "excess log loss"
    alone = errors.model_copy(update={"analysis": errors.analysis.model_copy(update={"slices": ()})})
    assert [text.get_text() for text in alone.plot().axes[0].texts] == ["no slice loses more than chance gives"]
    (empty,) = answer.model_copy(update={"stretches": ()}).plot().axes
    assert [text.get_text() for text in empty.texts] == ["neither a label nor an estimate"]


@pytest.mark.parametrize(
    ("low", "value", "high", "limit"), [(0.1, 0.1, 0.1, 0.1), (-1e9, 0, 1e9, None), (0.99999, 0.999991, 1.0, 0.5)]
)
def test_an_interval_stays_on_its_axis(low: float, value: float, high: float, limit: float | None) -> None:
    axis = Axis([low, value, high, *([] if limit is None else [limit])], 30)
    drawn = axis.bar(low, value, high, limit)
    assert (len(drawn) <= 30, drawn.count("o"), len(axis.ticks()) <= 30) == (True, 1, True)
