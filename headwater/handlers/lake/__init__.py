"""Handlers of the lake capability, one trigger a file."""
