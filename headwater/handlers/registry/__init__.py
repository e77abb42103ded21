"""Handlers of the model registry."""
