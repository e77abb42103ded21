"""The command `localcloud`: each verb, its JSON, its exit codes and what it says of a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from localcloud.cli import main
from localcloud.provider import Aws

from localcloud import daemon

PROGRAM = """
import pulumi, pulumi_aws as aws
queue = aws.sqs.Queue("jobs", name="jobs-of-the-command")
pulumi.export("url", queue.url)
"""


class Result(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of stdout."""
        (line,) = self.out.splitlines()
        return json.loads(line)


Run = Callable[..., Result]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a cloud that runs."""
    made = tmp_path_factory.mktemp("command") / ".localcloud"
    assert main(["up", "--port", "0", "--region", "eu-west-1", "--directory", str(made)]) == 0
    yield made
    daemon.down(made)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command in this process, with no terminal."""
    for name in ("LOCALCLOUD_DIRECTORY", "LOCALCLOUD_PORT"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Result:
        capsys.readouterr()
        code = main(arguments)
        return Result(code, *capsys.readouterr())

    return run


@pytest.fixture
def here(run: Run, directory: Path) -> Run:
    """Runs the command on the cloud that runs."""
    return lambda *arguments: run(*arguments, "--directory", str(directory))


def test_a_cloud_that_runs_is_found_again_and_described(here: Run, directory: Path) -> None:
    again = here("up", "--json")
    assert (again.code, again.json["already"], again.json["region"]) == (0, True, "eu-west-1")
    facts = here("status", "--json").json
    assert facts["endpoint"] == again.json["endpoint"]
    assert facts["log"] == str(directory / "cloud.log")
    shown = here("status")
    assert again.json["endpoint"] in shown.out
    assert (directory / ".gitignore").read_text() == "*\n"


def test_its_variables_lead_a_shell_to_it(here: Run) -> None:
    lines = here("env").out
    ask = "import os; print(os.environ['AWS_ENDPOINT_URL'], 'AWS_PROFILE' in os.environ)\n"
    script = f"export AWS_PROFILE=mine\n{lines}\n'{sys.executable}' -c \"{ask}\""
    said = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.split()
    variables = here("env", "--json").json
    assert said == [variables["AWS_ENDPOINT_URL"], "False"]
    assert variables["AWS_REGION"] == "eu-west-1"
    assert variables["PULUMI_BACKEND_URL"].startswith("s3://state?")


def test_the_clock_moves_by_a_duration_and_refuses_other_words(here: Run) -> None:
    before = here("status", "--json").json["clock"]
    assert here("clock", "advance", "90m", "--json").json["now"] > before
    refused = here("clock", "advance", "soon", "--json")
    assert (refused.code, refused.json["reason"]) == (2, "bad_duration")
    assert refused.json["next"] == ["Write 90s, 15m, 6h or 7d"]


def test_a_clock_waits_for_as_long_as_it_is_told(here: Run) -> None:
    moved = here("clock", "advance", "90m", "--settle-within", "10s", "--json")
    assert (moved.code, moved.json["not_waited_for"]) == (0, [])
    assert here("clock", "advance", "90m", "--no-settle").code == 0
    refused = here("clock", "advance", "90m", "--settle-within", "long", "--json")
    assert (refused.code, refused.json["reason"]) == (2, "bad_duration")


def test_a_state_is_saved_restored_and_deleted(here: Run) -> None:
    sqs = client(here, "sqs")
    sqs.create_queue(QueueName="before")
    saved = here("snapshot", "save", "prepared", "--json")
    assert (saved.code, saved.json["name"]) == (0, "prepared")
    assert (again := here("snapshot", "save", "prepared", "--json")).code == 5, again
    assert here("snapshot", "list", "--json").json == [saved.json]
    sqs.create_queue(QueueName="after")

    asked = here("snapshot", "restore", "prepared", "--json")
    assert (asked.code, asked.json["reason"]) == (5, "not_confirmed")
    assert here("snapshot", "restore", "prepared", "--yes").code == 0
    urls = client(here, "sqs").list_queues()["QueueUrls"]
    assert [url.rpartition("/")[2] for url in urls] == ["before"]

    assert here("snapshot", "delete", "prepared", "--yes").code == 0
    lacking = here("snapshot", "restore", "prepared", "--yes")
    assert lacking.code == 3
    assert "next: Save one: localcloud snapshot save NAME" in lacking.err


def test_a_pulumi_project_is_deployed_and_destroyed(here: Run, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    made = here("deploy", "--project", str(tmp_path), "--json")
    assert made.code == 0, made.err
    assert made.json["outputs"]["url"].endswith("/jobs-of-the-command")
    assert "create aws:sqs/queue:Queue jobs" in made.err
    assert here("destroy", "--project", str(tmp_path)).code == 0
    assert "QueueUrls" not in client(here, "sqs").list_queues(QueueNamePrefix="jobs-of-the-command")

    (tmp_path / "__main__.py").write_text("raise ValueError('not like this')")
    failed = here("deploy", "--project", str(tmp_path))
    assert failed.code == 1
    assert "not like this" in failed.err
    assert "--debug" in failed.err


def test_where_no_cloud_runs_the_next_step_is_named(run: Run, tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none")
    for command in (("status",), ("env",), ("clock", "advance", "1h"), ("deploy",)):
        refused = run(*command, "--directory", nowhere, "--json")
        assert (refused.code, refused.json["reason"]) == (3, "not_running")
        assert refused.json["next"] == ["localcloud up"]
    assert run("stop", "--directory", nowhere, "--json").json["was_running"] is False
    assert run("down", "--directory", nowhere).code == 0


def test_a_command_that_cannot_be_understood_is_a_usage_error(run: Run) -> None:
    refused = run("snapshot", "keep", "--json")
    assert (refused.code, refused.json["reason"]) == (2, "Usage")
    assert refused.json["next"] == ["localcloud snapshot --help"]


def client(here: Run, service: str) -> Any:
    """A client that is led there by what `env` says."""
    return Aws(here("env", "--json").json).client(service)
