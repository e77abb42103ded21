"""Watching models that serve: the prediction log as tables."""
