"""A webhook is told over TLS, with patience but not for ever, and its secret path is never named."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.alarms.types import AlarmRecord, Decision
from headwater.alarms.webhooks import Webhook
from tests.unit.alarms.cases import Host, event

RECORD = AlarmRecord(event=event("ALARM"), decision=Decision.NOTIFIED)


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    threading.Thread(target=host.server.serve_forever, args=(0.01,), daemon=True).start()
    yield host
    host.server.shutdown()
    host.server.server_close()


def webhook(host: Host) -> Webhook:
    return Webhook(host.url, insecure=True, pause=lambda _: None)


def test_a_webhook_is_sent_the_alarm_as_json(host: Host) -> None:
    webhook(host).tell(RECORD)
    (document,) = host.received
    assert (document["alarm"], document["state"], document["decision"]) == ("api-errors", "ALARM", "NOTIFIED")
    assert document["text"].startswith("ALARM: api-errors\napi-errors is ALARM since 2013-05-01 12:00:00 UTC")


def test_a_webhook_that_fails_once_is_tried_again_under_the_same_key(host: Host) -> None:
    host.statuses = [503]
    webhook(host).tell(RECORD)
    assert len(host.received) == 2
    assert len(set(host.keys)) == 1


def test_a_webhook_that_goes_on_failing_is_given_up_without_naming_its_path(host: Host) -> None:
    host.statuses = [500, 429, 500]
    with pytest.raises(NotificationFailed, match=r"webhook on 127.0.0.1: HTTP 500 \(try 3 of 3\)") as failed:
        webhook(host).tell(RECORD)
    assert "secret" not in failed.value.message


@pytest.mark.parametrize("status", [404, 302])
def test_an_answer_that_will_not_change_is_not_asked_for_again(host: Host, status: int) -> None:
    host.statuses = [status]
    with pytest.raises(NotificationFailed, match=f"HTTP {status}"):
        webhook(host).tell(RECORD)
    assert len(host.received) == 1


def test_a_host_that_does_not_answer_is_given_up(host: Host) -> None:
    host.server.server_close()
    with pytest.raises(NotificationFailed, match="try 3 of 3"):
        webhook(host).tell(RECORD)


@pytest.mark.parametrize("url", ["http://chat.example/hook/secret", "file:///etc/passwd", "chat.example", ""])
def test_only_https_is_accepted_unless_it_is_allowed(url: str) -> None:
    with pytest.raises(InvalidWebhook, match="expected an https:// address") as refused:
        Webhook(url)
    assert "secret" not in refused.value.message
