"""Channels that AWS is behind, e-mail by SNS and EventBridge, and where receivers' secrets are kept; calls AWS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headwater.alarms.channels.http import Address, post
from headwater.alarms.channels.services import (
    AlertmanagerChannel,
    HttpChannel,
    OpsgenieChannel,
    PagerDutyChannel,
    SlackChannel,
    TeamsChannel,
    WebhookChannel,
)
from headwater.alarms.delivery import Channel
from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.alarms.messages import document, subject, text, title
from headwater.alarms.types import Kind, Notification
from headwater.declare import receivers as declared
from headwater.declare.alarms import Alarms
from headwater.declare.on_call import Ping
from headwater.storage.clients import Clients, error_code
from headwater.storage.secrets import Secrets

EVENT_BYTES = 200_000
"""Characters of an event; EventBridge takes 256 KB."""
ASKED = 300
"""Characters of a reason to train, and of the answer that is kept."""
_HTTP: Mapping[str, type[HttpChannel]] = {
    "webhook": WebhookChannel,
    "slack": SlackChannel,
    "teams": TeamsChannel,
    "pagerduty": PagerDutyChannel,
    "opsgenie": OpsgenieChannel,
    "alertmanager": AlertmanagerChannel,
}


@dataclass(frozen=True)
class EmailChannel:
    """The SNS topic that people subscribe to by e-mail."""

    arn: str
    runbooks: str
    clients: Clients

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """Publish to the topic."""
        if not self.arn:
            raise NotificationFailed("nobody gets e-mail: the setting alarmEmails is empty", final=True)
        notice = notification.notice
        body = text(notice, self.runbooks) or title(notice)
        # SNS takes 256 KB, and mail programs less that is readable.
        sns = self.clients("sns")
        answer = _aws(lambda: sns.publish(TopicArn=self.arn, Subject=subject(notice), Message=body[:100_000]))
        return str(answer["MessageId"])


@dataclass(frozen=True)
class EventBusChannel:
    """An EventBridge bus."""

    bus: str
    runbooks: str
    clients: Clients

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """Put an event of the source ``headwater.alarms``."""
        detail = {**document(notification.notice, self.runbooks), "idempotency_key": notification.key}
        while len(json.dumps(detail)) > EVENT_BYTES and detail["alarms"]:
            detail["alarms"] = detail["alarms"][: len(detail["alarms"]) // 2]
        event = {
            "EventBusName": self.bus,
            "Source": "headwater.alarms",
            "DetailType": "Alarm Notification",
            "Detail": json.dumps(detail),
        }
        answer = _aws(lambda: self.clients("events").put_events(Entries=[event]))
        if answer["FailedEntryCount"]:
            raise NotificationFailed(f"bus {self.bus}: {answer['Entries'][0].get('ErrorCode')}")
        return str(answer["Entries"][0].get("EventId") or "")


class ConfiguredWebhookChannel:
    """An address of the setting `alarmWebhooks`, known to the function alone."""

    def __init__(self, url: str, runbooks: str, *, insecure: bool) -> None:
        self._address, self._runbooks = Address(url, allow_private=insecure), runbooks

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """POST the document."""
        post(self._address, document(notification.notice, self._runbooks), {"Idempotency-Key": notification.key})
        return ""


@dataclass(frozen=True)
class RetrainChannel:
    """A model's retraining policy: it is asked once for each notification, and its answer is kept with that."""

    model: str
    function: str
    clients: Clients

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """Ask the policy; its decision in words."""
        notice = notification.notice
        if notice.kind is Kind.RECOVERED:
            return "nothing to decide: the alarm is over"
        if not self.function:
            raise NotificationFailed("the stack has no retraining policy: deploy Schedules", final=True)
        question: dict[str, Any] = {"model": self.model}
        if notice.kind is not Kind.TEST:
            why = next((line.reason for line in notice.lines if line.reason), title(notice))
            question["ask"] = {"id": f"alarm:{notification.key}", "kind": "alarm", "why": why[:ASKED]}
        payload = json.dumps(question).encode()
        answer = _aws(lambda: self.clients("lambda").invoke(FunctionName=self.function, Payload=payload))
        said = json.loads(answer["Payload"].read())
        if answer.get("FunctionError"):
            raise NotificationFailed(f"the retraining policy failed: {str(said.get('errorMessage'))[:200]}")
        if "refused" in said:
            raise NotificationFailed(str(said["refused"]), final=True)
        decision = said.get("decision")
        return f"{decision['verdict']}: {decision['words']}"[:ASKED] if decision else "the policy is there"


def channels(
    alarms: Alarms, clients: Clients, *, topic_arn: str, webhooks: Sequence[str], insecure: bool, retraining: str = "",
    elsewhere: str = "",
) -> dict[str, Channel]:  # fmt: skip
    """A channel for each receiver.

    Parameters
    ----------
    alarms : Alarms
        Declared receivers.
    clients : Clients
    topic_arn : str
        The e-mail topic; empty: nobody gets e-mail.
    webhooks : sequence of str
        Addresses of the setting `alarmWebhooks`.
    insecure : bool
        Whether these may be without TLS.
    retraining : str
        The function that keeps the models' retraining policies; empty if there is none.
    elsewhere : str
        Where every HTTP service is asked instead of at its own address, for tests.
    """
    made: dict[str, Channel] = {}
    secrets = _Secrets(clients)
    for receiver in alarms.receivers:
        if isinstance(receiver, declared.ConfiguredWebhook):
            if receiver.number <= len(webhooks):
                url = webhooks[receiver.number - 1]
                made[receiver.name] = ConfiguredWebhookChannel(url, alarms.runbooks, insecure=insecure)
        elif isinstance(receiver, declared.Email):
            made[receiver.name] = EmailChannel(topic_arn, alarms.runbooks, clients)
        elif isinstance(receiver, declared.Retrain):
            made[receiver.name] = RetrainChannel(receiver.model, retraining, clients)
        elif isinstance(receiver, declared.EventBus):
            made[receiver.name] = EventBusChannel(receiver.bus, alarms.runbooks, clients)
        else:
            made[receiver.name] = _HTTP[receiver.kind](receiver, secrets, alarms.runbooks, elsewhere)
    return made


def asking(clients: Clients) -> Callable[[Ping], None]:
    """Asks a ping's address once, by POST: services that wait for pings take it, and it is never redirected."""
    secrets = _Secrets(clients)

    def ask(ping: Ping) -> None:
        url = ping.url or secrets(ping.url_secret or "")
        try:
            address = Address(url, allow_private=ping.allow_private)
        except InvalidWebhook as error:
            raise NotificationFailed(error.message, final=True) from error
        post(address, {"source": "headwater.alarms", "ping": ping.name})

    return ask


class _Secrets:
    """Secrets of receivers."""

    def __init__(self, clients: Clients) -> None:
        self._secrets = Secrets(clients)

    def __call__(self, place: str) -> str:
        """The secret kept at ``ssm:/path`` or ``secretsmanager:name``."""
        value = str(_aws(lambda: self._secrets(place)))
        if not value:
            raise NotificationFailed(f"{place} is empty", final=True)
        return value


def _aws(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # AWS's own errors and the network's: tried again as any other receiver is.
        code = error_code(error)
        final = code in {"ParameterNotFound", "ResourceNotFoundException", "NotFound", "AccessDeniedException"}
        raise NotificationFailed(f"AWS: {code or type(error).__name__}", final=final) from error
