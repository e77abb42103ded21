"""The alarm manager as SNS invokes it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from headwater.alarms.errors import NotificationFailed
from headwater.alarms.store import AlarmStore
from headwater.alarms.types import UNPARSED
from headwater.handlers.alarms import manage
from headwater.storage.clients import client
from tests.unit.alarms.cases import Host, message, sns
from tests.unit.handlers.serving.cases import Context
from tests.unit.registry.cases import TABLE, make_table, mocked_aws


@pytest.fixture
def mailbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A queue that is subscribed to the notifications' topic as people are by e-mail."""
    with mocked_aws(monkeypatch):
        make_table()
        topic = client("sns").create_topic(Name="notifications")["TopicArn"]
        queue = client("sqs").create_queue(QueueName="mailbox")["QueueUrl"]
        arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        environment = manage.Settings.environment(
            registry_table=TABLE, notifications_topic_arn=topic, repeat_after_seconds="3600"
        )
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        manage.manager.cache_clear()  # type: ignore[attr-defined]
        yield queue


def mails(queue: str) -> list[tuple[str, str]]:
    """Subject and text of what arrived since the last look."""
    found = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    bodies = [json.loads(entry["Body"]) for entry in found]
    return [(body["Subject"], body["Message"]) for body in bodies]


def handle(content: str, message_id: str = "m-1") -> str:
    (handled,) = manage.handler(sns(content, message_id), Context())["handled"]  # type: ignore[arg-type]
    decision: str = handled["decision"]
    return decision


def test_an_alarm_is_mailed_once_and_its_recovery_too(mailbox: str) -> None:
    assert handle(message("ALARM", 0)) == "NOTIFIED"
    ((subject, text),) = mails(mailbox)
    assert subject == "ALARM: api-errors"
    assert "Threshold Crossed" in text
    assert handle(message("ALARM", 0)) == "NOTIFIED"
    assert handle(message("ALARM", 30)) == "SUPPRESSED"
    assert mails(mailbox) == []
    assert handle(message("OK", 40)) == "RECOVERED"
    assert [subject for subject, _ in mails(mailbox)] == ["OK again: api-errors"]


def test_a_message_that_is_no_alarm_is_kept_mailed_and_logged(mailbox: str, caplog: pytest.LogCaptureFixture) -> None:
    handle("the budget is used up")
    ((subject, text),) = mails(mailbox)
    assert subject == "UNKNOWN: unparsed"
    assert "the budget is used up" in text
    assert "a message is no CloudWatch alarm; kept as it came" in caplog.text
    assert len(AlarmStore(TABLE).records(UNPARSED)) == 1


def test_a_webhook_that_fails_once_makes_the_event_come_again_without_a_second_mail(
    mailbox: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host()
    host.statuses = [404]
    threading.Thread(target=host.server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("HEADWATER_WEBHOOKS", host.url)
    monkeypatch.setenv("HEADWATER_ALLOW_HTTP_WEBHOOKS", "true")
    manage.manager.cache_clear()  # type: ignore[attr-defined]
    with pytest.raises(NotificationFailed, match=r"1 of 2 recipients weren't told: 127\.0\.0\.1: .*HTTP 404"):
        handle(message("ALARM"))
    assert handle(message("ALARM")) == "NOTIFIED"
    host.server.shutdown()
    host.server.server_close()
    assert len(host.received) == 2
    assert len(mails(mailbox)) == 1


def test_a_name_that_no_mail_could_carry_is_made_plain(mailbox: str) -> None:
    handle(message("ALARM", name="Größe\n" + "x" * 200))
    ((subject, _),) = mails(mailbox)
    assert subject.startswith("ALARM: Gr??e x")
    assert len(subject) == 100


def test_the_settings_of_the_deployment_are_those_of_the_function() -> None:
    environment: dict[str, Any] = manage.Settings.environment(registry_table="r", webhooks="https://a https://b")
    settings = manage.Settings.from_environment(environment)
    assert settings.webhooks.split() == ["https://a", "https://b"]
    assert settings.repeat_after_seconds == 14_400
