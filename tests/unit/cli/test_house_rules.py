"""Rules that every command keeps: documented, light, data on stdout, failures in one line with an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from headwater.cli.app import app
from tests.unit.cli.conftest import Run

HEAVY = ("boto3", "botocore", "pulumi", "pandas", "duckdb", "moto", "sklearn", "pydantic", "rich.console")
LIGHT = 260
"""Modules; 173 with Python 3.12."""


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    command = command or typer.main.get_command(app)
    yield path, command
    for name, child in getattr(command, "commands", {}).items():
        yield from commands(child, (*path, name))


LEAVES = [path for path, command in commands() if not hasattr(command, "commands")]


def test_every_command_of_the_issue_is_there() -> None:
    wanted = """demo; local up; local status; local stop; local down; local logs; local clock advance; local env;
        local snapshot save; local snapshot restore; local snapshot list; local snapshot delete;
    upload; train; runs list; runs watch; models list; models show; models promote; models rollback;
    models training-set; predict;
    features list; features show; features lineage; features stats; features diff; features search;
    features compute; features get; features ingest; features materialise; features parity; features skew;
    ingestions list; ingestions show; ingestions quarantine; source list; source show; source reingest; runs stop;
    predictions list; monitor status; monitor drift; monitor quality; monitor segments; monitor explain;
    monitor replay; monitor performance; monitor errors; monitor dashboards; monitor export; monitor token create;
    monitor token list; monitor token revoke; labels upload; labels list; labels coverage; feedback list;
    feedback show; feedback summary; feedback send; feedback rotate-key; alarms list; alarms show; alarms ack;
    alarms unack; alarms snooze; alarms close; alarms mute; alarms unmute; alarms mutes; alarms beat;
    alarms heartbeats; alarms route; alarms test; alarms rotate-key;
    alarms send; alarms replay; new; init; check; lock; stack; verify;
    data list; data status; data commit; data log; data show; data diff;
    data ls; data blame; data revert; data merge; data reset; data tag; data moves; data branch create;
    data branch list; data branch delete; data hook add; data hook list; data hook remove; data checkout; data upload;
    data import; data verify; data cat; data gc;
    bootstrap; infra history; infra show; infra diff; infra at; infra sync; infra restore;
    lineage annotate; lineage at; lineage diff; lineage down; lineage export; lineage forget; lineage impact;
    lineage path; lineage rebuild; lineage search; lineage show; lineage sync; lineage up; lineage verify;
    lineage why;
    collect list; collect show; collect run; collect history; collect set; collect reset;
    schedule list; schedule next; schedule history; schedule pause; schedule resume; schedule run; schedule backfill;
    retrain status; retrain why; retrain run; retrain pause; retrain resume; retrain policy"""
    assert {" ".join(path) for path in LEAVES} == {" ".join(name.split()) for name in wanted.split(";")}


@pytest.mark.parametrize(
    ("path", "command"), list(commands()), ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_option_and_argument_has_a_help_text(path: tuple[str, ...], command: Any) -> None:
    assert command.help, path
    silent = [parameter.name for parameter in command.params if not getattr(parameter, "help", None)]
    assert silent == []


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_takes_json_and_debug(path: tuple[str, ...]) -> None:
    (command,) = (command for name, command in commands() if name == path)
    options = {option for parameter in command.params for option in parameter.opts}
    assert {"--json", "--debug"} <= options


def python(*code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys, headwater.cli; code = headwater.cli.main(['--help']); "
        f"sys.exit(code or ', '.join(name for name in {HEAVY} if name in sys.modules) or 0)"
    )
    done = python("-c", script)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_loads_little() -> None:
    # What takes the time is what is imported, which doesn't depend on how busy the machine is: 115 ms on an idle one.
    script = (
        "import sys, headwater.cli; code = headwater.cli.main(['--help']); print(len(sys.modules), file=sys.stderr)"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr) < LIGHT, f"--help imports {done.stderr.strip()} modules"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_the_commands(shell: str) -> None:
    words = {"COMP_WORDS": "headwater mod", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "headwater mod"}
    words["_TYPER_COMPLETE_FISH_ACTION"] = "get-args"
    done = python(
        "-c", "import headwater.cli; headwater.cli.main([])", _HEADWATER_COMPLETE=f"complete_{shell}", **words
    )
    assert "models" in done.stdout, done.stderr


def test_a_usage_error_exits_with_2_and_names_the_help(run: Run) -> None:
    done = run("upload")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: Missing argument 'source'")
    assert "next: headwater upload --help" in done.err


@pytest.mark.parametrize("arguments", [["no-such-command"], ["models", "lst"], ["demo", "--months", "9"], ["--stuff"]])
def test_what_cannot_be_understood_exits_with_2(run: Run, arguments: list[str]) -> None:
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 2


def test_failures_are_json_too_where_json_was_asked_for(run: Run) -> None:
    done = run("models", "list", "--json")
    assert done.code == 3
    assert done.json == {
        "status": "failed",
        "reason": "NoStack",
        "message": "no stack is named and no local cloud runs: pass --stack, or headwater local up",
        "next": ["headwater local up"],
    }
    assert run("upload", "--json").json["reason"] == "Usage"


def test_without_a_terminal_nothing_moves_and_nothing_is_coloured(run: Run) -> None:
    done = run("models", "list")
    assert done.code == 3
    assert done.out == ""
    assert done.err.splitlines() == [
        "error: no stack is named and no local cloud runs: pass --stack, or headwater local up",
        "  next: headwater local up",
    ]


def test_debug_shows_where_it_happened(run: Run) -> None:
    done = run("models", "list", "--debug")
    assert "Traceback" in done.err
    assert done.err.rstrip().endswith("next: headwater local up")


def test_a_group_without_a_command_shows_its_help(run: Run) -> None:
    done = run("models")
    assert done.code == 2
    assert "promote" in done.err


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m headwater.cli check --json | head -c 1"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("{", "")
