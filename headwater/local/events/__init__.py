"""Events travel: EventBridge rules and schedules, S3 and SNS notifications, to functions, state machines and queues."""

from headwater.local.events.room import EventsRoom

__all__ = ["EventsRoom"]
