"""`headwater collect` on a stack that has a collector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from headwater.client import connect
from headwater.client.errors import TookTooLong
from headwater.collecting.errors import CollectFailed
from headwater.collecting.service import Tick
from headwater.collecting.types import Batch, Request
from headwater.declare import Schedule
from headwater.schedules.types import Definition, Work
from headwater.storage.environment import CLIENTS
from tests.unit.cli.conftest import Run
from tests.unit.client.conftest import OUTPUTS, describe
from tests.unit.collecting.world import Book, collecting, rows, store
from tests.unit.schedules.world import BUCKET, make_artifacts, make_machine, put_definition

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:headwater-dev-collecting"


@pytest.fixture
def machine(stack: None) -> Any:
    describe("dev", {**OUTPUTS, "collecting_arn": ARN})
    make_artifacts()
    made = make_machine("headwater-dev-collecting")
    put_definition(
        Definition(
            name="collect-book",
            work=Work(kind="collecting", name="book", runs_in="container", settings=("page", "shelf")),
            schedule=Schedule(every="1h"),
        )
    )
    return made


def fetch(name: str, numbers: list[int]) -> None:
    """What the machine's function does."""
    tick = Tick(at=datetime(2026, 11, 1, 6, tzinfo=UTC))
    collecting(Book(numbers).read).run(name, tick, seconds_left=lambda: 900.0)


def broken(request: Request) -> Iterator[Batch]:
    raise ConnectionError("db.example.com: no route to host; " * 4)
    yield


def test_a_stack_without_collectors_says_how_to_declare_one(run: Run, stack: None) -> None:
    CLIENTS("s3").create_bucket(Bucket=BUCKET)
    done = run("collect", "list")
    assert (done.code, done.out) == (0, "")
    assert "a product declares Collector(...)" in done.err


def test_a_collector_that_never_ran_says_when_it_will(run: Run, machine: Any) -> None:
    (found,) = run("collect", "list", "--json").json
    assert (found["name"], found["when"], found["cursor"], found["last"]) == ("book", "every 1h UTC", None, None)
    assert datetime.fromisoformat(found["next"]) > datetime.now(UTC)
    assert "next: headwater schedule next collect-book" in run("collect", "history", "book").err
    shown = run("collect", "show", "book")
    assert (shown.code, shown.out) == (0, "cursor none\n")


def test_what_runs_fetched_is_listed_shown_and_told(run: Run, machine: Any) -> None:
    fetch("first", [1, 2, 3])
    with pytest.raises(CollectFailed):
        collecting(broken).run("bad", Tick(at=datetime(2026, 11, 1, 7, tzinfo=UTC)), seconds_left=lambda: 900.0)
    (found,) = run("collect", "list", "--json").json
    assert (found["cursor"], found["pending"], found["last"]["status"]) == (3, 0, "FAILED")
    shown = run("collect", "show", "book", "--json").json
    assert [(one["sequence"], one["rows"], one["file"][:14]) for one in shown["batches"]] == [
        (2, 1, "book/00000002-"),
        (1, 2, "book/00000001-"),
    ]
    assert len(run("collect", "show", "book", "-n", "1", "--json").json["batches"]) == 1
    failed, done = run("collect", "history", "book", "--json").json
    assert (done["rows"], done["status"], failed["status"]) == (3, "DONE", "FAILED")
    assert failed["reason"].startswith("collector 'book': ConnectionError: db.example.com: no route to host;")


