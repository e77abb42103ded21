"""Every receiver against a real HTTP server that records, fails, hangs, redirects and asks for patience."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from headwater.alarms.channels import http
from headwater.alarms.channels.http import Address, post
from headwater.alarms.channels.services import SlackChannel, signature
from headwater.alarms.channels.store import channels
from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.alarms.events import AlarmState
from headwater.alarms.types import AlarmLine, Kind, Notice, Notification
from headwater.declare.alarms import (
    Alarms,
    Alertmanager,
    AnyReceiver,
    Email,
    EventBus,
    Opsgenie,
    PagerDuty,
    Slack,
    Teams,
    Webhook,
)
from headwater.storage.environment import CLIENTS
from tests.unit.alarms.cases import NOON, Host, hosting
from tests.unit.registry.cases import mocked_aws

SECRETS = {"/hook": "https://chat.example/hooks/secret", "/key": "R0UT1NGKEY", "/token": "xoxb-1"}
RECEIVERS: Mapping[str, AnyReceiver] = {
    "webhook": Webhook(name="w", url_secret="ssm:/hook", signing_secret="ssm:/key"),
    "slack": Slack(name="s", url_secret="ssm:/hook"),
    "slack-bot": Slack(name="b", token_secret="ssm:/token", channel="C0123456789"),
    "teams": Teams(name="t", url_secret="ssm:/hook"),
    "pagerduty": PagerDuty(name="p", routing_key_secret="ssm:/key"),
    "opsgenie": Opsgenie(name="o", api_key_secret="secretsmanager:opsgenie"),
    "alertmanager": Alertmanager(name="a", url="https://alertmanager.example"),
}


@pytest.fixture
def host() -> Iterator[Host]:
    with hosting() as host:
        yield host


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with mocked_aws(monkeypatch):
        for name, value in SECRETS.items():
            CLIENTS("ssm").put_parameter(Name=name, Value=value, Type="SecureString")
        CLIENTS("secretsmanager").create_secret(Name="opsgenie", SecretString="K3Y")
        yield


def notification(kind: Kind = Kind.FIRING, generation: int = 3, **changes: Any) -> Notification:
    over = kind is Kind.RECOVERED
    line = AlarmLine(
        labels={"alarmname": "api-errors", "severity": "critical", "model": "flights", "stack": "headwater/dev"},
        state=AlarmState.OK if over else AlarmState.ALARM, since=NOON, reason="<!channel> 5 *errors* & [more](http://x)",
        description="The API answers with errors", runbook="serving-api-5xx", fingerprint="f1",
    )  # fmt: skip
    notice = Notice(
        group="0123456789abcdef", generation=generation, kind=kind, labels={"model": "flights"},
        firing=0 if over else 1, resolved=1 if over else 0, lines=(line,), at=NOON + timedelta(minutes=1),
    )  # fmt: skip
    return Notification(notice=notice.model_copy(update=changes), receiver="x")


def send(host: Host, kind: str, sent: Notification, before: Notification | None = None) -> str:
    receiver = RECEIVERS[kind]
    declared = Alarms(receivers=(receiver,), runbooks="https://docs.example/runbooks/")
    ways = channels(declared, CLIENTS, topic_arn="", webhooks=(), insecure=True, elsewhere=host.root)
    return ways[receiver.name].send(sent, before)


@pytest.mark.parametrize("kind", [kind for kind in RECEIVERS if kind != "slack-bot"])
@pytest.mark.parametrize("what", [Kind.FIRING, Kind.RECOVERED, Kind.REMINDER, Kind.TEST])
def test_every_receiver_is_told_once_and_says_no_secret(host: Host, secrets: None, kind: str, what: Kind) -> None:
    send(host, kind, notification(what))
    ((path, headers, body),) = host.received
    assert headers["Content-Type"] == "application/json"
    if kind not in {"pagerduty", "opsgenie"}:
        assert "R0UT1NGKEY" not in json.dumps(body)
    assert "hooks/secret" not in json.dumps(body)
    assert path


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("status", [503, 429])
def test_a_failure_that_may_pass_is_not_final_and_waits_as_asked(
    host: Host, secrets: None, kind: str, status: int
) -> None:
    host.answer(status, Retry_After="17")
    with pytest.raises(NotificationFailed, match=f"HTTP {status}") as failed:
        send(host, kind, notification())
    assert (failed.value.final, failed.value.retry_after) == (False, 17)
    assert not any(secret in failed.value.message for secret in ("secret", "R0UT1NGKEY", "xoxb", "K3Y"))


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("status", [403, 404])
def test_an_answer_that_will_not_change_is_final(host: Host, secrets: None, kind: str, status: int) -> None:
    host.answer(status)
    with pytest.raises(NotificationFailed, match=f"HTTP {status}") as failed:
        send(host, kind, notification())
    assert failed.value.final


@pytest.mark.parametrize("kind", RECEIVERS)
@pytest.mark.parametrize("status", [302, 307])
def test_a_redirect_is_never_followed(host: Host, secrets: None, kind: str, status: int) -> None:
    host.answer(status, Location="http://169.254.169.254/latest/meta-data/")
    with pytest.raises(NotificationFailed, match="redirects aren't followed") as failed:
        send(host, kind, notification())
    assert failed.value.final
    assert len(host.received) == 1


def test_a_host_that_hangs_is_left_after_a_while_and_may_be_asked_again(host: Host) -> None:
    host.hanging = 1
    with pytest.raises(NotificationFailed, match="timed out") as failed:
        post(Address(host.url, allow_private=True), {}, timeout=0.05)
    assert not failed.value.final


def test_a_host_that_does_not_answer_may_be_asked_again() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = Address(f"http://127.0.0.1:{taken.getsockname()[1]}/secret", allow_private=True)
        with pytest.raises(NotificationFailed, match="refused") as failed:
            post(address, {})
    assert not failed.value.final
    assert "secret" not in failed.value.message


@pytest.mark.parametrize("answer", [b"", b"ok", b"\xff\xfe", b"[" * 100_000, b"1" * 5_000_000])
def test_whatever_an_accepting_host_says_it_was_told(host: Host, answer: bytes) -> None:
    host.answers.append((200, {}, answer))
    post(Address(host.url, allow_private=True), {"a": 1})
    assert len(host.received) == 1


@pytest.mark.parametrize(
    "name",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "[::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "0.0.0.0"],  # noqa: S104
)
def test_an_address_of_a_private_network_is_refused_unless_it_is_allowed(name: str) -> None:
    with pytest.raises(NotificationFailed, match="is an address of a private network") as failed:
        post(Address(f"https://{name}/hook"), {})
    assert failed.value.final


def test_a_name_that_leads_into_a_private_network_is_refused() -> None:
    with pytest.raises(NotificationFailed, match=r"localhost: .* is an address of a private network"):
        post(Address("https://localhost/hook"), {})


@pytest.mark.parametrize(
    "url",
    [
        "http://chat.example/secret", "file:///etc/secret", "chat.example/secret", "", "https://u:secret@chat.example",
        "https://chat.example:99999/secret", "https://[::1/secret",
    ],
)  # fmt: skip
def test_only_https_is_accepted_and_a_refusal_names_no_path(url: str) -> None:
    with pytest.raises(InvalidWebhook) as refused:
        Address(url)
    assert "secret" not in refused.value.message


def test_a_date_of_retry_after_is_read_too() -> None:
    assert http.outside.retry_after("Wed, 21 Oct 2099 07:28:00 GMT") > 1e9
    assert http.outside.retry_after("soon") == 0


def test_a_webhook_is_signed_and_carries_the_same_key_each_time(host: Host, secrets: None) -> None:
    for _ in range(2):
        send(host, "webhook", notification())
    (_, headers, body), (_, again, _) = host.received
    assert headers["Idempotency-Key"] == again["Idempotency-Key"] == "0123456789abcdef-3-x"
    seconds = int(headers["Headwater-Signature"].partition(",")[0].removeprefix("t="))
    assert headers["Headwater-Signature"] == signature("R0UT1NGKEY", json.dumps(body).encode(), seconds)
    assert body["alarms"][0]["runbook"] == "https://docs.example/runbooks/serving-api-5xx.md"
    assert body["text"].startswith("ALARM: api-errors\n")


def test_slack_reads_no_mention_out_of_an_alarm(host: Host, secrets: None) -> None:
    send(host, "slack", notification())
    ((_, _, body),) = host.received
    assert "&lt;!channel&gt; 5 *errors* &amp;" in body["blocks"][1]["text"]["text"]
    assert "<!channel>" not in json.dumps(body)
    assert body["blocks"][0]["text"]["type"] == "plain_text"


def test_slack_edits_the_groups_message_when_it_is_over(host: Host, secrets: None) -> None:
    host.answer(200, {"ok": True, "ts": "1.5"})
    assert send(host, "slack-bot", notification()) == "1.5"
    host.answer(200, {"ok": True, "ts": "1.5"})
    before = notification().model_copy(update={"reference": "1.5"})
    send(host, "slack-bot", notification(Kind.RECOVERED, generation=4), before)
    assert [(path, body.get("ts")) for path, _, body in host.received] == [
        ("/api/chat.postMessage", None), ("/api/chat.update", "1.5"),
    ]  # fmt: skip
    assert host.received[0][1]["Authorization"] == "Bearer xoxb-1"


@pytest.mark.parametrize(("error", "final"), [("ratelimited", False), ("channel_not_found", True), ("", False)])
def test_slack_says_no_with_a_200(host: Host, secrets: None, error: str, final: bool) -> None:
    host.answer(200, {"ok": False, "error": error})
    with pytest.raises(NotificationFailed, match=r"slack\.com: chat\.postMessage") as failed:
        send(host, "slack-bot", notification())
    assert failed.value.final is final


def test_teams_gets_a_card_without_markup(host: Host, secrets: None) -> None:
    send(host, "teams", notification())
    ((_, _, body),) = host.received
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert {block["type"] for block in attachment["content"]["body"]} == {"RichTextBlock"}


def test_pagerduty_gets_one_incident_a_group_within_its_limits(host: Host, secrets: None) -> None:
    send(host, "pagerduty", notification(firing=2_000))
    send(host, "pagerduty", notification(Kind.RECOVERED, generation=9))
    (_, _, trigger), (_, _, resolve) = host.received
    assert trigger["dedup_key"] == resolve["dedup_key"] == "headwater-0123456789abcdef"
    assert (trigger["event_action"], resolve["event_action"]) == ("trigger", "resolve")
    assert (trigger["payload"]["severity"], trigger["payload"]["component"]) == ("critical", "flights")
    assert trigger["links"] == [{"href": "https://docs.example/runbooks/serving-api-5xx.md", "text": "runbook"}]
    line = notification().notice.lines[0]
    long = line.model_copy(update={"labels": {"alarmname": "x" * 5_000}, "reason": "y" * 600_000})
    send(host, "pagerduty", notification(lines=(long,)))
    payload = host.received[-1][2]["payload"]
    assert len(payload["summary"]) == 1_024
    assert len(json.dumps(payload)) < 512_000


def test_opsgenie_closes_the_groups_alert_and_one_that_is_gone_is_closed(host: Host, secrets: None) -> None:
    send(host, "opsgenie", notification())
    host.answer(404)
    send(host, "opsgenie", notification(Kind.RECOVERED))
    (created, headers, alert), (closed, _, _) = host.received
    assert (created, alert["alias"], alert["priority"]) == ("/v2/alerts", "headwater-0123456789abcdef", "P1")
    assert headers["Authorization"] == "GenieKey K3Y"
    assert closed == "/v2/alerts/headwater-0123456789abcdef/close?identifierType=alias"


def test_another_alertmanager_gets_labels_and_ends(host: Host, secrets: None) -> None:
    send(host, "alertmanager", notification())
    send(host, "alertmanager", notification(Kind.RECOVERED))
    (path, _, (fires,)), (_, _, (over,)) = host.received
    assert path == "/api/v2/alerts"
    assert fires["labels"]["alertname"] == "api-errors"
    assert "alarmname" not in fires["labels"]
    assert fires["endsAt"] > fires["startsAt"]
    assert over["endsAt"] == over["startsAt"]


def test_a_secret_that_is_missing_is_named_by_its_place_alone(host: Host, secrets: None) -> None:
    channel = SlackChannel(Slack(name="s", url_secret="ssm:/nothing"), missing, "", host.root)
    with pytest.raises(NotificationFailed, match="AWS: ParameterNotFound"):
        channel.send(notification(), None)


def missing(place: str) -> str:
    ways = channels(
        Alarms(receivers=(Teams(name="t", url_secret=place),)), CLIENTS, topic_arn="", webhooks=(), insecure=False
    )  # fmt: skip
    ways["t"].send(notification(), None)
    raise AssertionError


def test_e_mail_and_a_bus_are_told_by_aws(secrets: None) -> None:
    topic = CLIENTS("sns").create_topic(Name="n")["TopicArn"]
    declared = Alarms(receivers=(Email(name="m"), EventBus(name="e")))
    ways = channels(declared, CLIENTS, topic_arn=topic, webhooks=(), insecure=False)
    assert ways["m"].send(notification(), None)
    assert ways["e"].send(notification(), None)
    nobody = channels(declared, CLIENTS, topic_arn="", webhooks=(), insecure=False)
    with pytest.raises(NotificationFailed, match="the setting alarmEmails is empty"):
        nobody["m"].send(notification(), None)
