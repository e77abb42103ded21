"""The one account of the local cloud, and the credentials that lead to it."""

from __future__ import annotations

ACCOUNT_ID = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret"
