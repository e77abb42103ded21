"""Alarms that come by the topic, groups whose time has come, notifications that are to be sent, heartbeats and pings
that are due, and a daily audit."""

from __future__ import annotations

import json
import time
from datetime import datetime
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.alarms.alive.heartbeats import Heartbeats
from headwater.alarms.alive.pings import Pings
from headwater.alarms.alive.store import AliveStore
from headwater.alarms.channels.store import asking, channels
from headwater.alarms.delivery import Delivery
from headwater.alarms.events import AlarmEvent
from headwater.alarms.links import Links
from headwater.alarms.service import AlarmManager
from headwater.alarms.store import AlarmStore, DeadLetterQueue, Queue, deployed_alarms
from headwater.alarms.types import Notice
from headwater.declare.alarms import Alarms
from headwater.handlers.alarms.settings import AlarmSettings
from headwater.handlers.observability import observe
from headwater.settings import at_init
from headwater.storage.environment import CLIENTS
from headwater.storage.signing import KeyStore
from headwater.storage.table import Table

logger, tracer, metrics, entry = observe("alarms")


class Settings(AlarmSettings):
    """Environment of the manage function."""

    prefix: str
    """Beginning of the names of the stack's alarms."""
    alarms_queue_arn: str
    dead_letters_url: str
    schedule_group: str
    schedule_role_arn: str
    notifications_topic_arn: str = ""
    """The topic that people subscribe to by e-mail; empty: nobody did."""
    retraining_decide_function: str = ""
    """The function that keeps models' retraining policies; empty if no route leads to one."""
    webhooks: str = ""
    """Addresses, separated by white space."""
    allow_http_webhooks: bool = False
    """Whether webhooks without TLS are accepted."""
    api_url: str = ""
    """The API's address, for links that acknowledge; empty: notifications have none."""
    link_key: str = ""
    """Name of the SSM parameter with the key that signs links."""
    link_kms_key: str = ""
    """ARN of the KMS key that encrypts it; empty: the account's own for SSM."""


settings = at_init(Settings.from_environment)


@at_init
def table() -> Table:
    """The registry table."""
    return Table(settings().registry_table, CLIENTS)


@at_init
def declared() -> Alarms:
    """Routes and receivers."""
    return settings().declared()


@at_init
def queue() -> Queue:
    """Timers and notifications."""
    env = settings()
    return Queue(
        env.alarms_queue_url,
        CLIENTS,
        arn=env.alarms_queue_arn,
        schedule_group=env.schedule_group,
        role=env.schedule_role_arn,
    )


@at_init
def manager() -> AlarmManager:
    """The alarm manager."""
    return AlarmManager(AlarmStore(table()), queue(), declared())


@at_init
def heartbeats() -> Heartbeats:
    """Heartbeats that are expected."""
    return Heartbeats(AliveStore(table()), queue(), declared(), stack=settings().stack)


@at_init
def pings() -> Pings:
    """Pings to addresses outside."""
    return Pings(AliveStore(table()), queue(), declared(), asking(CLIENTS))


@at_init
def links() -> Links | None:
    """Links that acknowledge; None without an API."""
    env = settings()
    if not env.api_url:
        return None
    return Links(env.api_url, KeyStore(env.link_key, CLIENTS, env.link_kms_key, pause=time.sleep))


def link(notice: Notice, receiver: str) -> str:
    """Where a receiver may acknowledge; empty if there is no such place, or no key to be had: the notice goes out."""
    try:
        made = links()
        return made.to(notice, receiver) if made else ""
    except Exception as error:
        logger.error("no link could be made: the notification goes without", exc_info=error)
        return ""


@at_init
def expected() -> list[str]:
    """Heartbeats and pings that nobody waited for before this environment started: those of a new deployment."""
    if not declared().heartbeats and not declared().pings:
        return []
    return [*heartbeats().expect(), *pings().expect()]


@at_init
def delivery() -> Delivery:
    """The sending of notifications."""
    env = settings()
    ways = channels(
        declared(),
        CLIENTS,
        topic_arn=env.notifications_topic_arn,
        webhooks=env.webhooks.split(),
        insecure=env.allow_http_webhooks,
        retraining=env.retraining_decide_function,
    )
    letters = DeadLetterQueue(env.dead_letters_url, CLIENTS)
    return Delivery(AlarmStore(table()), queue(), declared(), ways, letters, link=link)


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Handle SNS's records, one message of the queue, or the daily audit; what fails comes again."""
    expected()
    if event.get("source") == "aws.events":
        return _audit()
    handled = [
        _alarm(record["Sns"]) if "Sns" in record else _message(json.loads(record["body"]))
        for record in event["Records"]
    ]
    return {"handled": handled}


def _audit() -> dict[str, Any]:
    overdue = manager().audit()
    if overdue:
        logger.error("groups weren't looked at in time, and are now", extra={"groups": overdue})
    metrics.add_metric("AlarmGroupsOverdue", "Count", len(overdue))
    if late := [*heartbeats().expect(), *pings().expect()]:
        logger.error("timers of heartbeats or pings were lost, and are set now", extra={"names": late})
    gone = [*manager().end_removed(partial(deployed_alarms, clients=CLIENTS), prefix=settings().prefix)]
    if gone:
        logger.info("alarms that fired were taken away, and are over now", extra={"alarms": gone})
    return {"overdue": overdue, "removed": gone}


def _alarm(notice: dict[str, Any]) -> dict[str, Any]:
    env = settings()
    alarm = AlarmEvent.parse(
        notice["Message"],
        message_id=notice["MessageId"],
        received_at=datetime.fromisoformat(notice["Timestamp"]),
        stack=env.stack,
        prefix=env.prefix,
    )
    return _take(alarm)


def _take(alarm: AlarmEvent) -> dict[str, Any]:
    logger.append_keys(alarm=alarm.name, event_id=alarm.id)
    if alarm.problem:
        logger.error("a message is no CloudWatch alarm; kept as it came", extra={"problem": alarm.problem})
    record = manager().handle(alarm)
    logger.info("alarm taken", extra={"state": alarm.state.value, "decision": record.decision.value})
    metrics.add_metric(f"Alarms{record.decision.value.capitalize()}", "Count", 1)
    return {"alarm": alarm.name, "state": alarm.state.value, "decision": record.decision.value}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    if "event" in message:
        return _take(AlarmEvent.model_validate(message["event"]))
    if "heartbeat" in message:
        beat = heartbeats().look(message["heartbeat"], message["turn"])
        looked = {**message, "missed": bool(beat and beat.missed_at)}
        logger.info("heartbeat looked at", extra=looked)
        return looked
    if "ping" in message:
        problem = pings().send(message["ping"], message["turn"], is_early=message.get("is_early", False))
        if problem:
            logger.error("a ping wasn't answered", extra={**message, "problem": problem})
            metrics.add_metric("AlarmPingsFailed", "Count", 1)
        return {**message, "problem": problem}
    if "notify" in message:
        told = message["notify"]
        status = delivery().deliver(told["group"], told["generation"], told["receiver"])
        logger.info("notification", extra={**told, "status": status})
        if status is not None and status.is_over:
            metrics.add_metric(f"AlarmNotifications{status.value.capitalize()}", "Count", 1)
        return {**told, "status": status}
    settled = manager().look(message["group"], message["turn"], is_early=message.get("is_early", False))
    state = settled.group.status.value if settled else None
    kind = settled.notice.kind.value if settled and settled.notice else None
    logger.info("group looked at", extra={**message, "state": state, "kind": kind})
    return {**message, "state": state, "kind": kind}
