"""When a model is trained again: one policy for schedules, uploads, alarms and people."""
