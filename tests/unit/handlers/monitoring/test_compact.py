"""The function that compacts the prediction log each hour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from localcloud.embedded_metrics import metrics_in

from headwater.handlers.monitoring import compact
from headwater.monitoring.log.store import CompactionStore
from headwater.serving.types import record_key
from tests.unit.lake.invocation import Context
from tests.unit.monitoring.logs import AT, BUCKET, HOUR, Log, new_log, record

EVENT = {"time": (AT + HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    with new_log() as made:
        monkeypatch.setenv("HEADWATER_PREDICTIONS_BUCKET", BUCKET)
        compact.compaction.cache_clear()  # type: ignore[attr-defined]
        yield made


def test_an_hour_is_compacted_and_what_is_torn_is_counted_and_named(
    log: Log, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    log.write(record("r-1", instances=3))
    log.put(record_key("buys", AT, "half"), "{")
    answer = compact.handler(EVENT, Context())
    assert answer == {"records": 1, "rows": 3, "parts": 1, "torn": 1, "complete": True}
    assert "hour=05/half.json: it isn't JSON" in caplog.text
    metrics = [metric for line in capsys.readouterr().out.splitlines() for metric in metrics_in(line)]
    found = {metric.name: sum(metric.values) for metric in metrics}
    assert found["QuarantinedPredictionRecords"] == 1
    assert found["CompactedPredictions"] == 3
    log.assert_once()


def test_one_model_that_fails_holds_no_other_back(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(record("r-1"), record("r-2", model="broken"))
    hour = CompactionStore.hour

    def broken(store: CompactionStore, model: str, *given: object) -> object:
        if model == "broken":
            raise RuntimeError("S3 is down")
        return hour(store, model, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(CompactionStore, "hour", broken)
    with pytest.raises(RuntimeError, match="S3 is down"):
        compact.handler(EVENT, Context())
    assert log.parts() == ["r-1.0"]


def test_time_that_runs_out_is_told(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.write(record("r-1"))
    monkeypatch.setattr(compact, "RESERVE", 10**9)
    assert compact.handler(EVENT, Context())["complete"] is False
    log.assert_once()
