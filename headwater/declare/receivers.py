"""Declarations of those who are told of alarms, for a project's ``alarms.py``."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from headwater.declare.base import Declaration
from headwater.declare.on_call import RETRAIN, Address, ReceiverName
from headwater.declare.secrets import Secret

GIVE_UP_AFTER = timedelta(hours=6)
"""How long a receiver is tried."""


class Receiver(Declaration):
    """Somebody who is told of alarms."""

    name: ReceiverName
    """Name by which routes lead to it."""
    fallback: ReceiverName | None = None
    """Receiver that is told instead once this one couldn't be told for `GIVE_UP_AFTER`."""
    send_resolved: bool = True
    """Whether recoveries are sent."""


class Email(Receiver):
    """The stack's e-mail topic: addresses of the setting `alarmEmails`."""

    kind: Literal["email"] = "email"


class Webhook(Receiver):
    """Any address: a JSON document by POST with an ``Idempotency-Key``, and signed if there is a `signing_secret`."""

    kind: Literal["webhook"] = "webhook"
    url: Address | None = None
    """The address, if it holds no secret."""
    url_secret: Secret | None = None
    """Where the address is kept, if it is a secret."""
    signing_secret: Secret | None = None
    """Where the key of the header ``Headwater-Signature`` is kept (HMAC-SHA256)."""
    allow_private: bool = False
    """Whether the address may be http, or one of a private network."""

    @model_validator(mode="after")
    def _check(self) -> Webhook:
        return _one_address(self)


class ConfiguredWebhook(Receiver):
    """An address of the setting `alarmWebhooks`."""

    kind: Literal["configured"] = "configured"
    number: Annotated[int, Field(ge=1)] = 1
    """Which of them; the first is 1."""


class Slack(Receiver):
    """Slack: an incoming webhook, or a bot's token and a channel, where one message of a group is kept up to date."""

    kind: Literal["slack"] = "slack"
    url_secret: Secret | None = None
    """Where the incoming webhook's address is kept."""
    token_secret: Secret | None = None
    """Where the bot's token (scope ``chat:write``) is kept."""
    channel: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{8,20}$")] | None = None
    """The channel's id, such as ``C0123456789``; goes with `token_secret`."""

    @model_validator(mode="after")
    def _check(self) -> Slack:
        if (self.url_secret is None) == (self.token_secret is None):
            raise ValueError(f"receiver {self.name!r}: Slack takes either url_secret or token_secret with a channel")
        if (self.token_secret is None) != (self.channel is None):
            raise ValueError(
                f"receiver {self.name!r}: token_secret and channel (its id, such as C0123456789) go together"
            )
        return self


class Teams(Receiver):
    """Microsoft Teams: the address of a workflow "When a Teams webhook request is received"."""

    kind: Literal["teams"] = "teams"
    url_secret: Secret
    """Where the workflow's address is kept."""


class PagerDuty(Receiver):
    """PagerDuty, Events API v2: an incident a group."""

    kind: Literal["pagerduty"] = "pagerduty"
    routing_key_secret: Secret
    """Where the integration key is kept."""
    region: Literal["us", "eu"] = "us"
    """PagerDuty's service region of the account."""


class Opsgenie(Receiver):
    """Opsgenie, Alert API: an alert a group."""

    kind: Literal["opsgenie"] = "opsgenie"
    api_key_secret: Secret
    """Where the integration's API key is kept."""
    region: Literal["us", "eu"] = "us"
    """Opsgenie's service region of the account."""


class Alertmanager(Receiver):
    """Another Alertmanager, by its API v2: it gets each alarm with its labels."""

    kind: Literal["alertmanager"] = "alertmanager"
    url: Address
    """Such as ``https://alertmanager.example.com``; ``/api/v2/alerts`` is added."""
    allow_private: bool = False
    """Whether the address may be http, or one of a private network."""


class EventBus(Receiver):
    """An EventBridge bus of the account: an event ``headwater.alarms`` a notification."""

    kind: Literal["eventbus"] = "eventbus"
    bus: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,256}$")] = "default"
    """Name of the bus."""


class Retrain(Receiver):
    """A model's retraining policy. Routes name it ``retrain:<model>``, and it is there without a declaration."""

    kind: Literal["retrain"] = "retrain"

    @model_validator(mode="after")
    def _check(self) -> Retrain:
        if not self.name.startswith(RETRAIN):
            raise ValueError(f"receiver {self.name!r}: a model's retraining policy is called 'retrain:<model>'")
        return self

    @property
    def model(self) -> str:
        """The model's name."""
        return self.name.removeprefix(RETRAIN)


AnyReceiver = Annotated[
    Email | Webhook | ConfiguredWebhook | Slack | Teams | PagerDuty | Opsgenie | Alertmanager | EventBus | Retrain,
    Field(discriminator="kind"),
]


def _one_address(receiver: Webhook) -> Webhook:
    if (receiver.url is None) == (receiver.url_secret is None):
        raise ValueError(f"receiver {receiver.name!r}: a webhook takes either url or url_secret")
    if receiver.url and receiver.url.startswith("http://") and not receiver.allow_private:
        host = receiver.url.split("/")[2]
        raise ValueError(f"receiver {receiver.name!r}: {host} is asked without TLS: write https://, or allow_private")
    return receiver
