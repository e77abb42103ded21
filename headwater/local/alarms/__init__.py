"""CloudWatch alarms, evaluated by the local cloud's clock."""
