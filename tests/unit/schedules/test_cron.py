"""AWS's cron, held to what AWS accepted and to the times on which four programs agree."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from headwater.declare import Schedule
from headwater.schedules.ticks import upcoming

ORACLES = Path(os.environ.get("HEADWATER_ORACLES", Path(__file__).parents[4] / "shared" / "oracles")) / "cron"
pytestmark = pytest.mark.skipif(not ORACLES.is_dir(), reason="the recorded answers of others aren't beside the project")


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ORACLES / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("name", "number"), [("next_unanimous.jsonl", 715), ("next_majority.jsonl", 134)])
def test_the_next_ten_times_are_those_that_others_say(name: str, number: int) -> None:
    cases = recorded(name)
    assert len(cases) == number
    for case in cases:
        if case["next"]:
            found = upcoming(Schedule(cron=case["expr"]), datetime.fromisoformat(case["after"]), 10)
            assert [f"{tick.at:%Y-%m-%dT%H:%M:%SZ}" for tick in found] == case["next"], case["expr"]
        else:
            assert fires_never(case["expr"], datetime.fromisoformat(case["after"])), case["expr"]


def fires_never(cron: str, after: datetime) -> bool:
    try:
        return not upcoming(Schedule(cron=cron), after, 1)
    except ValidationError as error:
        return "it never fires" in str(error)


def test_an_expression_is_taken_if_and_only_if_aws_takes_it() -> None:
    cases = [case for case in recorded("validity_aws.jsonl") if "cron" in case["expr"] or "rate" in case["expr"]]
    assert len(cases) > 55
    for case in cases:
        # Rules insist on `1 hour` and `2 hours`; the Scheduler, which schedules use, takes both.
        if case["api"] == "events" and case["expr"] in {
            *("rate(1 days)", "rate(1 hours)", "rate(1 minutes)", "rate(10 day)", "rate(10 hour)", "rate(10 minute)")
        }:
            continue
        try:
            Schedule(expression=case["expr"])
        except ValidationError:
            assert not case["valid"], case["expr"]
        else:
            assert case["valid"], case["expr"]
