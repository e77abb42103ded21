"""Offline features: a view's rows for a data version, and their point-in-time join to examples."""
