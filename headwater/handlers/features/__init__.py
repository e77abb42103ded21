"""Handlers of the features capability, one trigger a file."""