def test_what_is_shown_fits_a_terminal_of_80_columns(run: Run, machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch("book-20261101T060000Z-1", [1, 2, 3])
    with pytest.raises(CollectFailed):
        collecting(broken).run(
            "book-20261101T070000.123456Z-1", Tick(at=datetime(2026, 11, 1, 7, tzinfo=UTC)), seconds_left=lambda: 900.0
        )
    run("schedule", "pause", "collect-book", "--why", "the shop moves its database to another region")
    monkeypatch.setattr("headwater.cli.output._console", _narrow)
    for command in ("list", "history book", "show book"):
        shown = run("collect", *command.split()).out
        assert shown
        assert max(map(len, shown.splitlines())) <= 80, shown


def _narrow(_stderr: bool, _stream: int) -> Any:
    import sys

    from rich.console import Console

    return Console(file=sys.stdout, width=80, force_terminal=True, color_system=None)


def test_a_run_is_waited_for_until_it_has_ended(run: Run, machine: Any) -> None:
    collectors = connect("dev").collectors
    tick = collectors.run("book")
    with pytest.raises(TookTooLong, match="the run of collector book: nothing came of it"):
        collectors.wait("book", tick, timeout=0.1)
    fetch(tick.run, [1, 2, 3])
    assert collectors.wait("book", tick, timeout=1.0).rows == 3


def test_a_run_by_hand_is_started_once(run: Run, machine: Any) -> None:
    done = run("collect", "run", "book")
    assert "in a container; next: headwater collect history book" in done.err
    (execution,) = machine.executions
    assert json.loads(execution.execution_input)["collector"] == "book"
    again = run("collect", "run", "book")
    assert (again.code, "forbids two runs at once" in again.err) == (5, True)


def test_a_reset_sets_the_cursor_or_forgets_it(run: Run, machine: Any) -> None:
    fetch("first", [1, 2, 3])
    done = run("collect", "reset", "book", "--to", "2", "--yes")
    assert (done.code, "next: headwater collect run book" in done.err) == (0, True)
    fetch("second", [1, 2, 3])
    assert rows() == [1, 2, 3, 3]
    assert run("collect", "reset", "book", "--to", '"2026-01-01 00:00:00"', "--yes", "--json").json["cursor"] == (
        '"2026-01-01 00:00:00"'
    )
    assert run("collect", "reset", "book", "--to", "2026-01-01", "--yes", "--json").json["cursor"] == '"2026-01-01"'
    assert run("collect", "reset", "book", "--yes", "--json").json["cursor"] is None
    state = store().state()
    assert state is not None
    assert (state.cursor, state.identity) == (None, "")
    run("collect", "reset", "book", "--to", "\x1b[31m\ud800", "--yes")
    assert "\\x1b[31m\\ud800" in run("collect", "show", "book").out


def test_a_setting_of_the_stacks_own_is_set_shown_and_given_back(run: Run, machine: Any) -> None:
    done = run("collect", "set", "book", "shelf=a=b", "page=")
    assert (done.code, done.out) == (0, "page = \nshelf = a=b\n")
    assert "next: headwater collect run book" in done.err
    assert "shelf = a=b on this stack" in run("collect", "show", "book").out
    kept = run("collect", "set", "book", "--unset", "shelf", "--json").json
    assert (kept["settings"], kept["collector"], bool(kept["by"])) == ({"page": ""}, "book", True)
    assert run("collect", "show", "book", "--json").json["settings"] == {"page": ""}
    assert run("collect", "set", "book", "--unset", "page").out == "every setting has its declared value\n"


def test_a_setting_that_the_collector_does_not_declare_is_refused(run: Run, machine: Any) -> None:
    done = run("collect", "set", "book", "pages=3")
    assert (done.code, done.out) == (2, "")
    assert "collector 'book' has no setting 'pages': it has page, shelf" in done.err
    # One that an earlier declaration had can still be taken back.
    assert run("collect", "set", "book", "--unset", "pages").code == 0
    assert run("collect", "show", "book", "--json").json["settings"] == {}


def test_the_upload_that_a_file_became_can_be_waited_for(run: Run, machine: Any) -> None:
    collectors = connect("dev").collectors
    assert collectors.landed("book", "all.jsonl.gz") is None
    tick = Tick(at=datetime(2026, 11, 1, 6, tzinfo=UTC))
    for name, text in (("first", "a"), ("second", "b")):
        collecting(lambda _, text=text: [Batch(rows=[{"row": text}], name="all")]).run(  # type: ignore[misc]
            name, tick, seconds_left=lambda: 900.0
        )
    sent = collectors.landed("book", "all.jsonl.gz")
    assert sent is not None
    assert (sent.source, sent.file, sent.key) == ("readings", "book/all.jsonl.gz", "landing/readings/book/all.jsonl.gz")
    newest = CLIENTS("s3").head_object(Bucket=sent.bucket, Key=sent.key)
    assert (sent.version_id, sent.size, sent.run_id) == (newest["VersionId"], newest["ContentLength"], sent.upload.id)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("set", "page", "a=b"), 3, "the stack has no collector 'page'"),
        (("set", "book"), 2, "nothing to set: give SETTING=VALUE"),
        (("set", "book", "shelf"), 2, "'shelf': expected SETTING=VALUE, each setting once"),
        (("set", "book", "a=1", "a=2"), 2, "'a=2': expected SETTING=VALUE, each setting once"),
        (("set", "book", "a=1", "--unset", "a"), 2, "'a=1': expected SETTING=VALUE, each setting once"),
        (("set", "book", "page=\x1b[31m"), 2, "page: expected at most 2,000 printable characters"),
        (("set", "book", "a b=c"), 2, "'a b' is no name of a setting"),
        (("show", "page"), 3, "the stack has no collector 'page': it has book"),
        (("history", "page"), 3, "the stack has no collector 'page'"),
        (("run", "page"), 3, "the stack has no collector 'page'"),
        (("reset", "page", "--yes"), 3, "the stack has no collector 'page'"),
        (("reset", "book", "--yes", "--to", "9" * 60_000), 2, "the cursor has 60,002 characters"),
        (("reset", "book", "--yes", "--to", ""), 2, "--to is empty"),
        (("show", "book", "-n", "0"), 2, "Input should be greater than or equal to 1"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    run: Run, machine: Any, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = run("collect", *arguments)
    assert (done.code, done.out) == (code, "")
    assert words in done.err
    assert "Traceback" not in done.err
