"""Every alarm's topic ends here: recorded, freed of repeats, and told to people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from headwater.alarms.service import AlarmManager, Recipient
from headwater.alarms.store import AlarmStore, NotificationTopic
from headwater.alarms.types import AlarmEvent
from headwater.alarms.webhooks import Webhook
from headwater.handlers.observability import observe
from headwater.settings import FunctionSettings, at_init

logger, tracer, metrics, entry = observe("alarms")


class Settings(FunctionSettings):
    """Environment of the manage function."""

    registry_table: str
    notifications_topic_arn: str = ""
    """The topic that people subscribe to by e-mail; empty: nobody did."""
    webhooks: str = ""
    """Addresses, separated by white space."""
    allow_http_webhooks: bool = False
    """Whether webhooks without TLS are accepted."""
    repeat_after_seconds: int = 4 * 60 * 60


@at_init
def manager() -> AlarmManager:
    """The alarm manager with its recipients."""
    settings = Settings.from_environment()
    recipients: list[Recipient] = [
        Webhook(url, insecure=settings.allow_http_webhooks) for url in settings.webhooks.split()
    ]
    if settings.notifications_topic_arn:
        recipients.append(NotificationTopic(settings.notifications_topic_arn))
    return AlarmManager(
        AlarmStore(settings.registry_table),
        recipients,
        repeat_after=timedelta(seconds=settings.repeat_after_seconds),
    )


@entry
def handler(event: dict[str, Any], _: LambdaContext) -> dict[str, Any]:
    """Handle SNS's records; one recipient who can't be told makes the event come again, for that recipient alone."""
    decisions = []
    for entry_ in event["Records"]:
        notice = entry_["Sns"]
        alarm = AlarmEvent.parse(
            notice["Message"],
            message_id=notice["MessageId"],
            received_at=datetime.fromisoformat(notice["Timestamp"]),
        )
        logger.append_keys(alarm=alarm.name, event_id=alarm.id)
        if alarm.problem:
            logger.error("a message is no CloudWatch alarm; kept as it came", extra={"problem": alarm.problem})
        record = manager().handle(alarm)
        logger.info("alarm handled", extra={"state": alarm.state.value, "decision": record.decision.value})
        metrics.add_metric(f"Alarms{record.decision.value.capitalize()}", "Count", 1)
        decisions.append({"alarm": alarm.name, "state": alarm.state.value, "decision": record.decision.value})
    return {"handled": decisions}
