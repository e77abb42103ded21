"""CloudWatch alarms, evaluated by the local cloud's clock."""

from localcloud.alarms.room import AlarmsRoom

__all__ = ["AlarmsRoom"]
