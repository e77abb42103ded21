"""`headwater schedule` on a stack that has a schedule for its model."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from headwater.declare import Schedule, dates, weekdays
from headwater.schedules.types import Definition, Work
from headwater.storage.environment import CLIENTS
from tests.unit.cli.conftest import Run
from tests.unit.schedules.world import BUCKET, make_artifacts, make_machine, put_definition

NAME = "retrain-delays"


@pytest.fixture
def machine(stack: None) -> Any:
    make_artifacts()
    made = make_machine("headwater-dev-training")
    deploy(Schedule(cron="30 2 * * ? *", zone="Europe/Berlin"))
    return made


def deploy(schedule: Schedule, name: str = NAME) -> None:
    put_definition(Definition(name=name, work=Work(kind="training", name="delays"), schedule=schedule))


def days_ago(days: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%d}"


def test_a_stack_without_schedules_says_how_to_declare_one(run: Run, stack: None) -> None:
    CLIENTS("s3").create_bucket(Bucket=BUCKET)
    done = run("schedule", "list")
    assert (done.code, done.out) == (0, "")
    assert "a model declares retrain=Schedule(...)" in done.err


def test_schedules_are_listed_with_what_comes_next(run: Run, machine: Any) -> None:
    (found,) = run("schedule", "list", "--json").json
    assert (found["name"], found["when"], found["zone"]) == (NAME, "cron(30 2 * * ? *)", "Europe/Berlin")
    assert datetime.fromisoformat(found["next"]) > datetime.now(UTC)
    assert NAME in run("schedule", "list").out


def test_the_next_ticks_show_zone_utc_and_what_moves_them(run: Run, machine: Any) -> None:
    found = run("schedule", "next", NAME, "-n", "400", "--json").json
    notes = {note.partition(" on ")[0] for tick in found for note in tick["notes"]}
    assert notes == {"02:30 doesn't exist", "02:30 comes twice"}
    deploy(Schedule(cron="0 6 ? * MON-FRI *", calendar=weekdays() - dates("2030-01-01"), roll="next"), "retrain-z")
    shown = run("schedule", "next", "-n", "3").out
    assert "Europe/Berlin" not in shown.splitlines()[0]
    assert "CE" in shown


def test_a_run_by_hand_shows_in_the_history(run: Run, machine: Any) -> None:
    done = run("schedule", "run", NAME)
    assert "next: headwater runs watch delays-" in done.err
    (tick,) = run("schedule", "history", NAME, "--json").json
    assert (tick["status"], tick["origin"], tick["run"]) == ("STARTED", "manual", machine.executions[0].name)
    again = run("schedule", "run", NAME)
    assert (again.code, "forbids two runs at once" in again.err) == (5, True)


def test_a_pause_shows_everywhere_until_somebody_resumes(run: Run, machine: Any) -> None:
    done = run("schedule", "pause", NAME, "--until", "2150-01-01", "--why", "audit")
    assert "until 2150-01-01 00:00 UTC: audit" in done.err
    (found,) = run("schedule", "list", "--json").json
    assert found["paused"].endswith("until 2150-01-01 00:00 UTC: audit")
    assert found["next"].startswith("2150-01-01")
    assert "skipped: paused by" in run("schedule", "next", NAME).out
    assert run("schedule", "resume", NAME).code == 0
    assert run("schedule", "resume", NAME).code == 5


def test_a_backfill_is_shown_before_it_is_started(run: Run, machine: Any) -> None:
    given = ("schedule", "backfill", NAME, "--from", days_ago(5), "--until", days_ago(2))
    planned = run(*given, "--dry-run", "--json").json
    assert [tick["status"] for tick in planned] == ["DUE"] * 3
    assert machine.executions == []
    done = run(*given, "--parallel", "2", "--yes")
    assert "3 ticks; next: headwater schedule history retrain-delays" in done.err
    assert len(machine.executions) == 2
    assert "every tick of retrain-delays in that range was run" in run(*given).err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("next", "nightly"), 3, "the stack has no schedule 'nightly': it has retrain-delays"),
        (("history", "nightly"), 3, "the stack has no schedule 'nightly'"),
        (("pause", NAME, "--until", "tomorrow"), 2, "--until 'tomorrow' is no time"),
        (("pause", NAME, "--until", "2020-01-01"), 2, "--until 2020-01-01T00:00:00Z is past"),
        (("backfill", NAME, "--from", "2020-01-01", "--until", "2019-01-01"), 2, "is empty"),
        (("backfill", NAME, "--from", "2020-01-01", "--until", "2999-01-01"), 2, "which is to come"),
        (("backfill", NAME, "--from", "2010-01-01", "--until", "2020-01-01"), 2, "more than 500 ticks"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, machine: Any, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run("schedule", *arguments)
    assert done.code == code
    assert words in done.err.splitlines()[0]
