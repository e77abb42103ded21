"""The function that looks at every model once an hour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from localcloud.embedded_metrics import metrics_in

from headwater.handlers.monitoring import watch
from headwater.monitoring.dashboards.cloudwatch import metrics_of
from headwater.monitoring.watch.service import Watch
from tests.unit.lake.invocation import Context
from tests.unit.lake.world import LAKE
from tests.unit.monitoring.logs import BUCKET
from tests.unit.monitoring.performing import Performing
from tests.unit.monitoring.watched import MODEL, TODAY, Watched, bank_with, morning, new_watched, rows_of

EVENT = {"time": f"{morning(TODAY).replace(minute=20):%Y-%m-%dT%H:%M:%SZ}"}


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    with new_watched() as made:
        monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", BUCKET)
        monkeypatch.setenv("HEADWATER_LAKE_BUCKET", LAKE)
        made.version(bank_with())
        made.serve(1)
        yield made


def test_one_alarm_a_model_goes_off_and_its_reason_is_told(
    watched: Watched, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    watched.day(TODAY, rows_of(1, amount=0.25))
    watched.day(TODAY, rows_of(2, 10), version=9)
    watched.log.compact(morning(TODAY))
    answer = watch.handler(EVENT, Context())
    assert answer == {
        "models": {MODEL: "ALARM"}, "rows": 90, "parts": 4, "removed": 0, "judged": 1, "complete": True,
    }  # fmt: skip
    found = [metric for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)]
    # The version keeps no declaration: nothing is known of its performance.
    assert {metric.name for metric in found} == {"ModelAlarm", "ModelState", "DriftP"}
    by_name = {metric.name: metric for metric in found}
    assert by_name["ModelAlarm"].dimensions == {"service": "monitoring", "model": MODEL}
    assert [by_name["ModelAlarm"].values, by_name["ModelState"].values] == [(1.0,), (3.0,)]
    assert f"{MODEL} ALARM: amount stuck 100%" in caplog.text
    assert "has no version 9" in caplog.text
    again = watch.handler(EVENT, Context())
    assert again == {**answer, "rows": 0, "parts": 0, "judged": 0}


def test_performance_is_told_by_the_metrics_of_the_dashboard(capsys: pytest.CaptureFixture[str]) -> None:
    with new_watched() as made, pytest.MonkeyPatch.context() as patches:
        patches.setenv("HEADWATER_PREDICTIONS_BUCKET", BUCKET)
        patches.setenv("HEADWATER_LAKE_BUCKET", LAKE)
        model = Performing(made)
        model.version()
        model.day(TODAY)
        model.tell(TODAY, morning(TODAY), wrong=0.9)
        made.log.compact(morning(TODAY))
        watch.handler(EVENT, Context())
        status = made.store.status(MODEL)
        assert status is not None
        found = {
            metric.name: metric.values for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)
        }
        assert found == {name: (float(value),) for name, value in metrics_of(status).items()}
        assert found.keys() == {
            "ModelAlarm", "ModelState", "DriftP", "Performance", "PerformanceEstimated", "LabelCoverage",
        }  # fmt: skip


def test_an_idle_stack_writes_no_metric(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    assert watch.handler(EVENT, Context())["models"] == {}
    assert not [metric for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)]


def test_a_model_that_fails_fails_the_function_behind_the_others(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = Watch.look

    def broken(self: Watch, model: str, *given: object) -> object:
        if model == "broken":
            raise RuntimeError("S3 is down")
        return look(self, model, *given)  # type: ignore[arg-type]

    watched.day(TODAY, rows_of(1))
    watched.log.put("broken/date=2026-03-02/hour=02/x.json", "{")
    watched.log.compact(morning(TODAY))
    monkeypatch.setattr(Watch, "look", broken)
    with pytest.raises(RuntimeError, match="S3 is down"):
        watch.handler(EVENT, Context())
    assert watched.store.status(MODEL) is not None


def test_time_that_runs_out_is_told(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watched.day(TODAY, rows_of(1))
    watched.log.compact(morning(TODAY))
    monkeypatch.setattr(watch, "RESERVE", 10**9)
    assert watch.handler(EVENT, Context())["complete"] is False
