"""Exactly mergeable counts of what a model saw and said."""
