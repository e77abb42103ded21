"""The one account of the local cloud, and the credentials that lead to it."""

from __future__ import annotations

ACCOUNT_ID = "123456789012"
ACCESS_KEY, SECRET_KEY = "AKIALOCALCLOUD000000", "local-cloud-only-not-a-secret"


def client_environment(endpoint: str, region: str) -> dict[str, str]:
    """The variables that lead any AWS client to a local cloud."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
    }
