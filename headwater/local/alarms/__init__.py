"""CloudWatch alarms, evaluated by the local cloud's clock."""

from headwater.local.alarms.room import AlarmsRoom

__all__ = ["AlarmsRoom"]
