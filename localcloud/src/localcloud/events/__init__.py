"""Events travel: EventBridge rules and schedules, S3 and SNS notifications, to functions, state machines and queues."""

from localcloud.events.emulator import EventsEmulator

__all__ = ["EventsEmulator"]
