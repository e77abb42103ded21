"""`headwater predictions`: the prediction log on the command line."""

from __future__ import annotations

import json

from headwater.client import Stack
from headwater.serving.types import record_key
from tests.unit.cli.conftest import Run
from tests.unit.monitoring.logs import AT, HOUR, Log, record


def test_the_command_lists_what_was_logged_and_says_when_nothing_was(log: Log, logging_stack: Stack, run: Run) -> None:
    log.write(record("r-1", instances=3), record("r-2", AT + HOUR))
    log.put(record_key("buys", AT, "half"), "{")
    asked = ("predictions", "list", "buys", "--since", "2026-03-01T00:00Z", "--until", "2026-03-02T00:00+00:00")
    shown = run(*asked)
    assert "r-1.2" in shown.out
    assert "habits.name" in shown.out
    assert "half.json: it isn't JSON" in shown.err
    listed = run(*asked, "--json").json
    assert [row["prediction_id"] for row in listed] == ["r-1.0", "r-1.1", "r-1.2", "r-2.0"]
    assert listed[0]["received_at"] == "2026-03-01T05:30:00+00:00"
    assert json.loads(listed[2]["inputs"]) == {"shop": "n", "amount": 2}
    log.compact()
    some = run(*asked, "--json", "--limit", "2")
    assert len(some.json) == 2
    assert "the first 2 are listed; 4 were logged" in some.err
    none = run("predictions", "list", "buys", "--since", "2020-01-01T00:00Z", "--until", "2020-01-02T00:00Z", "--json")
    assert none.json == []
    assert "no prediction of buys was logged from 2020-01-01" in none.err
    wrong = run("predictions", "list", "buys", "--since", "2020-01-01")
    assert (wrong.code, "has no time zone" in wrong.err) == (2, True)
