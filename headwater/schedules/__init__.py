"""Schedules and their ledger: which ticks there are, and which of them was started, once."""
