"""Alarms in the client: the verbs, and what they answer with."""
