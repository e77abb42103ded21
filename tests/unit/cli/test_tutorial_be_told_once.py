"""The tutorial "be told once" as its reader follows it: every command, in order, and what is heard meanwhile."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.alarms.store import DECLARED_KEY
from headwater.declare.alarms import Alarms, load_alarms
from headwater.handlers.alarms import manage
from headwater.storage.environment import CLIENTS
from tests.unit.alarms.cases import Host, hosting
from tests.unit.cli.conftest import Run
from tests.unit.handlers.alarms.test_manage import arn_of, forget
from tests.unit.handlers.serving.cases import Context

PAGE = Path(__file__).parents[3] / "docs" / "tutorial-be-told-once.md"
LISTENER = "http://127.0.0.1:9099/"


def code(kind: str) -> str:
    """The page's block of this language."""
    (found,) = re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return str(found)


def commands() -> list[list[str]]:
    """The page's commands on alarms, in order."""
    lines = PAGE.read_text().replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("    headwater alarms ")]


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as made:
        yield made


@pytest.fixture
def declared(stack: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host) -> Alarms:
    """A project with the page's two files, deployed, so that no group waits."""
    (tmp_path / "Pulumi.yaml").write_text("name: mine\n")
    (tmp_path / "infra").mkdir()
    (tmp_path / "alarms.py").write_text(code("python").replace(LISTENER, host.root))
    (tmp_path / "alarms.json").write_text(code("json"))
    over = code("json").replace('"firing",', '"resolved", "endsAt": "2026-11-01T12:30:00Z",')
    (tmp_path / "over.json").write_text(over)
    monkeypatch.chdir(tmp_path)
    found = load_alarms(tmp_path)
    assert found is not None
    at_once = found.model_dump(mode="json")
    at_once["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    CLIENTS("s3").create_bucket(Bucket="artifacts")
    made = Alarms.model_validate(at_once)
    CLIENTS("s3").put_object(Bucket="artifacts", Key=DECLARED_KEY, Body=made.model_dump_json())
    timers = CLIENTS("sqs").create_queue(QueueName="headwater-dev-alarms")["QueueUrl"]
    CLIENTS("scheduler").create_schedule_group(Name="alarms")
    environment = manage.Settings.environment(
        registry_table="registry", artifacts_bucket="artifacts", declared_sha256="1", stack="headwater/dev",
        prefix="headwater-dev-", alarms_queue_url=timers, alarms_queue_arn=arn_of(timers), dead_letters_url="",
        schedule_group="alarms", schedule_role_arn="arn:aws:iam::123456789012:role/timers",
    )  # fmt: skip
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    forget()
    return made


def work(*, waits: bool) -> None:
    """Do what the queue brings; if it ``waits`` also what it brings a moment later."""
    url = manage.settings().alarms_queue_url
    queue: Any = CLIENTS("sqs")
    for _ in range(30):
        found = queue.receive_message(QueueUrl=url, WaitTimeSeconds=int(waits)).get("Messages", [])
        if not found:
            return
        for entry in found:
            manage.handler({"Records": [{"body": entry["Body"]}]}, Context())  # type: ignore[arg-type]
            queue.delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])


def test_a_reader_can_follow_the_page(run: Run, declared: Alarms, host: Host) -> None:
    told = []
    for words in commands():
        done = run(*words)
        assert done.code == 0, (words, done.err)
        work(waits=words[1] == "send")
        told.append((words[1], done))
    texts = [str(body["text"]).splitlines()[0] for _, _, body in host.received]
    assert texts == ["ALARM: drift, late-feed (2 alarms)", "OK again: drift, late-feed (2 alarms)"]
    assert all(f"`{text}`" in PAGE.read_text() for text in texts), "the page says what is heard"
    assert any(name == "show" and "ACKED" in done.out for name, done in told)
    assert any(name == "heartbeats" and "nightly-export" in done.out for name, done in told)
    assert json.dumps([name for name, _ in told]).count("mute") == 3
