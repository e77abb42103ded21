"""`headwater local clock advance`: where the clock is then, and what it didn't wait for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from localcloud.daemon import Running
from localcloud.provider import Aws

from localcloud import daemon
from tests.unit.cli.conftest import Run

ROLE = "arn:aws:iam::123456789012:role/patient"
WAITS = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}}}


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Running]:
    """The local cloud of `run`, on which an execution waits for an hour of the machine's clock."""
    running = daemon.up(tmp_path / "home" / "local", port=0)
    machines = Aws(running.environment()).client("stepfunctions")
    made = machines.create_state_machine(name="patient", definition=json.dumps(WAITS), roleArn=ROLE)
    machines.start_execution(stateMachineArn=made["stateMachineArn"])
    yield running
    daemon.down(Path(running.directory))


def test_the_clock_moves_and_says_what_it_didnt_wait_for(run: Run, cloud: Running) -> None:
    before = datetime.fromisoformat(cloud.now())
    moved = run("local", "clock", "advance", "3h", "--json")
    assert moved.code == 0
    assert datetime.fromisoformat(moved.json["now"]) - before >= timedelta(hours=3)
    (passed,) = moved.json["not_waited_for"]
    assert (passed["what"], passed["count"], passed["going"]) == ("execution of patient", 1, 1)
    shown = run("local", "clock", "advance", "1h", "--settle-within", "30s")
    assert "the local cloud's time is" in shown.err
    assert "not waited for: execution of patient, at 2 stops, first at" in shown.err
    assert "goes on in" in shown.err
    assert shown.out == ""
    assert run("local", "clock", "advance", "1h", "--no-settle", "--json").json["not_waited_for"] == []


def test_a_duration_that_is_none_moves_nothing(run: Run) -> None:
    for arguments in (("soon",), ("1h", "--settle-within", "soon")):
        refused = run("local", "clock", "advance", *arguments, "--json")
        assert (refused.code, refused.json["reason"]) == (2, "InvalidRequest")
        assert "'soon' is no duration" in refused.json["message"]
    assert run("local", "clock", "advance", "1h", "--json").code == 3
