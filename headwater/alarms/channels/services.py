"""The request that each service takes: webhooks, Slack, Microsoft Teams, PagerDuty, Opsgenie, Alertmanager."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from headwater.alarms.channels.http import Address, post
from headwater.alarms.errors import InvalidWebhook, NotificationFailed
from headwater.alarms.messages import document, plain, runbook, text, title
from headwater.alarms.types import Kind, Notice, Notification
from headwater.declare import receivers as declared

Secrets = Callable[[str], str]
"""Reads a secret by where it is kept; raises `NotificationFailed`."""

SLACK = "https://slack.com/api/"
PAGERDUTY = {"us": "https://events.pagerduty.com/v2/enqueue", "eu": "https://events.eu.pagerduty.com/v2/enqueue"}
OPSGENIE = {"us": "https://api.opsgenie.com/v2/alerts", "eu": "https://api.eu.opsgenie.com/v2/alerts"}
# Limits of the services' own documentation.
SUMMARY, DEDUP_KEY, SLACK_TEXT, TEAMS_TEXT, OPSGENIE_MESSAGE, OPSGENIE_TEXT = 1_024, 255, 3_000, 10_000, 130, 15_000
FIRES_FOR = timedelta(days=7)
"""How long another Alertmanager takes an alarm to fire if it hears nothing more."""
SEVERITIES = {"critical": "critical", "error": "error", "warning": "warning", "info": "info"}


@dataclass(frozen=True)
class HttpChannel:
    """One receiver by HTTP."""

    receiver: declared.Receiver
    secrets: Secrets
    runbooks: str
    elsewhere: str = ""
    """Where to POST to instead of the service's own address."""

    def send(self, notification: Notification, before: Notification | None) -> str:
        """Tell the receiver; its own id of the message, if it says one."""
        raise NotImplementedError

    def _address(self, url: str, *, allow_private: bool = False) -> Address:
        try:
            if self.elsewhere:
                return Address(self.elsewhere + url.partition("://")[2].partition("/")[2], allow_private=True)
            return Address(url, allow_private=allow_private)
        except InvalidWebhook as error:
            raise NotificationFailed(error.message, final=True) from error


class WebhookChannel(HttpChannel):
    """Any address."""

    receiver: declared.Webhook

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """POST the document; the signature covers the time and the body: ``t=<seconds>,v1=<hex of HMAC-SHA256>``."""
        url = self.receiver.url or self.secrets(self.receiver.url_secret or "")
        body = json.dumps(document(notification.notice, self.runbooks)).encode()
        headers = {"Idempotency-Key": notification.key}
        if self.receiver.signing_secret:
            key = self.secrets(self.receiver.signing_secret)
            headers["Headwater-Signature"] = signature(key, body, int(time.time()))
        post(self._address(url, allow_private=self.receiver.allow_private), body, headers)
        return ""


def signature(key: str, body: bytes, seconds: int) -> str:
    """The header that proves who sent ``body`` and when."""
    signed = hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={signed}"


class SlackChannel(HttpChannel):
    """Slack. By a bot's token a group's message is edited when some or all of its alarms are over."""

    receiver: declared.Slack

    def send(self, notification: Notification, before: Notification | None) -> str:
        """Post or edit; the message's ``ts``."""
        words = _slack_text(notification.notice, self.runbooks)
        if self.receiver.url_secret:
            post(self._address(self.secrets(self.receiver.url_secret)), words)
            return ""
        edits = before is not None and before.reference and notification.notice.kind in {Kind.UPDATED, Kind.RECOVERED}
        body = {**words, "channel": self.receiver.channel}
        if edits and before is not None:
            return self._call("chat.update", {**body, "ts": before.reference}) or before.reference
        return self._call("chat.postMessage", {**body, "unfurl_links": False})

    def _call(self, method: str, body: Mapping[str, Any]) -> str:
        token = self.secrets(self.receiver.token_secret or "")
        answer = post(self._address(SLACK + method), body, {"Authorization": f"Bearer {token}"})
        answer = answer if isinstance(answer, dict) else {}
        if not answer.get("ok"):
            problem = plain(str(answer.get("error") or "no answer"))[:100]
            again = {
                "ratelimited",
                "internal_error",
                "fatal_error",
                "service_unavailable",
                "request_timeout",
                "no answer",
            }
            raise NotificationFailed(f"slack.com: {method}: {problem}", final=problem not in again)
        return str(answer.get("ts") or "")


def _slack_text(notice: Notice, runbooks: str) -> dict[str, Any]:
    # Slack reads <...> as links and mentions: <!channel> in an alarm's reason would wake everybody.
    body, head = _escaped(text(notice, runbooks))[:SLACK_TEXT], _escaped(title(notice))
    return {
        "text": head[:SLACK_TEXT],
        "blocks": [
            {"type": "section", "text": {"type": "plain_text", "text": title(notice)[:SLACK_TEXT], "emoji": False}},
            *([{"type": "section", "text": {"type": "mrkdwn", "text": body, "verbatim": True}}] if body else []),
        ],
    }


