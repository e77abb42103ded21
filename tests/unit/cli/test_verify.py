"""How `headwater verify` shows what it found."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest
import typer
from rich.console import Console

from headwater.cli.command import command
from headwater.cli.output import Answer
from headwater.cli.verify import show
from headwater.client.verification import CheckResult, CostLine, Outcome, Report
from headwater.client.verification.checks import CHECKS

REASON = (
    "headwater-dev-serving-predict may not dynamodb:BatchGetItem on arn:aws:dynamodb:eu-central-1:123456789012:table/"
    "headwater-dev-features; training called headwater-dev-registry-promote, which doesn't exist"
)


def report(outcome: Outcome, detail: str) -> Report:
    results = [
        CheckResult(name=check.name, title=check.title, outcome=Outcome.OK, seconds=123.4, detail="as it should be")
        for check in CHECKS
    ]
    results[8] = results[8].model_copy(update={"outcome": outcome, "detail": detail})
    return Report(
        id="0a1b2c3d",
        stack="dev",
        account="123456789012",
        region="eu-central-1",
        started_at=datetime(2026, 5, 1, tzinfo=UTC),
        seconds=321,
        results=tuple(results),
        costs=(CostLine(what="Lambda GB-seconds", amount=578.7, unit="Lambda GB-seconds", dollars=0.0096),),
        prices="list prices",
        kept=False,
        stays=("the registry",),
    )


def shown(given: Report, *, terminal: bool) -> str:
    text = StringIO()
    console = Console(file=text, width=80 if terminal else 200, force_terminal=terminal, color_system=None,
                      soft_wrap=not terminal)  # fmt: skip
    show(console, given)
    return text.getvalue()


def test_the_table_is_whole_in_eighty_columns_and_the_reason_is_too() -> None:
    for outcome, detail in ((Outcome.OK, "as it should be"), (Outcome.FAILED, REASON)):
        text = shown(report(outcome, detail), terminal=True)
        assert all(len(line.rstrip()) <= 80 for line in text.splitlines())
        words = set(text.split())
        for check in CHECKS:
            assert set(check.title.split()) <= words
        assert set(detail.split()) <= words
        assert "in 321 s; at most $0.0096" in " ".join(text.split())


def test_all_well_takes_a_line_a_check() -> None:
    lines = shown(report(Outcome.OK, "as it should be"), terminal=True).splitlines()
    assert len([line for line in lines if "as it should be" in line]) == len(CHECKS)


def test_in_a_pipe_a_long_reason_takes_nothing_from_the_other_columns() -> None:
    text = shown(report(Outcome.FAILED, REASON * 3), terminal=False)
    line = next(line for line in text.splitlines() if "permissions" in line)
    assert REASON * 3 in line
    assert all(f" {check.title} " in text for check in CHECKS)


def test_a_report_knows_whether_it_passed() -> None:
    assert report(Outcome.SKIPPED, "no state bucket").passed
    failed = report(Outcome.FAILED, REASON)
    assert not failed.passed
    assert [entry.detail for entry in failed.failures] == [REASON]


def test_an_answer_may_say_that_what_was_looked_at_isnt_well(capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    def look() -> Answer:
        """Look."""
        return Answer({"status": "failed"}, exit_code=1)

    command(app, "look")(look)
    with pytest.raises(SystemExit) as raised:
        app(["--json"])
    assert raised.value.code == 1
    assert capsys.readouterr().out == '{"status": "failed"}\n'
