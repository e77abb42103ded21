"""CloudWatch alarms, evaluated by the local cloud's clock."""

from localcloud.alarms.emulator import AlarmsEmulator

__all__ = ["AlarmsEmulator"]
