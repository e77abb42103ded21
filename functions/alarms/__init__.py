"""Handlers of alarms."""
