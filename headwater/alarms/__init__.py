"""Alarms and the people who hear of them: every event is kept, repeats are counted, and people are told once."""
