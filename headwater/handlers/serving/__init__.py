"""Handlers of predictions and of staging."""
