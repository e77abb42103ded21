"""Handlers of the infrastructure ledger, one trigger a file."""
