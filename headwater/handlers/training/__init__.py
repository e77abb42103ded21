"""Handlers of the training capability, one trigger a file."""