def _escaped(words: str) -> str:
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class TeamsChannel(HttpChannel):
    """Microsoft Teams, by a workflow's webhook."""

    receiver: declared.Teams

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """POST an adaptive card of plain text runs, which read no markup."""
        notice = notification.notice
        colour = {Kind.RECOVERED: "Good", Kind.TEST: "Accent"}.get(notice.kind, "Attention")
        blocks = [_run(title(notice), weight="Bolder", color=colour)]
        blocks += [_run(line) for line in text(notice, self.runbooks)[:TEAMS_TEXT].splitlines() if line]
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "body": blocks,
        }
        attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}
        post(self._address(self.secrets(self.receiver.url_secret)), {"type": "message", "attachments": [attachment]})
        return ""


def _run(words: str, **style: str) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": words, **style}]}


class PagerDutyChannel(HttpChannel):
    """PagerDuty, Events API v2: one incident a group."""

    receiver: declared.PagerDuty

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """Trigger the group's incident, or resolve it."""
        notice = notification.notice
        key = f"{notice.group}-test-{notice.generation}" if notice.kind is Kind.TEST else notice.group
        event: dict[str, Any] = {
            "routing_key": self.secrets(self.receiver.routing_key_secret),
            "event_action": "resolve" if notice.kind is Kind.RECOVERED else "trigger",
            "dedup_key": f"headwater-{key}"[:DEDUP_KEY],
        }
        if notice.kind is not Kind.RECOVERED:
            links = [link for line in notice.lines if (link := runbook(line, self.runbooks)).startswith("https://")]
            event["payload"] = {
                "summary": title(notice)[:SUMMARY],
                "source": notice.labels.get("stack") or _first(notice, "stack") or "headwater",
                "severity": SEVERITIES.get(_first(notice, "severity"), "warning"),
                "timestamp": notice.at.isoformat(),
                "component": _first(notice, "model"),
                "group": _first(notice, "capability"),
                "class": _first(notice, "kind"),
                "custom_details": {"text": text(notice, self.runbooks)[:10_000], "firing": notice.firing},
            }
            event["links"] = [{"href": link, "text": "runbook"} for link in dict.fromkeys(links)][:5]
        post(self._address(PAGERDUTY[self.receiver.region]), event)
        return ""


class OpsgenieChannel(HttpChannel):
    """Opsgenie: one alert a group, by its alias."""

    receiver: declared.Opsgenie

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """Create the group's alert, or close it."""
        notice, url = notification.notice, OPSGENIE[self.receiver.region]
        headers = {"Authorization": f"GenieKey {self.secrets(self.receiver.api_key_secret)}"}
        alias = f"headwater-{notice.group}"
        if notice.kind is Kind.RECOVERED:
            said = {"source": "headwater", "note": text(notice, self.runbooks)[:OPSGENIE_TEXT]}
            try:
                post(self._address(f"{url}/{alias}/close?identifierType=alias"), said, headers)
            except NotificationFailed as failure:
                if "HTTP 404" not in failure.message:  # Somebody deleted it there.
                    raise
            return ""
        priority = {"critical": "P1", "error": "P2", "warning": "P3", "info": "P5"}
        alert = {
            "message": title(notice)[:OPSGENIE_MESSAGE],
            "alias": alias if notice.kind is not Kind.TEST else f"{alias}-test",
            "description": text(notice, self.runbooks)[:OPSGENIE_TEXT],
            "source": "headwater",
            "priority": priority.get(_first(notice, "severity"), "P3"),
            "details": {name: value for name, value in notice.labels.items() if value},
        }
        post(self._address(url), alert, headers)
        return ""


class AlertmanagerChannel(HttpChannel):
    """Another Alertmanager: its own routes decide from there on."""

    receiver: declared.Alertmanager

    def send(self, notification: Notification, before: Notification | None) -> str:  # noqa: ARG002
        """POST each alarm with its labels; ``endsAt`` says that one is over."""
        notice, alerts = notification.notice, []
        for line in notice.lines:
            labels = {"alertname": line.name, **{k: v for k, v in line.labels.items() if k != "alarmname"}}
            notes = {"summary": line.reason, "description": line.description, "runbook": runbook(line, self.runbooks)}
            alert: dict[str, Any] = {"labels": labels, "annotations": {k: v for k, v in notes.items() if v}}
            is_over = line.state.value == "OK"
            if is_over:
                alert |= {"startsAt": line.since.isoformat(), "endsAt": line.since.isoformat()}
            else:
                # Without an end Alertmanager takes an alarm for over after its resolve_timeout, five minutes.
                alert |= {"startsAt": line.since.isoformat(), "endsAt": (notice.at + FIRES_FOR).isoformat()}
            alerts.append(alert)
        url = f"{self.receiver.url.rstrip('/')}/api/v2/alerts"
        post(self._address(url, allow_private=self.receiver.allow_private), alerts)
        return ""


def _first(notice: Notice, name: str) -> str:
    """The first value of a label among the alarms."""
    return next((line.labels[name] for line in notice.lines if line.labels.get(name)), "")
