"""Handlers of the retraining policy."""
