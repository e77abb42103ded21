"""The decision, against the tables of CloudWatch's user guide."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from localcloud.alarms.evaluate import decide, evaluation_range
from localcloud.alarms.expressions import NotUnderstood, compute
from localcloud.alarms.metrics import percentile

ORACLES = Path(os.environ.get("LOCALCLOUD_ORACLES", Path(__file__).parents[4] / "shared" / "oracles"))
TIMES = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute) for minute in range(3)]


def test_every_row_of_the_user_guides_tables_comes_out_as_printed() -> None:
    file = ORACLES / "cw-alarms" / "doc_tables.jsonl"
    if not file.exists():
        pytest.skip("the oracle cw-alarms isn't beside the repository")
    for line in file.read_text().splitlines():
        row = json.loads(line)
        assert evaluation_range(row["evaluation_periods"]) == row["evaluation_range"]
        state = decide(
            [None if value is None else value == row["breaching_value"] for value in row["datapoints_oldest_first"]],
            evaluation_periods=row["evaluation_periods"],
            datapoints_to_alarm=row["datapoints_to_alarm"],
            treatment=row["treat_missing_data"],
        )
        if row["expect"] == "NOT_ALARM":
            assert state != "ALARM", row["name"]
        else:
            assert (state or "RETAIN") == row["expect"], row["name"]


def test_percentiles_lie_between_neighbours() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0) == 1
    assert percentile(values, 50) == pytest.approx(50.5)
    assert percentile(values, 100) == 100
    assert percentile([], 50) is None


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("m1 / m2 * 100", [50.0, None, None]),
        ("100 * (m1 / FILL(m2, 1))", [50.0, 200.0, None]),
        ("IF(m1 > 1, m1, 0)", [0.0, 2.0, None]),
        ("SUM([m1, m2])", [3.0, 2.0, 0.0]),
        ("MAX(m1)", [2.0, 2.0, 2.0]),
        ("FILL(m1, REPEAT)", [1.0, 2.0, 2.0]),
        ("-m1", [-1.0, -2.0, None]),
    ],
)
def test_metric_math_knows_arithmetic_conditions_and_gaps(text: str, values: list[float | None]) -> None:
    named = {"m1": {TIMES[0]: 1.0, TIMES[1]: 2.0}, "m2": {TIMES[0]: 2.0, TIMES[2]: 0.0}}
    found = compute(text, named, TIMES)
    assert [found.get(time) for time in TIMES] == values


@pytest.mark.parametrize("text", ["ANOMALY_DETECTION_BAND(m1)", "m1 +", "[m1, m1]", "m9"])
def test_metric_math_that_isnt_there_is_refused(text: str) -> None:
    with pytest.raises(NotUnderstood):
        compute(text, {"m1": {}}, TIMES)
