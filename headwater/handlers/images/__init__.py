"""Handlers of the images capability."""
