"""Grants to read secrets that a declaration refers to."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.infra.platform.grants import Grant, allow, merge, use_key
from headwater.infra.platform.platform import Platform


def read_secrets(platform: Platform, places: Iterable[str]) -> Grant:
    """To read the secrets kept at ``ssm:/path`` and ``secretsmanager:name``, and no others."""
    account, key, grants = platform.account, platform.config.kms_key_arn, []
    secrets = sorted(set(places))
    parameters = [secret.removeprefix("ssm:") for secret in secrets if secret.startswith("ssm:")]
    if parameters:
        arns = [account.arn("ssm", f"parameter{name}") for name in parameters]
        grants.append(allow(["ssm:GetParameter"], *arns))
        grants.append(use_key(key, "ssm", account.region, ["kms:Decrypt"]))
    if named := [secret.partition(":")[2] for secret in secrets if secret.startswith("secretsmanager:")]:
        arns = [account.arn("secretsmanager", f"secret:{name}-??????") for name in named]
        wildcard = "Secrets Manager adds six characters to a secret's name"
        grants.append(allow(["secretsmanager:GetSecretValue"], *arns, wildcard=wildcard))
        grants.append(use_key(key, "secretsmanager", account.region, ["kms:Decrypt"]))
    return merge(*grants)
