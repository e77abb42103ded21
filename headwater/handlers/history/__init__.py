"""Handlers of the infrastructure history, one trigger a file."""
